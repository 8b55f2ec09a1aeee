"""`LLMManager`: every failure of a run, its diagnosis, and the groups they form."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from adaptive_scheduler._server_support.base_manager import BaseManager

from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import StoreError, UsageError
from llm_scheduler.managers.diagnosis_pool import (
    DiagnosisFailed,
    DiagnosisPool,
    DiagnosisRequest,
)
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.own_words import ended_early, explain_kill, without_diagnosis

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 1.0
"""After a diagnosis has taken this long, the next is made beside it."""


class LLMManager(BaseManager):
    """Explains the failures of a run, beside its job loop.

    Parameters
    ----------
    store
        Where failures are kept; those in it are shown as known.
    settings
        The model, and what it may do. This version asks none.
    catalog_dirs
        Folders with further causes.
    problem
        A sentence about something that does not work, shown in the panel.
    pool
        The worker processes.

    """

    def __init__(
        self,
        store: FailureStore,
        *,
        settings: LLMSettings | None = None,
        catalog_dirs: tuple[Path, ...] = (),
        problem: str = "",
        pool: DiagnosisPool | None = None,
    ) -> None:
        super().__init__()
        self.store = store
        self.settings = settings or LLMSettings()
        self.mode: Mode = self.settings.mode
        self.pool = pool or DiagnosisPool(catalog_dirs=catalog_dirs)
        self._problems = {"settings": problem} if problem else {}
        self._failures: dict[str, Failure] = {}
        self._nodes_used: dict[str, int] = {}
        try:
            self._failures = {failure.attempt: failure for failure in store.failures()}
            self._nodes_used = store.nodes_used()
        except StoreError as exc:
            self._problems["store"] = f"Earlier failures can't be shown: {exc}."
        self._waiting: dict[str, Failure] = {}
        self._under_way: dict[str, asyncio.Task[Diagnosis]] = {}
        self._wake: asyncio.Event | None = None
        self._subscribers: list[Callable[[], Any]] = []
        self._groups: list[FailureGroup] | None = None
        self._is_warm = False
        self._last_begin = 0.0
        self._unsaved: dict[str, Failure] = {}
        self._release: Callable[[Sequence[str]], None] | None = None
        self._find_success: Callable[[], tuple[str, ...]] = tuple
        self._take_up()

    def _take_up(self) -> None:
        """Queue what an earlier session, or an end in between, left undiagnosed."""
        for failure in self._failures.values():
            if failure.diagnosis is None and failure.attempt not in self._under_way:
                self._waiting[failure.attempt] = failure

    # -- what people and panels read ---------------------------------------------

    @property
    def n_pending(self) -> int:
        """Number of failures that wait for their diagnosis."""
        return len(self._waiting) + len(self._under_way)

    @property
    def problem(self) -> str:
        """What does not work and what to do about it; empty when all is well."""
        return " ".join(text for text in self._problems.values() if text)

    @property
    def problem_topics(self) -> set[str]:
        """Topics of the sentences in `problem`."""
        return {topic for topic, text in self._problems.items() if text}

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first, those of earlier sessions included."""
        return sorted(self._failures.values(), key=lambda f: (f.failed_at, f.attempt))

    def groups(self) -> list[FailureGroup]:
        """Return the failures grouped by cause, the largest group first.

        Failures whose diagnosis is under way are in no group yet; `n_pending` counts
        them.
        """
        if self._groups is None:
            self._groups = group_failures(self.failures(), nodes_used=self._nodes_used)
        return list(self._groups)

    async def diagnose_failed_job(self, job_id: str) -> Diagnosis:
        """Return the diagnosis of a failed job; it is made once and kept.

        Raises
        ------
        UsageError
            No failure of a job with this id is known.

        """
        found = [f for f in self.failures() if f.job_id == str(job_id)]
        if not found:
            known = ", ".join(sorted({f.job_id for f in self.failures() if f.job_id})[:10])
            raise UsageError(
                f"Job {job_id!r} is not known to have failed; failed jobs: {known or 'none'}.",
            )
        failure = found[-1]
        if failure.diagnosis is not None:
            return failure.diagnosis
        self.pool.open()  # it may be asked after the run has ended
        return await asyncio.shield(self._under_way.get(failure.attempt) or self._begin(failure))

    async def settled(self, timeout_s: float | None = None) -> bool:
        """Wait until every failure that was reported has its diagnosis.

        Parameters
        ----------
        timeout_s
            Longest time to wait in seconds; ``None`` for no limit.

        Returns
        -------
        Whether nothing is pending any more.

        """
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        unsubscribe = self.subscribe(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            async with asyncio.timeout(timeout_s):
                while self.n_pending:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            unsubscribe()
        return True

    def subscribe(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Call back after every change; returns what ends that.

        The callback runs in the manager's event loop and must be quick.
        """
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._subscribers.remove(callback)

        return unsubscribe

    def release(self, learners: Sequence[str]) -> None:
        """Start learners again that are held back, named by their files."""
        if self._release is None:
            raise UsageError("This manager is not joined to a run; nothing can be started.")
        self._release(learners)

    def forget(self, attempts: Iterable[str] | None = None) -> None:
        """Remove failures from the list and the database; all of them by default."""
        chosen = list(self._failures) if attempts is None else list(attempts)
        for attempt in chosen:
            self._failures.pop(attempt, None)
            self._waiting.pop(attempt, None)
        self.store.remove_failures(chosen)
        self._changed()

    # -- what the job manager reports ----------------------------------------------

    def join(
        self,
        release: Callable[[Sequence[str]], None],
        find_success: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """Connect to the run whose failures these are.

        Parameters
        ----------
        release
            Starts learners that are held back, named by their files.
        find_success
            Returns the logs of a job of the run that reached its goal, if there is one.

        """
        self._release = release
        self._find_success = find_success

    def count_nodes(self, nodes: Iterable[str]) -> None:
        """Note that one more job ran on these nodes, whether it failed or not.

        A bad node shows only against the nodes on which other jobs ran.
        """
        for node in nodes:
            self._nodes_used[node] = self._nodes_used.get(node, 0) + 1
        self._groups = None

    def set_problem(self, topic: str, sentence: str) -> None:
        """Show, or with an empty sentence stop showing, that something does not work."""
        if self._problems.get(topic, "") != sentence:
            self._problems[topic] = sentence
            self._changed()

    async def report(self, failures: Sequence[Failure]) -> list[Failure]:
        """Take in failed attempts; each is accepted once.

        Returns
        -------
        The failures that had not been reported before.

        """
        new = [f for f in failures if f.attempt not in self._failures]
        self._unsaved |= {failure.attempt: failure for failure in new}
        saved = await self.keep(self.store.add_failures, list(self._unsaved.values()))
        if saved is not None:
            # Another kernel with the same run may have been first.
            accepted = {failure.attempt for failure in saved}
            new = [failure for failure in new if failure.attempt in accepted]
            self._unsaved.clear()
        for failure in new:
            self._failures[failure.attempt] = failure
            self._waiting[failure.attempt] = failure
        self._changed()
        if self._wake is not None:
            self._wake.set()
        return new

    async def keep(self, write: Callable[..., T], *arguments: Any) -> T | None:
        """Write to the database in a thread; when it fails say so and return ``None``.

        Whatever is the matter with the file, a full disk or a lock that somebody else
        holds: jobs go on, and failures are kept in memory.
        """
        try:
            result = await asyncio.to_thread(write, *arguments)
        except StoreError as exc:
            self.set_problem("store", f"Failures are kept in memory only: {exc}.")
            return None
        except Exception as exc:
            log.exception("failures can't be written")
            self.set_problem("store", f"Failures are kept in memory only: {exc!r}.")
            return None
        self.set_problem("store", "")
        return result

    def set_held(self, learners: set[str]) -> None:
        """Note which learners are held back, so that panels can offer to start them."""
        updated = []
        for attempt, failure in self._failures.items():
            held = bool(learners.intersection(failure.learners))
            if failure.held and not held:
                updated.append(failure.model_copy(update={"held": False, "note": ""}))
                self._failures[attempt] = updated[-1]
        if updated:
            with suppress(Exception):  # what is held is known anew in the next session
                self.store.update_failures(updated)
            self._changed()

    # -- the loop --------------------------------------------------------------------

    def _setup(self) -> None:
        self.pool.open()
        self._is_warm = False
        self._take_up()

    def warm_up(self) -> None:
        """Start a worker, so that the first failures need not wait for it.

        It takes a second of a core, so the job manager calls it once the first jobs
        are on their way.
        """
        if not self._is_warm:
            self._is_warm = True
            self.pool.warm_up()

    async def _manage(self) -> None:
        self._wake = asyncio.Event()
        while True:
            self._wake.clear()
            while self._waiting and len(self._under_way) < self._n_at_once():
                self._begin(next(iter(self._waiting.values())))
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S if self._waiting else None):
                    await self._wake.wait()

    def _n_at_once(self) -> int:
        """Say how many diagnoses may be under way.

        A warm worker takes milliseconds for an ordinary log, a new one a second to
        start: others help only when one log takes long.
        """
        if not self._under_way or time.monotonic() - self._last_begin < PATIENCE_S:
            return 1
        return self.pool.n_workers

    def cancel(self) -> bool | None:
        """End the workers and the loop; what is pending is taken up at the next start."""
        for task in self._under_way.values():
            task.cancel()
        self.pool.close()
        return super().cancel()

    def _begin(self, failure: Failure) -> asyncio.Task[Diagnosis]:
        self._waiting.pop(failure.attempt, None)
        self._last_begin = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._diagnose(failure))
        self._under_way[failure.attempt] = task
        return task

    async def _diagnose(self, failure: Failure) -> Diagnosis:
        try:
            diagnosis = await self._ask_pool(failure)
            current = self._failures.get(failure.attempt)
            if current is not None:
                done = current.model_copy(update={"diagnosis": diagnosis})
                self._failures[failure.attempt] = done
                if failure.attempt in self._unsaved:
                    self._unsaved[failure.attempt] = done
                else:
                    await self.keep(self.store.update_failures, [done])
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
            compare_with=await asyncio.to_thread(self._find_success),
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

    def _changed(self) -> None:
        self._groups = None
        for callback in list(self._subscribers):
            try:
                callback()
            except Exception:
                log.exception("a subscriber of the failures failed")


def _refusal(failure: Failure) -> str | None:
    """Return the scheduler's words when it refused the job."""
    record = failure.record
    return record.reason if record is not None and failure.job_id is None else None
