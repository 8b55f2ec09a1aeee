"""Where a turn was stopped is part of the conversation: after a restart, and in its file."""

from __future__ import annotations

import pytest

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, hold, say, tool
from tests.widgets.chat_front import FrontEnd, until


def entries(items):
    return [(item["role"], item["text"], item["is_stopped"]) for item in items]


async def test_a_stopped_answer_says_so_for_ever(start_panel, tmp_path):
    with ScriptedModel() as model:
        gate = hold(say("It is safe unless it is in use."), after_chars=10)
        model.script(gate, say("two"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.begin_answer("May I?")
        await front.ask("stop", thread_id="chat")
        before = entries(await front.wait_idle("chat"))
        gate.release()
        assert [(role, is_stopped) for role, _, is_stopped in before] == [
            ("user", False),
            ("assistant", True),
        ]
        await until(lambda: entries(panel.conversations["chat"]["items"]) == before)
        late = FrontEnd(panel)
        assert entries((await late.open("chat"))["items"]) == before
        html = panel.export_html(tmp_path / "chat.html", "chat").read_text()
        assert html.count("You stopped this answer.") == 1
        start_panel.stop(panel)

        panel, front = start_panel(model=model)
        whole = await front.open("chat")
        assert entries(whole["items"]) == before
        reply = await front.ask(
            "resend", thread_id="chat", item_id=whole["items"][0]["id"], text="And now?"
        )
        assert reply["ok"], reply["error"]
        await front.wait_answer("two")
        start_panel.stop(panel)

        panel, front = start_panel(model=model)
        again = entries((await front.open("chat"))["items"])
    assert again == [("user", "And now?", False), ("assistant", "two", False)]


@pytest.mark.parametrize("is_looking", [True, False], ids=["in words", "before any"])
async def test_a_turn_without_an_answer_is_stopped_too(start_panel, is_looking):
    with ScriptedModel() as model:
        gate = hold(say("late"), after_chars=0)
        look = call_tools(tool("list_folder", path="."), text="I look.")
        model.script(*([look] if is_looking else []), gate, say("next"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Why?")
        n_before = 2 if is_looking else 1
        await until(lambda: len(model.requests) == n_before)
        await front.ask("stop", thread_id="chat")
        before = entries(await front.wait_idle("chat"))
        gate.release()
        assert before == [
            ("user", "Why?", False),
            ("assistant", "I look." if is_looking else "", True),
        ]
        await front.ask("send", thread_id="chat", text="Well?")
        await front.wait_answer("next")
        start_panel.stop(panel)
        panel, front = start_panel(model=model)
        whole = await front.open("chat")
    assert entries(whole["items"]) == [
        *before,
        ("user", "Well?", False),
        ("assistant", "next", False),
    ]


async def test_a_conversation_that_is_deleted_while_it_is_answered_leaves_nothing(start_panel):
    with ScriptedModel() as model:
        gate = hold(say("first second"), after_chars=6)
        model.script(gate)
        _, front = start_panel(model=model)
        await front.open("chat")
        await front.begin_answer("Why?")
        assert (await front.ask("change_thread", action="delete", thread_id="chat"))["ok"]
        gate.release()
        assert (await front.open("chat"))["items"] == []
