"""A failed job with a log, the run it belongs to, and answers that a model may give."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_scheduler.diagnosis.api import diagnose_log
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.tools.run_view import AttemptInfo, JobInfo, LearnerInfo, QueueRow, ResourceLimits

PROOF = "NameError: name 'spectrun' is not defined. Did you mean: 'spectrum'?"
TRACEBACK = f"""Traceback (most recent call last):
  File "/home/ann/model.py", line 12, in energy
    return spectrun(x)
{PROOF}
"""
PROOF_LINE = 104
LOG = "".join(f"step {i} residual {1 / i:.5f}\n" for i in range(1, 101)) + TRACEBACK
TIME = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def make_failure(
    folder: Path,
    job_id: str = "17",
    log: str = LOG,
    *,
    record: dict[str, Any] | None = None,
    name: str = "",
    **values: Any,
) -> Failure:
    """Write the log of a job, and return its failure with the rules' diagnosis."""
    path = folder / (name or f"job-{job_id}.out")
    path.write_text(log)
    known = {"state": "FAILED", "exit_code": 1, "elapsed_s": 90.0, "nodes": ("n7",)}
    job = JobRecord(job_id=job_id, **(known | (record or {})))
    given: dict[str, Any] = {
        "attempt": f"attempt-{job_id}",
        "job_id": job_id,
        "job_name": f"run-{job_id}",
        "learners": (f"data/learner_{job_id}.pickle",),
        "failed_at": TIME,
        "nodes": job.nodes,
        "log_files": (str(path),),
        "record": job,
        "diagnosis": diagnose_log(path, record=job),
    }
    return Failure(**given | values)


def make_answer(**values: Any) -> dict[str, Any]:
    """Return what a model that is right says about `LOG`."""
    return {
        "category": "code_error",
        "title": "A misspelt function name",
        "explanation": "`energy` calls `spectrun`, which is called `spectrum`.",
        "evidence": [{"file": "job-17.out", "line": PROOF_LINE, "text": PROOF}],
        "confidence": 0.9,
        "doubts": [],
        "remedies": [make_remedy()],
    } | values


def make_remedy(**values: Any) -> dict[str, Any]:
    """Return one remedy as a model says it."""
    return {
        "kind": "code",
        "summary": "Write spectrum",
        "details": "",
        "memory": "",
        "time": "",
        "exclude": "",
        "file": "/home/ann/model.py",
        "line": 12,
    } | values


def quote(text: str, line: int = 0, file: str = "job-17.out") -> dict[str, Any]:
    """Return one quotation as a model says it."""
    return {"file": file, "line": line, "text": text}


@dataclass
class KnownRun:
    """A run of which all is written down; anything else that is looked at is an error."""

    folder: Path
    all_jobs: list[JobInfo] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    tried: list[AttemptInfo] = field(default_factory=list)
    good_logs: tuple[str, ...] = ()
    all_groups: list[FailureGroup] = field(default_factory=list)
    name: str = "known"
    can_control: bool = False

    def failures(self) -> list[Failure]:
        return []

    def groups(self) -> list[FailureGroup]:
        return self.all_groups

    def jobs(self) -> list[JobInfo]:
        return self.all_jobs

    def resources(self, learner: str) -> dict[str, str]:
        return self.asked.get(learner, {})

    def attempts(self, learner: str) -> list[AttemptInfo]:
        return self.tried

    def success_logs(self) -> tuple[str, ...]:
        return self.good_logs

    def job_script(self, job_id: str) -> str:
        raise AssertionError

    def limits(self, learner: str) -> ResourceLimits:
        raise AssertionError

    def logs(self) -> dict[str, tuple[str, ...]]:
        raise AssertionError

    def learner(self, learner: str) -> LearnerInfo:
        raise AssertionError

    def queue(self) -> list[QueueRow]:
        raise AssertionError

    def partitions(self) -> list[str]:
        raise AssertionError

    def set_resources(self, learner: str, resources: Any) -> None:
        raise AssertionError

    def restart(self, learners: Any) -> None:
        raise AssertionError

    def hold(self, learners: Any) -> None:
        raise AssertionError
