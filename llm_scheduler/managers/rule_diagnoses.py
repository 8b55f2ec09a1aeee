"""`RuleDiagnoses`: failures that wait for the rules, and the workers that apply them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.managers.diagnosis_pool import DiagnosisFailed, DiagnosisPool, DiagnosisRequest
from llm_scheduler.managers.own_words import ended_early, explain_kill, without_diagnosis

PATIENCE_S = 1.0
"""After a diagnosis has taken this long, the next is made beside it."""


class RuleDiagnoses:
    """Diagnoses failures one after another, in processes of their own.

    Parameters
    ----------
    pool
        The worker processes.
    done
        Is told each diagnosis.
    changed
        Is called when one is not pending any more, however it ended.

    """

    def __init__(
        self,
        pool: DiagnosisPool,
        done: Callable[[Failure, Diagnosis], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self.pool = pool
        self.find_success: Callable[[], tuple[str, ...]] = tuple
        """Returns the logs of a job of the run that reached its goal, if there is one."""
        self._done = done
        self._changed = changed
        self._waiting: dict[str, Failure] = {}
        self._under_way: dict[str, asyncio.Task[Diagnosis]] = {}
        self._wake: asyncio.Event | None = None
        self._is_warm = False
        self._last_begin = 0.0

    @property
    def n_pending(self) -> int:
        """Number of failures that wait for their diagnosis."""
        return len(self._waiting) + len(self._under_way)

    def add(self, failures: Iterable[Failure]) -> None:
        """Queue failures that have no diagnosis; each is queued once."""
        for failure in failures:
            if failure.diagnosis is None and failure.attempt not in self._under_way:
                self._waiting[failure.attempt] = failure
        if self._wake is not None:
            self._wake.set()

    def discard(self, attempt: str) -> None:
        """Forget a failure that waits."""
        self._waiting.pop(attempt, None)

    async def ask(self, failure: Failure) -> Diagnosis:
        """Diagnose one failure now, or wait for what is under way."""
        self.pool.open()  # it may be asked after the run has ended
        return await asyncio.shield(self._under_way.get(failure.attempt) or self._begin(failure))

    def open(self) -> None:
        """Make the workers ready to be started."""
        self.pool.open()
        self._is_warm = False

    def warm_up(self) -> None:
        """Start a worker, so that the first failures need not wait for it."""
        if not self._is_warm:
            self._is_warm = True
            self.pool.warm_up()

    async def run(self) -> None:
        """Diagnose what waits, for ever."""
        self._wake = asyncio.Event()
        while True:
            self._wake.clear()
            while self._waiting and len(self._under_way) < self._n_at_once():
                self._begin(next(iter(self._waiting.values())))
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S if self._waiting else None):
                    await self._wake.wait()

    def cancel(self) -> None:
        """End the workers; what is pending is taken up at the next start."""
        for task in self._under_way.values():
            task.cancel()
        self.pool.close()

    def _n_at_once(self) -> int:
        """Say how many diagnoses may be under way.

        A warm worker takes milliseconds for an ordinary log, a new one a second to
        start: others help only when one log takes long.
        """
        if not self._under_way or time.monotonic() - self._last_begin < PATIENCE_S:
            return 1
        return self.pool.n_workers

    def _begin(self, failure: Failure) -> asyncio.Task[Diagnosis]:
        self._waiting.pop(failure.attempt, None)
        self._last_begin = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._diagnose(failure))
        self._under_way[failure.attempt] = task
        return task

    async def _diagnose(self, failure: Failure) -> Diagnosis:
        try:
            diagnosis = await self._ask_pool(failure)
            await self._done(failure, diagnosis)
        finally:
            self._under_way.pop(failure.attempt, None)
            if self._wake is not None:
                self._wake.set()
            self._changed()
        return diagnosis

    async def _ask_pool(self, failure: Failure) -> Diagnosis:
        request = DiagnosisRequest(
            job_id=failure.job_id,
            job_name=failure.job_name,
            log_files=failure.log_files,
            record=failure.record,
            refusal=_refusal(failure),
            compare_with=await asyncio.to_thread(self.find_success),
        )
        try:
            diagnosis = await self.pool.diagnose(request)
        except DiagnosisFailed as exc:
            return without_diagnosis(failure, str(exc))
        if failure.killed_because:
            return await asyncio.to_thread(explain_kill, failure, diagnosis)
        if diagnosis.category == "success":
            return ended_early(failure, diagnosis)
        return diagnosis


def _refusal(failure: Failure) -> str | None:
    """Return the scheduler's words when it refused the job."""
    record = failure.record
    return record.reason if record is not None and failure.job_id is None else None
