"""Watching submitted jobs until it is certain what became of each.

`FailureWatch` is told what is in the queue and asks accounting about all jobs that
have left it in one call. It starts and restarts nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_scheduler.engine.accounting import Accounting
from llm_scheduler.engine.attempts import Attempt, Verdict, judge
from llm_scheduler.engine.live_queue import LiveJob
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.engine.records import JobRecord

WAITING_STATES = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
"""States in which a job has not begun, or will begin anew."""


@dataclass(frozen=True)
class Seen:
    """What a look at the queue has shown."""

    changed: bool
    """Whether any job started, ended or changed its state."""
    requeued: tuple[Attempt, ...]
    """Jobs that ran and wait again under the same job id."""


@dataclass(frozen=True)
class Decision:
    """What became of one attempt."""

    attempt: Attempt
    verdict: Verdict
    record: JobRecord | None
    log_files: tuple[str, ...] = ()
    """Readable logs; only for failed and cancelled attempts."""


class FailureWatch:
    """The attempts that are under way.

    Parameters
    ----------
    keeper
        Keeps their logs.
    accounting
        Says how jobs ended.
    clock
        Monotonic seconds.

    """

    def __init__(
        self,
        keeper: LogKeeper,
        accounting: Accounting,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keeper = keeper
        self.accounting = accounting
        self.attempts: dict[str, Attempt] = {}
        """Under way, by identifier."""
        self._clock = clock

    @property
    def undecided(self) -> list[Attempt]:
        """Attempts that have left the queue and are not judged yet."""
        return [attempt for attempt in self.attempts.values() if attempt.gone_at is not None]

    def add(self, attempt: Attempt) -> None:
        """Watch an attempt that has been submitted."""
        attempt.added_at = self._clock()
        self.attempts[attempt.attempt] = attempt

    @property
    def busy(self) -> set[int]:
        """Indices of the learners that have an attempt under way."""
        return {a.index for a in self.attempts.values() if not a.leftover}

    def remove(self, attempt: Attempt) -> None:
        """Watch an attempt no longer."""
        self.attempts.pop(attempt.attempt, None)

    def now(self) -> float:
        """Return the time of the watch's clock, in seconds."""
        return self._clock()

    def find(self, job_name: str) -> Attempt | None:
        """Return the attempt under way with this job name."""
        for attempt in self.attempts.values():
            if attempt.job_name == job_name and not attempt.leftover:
                return attempt
        return None

    def drop_all(self) -> None:
        """Note that the manager itself is about to cancel every job."""
        for attempt in self.attempts.values():
            attempt.dropped = True

    def see(self, queue: Mapping[str, LiveJob], *, asked_at: float) -> Seen:
        """Compare the attempts with the jobs in the queue.

        Parameters
        ----------
        queue
            Live jobs by id, in all states in which the scheduler still has them.
        asked_at
            When the queue was asked, by the watch's clock: what was submitted since
            can't be in it.

        """
        by_name = {job.name: job for job in queue.values()}
        changed = False
        requeued = []
        for attempt in self.attempts.values():
            job = (
                by_name.get(attempt.job_name)
                if attempt.job_id is None
                else queue.get(attempt.job_id)
            )
            before = attempt.state
            if job is None:
                if attempt.gone_at is None and attempt.added_at < asked_at:
                    attempt.gone_at = asked_at
                    changed = True
                continue
            attempt.gone_at = None
            attempt.state = job.state
            if job.nodes:
                attempt.nodes = tuple(job.nodes)
            changed = changed or before != job.state
            if job.state in WAITING_STATES and before not in WAITING_STATES and before:
                requeued.append(attempt)
        return Seen(changed=changed, requeued=tuple(requeued))

    async def decide(self, is_done: Callable[[int], bool]) -> list[Decision]:
        """Judge the attempts that have left the queue, with one question to accounting.

        Parameters
        ----------
        is_done
            Whether the learner with an index reached its goal.

        """
        undecided = self.undecided
        ask = [a.job_id for a in undecided if a.job_id and (a.leftover or not is_done(a.index))]
        records = await asyncio.to_thread(self.accounting.records, ask) if ask else {}
        decisions = []
        for attempt in undecided:
            if attempt.gone_at is None:  # it came back while accounting was asked
                continue
            record = records.get(attempt.job_id or "")
            verdict = judge(
                attempt,
                record,
                is_done=is_done(attempt.index),
                gone_for_s=self._clock() - attempt.gone_at,
            )
            if verdict in (Verdict.UNDECIDED, Verdict.LIVE):
                continue
            decisions.append(await self._settle(attempt, verdict, record))
        return decisions

    async def follow_logs(self) -> None:
        """Link the logs of running jobs, so that moving or deleting them does no harm."""
        running = [a for a in self.attempts.values() if a.state and a.state not in WAITING_STATES]
        if not self.keeper.follows(running):
            await asyncio.to_thread(self.keeper.follow, running)

    async def _settle(
        self,
        attempt: Attempt,
        verdict: Verdict,
        record: JobRecord | None,
    ) -> Decision:
        logs: tuple[str, ...] = ()
        if verdict in (Verdict.FAILED, Verdict.CANCELLED):
            logs = await asyncio.to_thread(self.keeper.keep, attempt)
        else:
            if verdict is Verdict.FINISHED:
                await asyncio.to_thread(self.keeper.keep_success, attempt)
            await asyncio.to_thread(self.keeper.forget, attempt)
        self.remove(attempt)
        return Decision(attempt, verdict, record, logs)
