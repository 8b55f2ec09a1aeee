"""What the panel knows of a run, and what it does when it is asked."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import UsageError
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say, tool
from llm_scheduler.widgets import chat_requests
from llm_scheduler.widgets.chat import chat_widget
from llm_scheduler.widgets.chat_commands import COMMANDS
from tests.widgets.chat_front import until
from tests.widgets.chat_runs import make_failure

KEY = "python-name-error:python-name-error"


async def test_the_overview_tells_what_happened(start_panel):
    panel, _ = start_panel(n_failures=3)
    await until(lambda: panel.overview["n_failures"])
    assert panel.overview["run"] == "run"
    assert panel.overview["model"] == ""
    assert "LLM_SCHEDULER_MODEL" in panel.overview["how_to_configure"]
    assert panel.overview["mode"] == "approve"
    assert "deleting" in panel.overview["asks_anyway"]
    assert panel.overview["quick_prompts"][0] == "Why did these 3 jobs fail?"
    (group,) = panel.groups
    assert (group["key"], group["count"], group["state"]) == (KEY, 3, "new")
    assert group["thread_id"] == thread_for_group(KEY)
    assert group["diagnosis"]["evidence"][0]["line"] == 2
    assert repr(panel) == "ChatPanel('run')"


async def test_new_failures_show_by_themselves_and_are_told(start_panel, tmp_path, monkeypatch):
    panel, front = start_panel(n_failures=1)
    await until(lambda: panel.groups)
    fresh = [make_failure(tmp_path, i, cause="slurm-oom") for i in range(1, 11)]
    await panel.manager.report(fresh)
    # Failures are taken in one by one, and the panel may read them in the middle of that.
    await until(lambda: [group["count"] for group in panel.groups] == [10, 1])
    assert panel.groups[0]["state"] == "new"
    await until(lambda: front.messages("notification"))
    assert front.messages("notification")[0]["thread_id"] == panel.groups[0]["thread_id"]
    await front.open(panel.groups[0]["thread_id"])
    await until(lambda: panel.groups[0]["state"] == "diagnosed")


async def test_nothing_is_sent_while_nothing_changes(start_panel):
    panel, front = start_panel()
    await until(lambda: panel.groups and panel.overview["run"])
    await front.open("chat")
    n_bytes = front.comm.n_bytes
    for _ in range(100):
        panel.manager.notify()
    await front.ask("find_jobs")
    await asyncio.wrap_future(panel._chat.loop.submit(panel._chat.refresh.now()))
    replies = len(json.dumps(front.messages("reply")))
    assert front.comm.n_bytes - n_bytes < replies + 500


async def test_jobs_are_found_by_words_and_states(start_panel):
    _, front = start_panel(n_failures=5)
    found = (await front.ask("find_jobs", text="LEARNER-3 run"))["data"]
    assert [(j["learner"].rpartition("/")[2], j["job_id"]) for j in found["jobs"]] == [
        ("learner-3.pickle", "103")
    ]
    assert found["jobs"][0]["group"] == KEY
    assert (await front.ask("find_jobs", states=["running"]))["data"] == {"jobs": [], "n": 0}
    assert (await front.ask("find_jobs", start=4))["data"]["n"] == 5


async def test_what_is_written_is_completed(start_panel, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / ".env").write_text("KEY=1")
    _, front = start_panel()

    async def choices(text):
        return (await front.ask("complete", text=text))["data"]["choices"]

    assert await choices("/f") == ["/fix"]
    assert await choices("why @10") == ["@100", "@101"]
    assert await choices("look at @phys") == ["@physics.py"]
    assert await choices("@sr") == ["@src/"]
    assert await choices("@../") == []
    assert await choices("/fix 10") == ["@100", "@101"]
    assert await choices("@.e") == []
    assert await choices("nothing") == []
    known = (await front.ask("complete", text="/"))["data"]
    assert known["about"] == {f"/{name}": about for name, about in COMMANDS.items()}
    assert list(known["about"]) == known["choices"]
    assert (await front.ask("complete", text="@10"))["data"]["about"] == {}


async def test_what_the_panel_does_not_understand_is_answered(start_panel):
    panel, front = start_panel()
    for content in ({"type": "nonsense"}, {"type": "send"}, {}):
        request_id = front.post(content.get("type", ""), **content | {"extra": 1})
        await until(lambda name=request_id: front.reply(name))
        assert not front.reply(request_id)["ok"]
        assert "reload the page" in front.reply(request_id)["error"]
    panel._handle_custom_msg("no object", [])
    panel._handle_custom_msg({"request_id": 3}, [])
    assert (await front.ask("stop", thread_id="none"))["data"] == {"was_busy": False}


async def test_an_error_is_a_sentence(start_panel, caplog):
    _, front = start_panel()
    for kind, values, words in [
        ("send", {"thread_id": "chat", "text": "  "}, "empty"),
        ("send", {"thread_id": "chat", "text": "/nothing"}, "/help"),
        ("send", {"thread_id": "chat", "text": "/mode yolo"}, "switch"),
        ("decide", {"approval_ids": ["ap-99"], "decision": "approve"}, "ap-99"),
        ("decide", {"approval_ids": ["a", "b"], "decision": "edit"}, "One change"),
        ("undo", {"change_id": "ch-99"}, "ch-99"),
        ("fix", {"group": "none"}, "none"),
        ("release", {"group": KEY}, "held back"),
        ("read_log", {"file": "/etc/passwd"}, "no log of this run"),
        ("search_log", {"file": "/etc/passwd", "text": "root"}, "no log of this run"),
        ("change_thread", {"action": "rename", "thread_id": "none", "title": "x"}, "none"),
        ("resend", {"thread_id": "chat", "item_id": "none", "text": "x"}, "not in the"),
    ]:
        reply = await front.ask(kind, **values)
        assert not reply["ok"]
        assert words in reply["error"], reply
    assert [record.message for record in caplog.records] == []


async def test_what_is_refused_after_the_answer_is_told(start_panel, monkeypatch):
    monkeypatch.setattr(chat_requests, "START_S", 0)
    panel, front = start_panel()
    is_answered = threading.Event()

    async def refuse(*_):
        await asyncio.to_thread(is_answered.wait)
        raise UsageError("It can't be said.")
        yield

    monkeypatch.setattr(panel.manager, "stream", refuse)
    assert (await front.ask("send", thread_id="chat", text="Why?"))["ok"]
    is_answered.set()
    await until(lambda: front.messages("notification"))
    assert front.messages("notification")[0]["text"] == "It can't be said."


async def test_a_request_that_comes_twice_is_carried_out_once(start_panel):
    with ScriptedModel() as model:
        model.script(say("Once."))
        _, front = start_panel(model=model)
        await front.open("chat")
        request_id = front.post("send", thread_id="chat", text="Why?")
        front.post("send", request_id, thread_id="chat", text="Why?")
        items = await front.wait_idle("chat")
        await until(lambda: front.reply(request_id))
        front.post("send", request_id, thread_id="chat", text="Why?")
        # A third one when the second had not come before the answer to the first was there.
        await until(
            lambda: [r["request_id"] for r in front.messages("reply")].count(request_id) >= 2
        )
    assert [item["text"] for item in items] == ["Why?", "Once."]


async def test_commands_that_are_typed(start_panel):
    panel, front = start_panel()
    await front.open("chat")
    for line, words in [
        ("/help", "/diagnose"),
        ("/jobs", "2 "),
        ("/diagnose @100", "potental"),
        ("/mode read-only", "Mode: read-only."),
        ("/cost", "0 tokens"),
    ]:
        reply = await front.ask("send", thread_id="chat", text=line)
        assert reply["ok"], reply["error"]
        assert words in front.catch_up("chat")[-1]["text"]
    assert panel.manager.mode == "read-only"
    await until(lambda: panel.overview["mode"] == "read-only")


async def test_the_mode_is_switched_and_yolo_changes_are_counted(start_panel, tmp_path):
    edit = tool(
        "write_file", path=str(tmp_path / "note.txt"), content="made at once\n", reason="wanted"
    )
    with ScriptedModel() as model:
        model.script(call_tools(edit), say("Done."))
        panel, front = start_panel(model=model)
        await front.open("chat")
        assert (await front.ask("set_mode", mode="yolo"))["ok"]
        assert panel.overview["mode"] == "yolo"
        assert panel.overview["yolo_changes"] == 0
        await front.ask("send", thread_id="chat", text="Write it.")
        await front.wait_answer("Done.")
        await until(lambda: panel.overview["yolo_changes"] == 1)
    assert (tmp_path / "note.txt").read_text() == "made at once\n"
    await until(lambda: panel.changes)
    (change,) = panel.changes
    assert change["by"] == "yolo"
    reply = await front.ask("undo", turn_id=change["turn_id"])
    assert reply["ok"]
    assert not (tmp_path / "note.txt").exists()
    await front.ask("set_mode", mode="approve")
    assert (panel.overview["mode"], panel.overview["yolo_changes"]) == ("approve", 0)


async def test_threads_are_made_renamed_and_deleted(start_panel):
    with ScriptedModel() as model:
        model.script(say("Yes."))
        panel, front = start_panel(model=model)
        reply = await front.ask("change_thread", action="new", title="My own")
        thread_id = reply["data"]["thread_id"]
        assert [(t["id"], t["title"]) for t in panel.threads] == [(thread_id, "My own")]
        await front.open(thread_id)
        await front.ask("send", thread_id=thread_id, text="Are you there?")
        await front.wait_idle(thread_id)
        await until(lambda: panel.threads[0]["tokens"] and not panel.threads[0]["is_busy"])
        assert panel.threads[0]["title"] == "My own"
        await front.ask("change_thread", action="rename", thread_id=thread_id, title="Another")
        assert panel.threads[0]["title"] == "Another"
        assert thread_id in panel.conversations
        await front.ask("change_thread", action="delete", thread_id=thread_id)
        assert panel.threads == []
        assert panel.conversations == {}
        assert (await front.open(thread_id))["items"] == []


async def test_the_first_message_finds_the_title_of_its_thread(start_panel):
    with ScriptedModel() as model:
        model.script(say("Yes."))
        panel, front = start_panel(model=model)
        reply = await front.ask("change_thread", action="new", title="My own")
        thread_id = reply["data"]["thread_id"]
        await front.open(thread_id)
        threads = panel.manager.assistant.agent._threads
        touch, titles = threads.touch, []

        def touch_and_look(*arguments, **values):
            touch(*arguments, **values)
            titles.extend(thread.title for thread in threads.all())

        threads.touch = touch_and_look
        await front.ask("send", thread_id=thread_id, text="Are you there?")
        await front.wait_idle(thread_id)
    # Not named later: the panel's list may be read before that.
    assert titles == ["My own"]


async def test_at_most_four_threads_are_kept_up_to_date(start_panel):
    panel, front = start_panel()
    for number in range(6):
        await front.open(f"chat-{number}")
    assert list(panel.conversations) == [f"chat-{n}" for n in range(2, 6)]


async def test_what_another_shell_decides_shows_on_the_card(start_panel, tmp_path):
    edit = tool("write_file", path=str(tmp_path / "note.txt"), content="x\n", reason="wanted")
    with ScriptedModel() as model:
        model.script(call_tools(edit))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Write it.")
        (name,) = (await front.wait_idle("chat"))[-1]["approvals"]
        other = panel.manager.assistant.desk
        other.decide(name, "reject", message="no")  # no event tells of it
        await asyncio.wrap_future(panel._chat.loop.submit(panel._chat.look_at_approvals()))
        view = panel._chat.log("chat").approvals[name]
        assert (view.status, view.message) == ("rejected", "no")


async def test_held_learners_are_released_on_the_notebooks_loop(start_panel):
    panel, front = start_panel()
    manager = panel.manager
    first, _ = manager.failures()
    held = first.model_copy(update={"held": True})
    manager._failures[first.attempt] = held
    manager.notify()
    await until(lambda: panel.groups and panel.groups[0]["state"] == "held")
    reply = await front.ask("release", group=KEY)
    assert reply["data"] == {"learners": list(first.learners), "is_done": True}
    assert manager.released == [first.learners]


async def test_logs_are_read_and_searched(start_panel, tmp_path):
    _, front = start_panel()
    file = str(tmp_path / "job-1.out")
    page = (await front.ask("read_log", file=file, line=2))["data"]
    assert page["lines"][1]["text"] == "NameError: name 'potental' is not defined"
    page = (await front.ask("search_log", file=file, text="nameerror"))["data"]
    assert page["found"] == len("starting\n")


async def test_the_conversation_is_exported(start_panel, tmp_path):
    with ScriptedModel() as model:
        model.script(say("A **bold** answer <script>alert(1)</script>"))
        panel, front = start_panel(model=model)
        await front.open("chat")
        await front.ask("send", thread_id="chat", text="Why?")
        await front.wait_idle("chat")
        html = (await front.ask("export", thread_id="chat"))["data"]["html"]
        assert "<strong>bold</strong>" in html
        assert "<script" not in html
        path = panel.export_html(tmp_path / "chat.html", "chat")
        assert path.read_text() == html


async def test_a_manager_without_a_run_is_shown_as_far_as_it_goes(start_panel):
    panel, front = start_panel(is_joined=False)
    await until(lambda: panel.overview["n_failures"])  # shown after the groups
    assert panel.groups
    assert "not joined to a run" in panel.overview["problem"]
    assert panel.overview["n_failures"] == 2
    assert not panel.overview["is_closed"]
    reply = await front.ask("send", thread_id="chat", text="Why?")
    assert "not joined to a run" in reply["error"]


async def test_a_closed_run_is_not_opened_by_looking_at_it(start_panel, tmp_path):
    panel, front = start_panel()
    await until(lambda: panel.overview["run"] and panel.groups)
    await front.open("chat")
    panel.manager.close_assistant()
    session = panel._chat
    for _ in range(2):
        await asyncio.wrap_future(session.loop.submit(session.refresh.now()))
        await asyncio.wrap_future(session.loop.submit(session.look_at_approvals()))
    assert panel.overview["is_closed"]
    assert panel.overview["n_failures"] == 2
    assert (await front.ask("find_jobs"))["data"]["n"] == 2
    assert (await front.ask("complete", text="@10"))["data"]["choices"] == ["@100", "@101"]
    assert (await front.ask("read_log", file=str(tmp_path / "job-1.out")))["data"]["lines"]
    assert not panel.manager.has_assistant


async def test_a_run_that_is_closed_while_the_panel_looks_stays_closed(start_panel, monkeypatch):
    panel, front = start_panel()
    await until(lambda: panel.overview["run"])
    await front.open("chat")
    manager, session = panel.manager, panel._chat

    async def close_and_look():
        # At the last moment before the panel asks for the agent: on its own loop.
        find = session.assistant_if_open

        def find_too_late():
            manager.close_assistant()
            return find()

        with monkeypatch.context() as patch:
            patch.setattr(session, "assistant_if_open", find_too_late)
            await session.refresh.now()

    await asyncio.wrap_future(session.loop.submit(close_and_look()))
    assert not manager.has_assistant
    assert panel.overview["is_closed"]


async def test_a_panel_that_is_closed_at_once_opens_no_agent(start_panel):
    panel, _ = start_panel()
    panel.close()
    was_open = panel.manager.has_assistant
    with pytest.raises(UsageError, match="The panel is closed"):
        panel._chat._open()
    assert panel.manager.has_assistant == was_open


async def test_who_goes_on_talking_opens_a_closed_run_again(start_panel):
    panel, front = start_panel()
    await until(lambda: panel.overview["run"])
    await front.open("chat")
    panel.manager.close_assistant()
    session = panel._chat
    await asyncio.wrap_future(session.loop.submit(session.refresh.now()))
    assert panel.overview["is_closed"]
    assert (await front.ask("send", thread_id="chat", text="Why did the jobs fail?"))["ok"]
    items = await front.wait_idle("chat")
    assert items[-1]["role"] == "assistant"
    await until(lambda: not panel.overview["is_closed"])


async def test_there_is_one_panel_for_a_run(start_panel):
    panel, _ = start_panel()
    first = chat_widget(panel.manager)
    try:
        assert chat_widget(panel.manager) is first
    finally:
        first.close()
    with pytest.raises(UsageError, match="can't be talked to"):
        chat_widget(LLMSettings())


async def test_where_widgets_cannot_be_there_is_text(start_panel):
    panel, _ = start_panel()
    data, _ = panel._repr_mimebundle_()
    assert data["text/plain"] == "ChatPanel('run')"
    assert "potental" in data["text/html"]
    assert "<script" not in data["text/html"]
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id


async def test_a_panel_that_was_closed_is_shown_as_text(start_panel):
    panel, _ = start_panel()
    panel.close()
    data, _ = panel._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert "potental" in data["text/html"]


async def test_what_cannot_be_read_for_a_moment_stays_and_is_not_new(start_panel, monkeypatch):
    panel, front = start_panel()
    await until(lambda: panel.groups and panel.overview["run"])
    session, known = panel._chat, panel.groups

    def refuse():
        raise OSError("the file is locked")

    with monkeypatch.context() as patch:
        patch.setattr(panel.manager, "groups", refuse)
        await asyncio.wrap_future(session.loop.submit(session.refresh.now()))
        assert "locked" in panel.overview["problem"]
        assert panel.groups == known
    await asyncio.wrap_future(session.loop.submit(session.refresh.now()))
    assert panel.overview["problem"] == ""
    assert front.messages("notification") == []
