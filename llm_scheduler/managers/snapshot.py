"""One row per learner: what tables of a run show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from llm_scheduler.diagnosis.groups import Failure
    from llm_scheduler.managers.run_manager import RunManager

RowState = Literal["waiting", "pending", "running", "done", "failed", "held"]


@dataclass(frozen=True)
class JobRow:
    """What one learner's job does at the moment."""

    index: int
    fname: str
    job_name: str
    job_id: str | None
    state: RowState
    """``waiting`` for a job, ``pending`` in the queue, ``running``, ``done``,
    ``failed`` (and to be started again, or not, when the run is over), ``held``."""
    elapsed_s: float | None
    """Since the job was submitted, or how long the last one ran."""
    note: str
    """Title of the last diagnosis, or what a waiting learner waits for."""


def make_rows(run_manager: RunManager) -> list[JobRow]:
    """Describe every learner of a run."""
    last: dict[tuple[str, ...], Failure] = {}
    for failure in run_manager.llm_manager.failures():
        if not failure.known:
            last[failure.learners] = failure
    attempts = {
        a.index: a for a in run_manager.job_manager.watch.attempts.values() if not a.leftover
    }
    database = run_manager.database_manager
    rows = []
    for index, job_name in enumerate(run_manager.job_names):
        files = database.learner_files(index)
        failure_ = last.get(files)
        attempt = run_manager.job_manager.last.get(index) or attempts.get(index)
        lives = index in attempts
        state: RowState
        if database.is_learner_done(index):
            state = "done"
        elif lives:
            waits = attempts[index].state in ("", "PENDING", "CONFIGURING")
            state = "pending" if waits else "running"
        elif index in database.held:
            state = "held"
        else:
            state = "failed" if failure_ is not None else "waiting"
        title = failure_.diagnosis.title if failure_ and failure_.diagnosis else ""
        if state == "waiting":
            title = _why_it_waits(run_manager, index)
        job_id = attempt.job_id if attempt else failure_.job_id if failure_ else None
        elapsed_s = None
        if not lives and failure_ is not None and failure_.record is not None:
            elapsed_s = failure_.record.elapsed_s
        elif attempt is not None:
            ended_at = attempt.ended_at or datetime.now(UTC)
            elapsed_s = max(0.0, (ended_at - attempt.submitted_at).total_seconds())
        rows.append(JobRow(index, files[0], job_name, job_id, state, elapsed_s, title))
    return rows


def _why_it_waits(run_manager: RunManager, index: int) -> str:
    database = run_manager.database_manager
    missing = [i for i in database.dependencies.get(index, []) if not database.is_learner_done(i)]
    if missing:
        return f"waits for learner {', '.join(map(str, missing))}"
    return "was not started" if run_manager.end_time is not None else ""
