"""The history of a conversation as the model gets it. Values only.

A thread may hold what a server refuses for ever: tool calls without answers (a cancel,
a crash, a message while an approval was pending), answers without calls, malformed
arguments, ids twice. What is kept in the thread is left alone; what is sent is repaired.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call

from llm_scheduler.agent.untrusted import make_writable

MARK = "llm_scheduler"
"""Key in ``additional_kwargs`` for what a message is to us; it is not sent."""

MALFORMED = "__malformed__"
"""Argument that holds what the model wrote where that was no JSON; it is not sent."""

NOT_ANSWERED = "This call was interrupted; there is no result."

_NO_TURN = frozenset({"context", "aside"})
"""Marks of messages that stand for a user's and begin no turn."""
_BAD_NAME = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME = 64
_ID_CHARS = string.ascii_letters + string.digits


def new_call_id() -> str:
    """Make an id for a tool call; nine letters and digits, which every server takes."""
    return "".join(secrets.choice(_ID_CHARS) for _ in range(9))


def mark_of(message: BaseMessage) -> dict[str, Any]:
    """Return what a message is to us; empty for ordinary ones."""
    mark = message.additional_kwargs.get(MARK)
    return mark if isinstance(mark, dict) else {}


def is_said_by_user(message: BaseMessage) -> bool:
    """Whether a message begins a turn: the user's words, or a note instead of them."""
    return isinstance(message, HumanMessage) and not _NO_TURN & mark_of(message).keys()


def current_turn(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the messages since the user last said something, that message included."""
    for i in range(len(messages) - 1, -1, -1):
        if is_said_by_user(messages[i]):
            return list(messages[i:])
    return list(messages)


def calls_of(message: BaseMessage) -> list[ToolCall]:
    """Return the tool calls of a message; malformed ones with empty arguments."""
    if not isinstance(message, AIMessage):
        return []
    return [
        tool_call(
            name=plain_name(call.get("name")),
            args=_sendable(call.get("args")),
            id=call.get("id") or "",
        )
        for call in (*message.tool_calls, *message.invalid_tool_calls)
    ]


def unanswered_calls(messages: Sequence[BaseMessage]) -> list[ToolCall]:
    """Return the calls that no later message answers, in their order."""
    return [slot.call for slot in _match(messages) if slot.answer is None]


def repair_history(
    messages: Sequence[BaseMessage], answer_for: Callable[[ToolCall], str] = lambda _: ""
) -> list[BaseMessage]:
    """Return a history that the protocol accepts, with as much of this one as possible.

    Parameters
    ----------
    messages
        Any messages in any order.
    answer_for
        Says what became of a call that nothing answers; empty when it is not known.

    """
    slots: dict[int, list[_Slot]] = {}
    for slot in _match(messages):
        slots.setdefault(slot.owner, []).append(slot)
    used: set[str] = set()
    out: list[BaseMessage] = []
    for i, message in enumerate(messages):
        if isinstance(message, SystemMessage):
            if i == 0 and _text(message):
                out.append(SystemMessage(_text(message), id=message.id))
        elif isinstance(message, HumanMessage):
            _add_human(out, message)
        elif isinstance(message, AIMessage) and "problem" not in mark_of(message):
            _add_answer(out, message, slots.get(i, []), used, answer_for)
    return out


@dataclass
class _Slot:
    """One tool call and the message that answers it."""

    call: ToolCall
    owner: int
    """Place of the message that made the call."""
    answer: ToolMessage | None = None


def _match(messages: Sequence[BaseMessage]) -> list[_Slot]:
    """Give each answer to the latest call before it with its id that has none yet."""
    slots: list[_Slot] = []
    still_open: dict[str, list[_Slot]] = {}
    for i, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            waiting = still_open.get(message.tool_call_id, [])
            if waiting:
                # Ids that one message uses twice are answered in their order.
                slot = next(s for s in waiting if s.owner == waiting[-1].owner)
                slot.answer = message
                waiting.remove(slot)
        elif "problem" not in mark_of(message):
            for call in calls_of(message):
                slot = _Slot(call, i)
                slots.append(slot)
                if call["id"]:
                    still_open.setdefault(call["id"], []).append(slot)
    return slots


def _add_human(out: list[BaseMessage], message: HumanMessage) -> None:
    text = _text(message)
    if not text.strip():
        return
    if out and isinstance(out[-1], HumanMessage):
        # Many chat templates of local models refuse two user messages in a row.
        out[-1] = HumanMessage(f"{out[-1].text}\n\n{text}", id=out[-1].id)
    else:
        out.append(HumanMessage(text, id=message.id))


def _add_answer(
    out: list[BaseMessage],
    message: AIMessage,
    slots: list[_Slot],
    used: set[str],
    answer_for: Callable[[ToolCall], str],
) -> None:
    text = _text(message)
    if not slots:
        if text.strip():
            out.append(AIMessage(text, id=message.id))
        return
    calls: list[ToolCall] = []
    answers: list[BaseMessage] = []
    for slot in slots:
        call_id = slot.call["id"] or ""
        if not call_id or call_id in used:
            call_id = new_call_id()
        used.add(call_id)
        calls.append(tool_call(name=slot.call["name"], args=slot.call["args"], id=call_id))
        answer = _text(slot.answer) if slot.answer is not None else answer_for(slot.call)
        answers.append(
            ToolMessage(
                answer if answer.strip() else NOT_ANSWERED,
                tool_call_id=call_id,
                name=slot.call["name"],
                id=slot.answer.id if slot.answer is not None else None,
            )
        )
    out.append(AIMessage(text, tool_calls=calls, id=message.id))
    out.extend(answers)


def _sendable(arguments: object) -> dict[str, Any]:
    return arguments if isinstance(arguments, dict) and MALFORMED not in arguments else {}


def _text(message: BaseMessage) -> str:
    return make_writable(str(message.text))


def plain_name(name: object) -> str:
    """Return the name of a tool as every server takes it."""
    return _BAD_NAME.sub("_", str(name or ""))[:_MAX_NAME] or "unknown"
