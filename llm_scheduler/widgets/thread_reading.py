"""All that is kept of a thread, in its order: messages, what stood beside them, proposals.

The conversation with the model knows only its own messages. Typed commands with their
answers, and what the rules have proposed, belong to the thread too for those who read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

from llm_scheduler.agent.asides import ASIDE_PREFIX, Aside
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.widgets.chat_views import MakeApproval, make_items
from llm_scheduler.widgets.messages import ApprovalView, Item

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.widgets.chat_session import ChatSession

MAX_RULES = 50
"""Decided proposals of the rules that are shown of one thread."""


async def read_thread(
    assistant: Assistant, thread_id: str, make: MakeApproval
) -> tuple[list[Item], dict[str, ApprovalView], list[Approval]]:
    """Return the entries of a thread, its approvals, and those that go to its end.

    Raises
    ------
    LLMSchedulerError
        It can't be read.

    """
    threads = {thread.id: thread for thread in await asyncio.to_thread(assistant.threads)}
    thread = threads.get(thread_id)
    history = await assistant.history(thread_id) if thread is not None else []
    items, approvals = make_items(history, make)
    items = put_between(items, await asyncio.to_thread(assistant.asides.of, thread_id))
    items = _mark_stopped(items)
    last_turn = thread.updated_at if thread is not None and items else None
    early, late = await asyncio.to_thread(_proposals, assistant, thread_id, last_turn)
    if early:
        approvals.update({one.id: make(one) for one in early})
        text = "The rules knew what to change."
        names = [one.id for one in early]
        items.insert(0, Item(id=f"rules-{names[0]}", role="notice", text=text, approvals=names))
    return items, approvals, late


def _proposals(
    assistant: Assistant, thread_id: str, last_turn: datetime | None
) -> tuple[list[Approval], list[Approval]]:
    """Return what the rules have proposed: before the last turn, and what goes to the end."""
    proposed = assistant.proposed_by_rules(thread_id)
    cleared_at = assistant.asides.cleared_at(thread_id)
    if cleared_at is not None:  # they went with the thread
        proposed = [one for one in proposed if one.created_at > cleared_at]
    # No message says where they were; what is still to be decided must not be overlooked.
    waiting = [one for one in proposed if one.status in ("pending", "approved")]
    decided = [one for one in proposed if one not in waiting][-MAX_RULES:]
    early = [one for one in decided if last_turn is not None and one.created_at <= last_turn]
    return early, [*(one for one in decided if one not in early), *waiting]


async def say_aside(
    session: ChatSession, thread_id: str, *said: tuple[Literal["user", "notice"], str]
) -> None:
    """Show texts that are not for the model, and keep them where they stand."""
    log = await session.load(thread_id)
    asides = [(f"{ASIDE_PREFIX}{token_hex(6)}", role, text) for role, text in said]
    for name, role, text in asides:
        log.say(role, text, item_id=name)
    session.ask_flush()
    assistant = await session.assistant()
    with suppress(LLMSchedulerError):  # they are shown; the overview says what is broken
        await asyncio.to_thread(assistant.agent.begin, thread_id)
        n_before = len(await assistant.history(thread_id))
        kept = [
            Aside(id=name, n_before=n_before, role=role, text=text, at=datetime.now(UTC))
            for name, role, text in asides
        ]
        await asyncio.to_thread(assistant.asides.add, thread_id, kept)


def put_between(items: Sequence[Item], asides: Sequence[Aside]) -> list[Item]:
    """Return the messages with what was said beside them, each where it was said."""
    made: list[Item] = []
    left = list(asides)
    for n_before in range(len(items) + 1):
        while left and left[0].n_before <= n_before:
            made.append(make_aside(left.pop(0)))
        made += items[n_before : n_before + 1]
    return [*made, *(make_aside(aside) for aside in left)]


def make_aside(aside: Aside) -> Item:
    """Return an entry for what was said beside the conversation."""
    at = aside.at.isoformat()
    if aside.role == "stopped":
        return Item(id=aside.id, role="assistant", at=at, is_stopped=True)
    return Item(id=aside.id, role=aside.role, text=aside.text, at=at)


def _mark_stopped(items: Sequence[Item]) -> list[Item]:
    """Put the mark of a stop on the answer before it; one that had not begun has its own."""
    made: list[Item] = []
    for item in items:
        if item.is_stopped and made and made[-1].role == "assistant":
            made[-1].is_stopped = True
        else:
            made.append(item)
    return made


def is_aside(item: Item) -> bool:
    """Whether an entry is no message of the conversation."""
    return item.id.startswith(ASIDE_PREFIX)
