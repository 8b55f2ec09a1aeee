"""Failures of real programs: what they printed is read by the rules, nothing is made up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from llm_scheduler.diagnosis.api import diagnose_log
from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import ToolError
from llm_scheduler.tools.run_view import (
    AttemptInfo,
    JobInfo,
    LearnerInfo,
    QueueRow,
    ResourceLimits,
)

_TIME = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def run_program(folder: Path, source: str, name: str = "model.py") -> tuple[int, str]:
    """Write a program, run it, and return its exit code and what it printed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(source.encode())
    return run_again(folder, name)


def run_again(folder: Path, name: str = "model.py") -> tuple[int, str]:
    """Run a program that is there."""
    done = subprocess.run(
        # Bytecode of a file that is changed within a second would be taken for it.
        [sys.executable, "-S", "-B", str(folder / name)], cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def failure_from(
    log: Path | Sequence[Path],
    learner: str,
    *,
    job_id: str = "7",
    record: JobRecord | None = None,
    held: bool = True,
) -> Failure:
    """Return a failure with the diagnosis that the rules make of its log."""
    logs = [log] if isinstance(log, Path) else list(log)
    record = record or JobRecord(job_id=job_id, state="FAILED", exit_code=1, nodes=("n1",))
    return Failure(
        attempt=f"attempt-{job_id}", job_id=job_id, job_name=f"run-{job_id}", learners=(learner,),
        failed_at=_TIME, nodes=record.nodes, log_files=tuple(map(str, logs)), record=record,
        diagnosis=diagnose_log(logs, record=record, job_id=job_id), held=held,
    )  # fmt: skip


def failed_program(folder: Path, source: str, **kwargs: str) -> Failure:
    """Run a program that fails and return its failure."""
    code, printed = run_program(folder, source)
    assert code != 0
    log = folder / "job.out"
    log.write_text(printed)
    return failure_from(log, kwargs.get("learner", "learner-0.pickle"))


@dataclass
class ListedRun:
    """A `RunView` of failures and jobs that are given: what a run has, without its jobs."""

    folder: Path
    all_failures: list[Failure] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    infos: dict[str, LearnerInfo] = field(default_factory=dict)
    rows: list[QueueRow] = field(default_factory=list)
    most: ResourceLimits = field(default_factory=ResourceLimits)
    name: str = "run"
    can_control: bool = True

    def failures(self) -> list[Failure]:
        return list(self.all_failures)

    def groups(self) -> list[FailureGroup]:
        return group_failures(self.all_failures, nodes_used={"n1": 5, "n2": 5})

    def jobs(self) -> list[JobInfo]:
        last = {learner: f for f in self.all_failures for learner in f.learners}
        rows = []
        for index, learner in enumerate({**dict.fromkeys(last), **dict.fromkeys(self.states)}):
            failure = last.get(learner)
            state = self.states.get(learner, "held")
            note = failure.diagnosis.title if failure and failure.diagnosis else ""
            job_id = failure.job_id if failure else None
            rows.append(JobInfo(index, learner, f"run-{index}", job_id, state, 12.0, note, ()))
        return rows

    def job_script(self, job_id: str) -> str:
        raise ToolError(f"The script of job {job_id!r} is not kept.")

    def resources(self, learner: str) -> dict[str, str]:
        return {"memory": "", "time": "", "exclude": "", "cores": "1"} | self.asked.get(learner, {})

    def limits(self, learner: str) -> ResourceLimits:
        return self.most

    def attempts(self, learner: str) -> list[AttemptInfo]:
        return [
            AttemptInfo(f.job_id, f.job_name, f.failed_at, "failed", title="")
            for f in self.all_failures
            if learner in f.learners
        ]

    def logs(self) -> dict[str, tuple[str, ...]]:
        return {f.job_id: f.log_files for f in self.all_failures if f.job_id}

    def success_logs(self) -> tuple[str, ...]:
        return ()

    def learner(self, learner: str) -> LearnerInfo:
        return self.infos.get(learner, LearnerInfo(learner))

    def queue(self) -> list[QueueRow]:
        return list(self.rows)

    def partitions(self) -> list[str]:
        return []

    def set_resources(self, learner: str, resources: Mapping[str, str]) -> None:
        self.asked[learner] = dict(resources)

    def restart(self, learners: Sequence[str]) -> None:
        self.states |= dict.fromkeys(learners, "waiting")

    def hold(self, learners: Sequence[str]) -> None:
        self.states |= dict.fromkeys(learners, "held")
