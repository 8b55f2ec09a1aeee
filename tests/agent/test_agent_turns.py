"""Turns from the message to `Done`, with a scripted model over HTTP."""

from __future__ import annotations

import asyncio
import threading

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    ToolFinished,
    ToolStarted,
    TurnStarted,
    Usage,
)
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, hold, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import AFTER, BEFORE, EDIT, end_of, of_kind, reach, text_of


async def test_an_answer(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(say("The job ran out of memory."))
    talk = talk_with(model)
    events = await talk.say("Why did it fail?")
    assert isinstance(events[0], TurnStarted)
    assert text_of(events) == end_of(events).text == "The job ran out of memory."
    assert end_of(events).status == "finished"
    (usage,) = of_kind(events, Usage)
    assert usage.input_tokens > 0
    assert usage.budget_left
    (info,) = talk.agent.threads()
    assert (info.id, info.title, info.kind) == ("chat-1", "Why did it fail?", "chat")
    assert info.input_tokens == usage.input_tokens


async def test_tools_are_run_side_by_side(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(
        call_tools(tool("read_file", path="model.py"), tool("list_jobs"), text="Let me look."),
        say("Line 2 divides by zero."),
    )
    talk = talk_with(model)
    talk.write()
    events = await talk.say("Why?")
    assert sorted(talk.looked) == ["jobs", "model.py"]
    assert [event.tool for event in of_kind(events, ToolStarted)] == ["read_file", "list_jobs"]
    outputs = {event.tool: event.output for event in of_kind(events, ToolFinished)}
    assert outputs == {"read_file": BEFORE, "list_jobs": "12 failed"}
    assert end_of(events).text == "Line 2 divides by zero."


async def test_approve(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(call_tools(tool("replace_text", **EDIT), tool("list_jobs")), say("It is mended."))
    talk = talk_with(model)
    talk.write()
    events = await talk.say("Mend it.")
    assert end_of(events).status == "waiting"
    (wanted,) = of_kind(events, ApprovalWanted)
    assert "+    return 1 / (x + 1e-9)" in wanted.approval.diff
    assert talk.read() == BEFORE
    done = await talk.agent.decide(wanted.approval.id, "approve")
    assert done.status == "done"
    assert talk.read() == AFTER
    rest = await talk.say(None)
    assert end_of(rest).text == "It is mended."
    assert end_of(rest).turn_id == end_of(events).turn_id
    assert [e.tool for e in of_kind(rest, ToolFinished)] == ["replace_text"]
    assert talk.looked == ["jobs"], "what had been done already is not done again"


@pytest.mark.parametrize(("word", "text"), [("yes", AFTER), ("No!", BEFORE)])
async def test_typed_decision(
    model: ScriptedModel, talk_with: MakeTalk, word: str, text: str
) -> None:
    model.script(call_tools(tool("replace_text", **EDIT)), say("All right."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    events = await talk.say(word)
    assert talk.read() == text
    assert end_of(events).text == "All right."
    assert len(of_kind(events, ApprovalSettled)) == 1


async def test_a_word_typed_before_a_change_was_proposed_decides_nothing(
    model: ScriptedModel, talk_with: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(call_tools(tool("replace_text", **EDIT)))
    model.script(held, say("You said yes to what?"), say("It is mended."))
    talk = talk_with(model)
    talk.write()
    is_taken, find_pending = threading.Event(), talk.desk.pending

    def pending(thread_id: str | None = None) -> list[Approval]:
        found = find_pending(thread_id)
        is_taken.set()
        return found

    first = asyncio.create_task(talk.say("Look further."))
    await reach(held.reached)
    monkeypatch.setattr(talk.desk, "pending", pending)
    early = asyncio.create_task(talk.say("yes"))
    await reach(is_taken)
    held.release()
    assert end_of(await first).status == "waiting"
    assert end_of(await early).text == "You said yes to what?"
    assert talk.read() == BEFORE
    (approval,) = talk.desk.pending()
    # Now it is there to be seen.
    assert of_kind(await talk.say("yes"), ApprovalSettled)[0].approval.id == approval.id
    assert talk.read() == AFTER


async def test_yolo_and_read_only(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(call_tools(tool("replace_text", **EDIT)), say("Done."), say("I can only look."))
    talk = talk_with(model, mode="yolo")
    talk.write()
    events = await talk.say("Mend it.")
    assert end_of(events).status == "finished"
    assert talk.read() == AFTER
    talk.desk.mode = "read-only"
    await talk.say("And now?")
    offered = [[t["function"]["name"] for t in r.body["tools"]] for r in model.requests]
    assert "replace_text" in offered[0]
    assert offered[-1] == ["read_file", "list_jobs"]
