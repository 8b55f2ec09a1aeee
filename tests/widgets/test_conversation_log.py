"""The log of a thread: what views build from events is what it holds, however it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    Done,
    Failed,
    Notice,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnStarted,
)
from llm_scheduler.agent.threads import HistoryItem, ToolCallItem
from llm_scheduler.widgets.chat_views import (
    edited_arguments,
    last_redone,
    make_approval,
    make_items,
    shorten_diff,
    undone_changes,
)
from llm_scheduler.widgets.conversation_log import TRAIT_CHARS, ConversationLog
from tests.widgets.chat_front import apply_event

IDS = {"thread_id": "chat", "turn_id": "turn-1"}


def make_log() -> ConversationLog:
    return ConversationLog("chat", make_approval)


def approval(status: str = "pending", **values: Any) -> Approval:
    return Approval(
        **{
            "id": "ap-1", "call_id": "c1", "tool": "replace_text", "kind": "edit",
            "arguments": {"path": "/a", "old_text": "x", "new_text": "y", "reason": ""},
            "targets": ("/a",), "summary": "Edit a", "diff": "-x\n+y\n", "status": status,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC), **IDS, **values,
        }
    )  # fmt: skip


TURN = [
    TurnStarted(message="Why?", **IDS),
    TextDelta(message_id="m1", text="Let me ", **IDS),
    TextDelta(message_id="m1", text="look.", **IDS),
    ToolStarted(call_id="c0", tool="read_file", arguments={"path": "/a"}, **IDS),
    ToolStarted(call_id="c1", tool="replace_text", **IDS),
    ToolFinished(call_id="c0", tool="read_file", ok=True, summary="3 lines", output="x", **IDS),
    ApprovalWanted(approval=approval(), **IDS),
    Notice(text="The model is slow.", **IDS),
    ApprovalSettled(approval=approval("done", change_id="ch-1"), **IDS),
    ToolFinished(call_id="c1", tool="replace_text", ok=True, summary="Edit a", output="", **IDS),
    ToolStarted(call_id="c2", tool="list_jobs", **IDS),
    ToolFinished(call_id="c2", tool="list_jobs", ok=False, summary="no", output="no", **IDS),
    TextDelta(message_id="m2", text="Done.", **IDS),
    Failed(kind="timeout", text="It took too long.", **IDS),
    Done(status="failed", **IDS),
]


def replay(messages: list[Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for message in messages:
        for event in message.model_dump()["events"]:
            apply_event(items, event)
    return items


def with_sorted_calls(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**x, "calls": sorted(x["calls"], key=lambda c: c["call_id"])} for x in items]


@given(st.lists(st.booleans(), min_size=len(TURN), max_size=len(TURN)))
@settings(max_examples=50)
def test_however_events_are_gathered_views_hold_what_the_log_holds(flushes):
    log = make_log()
    messages = []
    for event, is_flushed in zip(TURN, flushes, strict=True):
        log.take(event)
        if is_flushed:
            messages.append(log.flush())
    messages = [m for m in [*messages, log.flush()] if m is not None]
    seq = 1
    for message in messages:
        assert message.seq == seq
        seq += len(message.events)
    whole = log.whole()
    assert whole.seq == seq - 1
    assert with_sorted_calls(replay(messages)) == with_sorted_calls(whole.model_dump()["items"])
    assert log.finished().items == whole.items


def test_a_turn_is_shown_message_by_message():
    log = make_log()
    for event in TURN:
        log.take(event)
    assert [(i.role, i.text, [c.call_id for c in i.calls]) for i in log.items] == [
        ("user", "Why?", []),
        ("assistant", "Let me look.", ["c0", "c1"]),
        ("notice", "The model is slow.", []),
        ("assistant", "", ["c2"]),
        ("assistant", "Done.", []),
        ("error", "It took too long.", []),
    ]
    assert log.items[1].approvals == ["ap-1"]
    assert [c.status for c in log.items[1].calls] == ["ok", "ok"]
    assert log.approvals["ap-1"].can_undo


def test_what_is_being_written_is_in_the_whole_and_not_in_the_trait():
    log = make_log()
    for event in TURN[:2]:
        log.take(event)
    log.flush()
    assert [item.text for item in log.whole().items] == ["Why?", "Let me "]
    assert [item.text for item in log.finished().items] == ["Why?"]
    assert log.finished().is_busy


def test_calls_without_an_answer_do_not_run_for_ever():
    log = make_log()
    for event in (*TURN[:4], Done(status="cancelled", **IDS)):
        log.take(event)
    (call,) = log.items[1].calls
    assert (call.status, call.summary) == ("error", "stopped")


def test_history_that_comes_late_is_put_before_what_has_happened_since():
    history = [
        HistoryItem(role="user", message_id="u0", text="Before"),
        HistoryItem(role="assistant", message_id="m0", text="Yes."),
        HistoryItem(role="user", message_id="u1", text="Why?"),
        HistoryItem(
            role="assistant",
            message_id="m1",
            text="Let me look.",
            tool_calls=(ToolCallItem(call_id="c0", tool="read_file"),),
        ),
    ]
    log = make_log()
    for event in TURN[:7]:
        log.take(event)
    log.load(*make_items(history, make_approval))
    assert [item.text for item in log.items] == ["Before", "Yes.", "Why?", "Let me look."]
    assert log.is_loaded


def test_a_turn_whose_beginning_was_missed_is_marked():
    log = make_log()
    log.take(TURN[2])
    assert (log.is_partial, log.is_busy) == (True, True)
    log.flush()
    seq = log.seq
    log.reset()
    assert log.flush().seq > seq + 1  # a gap, so that every view asks for the whole


def test_the_trait_is_bounded_and_pages_lead_back_to_the_start():
    log = make_log()
    for number in range(1000):
        log.say("notice", f"{number} " + "x" * 300)
    log.flush()
    kept = log.finished()
    assert 1 < len(kept.items) < 200
    assert sum(len(item.text) for item in kept.items) < TRAIT_CHARS
    assert kept.n_earlier + len(kept.items) == 1000
    seen, page = [], log.whole()
    while True:
        seen = [*page.items, *seen]
        if not page.n_earlier:
            break
        page = log.whole(before=seen[0].id)
    assert [item.id for item in seen] == [item.id for item in log.items]


def test_a_change_that_the_rules_propose_gets_an_entry():
    log = make_log()
    log.show_approval(approval(call_id="rules-1"))
    log.show_approval(approval(call_id="rules-2", id="ap-2"))
    assert [(i.role, i.approvals) for i in log.items] == [("notice", ["ap-1", "ap-2"])]
    n_events = len(log.flush().events)
    log.show_approval(approval(call_id="rules-1"))
    assert (n_events, log.flush()) == (3, None)


@pytest.mark.parametrize(
    ("values", "text", "arguments"),
    [
        ({}, "z", {"path": "/a", "old_text": "x", "new_text": "z", "reason": ""}),
        (
            {"kind": "resources", "tool": "set_resources",
             "arguments": {"learners": ["a"], "memory": "4GB", "time": ""}},
            "memory: 8GB\nCores: 2\n",
            {"learners": ["a"], "memory": "8GB", "cores": "2"},
        ),
        ({"kind": "delete", "tool": "delete_file", "arguments": {"path": "/a"}}, "z", None),
    ],
)  # fmt: skip
def test_what_can_be_edited(values, text, arguments):
    assert edited_arguments(approval(**values), text) == arguments
    assert make_approval(approval(**values)).can_edit == (arguments is not None)


class _Change:
    def __init__(self, name: str, undone_by: str = "") -> None:
        self.id, self.undone_by = name, undone_by


def test_an_undo_can_be_undone():
    changes = [_Change("ch-1", "ch-2"), _Change("ch-2", "ch-3"), _Change("ch-3")]
    assert undone_changes(changes) == {"ch-2"}
    assert last_redone(changes, "ch-1") == "ch-3"
    assert undone_changes([*changes[:1], _Change("ch-2")]) == {"ch-1"}
    assert last_redone([_Change("ch-1", "ch-2"), _Change("ch-2")], "ch-1") == "ch-1"
    assert last_redone([], "ch-9") == "ch-9"


def test_long_diffs_are_cut_between_lines():
    diff = "".join(f"+line {i}\n" for i in range(1000))
    short = shorten_diff(diff, 100)
    *lines, last = short.splitlines()
    assert all(line.startswith("+line ") for line in lines)
    assert last == f"\\ {1000 - len(lines)} more lines are not shown here"
    assert shorten_diff("+a\n") == "+a\n"


def test_who_hears_only_the_end_of_a_turn_has_missed_its_beginning():
    for status, is_partial in [("finished", True), ("waiting", True), ("cancelled", False)]:
        log = make_log()
        log.take(Done(status=status, **IDS))
        assert log.is_partial == is_partial
    log = make_log()
    for event in (TURN[0], Done(status="finished", **IDS)):
        log.take(event)
    assert not log.is_partial
