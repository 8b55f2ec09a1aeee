"""Diagnoses that only the managers can make: they know what they did themselves."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy

MAX_LINES = 200_000
"""Lines of a log in which the kill manager's reason is looked for."""


def without_diagnosis(failure: Failure, reason: str) -> Diagnosis:
    """Say honestly that there is none, with what the scheduler knows."""
    record = failure.record
    state = f"The scheduler says {record.state}." if record else "Nothing is known of its end."
    return Diagnosis(
        job_id=failure.job_id,
        category="unknown",
        cause="undiagnosed",
        title="The failure could not be diagnosed",
        explanation=f"The diagnosis itself failed: {reason}. {state}",
        evidence=(),
        confidence=0.0,
        remedies=(
            Remedy(
                kind="inspect",
                summary="Read the log",
                details="\n".join(f"- `{file}`" for file in failure.log_files),
            ),
        ),
        fingerprint="undiagnosed",
    )


def ended_early(failure: Failure, diagnosis: Diagnosis) -> Diagnosis:
    """Name a job that ended well while its learner did not reach its goal."""
    evidence = diagnosis.evidence
    if failure.record is not None:
        evidence = (*evidence, Evidence(file="", line=0, text=f"State {failure.record.state}"))
    return diagnosis.model_copy(
        update={
            "category": "unknown",
            "cause": "ended-early",
            "title": "The job ended without an error, but its learner did not reach the goal",
            "explanation": (
                "Nothing in the log or in the scheduler's record shows an error, yet the job "
                "never reported that its learner is done. A script that ends early "
                "(`exit 0`), or a manager that could not be reached, looks like this."
            ),
            "confidence": 0.4,
            "evidence": evidence,
            "fingerprint": "ended-early",
            "remedies": (
                Remedy(kind="inspect", summary="Look for an early exit in `extra_script`"),
            ),
        },
    )


def explain_kill(failure: Failure, diagnosis: Diagnosis) -> Diagnosis:
    """Say that the kill manager cancelled the job, unless the log tells the cause.

    Reads the log: call it in a thread.
    """
    if diagnosis.category not in ("cancelled", "killed", "success", "unknown"):
        return diagnosis
    proof = _find_line(failure)
    return diagnosis.model_copy(
        update={
            "category": "cancelled",
            "cause": "kill-manager",
            "title": f"The kill manager cancelled the job: {failure.killed_because}",
            "explanation": (
                "Jobs whose log shows an error named by `kill_on_error` are cancelled by the run "
                "itself and started again."
            ),
            "evidence": (*proof, *diagnosis.evidence)[:6],
            "confidence": 0.95,
            "fingerprint": f"kill-manager-{failure.kill_pattern}",
            "remedies": (
                Remedy(kind="inspect", summary="Read the lines around it in the log"),
                Remedy(
                    kind="inspect",
                    summary="Set `kill_on_error=None` when the line is harmless",
                ),
            ),
        },
    )


def _find_line(failure: Failure) -> tuple[Evidence, ...]:
    """Find the first line with the text that the kill manager looks for."""
    if not failure.kill_pattern:
        return ()
    for file in failure.log_files:
        try:
            with Path(file).open(encoding="utf-8", errors="replace") as lines:
                for number, line in enumerate(islice(lines, MAX_LINES), start=1):
                    if failure.kill_pattern in line:
                        return (Evidence(file=file, line=number, text=line.strip()[:500]),)
        except OSError:
            continue
    return ()
