"""What stands beside a conversation comes back with it: commands, proposals of the rules."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say
from tests.widgets.chat_front import LIMIT_S, until
from tests.widgets.chat_runs import close_manager, edit_of, make_manager
from tests.widgets.test_chat_requests import KEY


async def test_commands_and_their_answers_survive_a_kernel_restart(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"), say("two"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.say("/jobs")
        await front.say("first")
        await front.wait_idle("chat")
        await front.say("/diagnose 100")
        await front.say("second")
        await front.wait_answer("two")
        before = [(item["role"], item["text"]) for item in front.catch_up("chat")]
        start_panel.stop(panel)

        panel, front = start_panel(model=model)
        whole = await front.open("chat")
    assert [(item["role"], item["text"]) for item in whole["items"]] == before
    assert [role for role, _ in before] == ["user", "notice", "user", "assistant"] * 2
    assert "potental" in before[5][1]
    said = json.dumps([request.body for request in model.requests])
    assert "/diagnose" not in said


async def test_a_conversation_of_commands_alone_is_listed(start_panel):
    panel, front = start_panel()
    thread_id = (await front.ask("change_thread", action="new", title="My own"))["data"][
        "thread_id"
    ]
    await front.ask("send", thread_id=thread_id, text="/help")
    start_panel.stop(panel)
    panel, front = start_panel()
    await until(lambda: panel.threads)
    assert [(t["id"], t["title"]) for t in panel.threads] == [(thread_id, "My own")]
    assert (await front.open(thread_id))["items"][0]["text"] == "/help"
    await front.ask("change_thread", action="delete", thread_id=thread_id)
    assert (await front.open(thread_id))["items"] == []


async def test_taking_back_knows_commands_from_messages(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"), say("two"), say("three"), say("four"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        for text in ("first", "second"):
            await front.say(text)
            await front.wait_idle("chat")
        await front.say("/cost")
        items = front.catch_up("chat")
        # The message before the command: neither less nor more than it is taken back.
        reply = await front.ask("resend", thread_id="chat", item_id=items[2]["id"], text="other")
        assert reply["ok"]
        await front.wait_answer("three")
        assert texts_of(front) == ["first", "one", "other", "three"]
        # A command that is edited is a command again, and one message after it goes too.
        await front.say("/mode")
        (command,) = [item for item in front.catch_up("chat") if item["text"] == "/mode"]
        await front.say("last")
        await front.wait_answer("four")
        reply = await front.ask("resend", thread_id="chat", item_id=command["id"], text="/jobs")
        assert reply["ok"]
        assert texts_of(front)[:5] == ["first", "one", "other", "three", "/jobs"]
        start_panel.stop(panel)
        panel, front = start_panel(model=model)
        await front.open("chat")
    assert texts_of(front)[:5] == ["first", "one", "other", "three", "/jobs"]
    assert len(texts_of(front)) == 6


def texts_of(front):
    return [item["text"] for item in front.catch_up("chat")]


def propose(panel, tmp_path, number):
    return panel.manager.assistant.desk.propose(
        thread_id=thread_for_group(KEY),
        turn_id="rules-turn",
        call_id=f"rules-{number}",
        tool="write_file",
        arguments={"path": str(tmp_path / f"{number}.txt"), "content": "x\n"},
        reason="wanted",
        must_ask=True,
    )


async def test_proposals_of_the_rules_come_back_whatever_became_of_them(start_panel, tmp_path):
    panel, front = start_panel()
    thread_id = thread_for_group(KEY)
    await front.open(thread_id)
    names = [propose(panel, tmp_path, number).id for number in range(3)]
    await front.ask("decide", approval_ids=names[:1], decision="reject", message="not now")
    await front.ask("decide", approval_ids=names[1:2], decision="approve")
    start_panel.stop(panel)

    panel, front = start_panel()
    whole = await front.open(thread_id)
    assert {a["id"]: a["status"] for a in whole["approvals"]} == dict(
        zip(names, ["rejected", "done", "pending"], strict=True)
    )
    assert [item["approvals"] for item in whole["items"]] == [names]
    assert [a["message"] for a in whole["approvals"] if a["status"] == "rejected"] == ["not now"]
    await front.ask("send", thread_id=thread_id, text="Why did they fail?")
    await front.wait_idle(thread_id)
    start_panel.stop(panel)

    panel, front = start_panel()
    whole = await front.open(thread_id)
    # What is decided stays where it was; what waits is at the end, where it is seen.
    assert whole["items"][0]["approvals"] == names[:2]
    assert whole["items"][-1]["approvals"] == names[2:]
    await front.ask("change_thread", action="delete", thread_id=thread_id)
    assert (await front.open(thread_id))["items"] == []


async def test_what_another_shell_says_in_a_thread_is_shown(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(say("one"), say("two"), say("three"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.say("first")
        await front.wait_idle("chat")
        await until(lambda: [t["tokens"] for t in panel.threads] and not panel._chat.busy)
        other = make_manager(tmp_path, model=model)
        try:
            await other.chat("second", "chat")
        finally:
            await asyncio.to_thread(close_manager, other)
        # The whole is asked for anew after a gap in the numbers, as the panel's code does.
        texts: list[str] = []
        async with asyncio.timeout(LIMIT_S):
            while texts != ["first", "one", "second", "two"]:
                panel._chat.loop.call_soon(panel._chat.refresh.ask)
                texts = [item["text"] for item in (await front.open("chat"))["items"]]
        # What was found is read once more a little later: not while the next is said.
        session = panel._chat
        while session.refresh.foreign._again:
            await asyncio.wrap_future(session.loop.submit(session.refresh.now()))
        await front.open("chat")
        n_events = len(front.messages("events"))
        await front.say("third")
        await front.wait_answer("three")
        assert len(front.messages("events")) > n_events
        assert front.gaps == 0


@pytest.mark.parametrize(
    "text",
    ["/hlep me", "/", "/diagnose", "/diagnose 7", "/fix", "/fix 7", "/mode yolo", "/undo",
     "", "  ", "x" * 100_001],
)  # fmt: skip
async def test_what_is_refused_takes_nothing_back(start_panel, tmp_path, caplog, text):
    with ScriptedModel() as model:
        model.script(say("one"), call_tools(edit_of(tmp_path / "physics.py")))
        panel, front = start_panel(model=model)
        await front.open("chat")
        for said in ("first", "second"):
            await front.say(said)
            items = await front.wait_idle("chat")
        before = [dict(item) for item in front.catch_up("chat")]
        with caplog.at_level(logging.ERROR):
            reply = await front.ask("resend", thread_id="chat", item_id=items[0]["id"], text=text)
        assert not reply["ok"]
        assert reply["error"]
        assert front.catch_up("chat") == before
        assert [a.status for a in panel.manager.pending_approvals("chat")] == ["pending"]
        assert len(await panel.manager.get_history("chat")) == 4
    assert caplog.records == []


async def test_a_command_takes_the_place_of_a_message(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"))
        _, front = start_panel(model=model)
        await front.open("chat")
        await front.say("first")
        items = await front.wait_idle("chat")
        reply = await front.ask("resend", thread_id="chat", item_id=items[0]["id"], text="/jobs")
        assert reply["ok"], reply["error"]
        assert [i["role"] for i in front.catch_up("chat")] == ["user", "notice"]
        assert front.catch_up("chat")[0]["text"] == "/jobs"


async def test_views_learn_that_a_deleted_thread_decided_its_changes(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.say("Fix it.")
        await front.wait_idle("chat")
        assert (await front.ask("change_thread", action="delete", thread_id="chat"))["ok"]
        told = [
            event["approval"]["status"]
            for message in front.messages("events")
            for event in message["events"]
            if event["type"] == "approval"
        ]
        assert told == ["pending", "rejected"]
        assert panel.manager.pending_approvals() == []
        assert (await front.open("chat"))["approvals"] == []
