"""`ConversationLog`: one thread as the panel's views see it, with numbered events.

It takes what the agent tells and what is kept of the thread, and gives three things:
numbered events for the views that are there, the finished part for those that come
later, and the whole for one that has missed something. Pure; its owner calls it from
one thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    Done,
    Event,
    Failed,
    Notice,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnStarted,
)
from llm_scheduler.widgets.chat_views import MakeApproval, make_call
from llm_scheduler.widgets.messages import (
    ApprovalChanged,
    ApprovalView,
    BusyChanged,
    CallChanged,
    Conversation,
    Events,
    Item,
    ItemAdded,
    ItemFinished,
    ItemsRemoved,
    PanelEvent,
    TextAdded,
    ToolCallView,
)

PAGE_ITEMS = 100
TRAIT_CHARS = 16_000
"""Of the newest entries; the rest of a thread is asked for."""
_JUMP = 1000
"""Added to the count where a view must ask for the whole anew."""
_CALL_STATUS: dict[str, Literal["running", "ok", "error", "waiting"]] = {
    "pending": "waiting",
    "approved": "waiting",
    "done": "ok",
    "rejected": "error",
    "void": "error",
    "failed": "error",
}


class ConversationLog:
    """The entries of one thread.

    Parameters
    ----------
    thread_id
        Whose entries these are.
    make
        Turns an approval into what the panel shows.

    """

    def __init__(self, thread_id: str, make: MakeApproval) -> None:
        self.thread_id = thread_id
        self.items: list[Item] = []
        self.approvals: dict[str, ApprovalView] = {}
        self.seq = 0
        self.is_busy = False
        self.is_loaded = False
        """Whether what was kept of the thread is in it."""
        self.is_partial = False
        """Whether the beginning of a turn was missed."""
        self.n_resets = 0
        """What was read before one of them is out of date."""
        self._make = make
        self._outbox: list[PanelEvent] = []
        self._open: Item | None = None
        self._turn_id = ""
        self._count = 0

    # -- what comes in -------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Take in what the agent tells."""
        self._turn_id = event.turn_id
        if isinstance(event, TextDelta):
            self._add_text(event.message_id, event.text)
        elif isinstance(event, TurnStarted):
            self._start(event.message)
        elif isinstance(event, ToolStarted):
            self._start_call(event)
        elif isinstance(event, ToolFinished):
            self._finish_call(event)
        elif isinstance(event, ApprovalWanted | ApprovalSettled):
            self.show_approval(event.approval)
        elif isinstance(event, Notice):
            self.say("notice", event.text)
        elif isinstance(event, Failed):
            self.say("error", event.text)
        elif isinstance(event, Done):
            # Somebody who came between the last words and this has none of the turn.
            self.is_partial |= not self.is_busy and event.status in ("finished", "waiting")
            self._end(event.status)
        if not self.is_busy and isinstance(event, TextDelta | ToolStarted | ToolFinished):
            self.is_partial = True  # it began before anybody listened
            self._set_busy(True)

    def say(
        self,
        role: Literal["user", "assistant", "notice", "error"],
        text: str,
        approvals: Sequence[str] = (),
        item_id: str = "",
    ) -> None:
        """Add a whole entry."""
        name = item_id or self._new_id(role)
        self._add(Item(id=name, role=role, text=text, approvals=list(approvals)))

    def show_approval(self, approval: Approval) -> None:
        """Show a change that was proposed, decided or undone."""
        view = self._make(approval)
        known = self.approvals.get(view.id)
        if known == view:
            return
        item = self._item_of(view.id)
        if item is None:
            item = self._item_of_call(approval.call_id)
            if item is None:
                item = self._make_room(approval)
            item.approvals.append(view.id)
        self.approvals[view.id] = view
        self._outbox.append(ApprovalChanged(approval=view, item_id=item.id))
        for call in item.calls:
            if call.call_id == approval.call_id:
                self._change_call(item, call, _CALL_STATUS[approval.status])

    def load(self, items: Sequence[Item], approvals: dict[str, ApprovalView]) -> None:
        """Put what is kept of the thread before what has happened since."""
        self.is_loaded = True
        own = {item.id for item in self.items}
        calls = {call.call_id for item in self.items for call in item.calls}
        before = [item for item in items if item.id not in own]
        if any(item.is_stopped for item in self.items) and before and _is_bare_stop(before[-1]):
            del before[-1]
        before = [x for x in before if not x.calls or calls.isdisjoint(c.call_id for c in x.calls)]
        said = [item.text.strip() for item in self.items if item.role == "user"]
        while said:  # the same words are in both; those that were kept are the last ones
            last = max((i for i, x in enumerate(before) if x.role == "user"), default=-1)
            if last < 0 or before[last].text.strip() != said.pop():
                break
            del before[last]
        self.items[:0] = before
        self.approvals = approvals | self.approvals

    def reset(self) -> None:
        """Forget all, to be loaded again; every view asks for the whole then."""
        self.items.clear()
        self.approvals.clear()
        self._outbox.clear()
        self._open = None
        self.is_loaded = self.is_partial = False
        self.n_resets += 1
        self.seq += _JUMP
        self._outbox.append(BusyChanged(is_busy=self.is_busy))

    def remove_from(self, item_id: str) -> None:
        """Take back an entry and all after it."""
        places = [i for i, item in enumerate(self.items) if item.id == item_id]
        if places:
            del self.items[places[0] :]
            self._open = None
            self._outbox.append(ItemsRemoved(item_id=item_id))

    # -- what goes out ---------------------------------------------------------------------

    def flush(self) -> Events | None:
        """Return what happened since the last call, numbered."""
        if not self._outbox:
            return None
        events, self._outbox = self._outbox, []
        first = self.seq + 1
        self.seq += len(events)
        return Events(thread_id=self.thread_id, seq=first, events=events)

    def whole(self, before: str = "") -> Conversation:
        """Return the newest entries, or those before one; call `flush` first."""
        end = len(self.items)
        if before:
            end = next((i for i, item in enumerate(self.items) if item.id == before), 0)
        return self._part(max(0, end - PAGE_ITEMS), end)

    def finished(self, max_chars: int = TRAIT_CHARS) -> Conversation:
        """Return the newest entries that nothing is added to any more, of a bounded size."""
        end = len(self.items)
        while end and not self.items[end - 1].is_final:
            end -= 1
        begin, room = end, max_chars
        while begin and end - begin < PAGE_ITEMS:
            room -= self._size(self.items[begin - 1])
            if room < 0 and begin < end:
                break
            begin -= 1
        return self._part(begin, end)

    def _part(self, begin: int, end: int) -> Conversation:
        items = self.items[begin:end]
        wanted = {name for item in items for name in item.approvals}
        return Conversation(
            thread_id=self.thread_id,
            items=[item.model_copy(deep=True) for item in items],
            n_earlier=begin,
            approvals=[view for name, view in self.approvals.items() if name in wanted],
            seq=self.seq,
            is_busy=self.is_busy,
        )

    def _size(self, item: Item) -> int:
        shown = [self.approvals[name] for name in item.approvals if name in self.approvals]
        return (
            200
            + len(item.text)
            + sum(300 + len(call.output) + len(str(call.arguments)) for call in item.calls)
            + sum(500 + len(view.diff) + len(view.text) for view in shown)
        )

    # -- turns -----------------------------------------------------------------------------

    def _start(self, message: str) -> None:
        self._finish_open()
        self.is_partial = False
        if message:
            self.say("user", message)
        self._set_busy(True)

    def _end(self, status: str) -> None:
        if status == "cancelled" and self.is_busy:
            self._mark_stopped()
        self._finish_open()
        for item in self.items:
            for call in [call for call in item.calls if call.status == "running"]:
                self._change_call(item, call, "error", "stopped")
        self._set_busy(False, status)

    def _mark_stopped(self) -> None:
        """Say where the turn was stopped: on the last answer, or in the place of one."""
        last = self.items[-1] if self.items else None
        if last is None or last.role != "assistant":
            self._finish_open()
            name = self._new_id("stopped")
            self._add(Item(id=name, role="assistant", is_stopped=True))
        elif not last.is_stopped:
            last.is_stopped = True
            if last is not self._open:
                self._outbox.append(ItemFinished(item_id=last.id, is_stopped=True))

    def _set_busy(self, is_busy: bool, status: str = "") -> None:
        self.is_busy = is_busy
        self._outbox.append(
            BusyChanged(is_busy=is_busy, status=status, doing="Thinking" if is_busy else "")
        )

    def _doing(self, what: str) -> None:
        if self.is_busy:
            self._outbox.append(BusyChanged(is_busy=True, doing=what))

    def _add_text(self, message_id: str, text: str) -> None:
        item = self._open
        if item is None or item.id != message_id:
            self._finish_open()
            item = Item(id=message_id, role="assistant", turn_id=self._turn_id, is_final=False)
            item.at = _now()
            self._open = item
            self.items.append(item)
            self._outbox.append(ItemAdded(item=item.model_copy(deep=True)))
        item.text += text
        last = self._outbox[-1] if self._outbox else None
        if isinstance(last, TextAdded) and last.item_id == item.id:
            last.text += text
        else:
            self._outbox.append(TextAdded(item_id=item.id, text=text))

    def _start_call(self, event: ToolStarted) -> None:
        item = self._item_of_call(event.call_id)
        view = make_call(event.call_id, event.tool, event.arguments, "running")
        if item is not None:  # it goes on after a decision
            item.calls = [view if call.call_id == view.call_id else call for call in item.calls]
        else:
            item = self._item_for_call()
            item.calls.append(view)
        self._outbox.append(CallChanged(item_id=item.id, call=view.model_copy()))
        self._doing(f"Using {event.tool}")

    def _finish_call(self, event: ToolFinished) -> None:
        item = self._item_of_call(event.call_id)
        call = next((c for c in item.calls if c.call_id == event.call_id), None) if item else None
        if item is None or call is None:
            item = self._item_for_call()
            call = make_call(event.call_id, event.tool, {}, "running")
            item.calls.append(call)
        done = make_call(
            call.call_id,
            call.tool,
            call.arguments,
            "ok" if event.ok else "error",
            summary=event.summary,
            output=event.output,
        )
        item.calls = [done if c.call_id == call.call_id else c for c in item.calls]
        self._outbox.append(CallChanged(item_id=item.id, call=done.model_copy()))
        self._doing("Thinking")

    def _change_call(
        self,
        item: Item,
        call: ToolCallView,
        status: Literal["running", "ok", "error", "waiting"],
        summary: str = "",
    ) -> None:
        if call.status != status:
            call.status = status
            call.summary = summary or call.summary
            self._outbox.append(CallChanged(item_id=item.id, call=call.model_copy()))

    # -- entries ---------------------------------------------------------------------------

    def _add(self, item: Item) -> None:
        item.turn_id = item.turn_id or self._turn_id
        item.at = item.at or _now()
        self.items.append(item)
        self._outbox.append(ItemAdded(item=item.model_copy(deep=True)))

    def _item_for_call(self) -> Item:
        """Return the entry of the message that makes a call; an answer may be calls alone."""
        item = self._open
        if item is not None and all(call.status == "running" for call in item.calls):
            return item
        self._finish_open()
        item = Item(
            id=self._new_id("calls"), role="assistant", turn_id=self._turn_id, is_final=False
        )
        self._open = item
        self._add(item)
        return item

    def _finish_open(self) -> None:
        if self._open is not None:
            self._open.is_final = True
            is_stopped = self._open.is_stopped
            self._outbox.append(ItemFinished(item_id=self._open.id, is_stopped=is_stopped))
            self._open = None

    def _make_room(self, approval: Approval) -> Item:
        """Return an entry for a change that no message of the thread has proposed."""
        last = self.items[-1] if self.items else None
        if last is not None and last.role == "notice" and last.id.startswith("rules-"):
            return last
        is_rules = approval.call_id.startswith("rules-")
        text = "The rules know what to change." if is_rules else ""
        self._add(Item(id=self._new_id("rules"), role="notice", text=text))
        return self.items[-1]

    def _item_of(self, approval_id: str) -> Item | None:
        return next((x for x in reversed(self.items) if approval_id in x.approvals), None)

    def _item_of_call(self, call_id: str) -> Item | None:
        return next(
            (x for x in reversed(self.items) if any(c.call_id == call_id for c in x.calls)), None
        )

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self.thread_id[:40]}-{self._turn_id[-12:]}-{self._count}"


def _is_bare_stop(item: Item) -> bool:
    return item.is_stopped and not item.text and not item.calls


def _now() -> str:
    return datetime.now(UTC).isoformat()
