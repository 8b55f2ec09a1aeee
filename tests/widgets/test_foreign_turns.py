"""What another shell said is read anew; what events have told is not, whenever they came."""

from __future__ import annotations

from datetime import UTC, datetime

from llm_scheduler.agent.threads import ThreadInfo
from llm_scheduler.widgets.chat_views import make_approval
from llm_scheduler.widgets.conversation_log import ConversationLog
from llm_scheduler.widgets.foreign_turns import ForeignTurns

AT = datetime(2026, 1, 2, tzinfo=UTC)


def listed(tokens: int) -> list[ThreadInfo]:
    return [
        ThreadInfo(
            id="chat",
            title="Why?",
            kind="chat",
            created_at=AT,
            updated_at=AT,
            turn_id="turn-1",
            input_tokens=tokens,
            output_tokens=0,
        )
    ]


def make_logs() -> dict[str, ConversationLog]:
    log = ConversationLog("chat", make_approval)
    log.is_loaded = True
    return {"chat": log}


def look(foreign: ForeignTurns, logs: dict[str, ConversationLog], tokens: int) -> list[str]:
    foreign.begin()
    return foreign.find(listed(tokens), logs)


def test_a_turn_of_another_shell_is_read_anew_and_once_more():
    foreign, logs = ForeignTurns(), make_logs()
    assert [look(foreign, logs, tokens) for tokens in (0, 0, 5, 5, 5)] == [
        [], [], ["chat"], ["chat"], [],
    ]  # fmt: skip


def test_a_turn_that_ends_before_the_list_is_read_is_not_foreign():
    foreign, logs = ForeignTurns(), make_logs()
    look(foreign, logs, 0)
    foreign.note_own("chat")
    assert [look(foreign, logs, tokens) for tokens in (5, 5)] == [[], []]
    assert look(foreign, logs, 9) == ["chat"]


def test_a_turn_that_ends_while_the_list_is_read_is_not_foreign():
    foreign, logs = ForeignTurns(), make_logs()
    look(foreign, logs, 0)
    foreign.begin()
    before = listed(0)
    foreign.note_own("chat")
    assert foreign.find(before, logs) == []
    assert look(foreign, logs, 5) == []
    assert look(foreign, logs, 9) == ["chat"]
