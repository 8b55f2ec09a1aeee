"""From what became of an attempt to the `Failure` that people see."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.failure_watch import Decision
from llm_scheduler.engine.records import JobRecord


def make_failure(decision: Decision, *, held: bool, note: str) -> Failure:
    """Describe a failed or cancelled attempt."""
    attempt, record = decision.attempt, decision.record
    ended_at = record.ended_at if record is not None else None
    return Failure(
        attempt=attempt.attempt,
        job_id=attempt.job_id,
        job_name=attempt.job_name,
        learners=attempt.learners,
        failed_at=ended_at or datetime.now(UTC),
        nodes=(record.nodes if record is not None else ()) or attempt.nodes,
        log_files=decision.log_files,
        record=record,
        held=held,
        killed_because=attempt.killed_because,
        kill_pattern=attempt.kill_pattern,
        note=note,
    )


def make_refusal(attempt: Attempt, words: str, *, note: str) -> Failure:
    """Describe an attempt that the scheduler did not accept, in its own words."""
    return Failure(
        attempt=attempt.attempt,
        job_id=None,
        job_name=attempt.job_name,
        learners=attempt.learners,
        failed_at=datetime.now(UTC),
        record=JobRecord(job_id="", name=attempt.job_name, state="FAILED", reason=words),
        held=True,
        note=note,
    )


def log_files(scheduler: Any, job_name: str, job_id: str) -> tuple[str, ...]:
    """Return where a job writes its output, by the engine's naming."""
    clean = scheduler.sanatize_job_id(job_id)
    return tuple(
        str(Path(str(file).replace(scheduler._JOB_ID_VARIABLE, clean)).absolute())
        for file in scheduler.output_fnames(job_name)
    )
