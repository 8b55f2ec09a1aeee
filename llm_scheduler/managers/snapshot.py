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
    """Title of the last diagnosis; empty when nothing failed."""


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
    ended = run_manager.end_time is not None
    rows = []
    for index, job_name in enumerate(run_manager.job_names):
        files = database.learner_files(index)
        failure_ = last.get(files)
        attempt = attempts.get(index)
        state: RowState
        elapsed_s = None
        job_id = None
        if attempt is not None:
            job_id = attempt.job_id
            elapsed_s = max(0.0, (datetime.now(UTC) - attempt.submitted_at).total_seconds())
        if database.is_learner_done(index):
            state = "done"
        elif attempt is not None:
            state = "pending" if attempt.state in ("", "PENDING", "CONFIGURING") else "running"
        elif index in database.held:
            state = "held"
        elif failure_ is not None:
            state = "failed"
        else:
            state = "failed" if ended else "waiting"
        if attempt is None and failure_ is not None:
            job_id = failure_.job_id
            elapsed_s = failure_.record.elapsed_s if failure_.record else None
        title = failure_.diagnosis.title if failure_ and failure_.diagnosis else ""
        rows.append(JobRow(index, files[0], job_name, job_id, state, elapsed_s, title))
    return rows
