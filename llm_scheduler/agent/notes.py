"""What the model is told of changes that were decided or undone while it was not asked.

A note is a message of the thread, so it is told once, and every later answer knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import BaseMessage, HumanMessage

from llm_scheduler.agent.approval import Approval, Change
from llm_scheduler.agent.gate import describe_outcome, is_open
from llm_scheduler.agent.history import MARK, calls_of, mark_of

if TYPE_CHECKING:
    from llm_scheduler.agent.desk import ApprovalDesk


class Notes:
    """Compares what a thread tells with what the desk knows; reads the database.

    Parameters
    ----------
    desk
        Knows what became of changes.

    """

    def __init__(self, desk: ApprovalDesk) -> None:
        self._desk = desk

    def all(self, thread_id: str, messages: Sequence[BaseMessage]) -> list[HumanMessage]:
        """Tell of both."""
        return [*self.decided(messages), *self.undone(thread_id, messages)]

    def decided(self, messages: Sequence[BaseMessage]) -> list[HumanMessage]:
        """Tell of changes that were decided after the conversation had gone on."""
        told = _told(messages)
        lines, reported = [], []
        for message in messages:
            approval_id = mark_of(message).get("approval")
            if not approval_id or approval_id in told:
                continue
            approval = self._find_newest(approval_id)
            if not is_open(approval):
                reported.append(approval_id)
                lines.append(f"- {approval.summary}: {describe_outcome(approval)}")
        return _note("these changes were decided in the meantime", lines, reported)

    def undone(
        self, thread_id: str, messages: Sequence[BaseMessage], *, is_aside: bool = False
    ) -> list[HumanMessage]:
        """Tell of changes of this conversation that the user has undone since.

        Parameters
        ----------
        thread_id, messages
            The conversation.
        is_aside
            Whether the note comes in the middle of a turn, and begins none.

        """
        undos: dict[str, list[Change]] = {}
        for change in self._desk.undos(thread_id):
            undos.setdefault(change.approval_id, []).append(change)
        if not undos:
            return []
        told = _told(messages)
        called = {call["id"] for message in messages for call in calls_of(message)}
        lines, reported = [], []
        for approval_id, changes in undos.items():
            new = [change.id for change in changes if change.id not in told]
            approval = self._desk.get(approval_id)
            # An even number of steps leaves all as the model knows it.
            if len(new) % 2 and approval.call_id in called:
                reported += new
                lines.append(f"- {_describe(approval, changes)}")
        title = "what the user has done with your changes in the meantime"
        return _note(title, lines, reported, **({"aside": True} if is_aside else {}))

    def _find_newest(self, approval_id: str) -> Approval:
        approval = self._desk.get(approval_id)
        return self._desk.for_call(approval.thread_id, approval.call_id) or approval


def _told(messages: Sequence[BaseMessage]) -> set[str]:
    return {entry for message in messages for entry in mark_of(message).get("reported", ())}


def _describe(approval: Approval, undos: Sequence[Change]) -> str:
    change = f"{approval.summary} (change {approval.change_id})"
    if len(undos) % 2:
        return (
            f"{change} was undone, by change {undos[-1].id}: what it had changed is as it was "
            "before it. Do not make it again unless the user asks for it."
        )
    return f"{change} holds again: change {undos[-1].id} took its undoing back."


def _note(
    title: str, lines: Sequence[str], reported: Sequence[str], **mark: Any
) -> list[HumanMessage]:
    if not lines:
        return []
    text = f"[Note: {title}]\n" + "\n".join(lines)
    mark |= {"note": True, "reported": list(reported)}
    return [HumanMessage(text, id=uuid4().hex, additional_kwargs={MARK: mark})]
