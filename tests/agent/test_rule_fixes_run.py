"""From a real job that failed to one that passes, without a model: diagnosis, diff, decision."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from llm_scheduler.agent.agent import Agent
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.events import ApprovalWanted, Done, Event
from llm_scheduler.agent.places import open_agent_folder
from llm_scheduler.agent.rule_chat import RuleChat
from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.managers.run_facts import RunFacts
from llm_scheduler.managers.run_manager import RunManager
from llm_scheduler.tools.toolbox import Toolbox
from llm_scheduler.tools.workspace import Workspace
from tests.managers.script_jobs import LIMIT_S, make_run, stop, until

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")

MODEL = "length = 3\n\n\ndef energy(x):\n    return x / lenght\n\n\nprint('energy is', energy(6))\n"
MakeAgent = Callable[[RunManager, Mode], Agent]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[RunManager]:
    (tmp_path / "model.py").write_text(MODEL)
    # Two learners, one cause; the third works.
    program = f"exec {sys.executable} -S -B {tmp_path / 'model.py'}\n"
    made = make_run(tmp_path, [program, program, "sleep 600\n"])
    made.start()
    await until(lambda: len(made.llm_manager.failures()) == 2)
    await made.llm_manager.settled(LIMIT_S)
    yield made
    await stop(made)


@pytest.fixture
def agent_of(tmp_path: Path) -> Iterator[MakeAgent]:
    opened: list[Callable[[], None]] = []

    def make(run: RunManager, mode: Mode) -> Agent:
        settings = LLMSettings(mode=mode)
        folder = open_agent_folder(settings, tmp_path / "state", tmp_path / "run.sqlite")
        toolbox = Toolbox(Workspace([tmp_path]), RunFacts(run))
        agent = Agent(
            settings,
            folder,
            desk=ApprovalDesk(folder, toolbox, settings),
            run=toolbox.run,
            read_tools=toolbox.read_tools,
            write_tools=toolbox.write_tools,
            rules=RuleChat(),
        )
        opened.extend((folder.close, agent.close))
        return agent

    yield make
    for close in reversed(opened):
        close()


async def say(agent: Agent, message: str | None) -> list[Event]:
    return [event async for event in agent.stream(message, "chat-1")]


def has_passed(run: RunManager) -> bool:
    logs = Path(run.scheduler.log_folder).glob("**/*.out")
    # A job that passes may be started again, as nothing is learned here: each counts once.
    passed = {log.stem.rpartition("-")[0] for log in logs if "energy is 2.0" in log.read_text()}
    return passed == {"run-0", "run-1"}


async def test_approved_step_by_step(run: RunManager, agent_of: MakeAgent, tmp_path: Path) -> None:
    agent = agent_of(run, "approve")
    events = await say(agent, "fix it")
    (wanted,) = [event for event in events if isinstance(event, ApprovalWanted)]
    assert "-    return x / lenght\n+    return x / length\n" in wanted.approval.diff
    assert (tmp_path / "model.py").read_text() == MODEL
    assert isinstance(events[-1], Done)
    assert events[-1].status == "waiting"

    events = await say(agent, "approve")
    assert (tmp_path / "model.py").read_text() == MODEL.replace("lenght", "length")
    (wanted,) = [event for event in events if isinstance(event, ApprovalWanted)]
    assert wanted.approval.tool == "restart_learners"
    assert len(wanted.approval.targets) == 2
    assert not has_passed(run)
    await say(agent, "yes")
    await until(lambda: has_passed(run))


async def test_at_once_in_yolo_mode(run: RunManager, agent_of: MakeAgent, tmp_path: Path) -> None:
    agent = agent_of(run, "yolo")
    events = await say(agent, "fix everything")
    assert not [event for event in events if isinstance(event, ApprovalWanted)]
    assert (tmp_path / "model.py").read_text() == MODEL.replace("lenght", "length")
    await until(lambda: has_passed(run))


async def test_nothing_in_read_only_mode(
    run: RunManager, agent_of: MakeAgent, tmp_path: Path
) -> None:
    events = await say(agent_of(run, "read-only"), "fix it")
    assert isinstance(events[-1], Done)
    assert "read-only" in events[-1].text
    assert (tmp_path / "model.py").read_text() == MODEL
