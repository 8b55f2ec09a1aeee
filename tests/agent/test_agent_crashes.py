"""Real ``kill -9`` in the middle of a turn: the thread goes on in another process."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    call_tools,
    hold,
    raw_tool,
    say,
    tool,
)
from tests.agent.conftest import SettingsFor
from tests.agent.talking import AFTER, BEFORE, EDIT, MODEL, Talk, end_of

ROOT = Path(__file__).parents[2]
WAIT_S = 180


async def start(folder: Path, model: ScriptedModel) -> Process:
    work = folder / "work"
    work.mkdir()
    (work / MODEL).write_text(BEFORE)
    program = ["-m", "tests.agent.agent_child", str(folder), model.base_url]
    return await asyncio.create_subprocess_exec(sys.executable, *program, stdout=PIPE, cwd=ROOT)


async def kill_at(child: Process, line: str) -> None:
    """Kill the process when it has printed a line."""
    assert child.stdout is not None
    async with asyncio.timeout(WAIT_S):
        while (printed := (await child.stdout.readline()).decode().strip()) != line:
            assert printed, f"the child ended before {line!r}"
    child.kill()
    await child.communicate()


async def test_killed_while_a_change_waits(
    model: ScriptedModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    model.script(call_tools(tool("replace_text", **EDIT)), say("Done."))
    await kill_at(await start(tmp_path, model), "done")
    talk = Talk(tmp_path, settings_for(model))
    assert end_of(await talk.say(None)).status == "waiting"
    (pending,) = talk.desk.pending("chat-1")
    assert talk.read() == BEFORE
    await talk.agent.decide(pending.id, "approve")
    assert end_of(await talk.say(None)).text == "Done."
    assert talk.read() == AFTER
    talk.close()


async def test_killed_in_the_middle_of_an_answer(
    model: ScriptedModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    gate = hold(say("The job failed because"), after_chars=7)
    model.script(gate, say("Here I am."), say("And here."))
    await kill_at(await start(tmp_path, model), "text")
    talk = Talk(tmp_path, settings_for(model))
    assert end_of(await talk.say(None)).text == "Here I am.", "the cut turn is taken up"
    assert end_of(await talk.say("Are you there?")).text == "And here."
    assert [m["role"] for m in model.requests[-1].messages] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    talk.close()


async def test_killed_in_the_middle_of_a_tool(
    model: ScriptedModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    calls = (
        raw_tool("replace_text", json.dumps(EDIT), call_id="edit"),
        raw_tool("wait", "{}", call_id="wait"),
    )
    model.script(call_tools(*calls), say("Never mind."))
    await kill_at(await start(tmp_path, model), "in a tool")
    talk = Talk(tmp_path, settings_for(model))
    # The tool is gone, and the change may have been proposed or not.
    events = await talk.say("What was that?")
    assert end_of(events).text == "Never mind."
    told = [m for m in model.requests[-1].messages if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in told] == ["edit", "wait"]
    assert "interrupted" in told[1]["content"]
    assert talk.read() == BEFORE
    assert [a.status for a in talk.desk.pending()] in ([], ["pending"])
    talk.close()
