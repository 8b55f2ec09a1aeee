"""`ThreadTurns`: runs the turns of all threads, one at a time in each.

All of it belongs to the agent's loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Unpack
from uuid import uuid4

from llm_scheduler.agent.approval import Approval, Decision, DecisionOptions
from llm_scheduler.agent.events import ApprovalSettled, ApprovalWanted, Event
from llm_scheduler.agent.turns import Turn, TurnEnded, TurnLocks, TurnStatus
from llm_scheduler.agent.words import read_decision
from llm_scheduler.errors import LLMSchedulerError, ModelError, StoreError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.asides import Asides
    from llm_scheduler.agent.conversations import Conversations
    from llm_scheduler.agent.desk import ApprovalDesk
    from llm_scheduler.agent.threads import ThreadList

log = logging.getLogger(__name__)

_RECORD_TIMEOUT_S = 5.0
_NO_THREADS = "cannot schedule new futures"
"""What Python says to those who want a thread when it is ending."""


class ThreadTurns:
    """Turns, and what decisions do to them.

    Parameters
    ----------
    desk
        Decides about changes.
    threads
        The list of conversations.
    asides
        Keep where a turn was stopped.
    locks
        Keep other processes out of a thread while a turn of it runs.
    open_conversations
        Returns what drives the graph; made at the first turn.
    publish
        Called with every event.

    """

    def __init__(
        self,
        *,
        desk: ApprovalDesk,
        threads: ThreadList,
        asides: Asides,
        locks: TurnLocks,
        open_conversations: Callable[[], Awaitable[Conversations]],
        publish: Callable[[Event], None],
    ) -> None:
        self._desk = desk
        self._threads = threads
        self._asides = asides
        self._locks = locks
        self._open = open_conversations
        self._publish = publish
        self._latest: dict[str, Turn] = {}
        self._under_way: dict[str, list[Turn]] = {}
        self._was_decided: set[str] = set()
        """Threads in which a decision was made during a turn."""
        self._settled: set[str] = set()
        """Threads in which the last thing was a decision with nothing to go on with."""

    def is_busy(self, thread_id: str) -> bool:
        """Whether a turn of the thread is under way; may be asked from any thread."""
        return bool(self._under_way.get(thread_id))

    async def begin(self, message: str | None, thread_id: str) -> Turn:
        """Begin a turn, or return the one that goes on; see `Agent.stream`."""
        if message is None:
            latest = self._latest.get(thread_id)
            if latest is not None and (latest.done is None or not latest.is_followed):
                return latest
            may_retry = thread_id not in self._settled
            return self._start_rest(thread_id, may_retry=may_retry)
        turn = Turn(thread_id, f"turn-{uuid4().hex[:12]}", message, self._publish)
        if read_decision(message) is not None:
            # Now, not when the turns before it have ended: a word can't mean what its
            # writer has not seen.
            pending = await asyncio.to_thread(self._desk.pending, thread_id)
            turn.known_approvals = frozenset(approval.id for approval in pending)
        return self._start(turn, self._answer)

    def _start_rest(self, thread_id: str, *, may_retry: bool) -> Turn:
        turn = Turn(thread_id, "", "", self._publish)

        async def go_on(turn: Turn) -> TurnStatus:
            return await self._go_on(turn, may_retry=may_retry)

        return self._start(turn, go_on)

    def _start(self, turn: Turn, body: Callable[[Turn], Awaitable[TurnStatus]]) -> Turn:
        self._settled.discard(turn.thread_id)
        self._latest[turn.thread_id] = turn
        self._under_way.setdefault(turn.thread_id, []).append(turn)
        turn.task = asyncio.get_running_loop().create_task(self._run_turn(turn, body))
        # A task that is cancelled before its first step runs nothing of its own.
        turn.task.add_done_callback(lambda _: self._end(turn, "cancelled"))
        return turn

    def _end(self, turn: Turn, status: TurnStatus) -> None:
        """Note that a turn is over; only the first time counts."""
        under_way = self._under_way.get(turn.thread_id, [])
        if turn not in under_way:
            return
        under_way.remove(turn)
        if not under_way:
            del self._under_way[turn.thread_id]
        turn.finish(status)

    async def _run_turn(self, turn: Turn, body: Callable[[Turn], Awaitable[TurnStatus]]) -> None:
        """Run a turn to its end; whatever happens, it ends with `Done`."""
        status: TurnStatus = "failed"
        try:
            async with self._locks.hold(turn.thread_id):
                status = await self._run_body(turn, body)
        except TurnEnded as exc:
            turn.fail(exc.kind, exc.text)
        except asyncio.CancelledError:
            status = "cancelled"
        except Exception as exc:
            log.exception("a turn failed")
            turn.fail("internal", _say_internal(exc))
        finally:
            self._end(turn, status)
        if turn.thread_id in self._was_decided and not self.is_busy(turn.thread_id):
            self._was_decided.discard(turn.thread_id)
            await self._continue(turn.thread_id)

    async def _run_body(
        self, turn: Turn, body: Callable[[Turn], Awaitable[TurnStatus]]
    ) -> TurnStatus:
        try:
            return await body(turn)
        except asyncio.CancelledError:
            await self._record(turn)
            return "cancelled"
        except TurnEnded as exc:
            kind, text = exc.kind, exc.text
        except ModelError as exc:
            kind, text = exc.kind, str(exc)
        except LLMSchedulerError as exc:
            kind, text = "internal", str(exc)
        except Exception as exc:
            log.exception("a turn failed")
            kind, text = "internal", _say_internal(exc)
        turn.start()
        turn.fail(kind, text)
        await self._record(turn, text, kind)
        return "failed"

    async def _record(self, turn: Turn, problem: str = "", kind: str = "") -> None:
        async def record() -> None:
            conversations = await self._open()
            await conversations.record(turn, problem, kind)
            if turn.is_stopped and not problem:
                n_before = len(await conversations.history(turn.thread_id))
                await asyncio.to_thread(self._asides.add_stop, turn.thread_id, n_before)

        loop = asyncio.get_running_loop()
        task = loop.create_task(record())
        end = loop.time() + _RECORD_TIMEOUT_S
        while not task.done() and (left_s := end - loop.time()) > 0:
            with suppress(asyncio.CancelledError):  # a second cancel must not cut this short
                await asyncio.wait([task], timeout=left_s)
        if not task.done():
            log.warning("how a turn ended could not be kept yet")
        elif not task.cancelled() and (failure := task.exception()) is not None:
            if isinstance(failure, RuntimeError) and _NO_THREADS in str(failure):
                # Python is ending, and its threads are gone: who stopped the turn has left.
                log.debug("how a turn ended is not kept: Python is ending")
                return
            trace = None if isinstance(failure, StoreError) else failure
            log.warning("how a turn ended could not be kept: %s", failure, exc_info=trace)

    async def _answer(self, turn: Turn) -> TurnStatus:
        decision = read_decision(turn.message)
        if decision is not None and turn.known_approvals:
            pending = await asyncio.to_thread(self._desk.pending, turn.thread_id)
            if len(pending) == 1 and turn.known_approvals == {pending[0].id}:
                return await self._answer_decision(turn, pending[0], decision)
            if pending:
                turn.start()
                turn.say(f"note-{uuid4().hex[:8]}", _ask_which(pending))
                return "waiting"
        turn.start()
        await asyncio.to_thread(
            self._threads.touch, turn.thread_id, message=turn.message, turn_id=turn.turn_id
        )
        conversations = await self._open()
        return await conversations.answer(turn)

    async def _answer_decision(
        self, turn: Turn, approval: Approval, decision: Decision
    ) -> TurnStatus:
        turn.turn_id = approval.turn_id
        turn.start()
        settled = await self._decide(approval.id, decision)
        status = await (await self._open()).go_on(turn, may_retry=False)
        if not turn.text_id:
            turn.text = _tell_settled(settled)
        return status

    async def _go_on(self, turn: Turn, *, may_retry: bool) -> TurnStatus:
        known = await asyncio.to_thread(self._threads.get, turn.thread_id)
        turn.turn_id = (known and known.turn_id) or f"turn-{uuid4().hex[:12]}"
        turn.start()
        return await (await self._open()).go_on(turn, may_retry=may_retry)

    async def decide(
        self, approval_id: str, decision: Decision, **values: Unpack[DecisionOptions]
    ) -> Approval:
        """Decide about a change, and go on when nothing else waits."""
        # What was decided is carried through, also when the caller is cancelled.
        task = asyncio.ensure_future(self._decide_and_go_on(approval_id, decision, **values))
        return await asyncio.shield(task)

    async def _decide_and_go_on(
        self, approval_id: str, decision: Decision, **values: Unpack[DecisionOptions]
    ) -> Approval:
        approval = await self._decide(approval_id, decision, **values)
        await self._continue(approval.thread_id)
        return approval

    async def _decide(
        self, approval_id: str, decision: Decision, **values: Unpack[DecisionOptions]
    ) -> Approval:
        desk = self._desk
        before = await asyncio.to_thread(desk.get, approval_id)
        waiting = await asyncio.to_thread(desk.pending, before.thread_id)
        approval = await asyncio.to_thread(desk.decide, approval_id, decision, **values)
        for one in waiting:  # a decision for the whole turn settles others, too
            now = await asyncio.to_thread(desk.get, one.id)
            if now.status != "pending":
                await self._announce(now)
        if before.status == "approved" and approval.status != "approved":
            await self._announce(approval)  # held back before anybody carried it out
        return approval

    async def _announce(self, approval: Approval) -> None:
        """Tell of a change that was settled, and of the one that takes its place."""
        self._tell(approval, ApprovalSettled)
        if approval.replaced_by:
            new = await asyncio.to_thread(self._desk.get, approval.replaced_by)
            self._tell(new, ApprovalWanted)

    def _tell(self, approval: Approval, kind: type[ApprovalSettled | ApprovalWanted]) -> None:
        event = kind(thread_id=approval.thread_id, turn_id=approval.turn_id, approval=approval)
        turns = self._under_way.get(approval.thread_id)
        if turns:
            turns[0].publish(event)  # the others wait for this one
        else:
            self._publish(event)

    async def take_up(self, approvals: Sequence[Approval]) -> None:
        """Tell of changes that were settled elsewhere, and go on with their threads."""
        for approval in approvals:
            await self._announce(approval)
        for thread_id in {approval.thread_id for approval in approvals}:
            await self._continue(thread_id)

    async def _continue(self, thread_id: str) -> None:
        """Go on with a thread when nothing in it waits any more."""
        if self.is_busy(thread_id):
            self._was_decided.add(thread_id)
            return
        try:
            if await asyncio.to_thread(self._desk.pending, thread_id):
                return
            if await (await self._open()).has_more(thread_id) and not self.is_busy(thread_id):
                self._start_rest(thread_id, may_retry=False)
            elif not self.is_busy(thread_id):
                self._settled.add(thread_id)
        except LLMSchedulerError as exc:
            log.warning("thread %r could not be taken up again: %s", thread_id, exc)
        except Exception:
            log.exception("thread %r could not be taken up again", thread_id)

    async def take_back(self, thread_id: str, message_id: str, instead: str) -> None:
        """Forget a message and all after it; what is not decided there is rejected."""
        conversations = await self._open()
        async with self._alone(thread_id):
            calls = await conversations.take_back(thread_id, message_id, instead)
            for approval in await asyncio.to_thread(self._desk.pending, thread_id):
                if approval.call_id in calls:
                    settled = await asyncio.to_thread(
                        self._desk.decide,
                        approval.id,
                        "reject",
                        message="The message that led to it was taken back.",
                    )
                    self._tell(settled, ApprovalSettled)
            self._latest.pop(thread_id, None)

    async def forget(self, thread_id: str) -> None:
        """Delete a thread; what it proposed and is not decided is rejected."""
        self.cancel_thread(thread_id)
        conversations = await self._open()
        async with self._alone(thread_id):
            for approval in await asyncio.to_thread(self._desk.pending, thread_id):
                settled = await asyncio.to_thread(
                    self._desk.decide,
                    approval.id,
                    "reject",
                    message="The conversation was deleted.",
                )
                self._tell(settled, ApprovalSettled)
            await conversations.delete(thread_id)
            await asyncio.to_thread(self._threads.delete, thread_id)
            self._latest.pop(thread_id, None)

    @asynccontextmanager
    async def _alone(self, thread_id: str) -> AsyncIterator[None]:
        """Keep everybody else out of a thread for what is no turn."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._locks.hold(thread_id))
            except TurnEnded as exc:  # it is busy in another process
                raise UsageError(exc.text) from exc
            yield

    def cancel_thread(self, thread_id: str) -> None:
        """Cancel the turns of a thread, those that wait for their turn too."""
        for turn in list(self._under_way.get(thread_id, ())):
            self.cancel_turn(turn)

    def cancel_turn(self, turn: Turn) -> None:
        """Cancel one turn."""
        if turn.task is not None and turn.done is None:
            turn.is_stopped = True
            turn.task.cancel()


def _ask_which(pending: Sequence[Approval]) -> str:
    names = "\n".join(f"- {approval.id}: {approval.summary}" for approval in pending)
    return f"{len(pending)} changes wait for a decision; decide them one by one:\n{names}"


def _tell_settled(approval: Approval) -> str:
    words = f": {approval.message}" if approval.message else ""
    change = f" (change {approval.change_id})" if approval.change_id else ""
    return f"{approval.summary}: {approval.status}{change}{words}"


def _say_internal(exc: Exception) -> str:
    return f"Something went wrong in the agent: {type(exc).__name__}: {exc}"
