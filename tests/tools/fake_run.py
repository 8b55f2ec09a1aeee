"""A run without jobs: what tools are given in tests that need no scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import ToolError
from llm_scheduler.tools.run_view import (
    AttemptInfo,
    JobInfo,
    LearnerInfo,
    QueueRow,
    ResourceLimits,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeRun:
    """A run whose facts are given, and that notes what is done to it."""

    folder: Path = Path("/run")
    name: str = "run"
    can_control: bool = True
    learners: list[JobInfo] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    most: ResourceLimits = field(default_factory=ResourceLimits)
    log_files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    success: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)
    infos: dict[str, LearnerInfo] = field(default_factory=dict)
    rows: list[QueueRow] = field(default_factory=list)
    tried: dict[str, list[AttemptInfo]] = field(default_factory=dict)

    def failures(self) -> list[Failure]:
        return list(self.failed)

    def groups(self) -> list[FailureGroup]:
        return group_failures(self.failed)

    def jobs(self) -> list[JobInfo]:
        return list(self.learners)

    def job_script(self, job_id: str) -> str:
        if job_id not in self.scripts:
            raise ToolError("The script is not kept.")
        return self.scripts[job_id]

    def resources(self, learner: str) -> dict[str, str]:
        if all(job.fname != learner for job in self.learners):
            raise ToolError(f"no learner {learner!r}")
        empty = {"memory": "", "time": "", "exclude": "", "cores": ""}
        return empty | self.given.get(learner, {})

    def limits(self, learner: str) -> ResourceLimits:
        return self.most

    def attempts(self, learner: str) -> list[AttemptInfo]:
        return self.tried.get(learner, [])

    def logs(self) -> dict[str, tuple[str, ...]]:
        return dict(self.log_files)

    def success_logs(self) -> tuple[str, ...]:
        return self.success

    def learner(self, learner: str) -> LearnerInfo:
        return self.infos.get(learner, LearnerInfo(fname=learner))

    def queue(self) -> list[QueueRow]:
        return list(self.rows)

    def partitions(self) -> list[str]:
        return ["debug (default): 2 nodes"]

    def set_resources(self, learner: str, resources: Mapping[str, str]) -> None:
        self._check()
        self.given[learner] = dict(resources)

    def restart(self, learners: Sequence[str]) -> None:
        self._set_state(learners, "waiting")

    def hold(self, learners: Sequence[str]) -> None:
        self._set_state(learners, "held")

    def _set_state(self, learners: Sequence[str], state: str) -> None:
        self._check()
        self.learners = [
            replace(job, state=state) if job.fname in learners else job for job in self.learners
        ]

    def _check(self) -> None:
        if not self.can_control:
            raise ToolError("Only the process that runs the jobs can change them.")


def make_fake_run(*states: str, **values: object) -> FakeRun:
    """Return a run with a learner in each of these states; job ids begin at 100."""
    learners = [
        JobInfo(
            index=index,
            fname=f"data/l{index}.pickle",
            job_name=f"run-{index}",
            job_id=None if state == "waiting" else str(100 + index),
            state=state,
            elapsed_s=60.0 * index,
            note="boom" if state in ("failed", "held") else "",
        )
        for index, state in enumerate(states)
    ]
    return FakeRun(learners=learners, **values)


def make_failure(job: JobInfo, **values: object) -> Failure:
    """Return a failure of the job of a learner."""
    return Failure(
        **{
            "attempt": f"attempt-{job.job_id}",
            "job_id": job.job_id,
            "job_name": job.job_name,
            "learners": (job.fname,),
            "failed_at": START + timedelta(seconds=job.index),
            **values,
        }
    )
