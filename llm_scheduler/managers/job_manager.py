"""`JobManager`: starts jobs as the engine does, and sees each failure exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from adaptive_scheduler._server_support.common import MaxRestartsReachedError
from adaptive_scheduler.server_support import JobManager as EngineJobManager

from llm_scheduler.engine.attempts import Attempt, Verdict
from llm_scheduler.engine.database_manager import DatabaseManager
from llm_scheduler.engine.failure_watch import WAITING_STATES, Decision, FailureWatch
from llm_scheduler.engine.live_queue import LiveJob
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.managers.failure_report import make_failure
from llm_scheduler.managers.job_queue import JobQueue
from llm_scheduler.managers.job_starter import JobStarter
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.managers.recovery import recover

log = logging.getLogger(__name__)

MIN_INTERVAL_S = 2.0
LOCAL_INTERVAL_S = 0.2
_GROWTH = 1.5
_PORTION = 50
_NOT_ITS_FAULT = frozenset({"PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "REVOKED"})


class JobManager(EngineJobManager):
    """The engine's `JobManager`, joined to an `LLMManager`.

    It starts the same jobs under the same limits. It differs in how it learns what
    became of them: a job has failed when the scheduler says so, not when it is
    missing from a list.

    Parameters
    ----------
    *args, **kwargs
        As for the engine's.
    keeper
        Keeps the logs of jobs.
    llm_manager
        Is told of every failure.
    restart_cancelled
        Whether a job that a person cancelled is started again.
    max_restarts
        How often a learner is started again after a failure of its own; ``None`` for
        no limit but the engine's ``max_fails_per_job``.

    """

    database_manager: DatabaseManager

    def __init__(
        self,
        *args: Any,
        keeper: LogKeeper,
        llm_manager: LLMManager,
        restart_cancelled: bool = False,
        max_restarts: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.llm_manager = llm_manager
        self.restart_cancelled = restart_cancelled
        self.max_restarts = max_restarts
        self.queue = JobQueue(self.scheduler)
        self.watch = FailureWatch(keeper, self.queue.accounting)
        self.n_failed: dict[int, int] = {}
        """Failures of each learner since it was last released, by index."""
        self.last: dict[int, Attempt] = {}
        """The last job that was started for each learner, by index."""
        self._counted: set[str] = set()
        self.foreign_names: set[str] = set()
        """Names of ours that jobs of another session have."""
        self._judging: asyncio.Task[None] | None = None
        self.starter = JobStarter(self)
        self._wait_s = self.shortest_wait_s

    @property
    def shortest_wait_s(self) -> float:
        """Seconds between looks at the queue while something happens."""
        shortest = LOCAL_INTERVAL_S if self.queue.is_local else MIN_INTERVAL_S
        return min(shortest, self.interval)

    def release(self, indices: Sequence[int]) -> None:
        """Start these learners again although they are held back."""
        for index in indices:
            self.database_manager.held.pop(index, None)
            self.n_failed.pop(index, None)
        self._show_held()
        self.trigger()

    # -- the loop -----------------------------------------------------------------

    async def _manage(self) -> None:
        try:
            await self._recover()
            while True:
                if await self._cycle():
                    return
                await self._pause()
        finally:
            for task in (self._judging, self.starter.task):
                if task is not None:
                    if not task.cancelling():  # a second time would cut short what it notes
                        task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _cycle(self) -> bool:
        """Look once at the queue and act; say whether the run is over."""
        try:
            changed = await self._look()
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # noqa: BLE001 - a scheduler that is down comes back
            log.warning("the queue can't be read: %s", exc)
            self.llm_manager.set_problem("queue", f"The queue can't be read: {exc}")
            changed = False
        else:
            self.llm_manager.set_problem("queue", "")
            self.starter.begin()
        if changed or self.watch.undecided:
            self._wait_s = self.shortest_wait_s
        else:
            self._wait_s = min(self._wait_s * _GROWTH, self.interval)
        return await self._is_over()

    async def _look(self) -> bool:
        asked_at = self.watch.now()
        queue = await asyncio.to_thread(self.queue.read)
        seen = self.watch.see(queue, asked_at=asked_at)
        for attempt in seen.requeued:
            self.database_manager.mark_requeued(attempt.index, attempt.job_name)
        self._note_foreign(queue)
        for attempt in self.watch.attempts.values():
            self._count_nodes(attempt, attempt.nodes)
        await self.watch.follow_logs()
        if self.watch.undecided and (self._judging is None or self._judging.done()):
            self._judging = asyncio.create_task(self._judge())
        return seen.changed

    def _count_nodes(self, attempt: Attempt, nodes: Sequence[str]) -> None:
        """Count the nodes of a job once, as soon as they are known."""
        if nodes and attempt.attempt not in self._counted:
            self._counted.add(attempt.attempt)
            self.llm_manager.count_nodes(nodes)

    def _note_foreign(self, queue: Mapping[str, LiveJob]) -> None:
        """Remember names that jobs of another session hold: they must not be used twice."""
        own = {a.job_name for a in self.watch.attempts.values() if not a.leftover}
        self.foreign_names = {job.name for job in queue.values()}.intersection(
            self.job_names,
        ) - own

    async def _pause(self) -> None:
        """Wait for the next look, or until triggered."""
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together
            # with the event, and the run would go on.
            async with asyncio.timeout(self._wait_s):
                await self._trigger_event.wait()
        self._trigger_event.clear()

    async def _is_over(self) -> bool:
        database = self.database_manager
        if database.n_done() == len(self.job_names):
            await self._close_finished()
            return True
        for task in (self._judging, self.starter.task):
            if task is not None and not task.done():
                return False
        if self.watch.attempts or self.foreign_names:
            return False
        startable = database.startable()
        if not startable:
            return True
        if self.n_started >= self.max_job_starts:
            msg = (
                f"{self.n_started} jobs were started, which is the limit "
                f"(max_fails_per_job={self.max_fails_per_job} for each of "
                f"{len(self.job_names)} learners), and {len(startable)} learners still have not "
                "reached their goal. The failures panel says why."
            )
            raise MaxRestartsReachedError(msg)
        return False

    async def _close_finished(self) -> None:
        """All learners are done: what is left of their jobs is only their last breath."""
        if self._judging is not None and not self._judging.done():
            await self._judging
        left = [a for a in self.watch.attempts.values() if not a.leftover]
        for attempt in left:
            attempt.ended_at = datetime.now(UTC)
        await self._close([Decision(attempt, Verdict.FINISHED, None) for attempt in left])
        for attempt in left:
            await asyncio.to_thread(self.watch.keeper.forget, attempt)
            self.watch.remove(attempt)

    # -- what became of jobs --------------------------------------------------------

    async def _recover(self) -> None:
        """Take up what an earlier session with the same name left behind."""
        with suppress(Exception):  # an unreadable queue is met again in the loop
            for attempt in await asyncio.to_thread(recover, self.llm_manager.store, self.queue):
                # The earlier session may have had other learners under the same names.
                if not self.database_manager.has_learner(attempt.index, attempt.learners):
                    attempt.leftover = True
                self.watch.add(attempt)
                if not attempt.leftover:
                    self.database_manager.adopt(
                        attempt.index,
                        attempt.job_name,
                        attempt.job_id,
                        is_waiting=attempt.state in WAITING_STATES,
                    )

    async def _judge(self) -> None:
        try:
            decisions = await self.watch.decide(self.database_manager.is_learner_done)
            self.llm_manager.set_problem("accounting", self.watch.accounting.problem)
            # In portions: hundreds at once would hold up the event loop.
            for begin in range(0, len(decisions), _PORTION):
                await self._act_on(decisions[begin : begin + _PORTION])
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("judging ended jobs failed; it is tried again")

    async def _act_on(self, decisions: Sequence[Decision]) -> None:
        failed = [d for d in decisions if d.verdict in (Verdict.FAILED, Verdict.CANCELLED)]
        await self._close([d for d in decisions if d not in failed])
        failures = []
        for decision in decisions:
            decision.attempt.ended_at = datetime.now(UTC)
        for decision in failed:
            if decision.record is not None:
                self._count_nodes(decision.attempt, decision.record.nodes)
            held, note = self._what_next(decision)
            failures.append(make_failure(decision, held=held, note=note))
        if failures:
            await self.llm_manager.report(failures)
        own = {d.attempt.index for d in decisions if not d.attempt.leftover}
        database = self.database_manager
        database.mark_failed([i for i in own if not database.is_learner_done(i)])
        self.trigger()

    async def _close(self, decisions: Sequence[Decision]) -> None:
        if decisions:
            outcomes = [(d.attempt, d.verdict.value) for d in decisions]
            await self.llm_manager.keep(self.llm_manager.store.close_attempts, outcomes)

    def _what_next(self, decision: Decision) -> tuple[bool, str]:
        """Decide whether the learner is held back, and say so in a sentence."""
        attempt, record = decision.attempt, decision.record
        if attempt.leftover:
            return False, "It failed in an earlier session, after its manager had ended."
        if decision.verdict is Verdict.CANCELLED and not self.restart_cancelled:
            by = f" (user {record.cancelled_by})" if record and record.cancelled_by else ""
            note = (
                f"Somebody cancelled job {attempt.job_id}{by}; it is not started again by itself."
            )
            self.hold(attempt.index, note)
            return True, note
        if record is None or record.state not in _NOT_ITS_FAULT:
            self.n_failed[attempt.index] = self.n_failed.get(attempt.index, 0) + 1
        times = self.n_failed.get(attempt.index, 0)
        if self.max_restarts is not None and times > self.max_restarts:
            often = "once" if times == 1 else f"{times} times"
            note = f"It failed {often} and is not started again by itself (max_restarts)."
            self.hold(attempt.index, note)
            return True, note
        if attempt.killed_because:
            return False, f"The kill manager cancelled it because {attempt.killed_because}."
        if self.n_started >= self.max_job_starts:
            return False, "It is not started again: the limit of job starts is reached."
        return False, "Its learner is started again."

    def hold(self, index: int, note: str) -> None:
        """Keep a learner from being started, for a reason said in a sentence."""
        self.database_manager.held[index] = note

    def _show_held(self) -> None:
        database = self.database_manager
        files = {file for index in database.held for file in database.learner_files(index)}
        self.llm_manager.set_held(files)
