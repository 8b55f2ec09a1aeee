"""`StoreFacts`: a run as tools see it from another shell, by its files alone.

Nothing is unpickled: what only the learners' own objects could tell is said to be
unknown. Nothing is written either; changes of jobs are made by the run's own process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.engine.local_store import RECORD_FILE, SCRIPT_FILE
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.engine.records import LIVE_STATES
from llm_scheduler.engine.resource_overrides import SETTABLE, SchedulerKind
from llm_scheduler.errors import StoreError, ToolError
from llm_scheduler.managers.cluster_facts import ClusterFacts, read_start
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.run_description import (
    RunDescription,
    combine_requests,
    read_override,
)
from llm_scheduler.managers.run_history import (
    PastAttempt,
    RunHistory,
    collect_logs,
    describe_attempts,
    failing_point,
    last_status,
    recorded_request,
)
from llm_scheduler.tools.run_view import (
    AttemptInfo,
    JobInfo,
    LearnerInfo,
    QueueRow,
    ResourceLimits,
)

SUFFIX = ".failures.sqlite"
MAX_RECORDS = 2000
_SOURCES: dict[str, SchedulerKind] = {
    "sacct": "slurm",
    "scontrol": "slurm",
    "squeue": "slurm",
    "qstat": "pbs",
    "local": "local",
}
_NOT_HERE = (
    "Its data are objects in the process that runs the jobs; what is said here of its function is "
    "as it was when the run started."
)


class StoreFacts:
    """The facts of a run from its failures file; may be used from any thread.

    Parameters
    ----------
    store
        The failures of the run.

    """

    can_control = False

    def __init__(self, store: FailureStore) -> None:
        self._path = store.path.absolute()
        self._history = RunHistory(self._path)
        self._cluster: ClusterFacts | None = None

    @property
    def name(self) -> str:
        """Name of the run and of its jobs."""
        return self._path.name.removesuffix(SUFFIX)

    @property
    def folder(self) -> Path:
        """The folder of the run's failures file."""
        return self._path.parent

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first."""
        try:
            return list(self._history.failures())
        except StoreError as exc:
            raise ToolError(str(exc)) from exc

    def groups(self) -> list[FailureGroup]:
        """Return the failures by cause, the largest group first."""
        failures = self.failures()
        nodes: dict[str, int] = {}
        for attempt in self._attempts():
            for node in attempt.nodes:
                nodes[node] = nodes.get(node, 0) + 1
        return group_failures(failures, nodes_used=nodes)

    def jobs(self) -> list[JobInfo]:
        """Return one row per learner, in order, as far as the files tell."""
        rows = self._database_rows()
        named = self._description().files
        last = {attempt.index: attempt for attempt in self._attempts()}
        by_attempt = {failure.attempt: failure for failure in self.failures()}
        found = []
        for index in range(max(len(rows), len(named), max(last, default=-1) + 1)):
            past = last.get(index)
            row = dict(rows[index]) if index < len(rows) else {}
            if index < len(named):
                row["fname"] = named[index]
            failure = by_attempt.get(past.attempt) if past else None
            found.append(self._describe(index, row, past, failure))
        return found

    def _describe(
        self,
        index: int,
        row: Mapping[str, Any],
        past: PastAttempt | None,
        failure: Failure | None,
    ) -> JobInfo:
        state = "waiting"
        if row.get("is_done") or (past is not None and past.outcome == "finished"):
            state = "done"
        elif failure is not None:
            state = "held" if failure.held else "failed"
        elif past is not None and not past.outcome:
            state = self._live_state(past.job_id)
        diagnosis = failure.diagnosis if failure else None
        record = failure.record if failure else None
        file = row.get("fname", "")
        name = str(file[0] if isinstance(file, list) and file else file)
        return JobInfo(
            index=index,
            fname=past.learners[0] if past and past.learners else name,
            job_name=past.job_name if past else f"{self.name}-{index}",
            job_id=past.job_id if past else None,
            state=state,
            elapsed_s=record.elapsed_s if record else None,
            note=diagnosis.title if diagnosis else "",
            nodes=failure.nodes if failure else past.nodes if past else (),
        )

    def attempts(self, learner: str) -> list[AttemptInfo]:
        """Return the jobs that were submitted for a learner, the earliest first."""
        self._check(learner)
        return describe_attempts(self._attempts(), self.failures(), learner)

    def logs(self) -> dict[str, tuple[str, ...]]:
        """Return the logs by job id, kept copies first; some may be gone by now."""
        return collect_logs(self._attempts(), self.failures())

    def success_logs(self) -> tuple[str, ...]:
        """Return the logs of a job that reached its goal; empty when none is kept."""
        return LogKeeper(self._path.with_suffix(".logs")).success()

    def job_script(self, job_id: str) -> str:
        """Return the script of a job, as it was submitted where that is kept."""
        past = [attempt for attempt in self._attempts() if attempt.job_id == job_id]
        if not past:
            raise ToolError(f"Job {job_id!r} is not one of this run.")
        text = read_start(self._local_job(job_id) / SCRIPT_FILE) if job_id.isdigit() else ""
        if text:
            return text
        name = past[-1].job_name
        folders = (self.folder / "batch_scripts", self.folder)
        names = [f"{x}{ext}" for x in (name, self.name) for ext in (".sbatch", ".batch")]
        files = [folder / file for folder in folders for file in names]
        here = next((file for file in files if file.is_file()), files[0])
        return self._scheduler().job_script(job_id, here)

    def learner(self, learner: str) -> LearnerInfo:
        """Describe a learner by the logs of its jobs; its objects are not here."""
        self._check(learner)
        return replace(
            self._description().info(learner),
            failing_point=failing_point(self.failures(), learner),
            last_status=last_status(self.attempts(learner)),
            problem=_NOT_HERE,
        )

    def resources(self, learner: str) -> dict[str, str]:
        """Return what the learner's jobs ask for, by the last record and what was set."""
        self._check(learner)
        given = self._description().given(learner)
        try:
            kept = self._history.resources().get(learner)
        except StoreError as exc:
            raise ToolError(str(exc)) from exc
        recorded = recorded_request(self.failures(), learner)
        return combine_requests(given, read_override(kept, given), recorded)

    def limits(self, learner: str) -> ResourceLimits:
        """Return the most that the learner's next job can be given."""
        records = [f.record for f in self.failures() if learner in f.learners and f.record]
        given = self._description().given(learner).get("partition", "")
        return self._scheduler().limits(given or (records[-1].partition if records else ""))

    def queue(self) -> list[QueueRow]:
        """Return the user's jobs in the queue; asks the scheduler."""
        own = {attempt.job_name for attempt in self._attempts()}
        if self._scheduler().kind != "local":
            return self._scheduler().queue(lambda _, name: name in own)
        return [
            QueueRow(
                job_id=str(record.get("job_id", "")),
                name=str(record.get("name", "")),
                state=str(record.get("state", "")),
                is_ours=record.get("name") in own,
            )
            for record in self._local_records()
            if record.get("state") in LIVE_STATES
        ]

    def partitions(self) -> list[str]:
        """Describe the partitions, a line each; asks the scheduler."""
        return self._scheduler().partitions()

    def set_resources(self, learner: str, resources: Mapping[str, str]) -> None:
        """Refuse: only the run's own process does it."""
        self._refuse(learner, *resources)

    def restart(self, learners: Sequence[str]) -> None:
        """Refuse: only the run's own process does it."""
        self._refuse(*learners)

    def hold(self, learners: Sequence[str]) -> None:
        """Refuse: only the run's own process does it."""
        self._refuse(*learners)

    def _refuse(self, *asked: str) -> NoReturn:
        what = f" ({', '.join(asked)})" if asked else ""
        raise ToolError(f"Only the process that runs the jobs can change them{what}.")

    def _check(self, learner: str) -> None:
        if not any(learner in attempt.learners for attempt in self._attempts()) and not any(
            job.fname == learner for job in self.jobs()
        ):
            raise ToolError(f"This run has no learner {learner!r}; see list_jobs.")

    # -- files beside the store -----------------------------------------------------

    def _attempts(self) -> list[PastAttempt]:
        try:
            return self._history.attempts()
        except StoreError as exc:
            raise ToolError(str(exc)) from exc

    def _description(self) -> RunDescription:
        try:
            return self._history.description()
        except StoreError as exc:
            raise ToolError(str(exc)) from exc

    def _database_rows(self) -> list[dict[str, Any]]:
        """Return the engine's own rows of the learners, if its file is beside the store."""
        for name in (f"{self.name}.db.json", f"{self.name}-database.json"):
            try:
                rows = json.loads((self.folder / name).read_text(encoding="utf-8"))["data"]
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                return rows
        return []

    def _scheduler(self) -> ClusterFacts:
        if self._cluster is None:
            self._cluster = ClusterFacts(self._kind())
        return self._cluster

    def _kind(self) -> SchedulerKind:
        for kind in SETTABLE:
            if kind and kind == self._description().scheduler:
                return cast("SchedulerKind", kind)
        for failure in reversed(self.failures()):
            if failure.record is not None and failure.record.source in _SOURCES:
                return _SOURCES[failure.record.source]
        if (self.folder / "jobs" / "jobs").is_dir():
            return "local"
        if shutil.which("squeue"):
            return "slurm"
        return "pbs" if shutil.which("qstat") else ""

    def _live_state(self, job_id: str | None) -> str:
        record = self._local_record(job_id) if job_id and job_id.isdigit() else {}
        return "pending" if record.get("state") == "PENDING" else "running"

    def _local_job(self, job_id: str) -> Path:
        return self.folder / "jobs" / "jobs" / job_id

    def _local_record(self, job_id: str) -> dict[str, Any]:
        try:
            record = json.loads(read_start(self._local_job(job_id) / RECORD_FILE))
        except (ValueError, RecursionError):
            return {}
        return record if isinstance(record, dict) else {}

    def _local_records(self) -> list[dict[str, Any]]:
        try:
            names = [path.name for path in (self.folder / "jobs" / "jobs").iterdir()]
        except OSError:
            return []
        latest = sorted((name for name in names if name.isdigit()), key=int)[-MAX_RECORDS:]
        return [self._local_record(name) for name in latest]
