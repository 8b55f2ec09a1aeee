"""The chat's turns, decisions and commands, against an assistant that a test plays."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    ChatResult,
    Done,
    Failed,
    Notice,
)
from llm_scheduler.cli import chat_decisions
from llm_scheduler.cli.chat import ask_once, converse
from llm_scheduler.cli.chat_commands import COMMANDS, run_command
from llm_scheduler.errors import UsageError
from tests.cli.fake_assistant import (
    DIFF,
    approval,
    read_file,
    text,
    used,
)


def test_an_answer_is_shown_with_its_tools_in_a_line_each(talk: Any) -> None:
    t = talk([*text("It ran out ", "of memory."), *read_file("job.sh", "12 lines"), used(100, 7)])
    assert t.session.send("why?") == "finished"
    assert "It ran out of memory.\n" in t.shown
    assert "✓ read_file path=job.sh · 12 lines\n" in t.shown
    run_command(t.session, "/cost")
    assert "100 tokens read and 7 written" in t.shown
    assert "90 calls today" in t.shown


def test_errors_notices_and_a_bad_tool_are_said(talk: Any) -> None:
    at = {"thread_id": "chat", "turn_id": "t1"}
    t = talk(
        [
            Notice(**at, text="Asking again in 1 s."),
            *read_file("/etc/shadow", "refused", ok=False),
            Failed(**at, kind="key", text="The key is not accepted."),
        ]
    )
    t.session.send("why?")
    for said in ("Asking again in 1 s.", "✗ read_file path=/etc/shadow", "The key is not accepted"):
        assert said in t.shown


@pytest.mark.parametrize(
    ("key", "decision"),
    [
        ("a", ("ap-1", "approve", "", "call", None)),
        ("y", ("ap-1", "approve", "", "call", None)),
        ("t", ("ap-1", "approve", "", "turn", None)),
        ("k", ("ap-1", "approve", "", "kind", None)),
    ],
)
def test_one_key_decides_and_the_turn_goes_on(talk: Any, key: str, decision: Any) -> None:
    t = talk(text("I fix it."), text("Done."), typed=(key,))
    t.assistant.waiting = [approval()]
    assert t.session.send("fix it") == "finished"
    assert t.assistant.decisions == [decision]
    assert t.assistant.messages == ["fix it", None]
    assert "Edit model.py (1 line): done · /undo ch-1" in t.shown
    assert "Done." in t.shown


def test_a_reject_asks_why(talk: Any) -> None:
    t = talk([], [], typed=("r", "use scipy instead"))
    t.assistant.waiting = [approval()]
    t.session.send("fix it")
    assert t.assistant.decisions == [("ap-1", "reject", "use scipy instead", "call", None)]
    assert "rejected" in t.shown


def test_later_leaves_it_pending_and_the_turn_waiting(talk: Any) -> None:
    t = talk([], typed=("l", "l"))
    t.assistant.waiting = [approval(), approval("ap-2")]
    assert t.session.send("fix it") == "waiting"
    assert t.assistant.decisions == []
    assert t.assistant.messages == ["fix it"]


def test_an_edited_text_is_shown_and_confirmed(talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        chat_decisions, "edit_text", lambda before, *, suffix: before + f"  # {suffix}"
    )
    t = talk([], [], typed=("e", "y"))
    t.assistant.waiting = [approval()]
    t.session.send("fix it")
    edited = {"path": "model.py", "content": "return 1 / temperature  # .py"}
    assert t.assistant.decisions == [("ap-1", "edit", "", "call", edited)]
    # The whole change of the file, not only what the edit changed in the proposal.
    for line in ("-what is there now", "+return 1 / temperature  # .py", "Risk: Jobs that start"):
        assert line in t.shown


@pytest.mark.parametrize("edited", ["return 1 / temperature", "something else"])
def test_an_edit_that_is_not_confirmed_decides_nothing(
    talk: Any, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    monkeypatch.setattr(chat_decisions, "edit_text", lambda before, *, suffix: edited)
    typed = ("e", "l") if edited == "return 1 / temperature" else ("e", "n", "l")
    t = talk([], typed=typed)
    t.assistant.waiting = [approval()]
    assert t.session.send("fix it") == "waiting"
    assert t.assistant.decisions == []


def test_a_change_without_a_text_is_edited_as_json(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def edit(before: str, *, suffix: str) -> str:
        seen.append((json.loads(before), suffix))
        return '{"learner": "a.pickle", "memory": "8G"}'

    monkeypatch.setattr(chat_decisions, "edit_text", edit)
    t = talk([], [], typed=("e", "y"))
    t.assistant.waiting = [approval(arguments={"learner": "a.pickle", "memory": "4G"})]
    t.session.send("fix it")
    assert seen == [({"learner": "a.pickle", "memory": "4G"}, ".json")]
    assert t.assistant.decisions[0][4] == {"learner": "a.pickle", "memory": "8G"}


@pytest.mark.parametrize("word", ["approve", "yes", "Reject!", "no"])
def test_a_word_alone_decides_the_only_pending_change(talk: Any, word: str) -> None:
    t = talk([ApprovalWanted(thread_id="chat", turn_id="t1", approval=approval())], [], keys=False)
    t.assistant.waiting = [approval()]
    assert t.session.send("fix it") == "waiting"
    t.session.send(word)
    expected = "reject" if word in ("Reject!", "no") else "approve"
    assert [d[1] for d in t.assistant.decisions] == [expected]
    assert t.assistant.messages == ["fix it", None]


def test_a_word_for_several_changes_decides_none(talk: Any) -> None:
    t = talk(keys=False)
    t.assistant.waiting = [approval(), approval("ap-2")]
    assert t.session.send("yes") == "waiting"
    assert t.assistant.decisions == []
    assert "2 changes wait: ap-1, ap-2. Say /approve ap-1 or /approve all." in t.shown


def test_without_a_pending_change_yes_is_a_message(talk: Any) -> None:
    t = talk([])
    t.session.send("yes")
    assert t.assistant.messages == ["yes"]


def test_commands_decide_by_id(talk: Any) -> None:
    t = talk([], keys=False)
    t.assistant.waiting = [approval(), approval("ap-2"), approval("ap-3")]
    run_command(t.session, "/reject ap-2 not this file")
    run_command(t.session, "/approve ap-3")
    assert t.assistant.messages == []
    run_command(t.session, "/kind")
    assert [d[:4] for d in t.assistant.decisions] == [
        ("ap-2", "reject", "not this file", "call"),
        ("ap-3", "approve", "", "call"),
        ("ap-1", "approve", "", "kind"),
    ]
    assert t.assistant.messages == [None]


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_all_that_is_pending_is_decided_at_once(talk: Any, word: str) -> None:
    t = talk([], keys=False)
    t.assistant.waiting = [approval(), approval("ap-2")]
    run_command(t.session, "/pending")
    run_command(t.session, f"/{word} all")
    assert [d[:2] for d in t.assistant.decisions] == [("ap-1", word), ("ap-2", word)]
    assert t.assistant.messages == [None]


def test_a_decision_of_another_change_is_refused(talk: Any) -> None:
    t = talk(keys=False)
    t.assistant.waiting = [approval()]
    with pytest.raises(UsageError, match="Those that wait here: ap-1"):
        run_command(t.session, "/approve ap-7")
    assert t.assistant.decisions == []


def test_a_change_is_undone_by_key_by_command_and_with_its_turn(talk: Any) -> None:
    t = talk([], typed=("a", "u", "a"))
    t.assistant.waiting = [approval(), approval("ap-2")]
    t.session.send("fix it")
    assert [c.undone_by for c in t.assistant.made] == ["ch-9", ""]
    run_command(t.session, "/undo")
    assert [c.undone_by for c in t.assistant.made] == ["ch-9", "ch-9"]
    with pytest.raises(UsageError, match="no change to undo"):
        run_command(t.session, "/undo turn")
    run_command(t.session, "/changes")
    assert "undone by ch-9" in t.shown
    run_command(t.session, "/changes ch-1")
    assert "+return 1 / temperature" in t.shown


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_something_or_what_it_needs(talk: Any, name: str) -> None:
    t = talk([])
    before = len(t.shown)
    try:
        run_command(t.session, f"/{name}")
    except UsageError as error:
        assert str(error).endswith((".", "ones."))
    else:
        assert len(t.shown) > before or t.session.leaving


def test_a_job_is_diagnosed_again(talk: Any) -> None:
    t = talk()
    run_command(t.session, "/diagnose 7 again")
    assert t.assistant.asked_again == ["7"]
    assert "Another view" in t.shown
    with pytest.raises(UsageError, match="makes no sense"):
        run_command(t.session, "/diagnose 7 quickly")


def test_an_unknown_command_is_named(talk: Any) -> None:
    with pytest.raises(UsageError, match="no command /frobnicate; /help lists them"):
        run_command(talk().session, "/frobnicate now")


def test_the_mode_is_set_and_a_wrong_one_refused(talk: Any) -> None:
    t = talk()
    run_command(t.session, "/mode yolo")
    assert t.assistant.mode == "yolo"
    with pytest.raises(UsageError, match="available: read-only, approve, yolo"):
        run_command(t.session, "/mode reckless")
    assert t.assistant.mode == "yolo"
    run_command(t.session, "/mode Read-Only")
    assert t.assistant.mode == "read-only"


def test_threads_are_changed(talk: Any) -> None:
    t = talk()
    run_command(t.session, "/thread 7")
    assert t.session.thread_id == "group-7"
    run_command(t.session, "/new")
    assert re.fullmatch(r"chat-[0-9a-f]{8}", t.session.thread_id)
    run_command(t.session, "/thread mine")
    assert t.session.thread_id == "mine"


def test_retry_says_the_same_again(talk: Any) -> None:
    t = talk([], [])
    t.session.send("why?")
    run_command(t.session, "/retry")
    assert t.assistant.messages == ["why?", "why?"]


def test_what_the_rules_propose_as_a_fix_is_decided_like_the_rest(talk: Any) -> None:
    t = talk([], typed=("a",))
    t.assistant.waiting = [approval()]
    t.assistant.fix_result = ChatResult(
        text="", thread_id="group-7", status="waiting", approvals=(approval(),)
    )
    run_command(t.session, "/fix 7")
    assert "-return 1 / temprature" in t.shown
    assert [d[:2] for d in t.assistant.decisions] == [("ap-1", "approve")]
    with pytest.raises(UsageError, match="not known to have failed"):
        run_command(t.session, "/fix 99")


def test_a_conversation_shows_its_history_and_goes_on_after_errors(
    talk: Any, tmp_path: Path
) -> None:
    t = talk(text("Memory."), typed=("/frobnicate", "", "why?", "/quit", "never read"))
    call = SimpleNamespace(tool="read_file", ok=True)
    t.assistant.items = [
        SimpleNamespace(role="user", text="earlier question", tool_calls=()),
        SimpleNamespace(role="assistant", text="earlier **answer**", tool_calls=(call,)),
        SimpleNamespace(role="problem", text="It broke.", tool_calls=()),
    ]
    t.assistant.waiting = []
    assert converse(t.session, tmp_path / "x") == 0
    for said in ("demo", "› earlier question", "earlier **answer**", "✓ read_file", "It broke.",
                 "no command /frobnicate", "Memory."):  # fmt: skip
        assert said in t.shown
    assert t.assistant.messages == ["why?"]
    assert list(t.entry.typed) == ["never read"]


def test_an_error_of_our_own_does_not_end_the_conversation(talk: Any, tmp_path: Path) -> None:
    t = talk(text("Memory."), typed=("/jobs", "why?"))

    def break_down() -> Any:
        raise ZeroDivisionError("oops")

    t.assistant.run.jobs = break_down
    assert converse(t.session, tmp_path / "x") == 0
    assert "This went wrong: ZeroDivisionError: oops" in t.shown
    assert "Memory." in t.shown


def test_ctrl_c_at_the_prompt_twice_leaves(talk: Any, tmp_path: Path) -> None:
    t = talk(text("Memory."))
    lines = iter([KeyboardInterrupt, "why?", KeyboardInterrupt, KeyboardInterrupt, "never read"])

    def read_line(prompt: str) -> str:
        line = next(lines)
        if line is KeyboardInterrupt:
            raise KeyboardInterrupt
        return str(line)

    t.entry.read_line = read_line
    assert converse(t.session, tmp_path / "x") == 0
    assert next(lines) == "never read"
    assert t.assistant.messages == ["why?"]


def test_one_message_and_out_tells_by_its_status_how_it_went(talk: Any) -> None:
    failed = Done(thread_id="chat", turn_id="t1", status="failed")
    assert ask_once(talk(text("ok")).session, "why?") == 0
    t = talk()

    async def fail(message: str, thread_id: str) -> Any:
        yield failed

    t.assistant.stream = fail
    assert ask_once(t.session, "why?") == 1
    with pytest.raises(UsageError, match="empty"):
        ask_once(talk().session, "  ")


def test_ctrl_c_cancels_the_turn(talk: Any) -> None:
    t = talk(text("It ran "))
    t.assistant.hangs = True
    stream = t.assistant.stream

    async def interrupted(message: str | None, thread_id: str) -> Any:
        async for event in stream(message, thread_id):
            yield event
            if getattr(event, "text", ""):
                os.kill(os.getpid(), signal.SIGINT)

    t.assistant.stream = interrupted
    assert t.session.send("why?") == "cancelled"
    assert t.assistant.cancelled == ["chat"]
    assert not t.session.leaving
    assert "Cancelled." in t.shown


def test_ctrl_c_twice_leaves(talk: Any, tmp_path: Path) -> None:
    t = talk(text("It ran "), typed=("why?", "never read"))
    t.assistant.cancel = lambda thread_id: True  # and the turn goes on
    t.assistant.hangs = True
    stream = t.assistant.stream

    async def interrupted(message: str | None, thread_id: str) -> Any:
        async for event in stream(message, thread_id):
            yield event
            if getattr(event, "text", ""):
                os.kill(os.getpid(), signal.SIGINT)
                while "Cancelling" not in t.shown:
                    await asyncio.sleep(0)
                os.kill(os.getpid(), signal.SIGINT)

    t.assistant.stream = interrupted
    assert converse(t.session, tmp_path / "x") == 0
    assert t.session.leaving
    assert list(t.entry.typed) == ["never read"]


def test_ctrl_c_ends_work_that_is_no_turn_and_the_chat_goes_on(talk: Any, tmp_path: Path) -> None:
    t = talk(text("Because."), typed=("/diagnose 7 again", "why?"))
    t.assistant.cancel = lambda thread_id: False  # there is no turn
    ended: list[str] = []

    async def hang(job: str) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(job)

    t.assistant.diagnose_again = hang
    assert converse(t.session, tmp_path / "x") == 0
    assert ended == ["7"]
    assert t.assistant.messages == ["why?"], "the chat goes on"


def test_a_settled_change_is_told_once(talk: Any) -> None:
    done = approval(status="done", change_id="ch-1")
    settled = ApprovalSettled(thread_id="chat", turn_id="t1", approval=done)
    t = talk([], [settled, settled], typed=("a",))
    t.assistant.waiting = [approval()]
    t.session.send("fix it")
    assert t.shown.count("/undo ch-1") == 1


def test_the_whole_diff_is_shown(talk: Any) -> None:
    diff = DIFF + "".join(f"+line {n}\n" for n in range(500))
    t = talk([ApprovalWanted(thread_id="chat", turn_id="t1", approval=approval(diff=diff))])
    t.session.send("fix it")
    assert all(f"+line {n}\n" in t.shown for n in range(500))
