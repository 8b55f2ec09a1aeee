"""What the model and watchers learn of changes that are settled or undone between turns."""

from __future__ import annotations

import pytest

from llm_scheduler.agent.events import ApprovalSettled, ApprovalWanted, Event
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import AFTER, BEFORE, EDIT, FileExecutor, Talk, end_of, of_kind

OTHER = EDIT | {"path": "other.py"}


def last_request(model: ScriptedModel) -> str:
    return str(model.requests[-1].body["messages"])


def notes_in(model: ScriptedModel) -> int:
    return last_request(model).count("was undone, by change")


async def made_and_undone(
    model: ScriptedModel, talk_with: MakeTalk, *answers: str
) -> tuple[Talk, str]:
    """Let a change be made in YOLO mode, and undo it; returns the id of what undid it."""
    model.script(call_tools(tool("replace_text", **EDIT)), *map(say, ("Mended.", *answers)))
    talk = talk_with(model, mode="yolo")
    talk.write()
    await talk.say("Mend it.")
    assert talk.read() == AFTER
    (change,) = talk.desk.changes()
    undo = talk.desk.undo(change.id)
    assert talk.read() == BEFORE
    return talk, undo.id


async def test_the_next_answer_knows_what_was_undone_and_is_told_once(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    talk, undo = await made_and_undone(model, talk_with, "I see.", "Still so.")
    await talk.say("And now?")
    assert f"(change ch-1) was undone, by change {undo}" in last_request(model)
    assert [item.role for item in await talk.agent.history("chat-1")][-3:-1] == ["note", "user"]
    await talk.say("And now?")
    assert notes_in(model) == 1, "it stays in the thread and is not told again"


async def test_an_undo_that_is_undone_before_anybody_asked_is_not_told(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    talk, undo = await made_and_undone(model, talk_with, "Good.", "I see.")
    again = talk.desk.undo(undo)
    await talk.say("And now?")
    assert "[Note" not in last_request(model)
    talk.desk.undo(again.id)
    await talk.say("And now?")
    assert notes_in(model) == 1


async def test_what_holds_again_after_it_was_told_as_undone_is_told(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    talk, undo = await made_and_undone(model, talk_with, "I see.", "Good.")
    await talk.say("And now?")
    again = talk.desk.undo(undo)
    await talk.say("And now?")
    assert f"holds again: change {again.id}" in last_request(model)


async def test_an_undo_before_a_decision_is_told_when_the_turn_goes_on(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    first, second = tool("replace_text", **EDIT), tool("replace_text", **OTHER)
    model.script(call_tools(first, second), say("I see that one was undone."), say("Yes."))
    talk = talk_with(model)
    talk.write()
    other = talk.write("other.py")
    await talk.say("Mend both.")
    one, two = talk.desk.pending()
    done = await talk.agent.decide(one.id, "approve")
    talk.desk.undo(done.change_id)
    await talk.agent.decide(two.id, "approve")
    assert end_of(await talk.say(None)).text == "I see that one was undone."
    assert (talk.read(), other.read_text()) == (BEFORE, AFTER)
    assert notes_in(model) == 1
    roles = [message["role"] for message in model.requests[-1].body["messages"]]
    assert roles[-3:] == ["tool", "tool", "user"], "it stands behind the answers of the tools"
    await talk.say("Sure?")
    assert notes_in(model) == 1


async def test_another_conversation_hears_nothing_of_it(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    talk, _ = await made_and_undone(model, talk_with, "Hello.", "Hi")
    await talk.say("Hello?", thread="chat-2")
    assert "[Note" not in last_request(model)
    await talk.agent.delete("chat-1")
    await talk.say("Hello?", thread="chat-1")
    assert "[Note" not in last_request(model), "nobody there knows of the change any more"


async def test_a_reject_of_what_was_approved_and_not_carried_out_is_told_and_goes_on(
    model: ScriptedModel, talk_with: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script(call_tools(tool("replace_text", **EDIT)), say("Then not."))
    talk = talk_with(model)
    talk.write()
    monkeypatch.setattr(FileExecutor, "can_apply", lambda _self, _change: False)
    (wanted,) = of_kind(await talk.say("Mend it."), ApprovalWanted)
    seen: list[Event] = []
    talk.agent.subscribe(seen.append)
    approved = await talk.agent.decide(wanted.approval.id, "approve")
    assert approved.status == "approved"
    assert [found.id for found in talk.desk.approved("chat-1")] == [approved.id]
    await talk.agent.decide(approved.id, "reject", message="Rather not.")
    assert end_of(await talk.say(None)).text == "Then not."
    assert [event.approval.status for event in of_kind(seen, ApprovalSettled)] == [
        "approved",
        "rejected",
    ]
    assert "Rather not." in last_request(model)
    assert (talk.read(), talk.desk.approved()) == (BEFORE, [])
