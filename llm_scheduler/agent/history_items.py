"""Messages of a thread as panels show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.history import MALFORMED, mark_of
from llm_scheduler.agent.threads import HistoryItem, ToolCallItem


def make_items(
    messages: Sequence[BaseMessage], approval_for: Callable[[str], Approval | None]
) -> list[HistoryItem]:
    """Return what people see of a thread.

    Parameters
    ----------
    messages
        As the thread keeps them.
    approval_for
        Returns the approval of a tool call, if it has one.

    """
    answers = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
    items = []
    for message in messages:
        mark = mark_of(message)
        if isinstance(message, HumanMessage) and "context" not in mark:
            items.append(
                HistoryItem(
                    role="note" if "note" in mark else "user",
                    message_id=message.id or "",
                    text=message.text,
                )
            )
        elif isinstance(message, AIMessage):
            items.append(
                HistoryItem(
                    role="problem" if "problem" in mark else "assistant",
                    message_id=message.id or "",
                    text=message.text,
                    tool_calls=tuple(_make_calls(message, answers, approval_for)),
                )
            )
    return items


def _make_calls(
    message: AIMessage,
    answers: dict[str, ToolMessage],
    approval_for: Callable[[str], Approval | None],
) -> list[ToolCallItem]:
    items = []
    for call in message.tool_calls:
        answer = answers.get(call["id"] or "")
        items.append(
            ToolCallItem(
                call_id=call["id"] or "",
                tool=call["name"],
                arguments={k: v for k, v in call["args"].items() if k != MALFORMED},
                output=answer.text if answer is not None else "",
                ok=answer.status == "success" if answer is not None else None,
                approval=approval_for(call["id"]) if call["id"] else None,
            )
        )
    return items
