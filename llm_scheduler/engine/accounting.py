"""What a scheduler knows about finished jobs, many jobs with one call.

`records` of every class here never raises: it returns what could be found out, and
`problem` says in a sentence what is wrong and what to do about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

from llm_scheduler.engine import qstat, sacct, scontrol, squeue
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandMissing, CommandTimedOut, SchedulerError, UsageError

SACCT_RETRY_S = 300.0
"""After this time a sacct that failed is tried again."""
CONTROLLER_RETRY_S = 60.0
"""After this time a controller that did not answer is asked again."""

Rows = Iterable[tuple[JobRecord, str]]


class Accounting(Protocol):
    """Finds the records of jobs."""

    @property
    def name(self) -> str:
        """Which scheduler's accounting this is."""

    @property
    def problem(self) -> str:
        """What is wrong with the accounting and what to do; empty when all is well."""

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that are known, by the ids as they were given."""


def make_accounting(kind_or_scheduler: Any) -> Accounting:
    """Return the accounting of ``"slurm"``, ``"pbs"`` or of an engine's scheduler object."""
    if isinstance(kind_or_scheduler, str):
        kind = kind_or_scheduler.lower()
        if kind == "slurm":
            return SlurmAccounting()
        if kind == "pbs":
            return PBSAccounting()
        raise UsageError(f"Scheduler {kind_or_scheduler!r} is unknown; use 'slurm' or 'pbs'.")
    if callable(getattr(kind_or_scheduler, "records", None)):
        return LocalAccounting(kind_or_scheduler)
    # By name, so that the engine need not be imported for it.
    names = {cls.__name__ for cls in type(kind_or_scheduler).__mro__}
    if "SLURM" in names:
        return SlurmAccounting()
    if "PBS" in names:
        return PBSAccounting()
    return NoAccounting(type(kind_or_scheduler).__name__)


class SlurmAccounting:
    """Records from sacct, with the controller's fresher word where it remembers the job.

    Parameters
    ----------
    clock
        Tells the time in seconds.
    timeout_s
        Time limit of each program that is run.
    """

    name = "slurm"

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 60,
    ) -> None:
        self.problem = ""
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._sacct_off_until = float("-inf")
        self._sacct_problem = ""
        self._controller_off_until = float("-inf")
        self._controller_problem = ""
        self._has_json = True

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that are known, by the ids as they were given."""
        ids = _clean_ids(job_ids)
        if not ids:
            return {}
        with self._lock:
            stored = self._read_sacct(ids)
            current = self._read_controller(ids)
            found = {
                job_id: merge_records(stored.get(job_id), current.get(job_id))
                for job_id in ids
                if job_id in stored or job_id in current
            }
            self._fill_exit_codes(found)
            self.problem = " ".join(filter(None, (self._sacct_problem, self._controller_problem)))
        return found

    def _read_sacct(self, ids: Sequence[str]) -> dict[str, JobRecord]:
        if self._clock() < self._sacct_off_until:
            return {}
        try:
            attempts = self._read_attempts(ids)
        except SchedulerError as exc:
            self._sacct_off_until = self._clock() + SACCT_RETRY_S
            self._sacct_problem = describe_sacct_error(exc)
            return {}
        self._sacct_problem = ""
        return _by_given_id(ids, ((item.record, item.raw_id) for item in attempts))

    def _read_attempts(self, ids: Sequence[str]) -> list[sacct.Attempt]:
        if self._has_json:
            try:
                return sacct.read_sacct(ids, as_json=True, timeout_s=self._timeout_s)
            except (CommandMissing, CommandTimedOut):
                raise
            except SchedulerError as exc:
                if _is_disabled(exc):
                    raise
                # Before 21.08 there is no --json, and some builds lack its plugin.
                attempts = sacct.read_sacct(ids, as_json=False, timeout_s=self._timeout_s)
                self._has_json = False
                return attempts
        return sacct.read_sacct(ids, as_json=False, timeout_s=self._timeout_s)

    def _read_controller(self, ids: Sequence[str]) -> dict[str, JobRecord]:
        """Ask squeue, else scontrol, unless the controller was down a moment ago."""
        if self._clock() < self._controller_off_until:
            return {}
        self._controller_problem = ""
        try:
            return _by_given_id(ids, squeue.read_squeue(ids, timeout_s=self._timeout_s))
        except SchedulerError as exc:
            first = exc
        try:
            if not _is_down(first):
                return _by_given_id(ids, scontrol.read_scontrol(ids, timeout_s=self._timeout_s))
        except SchedulerError:
            pass  # the first error says more
        # Slurm's programs try for many seconds before they give up.
        self._controller_off_until = self._clock() + CONTROLLER_RETRY_S
        self._controller_problem = (
            f"The Slurm controller could not be asked ({first}); check `squeue`."
        )
        return {}

    def _fill_exit_codes(self, found: dict[str, JobRecord]) -> None:
        """Take exit codes from sacct's table where neither JSON nor the controller told them."""
        unknown = [
            job_id
            for job_id, record in found.items()
            if record.source == "sacct" and sacct.has_unknown_exit(record)
        ]
        if not unknown or self._clock() < self._sacct_off_until:
            return
        try:
            attempts = sacct.read_sacct(unknown, as_json=False, timeout_s=self._timeout_s)
        except SchedulerError:
            return
        table = _by_given_id(unknown, ((item.record, item.raw_id) for item in attempts))
        for job_id, row in table.items():
            steps = {step.step_id: step for step in row.steps}
            found[job_id] = found[job_id].model_copy(
                update={
                    "exit_code": row.exit_code,
                    "signal": row.signal,
                    "steps": tuple(
                        steps.get(step.step_id, step) if step.exit_code is None else step
                        for step in found[job_id].steps
                    ),
                },
            )


class PBSAccounting:
    """Records from ``qstat -x``."""

    name = "pbs"

    def __init__(self, *, timeout_s: float = 60) -> None:
        self.problem = ""
        self._timeout_s = timeout_s

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that are known, by the ids as they were given."""
        ids = _clean_ids(job_ids)
        if not ids:
            return {}
        try:
            rows = qstat.read_qstat(ids, timeout_s=self._timeout_s)
        except SchedulerError as exc:
            self.problem = f"The PBS server could not be asked ({exc}); check `qstat -x`."
            return {}
        found = _by_given_id(
            ids, ((record, _short_id(record.job_id)) for record in rows), _short_id
        )
        self.problem = (
            ""
            if found
            else "PBS does not know these jobs any more: ask the cluster's support for job history."
        )
        return found


class LocalAccounting:
    """Records that a scheduler object keeps itself."""

    name = "local"

    def __init__(self, scheduler: Any) -> None:
        self.problem = ""
        self._scheduler = scheduler

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        """Return the records of those jobs that are known, by the ids as they were given."""
        ids = _clean_ids(job_ids)
        try:
            found: Mapping[str, JobRecord] = self._scheduler.records(ids)
        except Exception as exc:  # noqa: BLE001 - a foreign object; a diagnosis goes on without it
            self.problem = f"The scheduler could not give its records: {exc!r}."
            return {}
        self.problem = ""
        return {job_id: found[job_id] for job_id in ids if job_id in found}


class NoAccounting:
    """Stands for a scheduler that keeps no records."""

    name = "none"

    def __init__(self, scheduler_name: str) -> None:
        self.problem = (
            f"Scheduler {scheduler_name!r} keeps no records of finished jobs: "
            "failures are explained from their logs alone."
        )

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:  # noqa: ARG002 - protocol
        """Return nothing."""
        return {}


def merge_records(stored: JobRecord | None, current: JobRecord | None) -> JobRecord:
    """Join sacct's record with the controller's, which is fresher while it has one.

    Steps, memory and who cancelled the job are known to sacct only; they are kept when
    both speak of the same attempt.
    """
    if stored is None or current is None:
        known = stored or current
        assert known is not None
        return known
    if not _is_same_attempt(stored, current):
        # One of them is an attempt behind: a requeued job that sacct has not seen yet.
        return current
    update: dict[str, Any] = {"state": current.state, "reason": current.reason}
    if not current.is_live:
        update["ended_at"] = current.ended_at or stored.ended_at
        if current.exit_code is not None:
            update["exit_code"], update["signal"] = current.exit_code, current.signal
    # Also the name: for a moment the database calls a new job "allocation".
    for field in ("name", "user", "account", "partition", "nodes", "log_files", "time_limit_s"):
        update[field] = getattr(current, field) or getattr(stored, field)
    update["started_at"] = current.started_at or stored.started_at
    update["submitted_at"] = stored.submitted_at or current.submitted_at
    update["requested_memory_bytes"] = (
        stored.requested_memory_bytes or current.requested_memory_bytes
    )
    if current.elapsed_s is not None and (stored.elapsed_s is None or not current.is_live):
        update["elapsed_s"] = max(current.elapsed_s, stored.elapsed_s or 0)
    update["restarts"] = max(stored.restarts, current.restarts)
    return stored.model_copy(update=update)


def _is_same_attempt(stored: JobRecord, current: JobRecord) -> bool:
    if stored.started_at and current.started_at:
        return abs((stored.started_at - current.started_at).total_seconds()) < 1
    # A requeued job waits: the controller has no start for it, sacct the old one.
    return not (stored.started_at and not stored.is_live and current.is_live)


def _clean_ids(job_ids: Sequence[str]) -> list[str]:
    """Drop what is no job id: sacct without one valid id would print all jobs of the day."""
    ids = dict.fromkeys(str(job_id).strip() for job_id in job_ids)
    return [job_id for job_id in ids if job_id[:1].isdigit() and " " not in job_id]


def _short_id(job_id: str) -> str:
    """Return ``91722`` for PBS's ``91722.hpc05.hpc``."""
    return job_id.partition(".")[0]


def _by_given_id(
    ids: Sequence[str],
    rows: Rows,
    shorten: Callable[[str], str] = str,
) -> dict[str, JobRecord]:
    """Sort records by the ids that were asked for; the last of several attempts counts."""
    full: dict[str, JobRecord] = {}
    short: dict[str, JobRecord] = {}
    for record, raw_id in rows:
        full[record.job_id] = record
        short[raw_id] = record
    found = {}
    for job_id in ids:
        record_or_none = full.get(job_id) or short.get(job_id) or short.get(shorten(job_id))
        if record_or_none is not None:
            found[job_id] = record_or_none
    return found


def _is_down(exc: SchedulerError) -> bool:
    return isinstance(exc, CommandTimedOut) or "unable to contact" in exc.stderr.lower()


def _is_disabled(exc: SchedulerError) -> bool:
    return "accounting storage is disabled" in f"{exc} {exc.stderr}".lower()


def describe_sacct_error(exc: SchedulerError) -> str:
    """Return in words why sacct can't be used, what follows, and what to do."""
    if isinstance(exc, CommandMissing):
        what = "sacct is not installed here"
    elif _is_disabled(exc):
        what = "sacct is installed, but this cluster keeps no accounting"
    elif isinstance(exc, CommandTimedOut):
        what = "sacct did not answer in time"
    else:
        what = str(exc).rstrip(".")
    return (
        f"{what}. Jobs are looked up in the controller instead, which forgets them after some "
        "minutes and does not know their peak memory; ask the cluster's support for `sacct`."
    )
