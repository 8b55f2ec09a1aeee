"""A switch of the mode holds in the turns that are under way, in every thread."""

from __future__ import annotations

import asyncio

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, hold, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import BEFORE, EDIT, end_of, reach


async def test_read_only_takes_the_tools_away_in_the_middle_of_turns(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    first, second = (hold(call_tools(tool("list_jobs", call_id=f"look{i}"))) for i in range(2))
    write = [call_tools(tool("replace_text", call_id=f"write{i}", **EDIT)) for i in range(2)]
    model.script(first, second, *write, say("Refused."), say("Refused."))
    talk = talk_with(model, mode="yolo")
    talk.write()
    turns = [asyncio.create_task(talk.say("Mend it.", thread=f"chat-{i}")) for i in range(2)]
    for held in (first, second):
        await reach(held.reached)
    talk.desk.mode = "read-only"
    first.release()
    second.release()
    assert [end_of(await turn).text for turn in turns] == ["Refused.", "Refused."]
    offered = [
        {entry["function"]["name"] for entry in request.body["tools"]} for request in model.requests
    ]
    assert ["replace_text" in names for names in offered] == [True, True, *[False] * 4]
    assert "read-only" in model.requests[-1].text
    assert (talk.read(), talk.desk.changes()) == (BEFORE, [])
