"""Talking in the panel: streaming, order, resync, several views, a kernel that restarts."""

from __future__ import annotations

import asyncio
import json
import time

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, hold, say
from llm_scheduler.widgets import chat_session
from llm_scheduler.widgets.chat import ChatPanel
from llm_scheduler.widgets.conversation_log import TRAIT_CHARS
from llm_scheduler.widgets.messages import Item
from tests.widgets.chat_front import LIMIT_S, FrontEnd, until
from tests.widgets.chat_runs import SOURCE, edit_of


async def test_an_answer_streams_and_is_kept_in_the_trait(start_panel):
    with ScriptedModel() as model:
        model.script(say("It is **misspelt**."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        reply = await front.ask("send", thread_id="chat", text="Why?")
        assert reply["ok"]
        items = await front.wait_idle("chat")
    assert [(i["role"], i["text"]) for i in items] == [
        ("user", "Why?"),
        ("assistant", "It is **misspelt**."),
    ]
    await until(lambda: panel.conversations["chat"]["items"])
    kept = panel.conversations["chat"]
    assert [item["text"] for item in kept["items"]] == ["Why?", "It is **misspelt**."]
    assert kept["seq"] == front.seqs["chat"]
    assert front.gaps == 0


async def test_a_view_that_comes_in_the_middle_gets_the_whole(start_panel):
    with ScriptedModel() as model:
        gate = hold(say("first second third"), after_chars=6)
        model.script(gate)
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Why?")
        await until(lambda: any(i["role"] == "assistant" for i in front.catch_up("chat")))
        late = FrontEnd(panel)
        whole = await late.open("chat")
        assert whole["is_busy"]
        assert whole["items"][-1]["text"].startswith("first")
        assert not whole["items"][-1]["is_final"]
        gate.release()
        assert await front.wait_idle("chat") == await late.wait_idle("chat")
    assert late.gaps == front.gaps == 0
    assert front.texts["chat"][-1]["text"] == "first second third"
    assert front.texts["chat"][-1]["is_final"]


async def test_a_view_that_lost_events_sees_the_gap_and_is_made_whole(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"), say("two"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="1?")
        await front.wait_idle("chat")
        n_lost = len(front.comm.sent)
        await front.ask("send", thread_id="chat", text="2?")
        await front.wait_idle("chat")
        late = FrontEnd(panel)
        late.adopt({"thread_id": "chat", "items": [], "seq": 1})
        del front.comm.sent[: n_lost - 1]
        late.catch_up("chat")
        assert late.gaps == 1
        await late.open("chat")
        assert [i["text"] for i in late.texts["chat"]] == ["1?", "one", "2?", "two"]


async def test_a_proposed_change_is_a_card_that_is_approved_and_undone(start_panel, tmp_path):
    source = tmp_path / "physics.py"
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")), say("Done."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Fix it.")
        items = await front.wait_idle("chat")
        (name,) = items[-1]["approvals"]
        (call,) = items[-1]["calls"]
        assert call["status"] == "waiting"
        (view,) = panel._chat.log("chat").whole().approvals
        assert (view.id, view.status, view.can_edit, view.text) == (
            name,
            "pending",
            True,
            "potential(x)",
        )
        assert "+    return potential(x)" in view.diff
        assert source.read_text() == SOURCE
        request_id = front.post("decide", approval_ids=[name], decision="approve")
        front.post("decide", request_id, approval_ids=[name], decision="approve")
        await until(lambda: front.reply(request_id))
        assert front.reply(request_id)["data"] == {"statuses": {name: "done"}}
        await front.wait_answer("Done.")
    assert source.read_text() == SOURCE.replace("potental", "potential")
    await until(lambda: panel.changes)
    (change,) = panel.changes
    assert change["summary"].startswith("Edit physics.py")
    assert (await front.ask("undo", change_id=change["id"]))["ok"]
    assert source.read_text() == SOURCE
    await until(lambda: panel._chat.log("chat").approvals[name].undone)
    again = await front.ask("undo", change_id=change["id"])
    assert not again["ok"]
    assert "undone" in again["error"]


async def test_an_edited_text_is_what_is_written(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")), say("Done."))
        _panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Fix it.")
        items = await front.wait_idle("chat")
        reply = await front.ask(
            "decide", approval_ids=items[-1]["approvals"], decision="edit", text="other(x)"
        )
        assert list(reply["data"]["statuses"].values()) == ["done"]
        await front.wait_answer("Done.")
    assert "return other(x)" in (tmp_path / "physics.py").read_text()


async def test_a_typed_reject_decides(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")), say("As you wish."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Fix it.")
        (name,) = (await front.wait_idle("chat"))[-1]["approvals"]
        await front.ask("send", thread_id="chat", text="reject")
        await front.wait_answer("As you wish.")
        assert panel._chat.log("chat").approvals[name].status == "rejected"
    assert (tmp_path / "physics.py").read_text() == SOURCE


async def test_a_pending_approval_survives_a_kernel_restart(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")), say("Done."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Fix it.")
        (name,) = (await front.wait_idle("chat"))[-1]["approvals"]
        first_session = panel.session
        start_panel.stop(panel)

        panel, front = start_panel(model=model)
        assert panel.session != first_session
        whole = await front.open("chat")
        assert [item["role"] for item in whole["items"]] == ["user", "assistant"]
        assert whole["items"][1]["calls"][0]["status"] == "waiting"
        assert [(a["id"], a["status"]) for a in whole["approvals"]] == [(name, "pending")]
        await until(lambda: panel.threads)
        assert [(t["id"], t["n_pending"]) for t in panel.threads] == [("chat", 1)]
        reply = await front.ask("decide", approval_ids=[name], decision="approve")
        assert reply["data"]["statuses"] == {name: "done"}
        await front.wait_answer("Done.")


async def test_after_a_restart_the_last_conversation_is_there_unasked(start_panel):
    with ScriptedModel() as model:
        model.script(say("It ran out of memory."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Why?")
        await front.wait_idle("chat")
        start_panel.stop(panel)
        again, _ = start_panel(model=model)
        await until(lambda: again.conversations)
        assert again.active == "chat"
        texts = [item["text"] for item in again.conversations["chat"]["items"]]
        assert texts == ["Why?", "It ran out of memory."]


async def test_threads_in_the_background_take_little_room_when_a_turn_ends(start_panel):
    panel, front = start_panel()

    async def fill(name: str) -> None:
        log = panel._chat.log(name)
        for number in range(200):
            log.say("assistant", f"{number} " + "x" * 400)
        log.is_loaded = True

    for name in ("one", "two", "three", "four"):
        # On the panel's loop, which goes through its logs at any time.
        await asyncio.wrap_future(panel._chat.loop.submit(fill(name)))
        await front.open(name)
    await until(lambda: len(panel.conversations) == 4)
    sizes = {
        name: sum(len(item["text"]) for item in kept["items"])
        for name, kept in panel.conversations.items()
    }
    assert sizes["four"] < TRAIT_CHARS
    assert all(0 < sizes[name] < TRAIT_CHARS / 4 for name in ("one", "two", "three"))
    assert all(len(k["items"]) + k["n_earlier"] == 200 for k in panel.conversations.values())


async def test_a_message_is_taken_back_and_said_anew(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"), say("two"), say("three"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        for text in ("first", "second"):
            await front.ask("send", thread_id="chat", text=text)
            items = await front.wait_idle("chat")
        assert (await front.ask("resend", thread_id="chat", item_id=items[2]["id"], text="other"))[
            "ok"
        ]
        await front.wait_answer("three")
        said = [m["content"] for m in model.requests[-1].body["messages"] if m["role"] == "user"]
        assert "second" not in json.dumps(said)
        assert "first" in json.dumps(said)
    texts = [item["text"] for item in front.catch_up("chat")]
    assert texts == ["first", "one", "other", "three"]
    history = await panel.manager.get_history("chat")
    assert [item.text for item in history] == texts


async def test_nothing_is_taken_back_for_what_the_budget_has_no_room_for(start_panel):
    with ScriptedModel() as model:
        model.script(say("one"))
        _panel, front = start_panel(model=model, calls_per_run=1)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="first")
        items = await front.wait_idle("chat")
        reply = await front.ask("resend", thread_id="chat", item_id=items[0]["id"], text="other")
        assert not reply["ok"]
        assert "budget of this run is used up: 1 of 1 calls" in reply["error"]
        assert [item["text"] for item in front.catch_up("chat")] == ["first", "one"]


async def test_what_a_message_led_to_is_rejected_when_it_is_taken_back(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(call_tools(edit_of(tmp_path / "physics.py")), say("Only a question, then."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Fix it.")
        items = await front.wait_idle("chat")
        (name,) = items[-1]["approvals"]
        reply = await front.ask("resend", thread_id="chat", item_id=items[0]["id"], text="Why?")
        assert reply["ok"], reply["error"]
        await front.wait_answer("Only a question, then.")
        assert front.catch_up("chat")[0]["text"] == "Why?"
        sent = str(model.requests[-1].body["messages"])
        assert "Fix it." not in sent
        assert "potential" not in sent
    assert panel.manager.assistant.desk.get(name).status == "rejected"
    assert (tmp_path / "physics.py").read_text() == SOURCE
    late = await front.ask("decide", approval_ids=[name], decision="approve")
    assert late["data"]["statuses"] == {name: "rejected"}


async def test_stop_ends_the_turn_and_what_was_said_stays(start_panel):
    with ScriptedModel() as model:
        gate = hold(say("long long answer"), after_chars=5)
        model.script(gate)
        _panel, front = start_panel(model=model)
        await front.open("chat")
        await front.begin_answer("Why?")
        assert (await front.ask("stop", thread_id="chat"))["data"] == {"was_busy": True}
        items = await front.wait_idle("chat")
        gate.release()
        assert items[-1]["text"].startswith("long")
        assert items[-1]["is_final"]


async def test_a_panel_that_is_made_in_the_middle_of_a_turn_shows_all_of_it(start_panel):
    with ScriptedModel() as model:
        gate = hold(say("first second third"), after_chars=6)
        model.script(gate)
        first, front = start_panel(model=model)
        await front.open("chat")
        await front.begin_answer("Why?")
        second = ChatPanel(first.manager)
        late = FrontEnd(second)
        try:
            await until(lambda: second._chat.is_joined)
            gate.release()
            items = await front.wait_idle("chat")
            # This panel hears of the end on a loop of its own, and then reads the thread.
            async with asyncio.timeout(LIMIT_S):
                whole = await late.open("chat")
                while len(whole["items"]) < len(items) or second._chat.log("chat").is_partial:
                    await asyncio.sleep(0.005)
                    whole = await late.open("chat")
            assert not whole["is_busy"]
        finally:
            second.close()
    texts = [item["text"] for item in whole["items"]]
    assert texts == [item["text"] for item in front.texts["chat"]] == ["Why?", "first second third"]


async def test_a_thread_that_changes_while_it_is_read_is_read_again(start_panel, monkeypatch):
    panel, front = start_panel()
    await until(lambda: panel._chat.is_joined)
    answers = ["half of it", "all of it"]

    async def read(_assistant, thread_id, _make):
        text = answers.pop(0)
        if answers:  # the turn ends now, and the thread is to be loaded anew
            panel._chat.log(thread_id).reset()
        return [Item(id="m1", role="assistant", text=text)], {}, []

    monkeypatch.setattr(chat_session, "read_thread", read)
    assert [item["text"] for item in (await front.open("chat"))["items"]] == ["all of it"]


async def test_a_fix_is_looked_for_in_the_thread_of_its_group(start_panel):
    panel, front = start_panel()
    await until(lambda: panel.groups)
    (group,) = panel.groups
    reply = await front.ask("fix", group=group["key"])
    assert reply["data"] == {"thread_id": group["thread_id"]}
    await front.wait_idle(group["thread_id"])
    whole = await front.open(group["thread_id"])
    assert whole["items"][-1]["role"] == "assistant"
    await until(lambda: panel.threads)
    assert panel.threads[0]["title"] == group["title"]  # not the words behind the button


async def test_the_chat_answers_while_the_notebooks_loop_is_blocked(start_panel):
    with ScriptedModel() as model:
        model.script(say("Still here."))
        _panel, front = start_panel(model=model)
        await front.open("chat")
        front.post("send", thread_id="chat", text="Are you there?")
        # Nothing below gives way to the loop of this test, which stands for the notebook's.
        deadline = time.monotonic() + LIMIT_S
        while not any(i["text"] == "Still here." for i in front.catch_up("chat")):
            assert time.monotonic() < deadline
            time.sleep(0.005)  # noqa: ASYNC251 - it is to be blocked
        assert front.comm.threads >= {"llm-scheduler-panel"}


async def test_2000_tokens_in_a_long_thread_take_little_room_on_the_wire(start_panel):
    tokens = [f"word{i} " for i in range(2000)]
    panel, front = start_panel()
    log = panel._chat.log("chat")

    def fill() -> None:
        from llm_scheduler.agent.events import Done, TextDelta, TurnStarted

        for number in range(500):
            ids = {"thread_id": "chat", "turn_id": f"t{number}"}
            log.take(TurnStarted(message=f"question {number} " + "x" * 80, **ids))
            log.take(TextDelta(message_id=f"m{number}", text="an answer " * 20, **ids))
            log.take(Done(status="finished", **ids))
        log.is_loaded = True

    async def run(work):
        work()

    panel._chat.loop.submit(run(fill)).result()
    await front.open("chat")
    n_before = front.comm.n_bytes

    async def stream() -> None:
        from llm_scheduler.agent.events import Done, TextDelta, TurnStarted

        ids = {"thread_id": "chat", "turn_id": "last"}
        panel._chat._take(TurnStarted(message="go", **ids))
        for number, token in enumerate(tokens):
            panel._chat._take(TextDelta(message_id="last", text=token, **ids))
            if number % 10 == 0:
                await asyncio.sleep(0.002)
        panel._chat._take(Done(status="finished", **ids))

    await asyncio.wrap_future(panel._chat.loop.submit(stream()))
    items = await front.wait_idle("chat")
    assert items[-1]["text"] == "".join(tokens)
    assert front.gaps == 0
    await until(lambda: panel.conversations["chat"]["seq"] == front.seqs["chat"])
    assert front.comm.n_bytes - n_before < 300_000
    assert len(front.messages("events")) < len(tokens) / 10
