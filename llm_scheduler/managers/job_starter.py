"""Starting jobs: written down, submitted, noted; refused ones told apart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adaptive_scheduler.utils import _now

from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.submission import is_transient_refusal, submit_job
from llm_scheduler.errors import SchedulerError, SubmissionRefused
from llm_scheduler.managers.failure_report import log_files, make_refusal
from llm_scheduler.managers.learner_resources import LearnerResources
from llm_scheduler.managers.run_description import describe_run

if TYPE_CHECKING:
    from llm_scheduler.managers.job_manager import JobManager

log = logging.getLogger(__name__)

_CHUNK = 20


class JobStarter:
    """Submits the jobs of a `JobManager`, beside its look at the queue."""

    def __init__(self, jobs: JobManager) -> None:
        self.jobs = jobs
        self.task: asyncio.Task[None] | None = None
        """The submissions under way."""
        self.resources = LearnerResources(jobs.scheduler, jobs.llm_manager.store)
        self._is_described = False
        self._retry_at: dict[int, float] = {}
        self._n_refused = 0
        self._accepted: set[str] = set()
        self._submitting: Attempt | None = None
        """What a thread submits at this moment."""

    def drop(self) -> list[Attempt]:
        """Note that every job is about to be cancelled; return what is being submitted.

        It is cancelled by the thread that submits it: it may not be in the queue yet.
        """
        if self.task is not None:
            self.task.cancel()  # the manager comes to it late: the next job would be submitted
        if self._submitting is None:
            return []
        self._submitting.dropped = True
        return [self._submitting]

    def begin(self) -> None:
        """Start what can be started, unless that is under way."""
        if self.task is not None and not self.task.done():
            return
        chosen = self._choose()
        if chosen:
            self.task = asyncio.create_task(self._start(chosen))

    def _choose(self) -> list[int]:
        now = self.jobs.watch.now()
        busy = self.jobs.watch.busy
        room = min(
            self.jobs.max_simultaneous_jobs - len(busy) - len(self.jobs.foreign_names),
            self.jobs.max_job_starts - self.jobs.n_started,
        )
        startable = [
            index
            for index in self.jobs.database_manager.startable()
            if index not in busy
            and self.jobs.job_names[index] not in self.jobs.foreign_names
            and self._retry_at.get(index, 0.0) <= now
        ]
        return startable[: max(0, room)]

    async def _start(self, indices: Sequence[int]) -> None:
        try:
            await self._submit_all(indices)
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # noqa: BLE001 - a scheduler that is down comes back
            log.warning("jobs can't be started: %s", exc)
            self.jobs.llm_manager.set_problem("start", f"Jobs can't be started: {exc}")
        else:
            self.jobs.llm_manager.set_problem("start", "")
        self.jobs.llm_manager.warm_up()
        self.jobs.trigger()
        if not self._is_described:  # after the first jobs, which must not wait for it
            self._is_described = True
            await self.jobs.llm_manager.keep(self._write_description)

    async def _submit_all(self, indices: Sequence[int]) -> None:
        llm, store = self.jobs.llm_manager, self.jobs.llm_manager.store
        attempts = [
            Attempt(
                index=index,
                job_name=self.jobs.job_names[index],
                learners=self.jobs.database_manager.learner_files(index),
            )
            for index in indices
        ]
        # Written down first: a manager that is killed right after a submission finds
        # the job again by its name. Ids are noted while the next jobs are submitted.
        await llm.keep(store.write_attempts, attempts)
        noting: asyncio.Task[None] | None = None
        try:
            for begin in range(0, len(attempts), _CHUNK):
                chunk = attempts[begin : begin + _CHUNK]
                goes_on = await self._submit_chunk(chunk)
                if noting is not None:
                    await noting
                noting = asyncio.create_task(llm.keep(store.write_attempts, chunk))
                if not goes_on:
                    break
        finally:
            if noting is not None:
                await noting
            unsent = [(a, "not submitted") for a in attempts if a.attempt not in self._accepted]
            self._accepted.clear()
            if unsent:
                await llm.keep(store.close_attempts, unsent)

    async def _submit_chunk(self, attempts: Sequence[Attempt]) -> bool:
        for attempt in attempts:
            if self.jobs.database_manager.is_learner_done(attempt.index):
                continue
            if not await self._submit(attempt):
                return False
        return True

    async def _submit(self, attempt: Attempt) -> bool:
        """Submit one job; say whether it is worth going on with the next."""
        name, index = attempt.job_name, attempt.index
        self.jobs.database_manager.mark_submitted(index, name)
        self._submitting = attempt
        try:
            attempt.job_id = await asyncio.to_thread(self._submit_now, attempt)
        except asyncio.CancelledError:
            # It may have been submitted: the next session looks for it by its name.
            self._accepted.add(attempt.attempt)
            raise
        except SubmissionRefused as exc:
            self.jobs.database_manager.mark_failed([index])
            return await self._refused(attempt, exc.stderr)
        except SchedulerError:
            self.jobs.database_manager.mark_failed([index])
            raise
        finally:
            self._submitting = None
        self._accepted.add(attempt.attempt)
        self.jobs.last[index] = attempt
        self.jobs.n_started += 1
        self._n_refused = 0
        self.jobs._request_times[name] = _now()
        if attempt.job_id is not None:
            attempt.log_files = log_files(self.jobs.scheduler, name, attempt.job_id)
            self.jobs.database_manager.set_output_logs(index, attempt.log_files)
        self.jobs.watch.add(attempt)
        self.jobs.llm_manager.set_problem("submission", "")
        return True

    def _submit_now(self, attempt: Attempt) -> str | None:
        scheduler, index = self.jobs.scheduler, attempt.index
        job_id = submit_job(
            scheduler,
            attempt.job_name,
            index=None if scheduler.single_job_script else index,
            override=self.resources.override(index, attempt.learners[0]),
        )
        if attempt.dropped:  # whoever cancelled the run did not find it in the queue
            self.jobs.queue.cancel_one(attempt.job_name, job_id)
        return job_id

    def _write_description(self) -> None:
        database = self.jobs.database_manager
        files = [database.learner_files(index) for index in range(len(database.fnames))]
        description = describe_run(self.jobs.scheduler, database.learners, files)
        self.jobs.llm_manager.store.write_description(description)

    async def _refused(self, attempt: Attempt, words: str) -> bool:
        if is_transient_refusal(words):
            self._n_refused += 1
            wait_s = min(300.0, self.jobs.shortest_wait_s * 2**self._n_refused)
            self._retry_at[attempt.index] = self.jobs.watch.now() + wait_s
            self.jobs.llm_manager.set_problem(
                "submission",
                f"The scheduler takes no jobs at the moment and is asked again: {words}",
            )
            return False
        self._accepted.add(attempt.attempt)  # it is reported: that is its outcome
        note = "The scheduler refused it; it is submitted again when you release it."
        self.jobs.hold(attempt.index, note)
        await self.jobs.llm_manager.report([make_refusal(attempt, words, note=note)])
        return True
