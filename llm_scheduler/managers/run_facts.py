"""`RunFacts`: a run as tools see it in the process that runs the jobs.

Tools ask from the agent's thread while the run's loop works in another. What they read
is a copy; what they change is done by the loop itself, all of it or nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.engine.resource_overrides import scheduler_kind
from llm_scheduler.errors import LLMSchedulerError, ToolError, UsageError
from llm_scheduler.managers.cluster_facts import ClusterFacts
from llm_scheduler.managers.learner_facts import describe_learner
from llm_scheduler.managers.run_description import combine_requests
from llm_scheduler.managers.run_history import (
    PastAttempt,
    RunHistory,
    collect_logs,
    describe_attempts,
    failing_point,
    last_status,
    note_id,
    past_of,
    recorded_request,
)
from llm_scheduler.managers.snapshot import make_rows
from llm_scheduler.tools.run_view import (
    AttemptInfo,
    JobInfo,
    LearnerInfo,
    QueueRow,
    ResourceLimits,
)

if TYPE_CHECKING:
    from llm_scheduler.managers.job_manager import JobManager
    from llm_scheduler.managers.run_manager import RunManager

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long the run's loop may take before a change is given up."""
_TRIES = 50
_UNDONE = "Its start was undone."
_NOT_ASKED = "It failed, and others were started again without it."


class RunFacts:
    """The facts of a live run; every method may be called from any thread.

    Parameters
    ----------
    run
        The run.

    """

    can_control = True

    def __init__(self, run: RunManager) -> None:
        self._run = run
        store = run.llm_manager.store
        self._history = RunHistory(store.path)
        self._cluster = ClusterFacts(scheduler_kind(run.scheduler), run.scheduler)

    @property
    def name(self) -> str:
        """Name of the run and of its jobs."""
        return self._run.job_name

    @property
    def folder(self) -> Path:
        """The folder of the run's own database."""
        return Path(self._run.db_fname).absolute().parent

    @property
    def _jobs(self) -> JobManager:
        return self._run.job_manager

    # -- what happened --------------------------------------------------------------

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first."""
        return _read(self._run.llm_manager.failures)

    def groups(self) -> list[FailureGroup]:
        """Return the failures by cause, the largest group first."""
        nodes = _read(lambda: dict(self._run.llm_manager._nodes_used))
        return group_failures(self.failures(), nodes_used=nodes)

    def jobs(self) -> list[JobInfo]:
        """Return one row per learner, in order."""
        rows = _read(lambda: make_rows(self._run))
        live = _read(lambda: {a.index: a for a in self._jobs.watch.attempts.values()})
        task = self._jobs.task
        goes_on = task is not None and not task.done()
        infos = []
        for row in rows:
            attempt = live.get(row.index) or self._jobs.last.get(row.index)
            info = JobInfo(
                index=row.index,
                fname=row.fname,
                job_name=row.job_name,
                job_id=row.job_id,
                state=row.state,
                elapsed_s=row.elapsed_s,
                note=row.note,
                nodes=attempt.nodes if attempt else (),
            )
            if row.state == "failed" and goes_on:
                # Not held, and the run goes on: its next job is about to be submitted.
                info = replace(info, state="waiting", note=f"is started again; {row.note}")
            infos.append(info)
        return infos

    def attempts(self, learner: str) -> list[AttemptInfo]:
        """Return the jobs that were submitted for a learner, the earliest first."""
        self._index(learner)
        return describe_attempts(self._past(), self.failures(), learner)

    def _past(self) -> list[PastAttempt]:
        """Return the attempts in the file, with what the run has not written down yet."""
        jobs = self._jobs
        known = _read(lambda: [*jobs.last.values(), *jobs.watch.attempts.values()])
        fresh = {a.attempt: a for a in known if a.job_id is not None}
        past = []
        for row in self._history.attempts():
            attempt = fresh.pop(row.attempt, None)
            past.append(note_id(row, attempt) if attempt else row)
        return [*past, *map(past_of, fresh.values())]

    def logs(self) -> dict[str, tuple[str, ...]]:
        """Return the logs by job id, kept copies first; some may be gone by now."""
        return collect_logs(self._past(), self.failures())

    def success_logs(self) -> tuple[str, ...]:
        """Return the logs of a job that reached its goal; empty when none is kept."""
        return self._jobs.watch.keeper.success()

    def job_script(self, job_id: str) -> str:
        """Return the script of a job, as it was submitted where that is kept."""
        attempts = [a for a in self._past() if a.job_id == job_id]
        if not attempts:
            raise ToolError(f"Job {job_id!r} is not one of this run.")
        scheduler = self._run.scheduler
        name = attempts[-1].job_name
        short = name.rsplit("-", 1)[0] if scheduler.single_job_script else name
        folder = Path(scheduler.batch_folder or Path.cwd())
        return self._cluster.job_script(job_id, folder / f"{short}{scheduler.ext}")

    def learner(self, learner: str) -> LearnerInfo:
        """Describe a learner, its function and its data, without unpickling anything."""
        index = self._index(learner)
        info = describe_learner(self._run.learners[index], learner)
        return replace(
            info,
            failing_point=failing_point(self.failures(), learner),
            last_status=last_status(self.attempts(learner)),
        )

    # -- resources --------------------------------------------------------------------

    def resources(self, learner: str) -> dict[str, str]:
        """Return what the learner's next job asks for; "" where it is not known."""
        index = self._index(learner)
        resources = self._jobs.starter.resources
        recorded = recorded_request(self.failures(), learner)
        return combine_requests(
            resources.given(index), resources.override(index, learner), recorded
        )

    def limits(self, learner: str) -> ResourceLimits:
        """Return the most that the learner's next job can be given."""
        given = self._jobs.starter.resources.given(self._index(learner))
        return self._cluster.limits(given["partition"])

    def queue(self) -> list[QueueRow]:
        """Return the user's jobs in the queue; asks the scheduler."""
        own = set(self._run.job_names)
        return self._cluster.queue(lambda _, name: name in own)

    def partitions(self) -> list[str]:
        """Describe the partitions, a line each; asks the scheduler."""
        return self._cluster.partitions()

    # -- changes ------------------------------------------------------------------------

    def set_resources(self, learner: str, resources: Mapping[str, str]) -> None:
        """Let the learner's next jobs ask for these; "" for what the run was given."""
        index = self._index(learner)
        try:
            self._jobs.starter.resources.set(index, learner, resources)
        except LLMSchedulerError as exc:
            raise ToolError(f"The resources can't be set: {exc}") from exc

    def restart(self, learners: Sequence[str]) -> None:
        """Let learners start again that failed or are held back."""
        indices = [self._index(learner) for learner in learners]
        self._in_loop(lambda: self._restart(indices))

    def hold(self, learners: Sequence[str]) -> None:
        """Keep learners from starting again, unless their job is under way."""
        indices = [self._index(learner) for learner in learners]
        self._in_loop(lambda: self._hold(indices))

    def _index(self, learner: str) -> int:
        database = self._run.database_manager
        for index in range(len(self._run.fnames)):
            if learner in database.learner_files(index):
                return index
        raise ToolError(f"This run has no learner {learner!r}; see list_jobs.")

    def _restart(self, indices: Sequence[int]) -> None:
        run, jobs = self._run, self._jobs
        ended = jobs.task is not None and jobs.task.done()
        for index in run.database_manager.startable() if ended else ():
            if index in jobs.n_failed:  # only those that were asked for start again
                jobs.hold(index, _NOT_ASKED)
        for index in indices:
            if index not in jobs.watch.busy and not run.database_manager.is_learner_done(index):
                jobs.hold(index, "")  # only what is held is released
        run.release(indices)

    def _hold(self, indices: Sequence[int]) -> None:
        busy = self._jobs.watch.busy
        submitting = self._jobs.starter.task
        if submitting is not None and not submitting.done():
            raise ToolError("Jobs are being submitted at this moment; try again.")
        started = [str(index) for index in indices if index in busy]
        if started:
            raise ToolError(f"The jobs of learner {', '.join(started)} have started already.")
        for index in indices:
            self._jobs.hold(index, _UNDONE)

    def _in_loop(self, work: Callable[[], None]) -> None:
        """Do something in the run's event loop, and wait until it is done.

        Raises
        ------
        ToolError
            The loop does not run or has no time; nothing is done, now or later.
        """
        loop = self._run.ioloop
        if loop is None or not loop.is_running():
            raise ToolError("The run is not going on in this process; nothing was changed.")
        call = _Call(work)
        if _is_here(loop):
            call.run()
        else:
            loop.call_soon_threadsafe(call.run)
        if not call.wait(PATIENCE_S):
            raise ToolError(
                "The notebook is busy, so the run can't be changed now; nothing was changed. "
                "Try again when its cell has ended."
            )


class _Call:
    """Work for another thread: it is done once, or given up before it began."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._taken = False
        self._done = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        if not self._take():
            return
        try:
            self._work()
        except Exception as exc:  # noqa: BLE001 - raised again where it is waited for
            self._error = exc
        finally:
            self._done.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; give the work up, and say so, when it has not even begun."""
        if not self._done.wait(timeout_s):
            if self._take():
                return False
            self._done.wait()  # it is under way, and short
        if isinstance(self._error, UsageError):
            raise ToolError(str(self._error)) from self._error
        if self._error is not None:
            raise self._error
        return True

    def _take(self) -> bool:
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken


def _is_here(loop: Any) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _read(ask: Callable[[], T]) -> T:
    """Read what another thread may be changing; again when it did so in the middle."""
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except RuntimeError as exc:
            if "changed" not in str(exc):
                raise
            time.sleep(0)  # let the other thread go on
    return ask()
