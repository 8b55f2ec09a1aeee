"""The agent's own thread and loop: from anywhere, and to an end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_scheduler.agent.loop import AgentLoop
from llm_scheduler.errors import UsageError
from llm_scheduler.testing.scripted_model import ScriptedModel, hang, stall
from tests.agent.conftest import MakeTalk
from tests.agent.talking import WAIT_S, end_of, reach

ROOT = Path(__file__).parents[2]


async def name_of_thread() -> str:
    return threading.current_thread().name


async def for_ever() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def loop() -> AgentLoop:
    return AgentLoop("agent-of-a-test")


def test_runs_in_a_thread_of_its_own(loop: AgentLoop) -> None:
    assert loop.submit(name_of_thread()).result(WAIT_S) == "agent-of-a-test"
    assert asyncio.run(loop.call(name_of_thread())) == "agent-of-a-test"
    loop.close()


async def test_cancelled_caller_cancels(loop: AgentLoop) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await for_ever()
        finally:
            ended.set()

    task = asyncio.create_task(loop.call(wait()))
    await reach(begun)  # it is cancelled in its middle
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reach(ended)
    loop.close()


def test_close_ends_what_runs(loop: AgentLoop) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    loop.at_close(close)
    future = loop.submit(for_ever())
    loop.close(WAIT_S)
    loop.close(WAIT_S)
    assert closed == ["closed"]
    assert future.cancelled()
    with pytest.raises(UsageError, match="closed"):
        loop.submit(name_of_thread()).result(WAIT_S)
    loop.call_soon(closed.append, "too late")
    assert closed == ["closed"]


def test_a_fork_says_so(loop: AgentLoop) -> None:
    loop.submit(name_of_thread()).result(WAIT_S)
    loop._pid = os.getpid() + 1  # what a child of a fork sees
    with pytest.raises(UsageError, match="parent process"):
        loop.submit(name_of_thread()).result(WAIT_S)
    loop.close()
    loop._pid = os.getpid()
    assert loop.submit(name_of_thread()).result(WAIT_S) == "agent-of-a-test"
    loop.close()


PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from llm_scheduler.config import LLMSettings
from tests.agent.talking import Talk

async def main():
    settings = LLMSettings(
        model="openai:scripted", base_url=sys.argv[2], threads_dir=Path(sys.argv[1]) / "threads"
    )
    talk = Talk(Path(sys.argv[1]), settings)
    async for event in talk.agent.stream("Why?", "chat-1"):
        if event.type == "text":
            return talk

talk = asyncio.run(main())
child = os.fork()
if child == 0:
    sys.exit(0)
print("end of the child:", os.waitpid(child, 0)[1], flush=True)
"""


def test_a_process_ends_without_a_word(model: ScriptedModel, tmp_path: Path) -> None:
    """Nobody closes the agent, the model is silent in its answer, and there was a fork."""
    model.script(stall())
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM, str(tmp_path), model.base_url],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "end of the child: 0\n")
    told = [line for line in done.stderr.splitlines() if "ResourceWarning" not in line]
    assert not any("Warning" in line or "Traceback" in line for line in told), done.stderr


def test_a_model_that_hangs_does_not_hold_up_closing(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    gate = hang()
    model.script(gate)
    talk = talk_with(model)

    async def begin() -> None:
        task = asyncio.create_task(talk.say("Why?"))
        await reach(gate.reached)
        talk.close()
        assert end_of(await task).status == "cancelled"

    before = set(threading.enumerate())
    asyncio.run(begin())
    for thread in set(threading.enumerate()) - before:
        if thread.name == "llm-scheduler-agent":
            # Nobody waits for it longer than a few seconds, in which a machine may stand still.
            thread.join(WAIT_S)
            assert not thread.is_alive()
