"""What the failures file of a run tells, read without disturbing those who write it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.resource_overrides import (
    MIB,
    parse_memory_request,
    parse_time_request,
)
from llm_scheduler.errors import StoreError, UsageError
from llm_scheduler.managers.attempt_rows import SELECT_ATTEMPTS, parse_row
from llm_scheduler.managers.learner_facts import read_last_status
from llm_scheduler.managers.run_description import RunDescription
from llm_scheduler.tools.run_view import AttemptInfo

T = TypeVar("T")

READ_TIMEOUT_S = 3.0
_HEADER_BYTES = 100
_COUNTER = slice(24, 28)
_POINT = re.compile(r"learner\.function\((.{1,200})\)\n")


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One row of the attempts that the run wrote down."""

    attempt: str
    job_id: str | None
    job_name: str
    index: int
    learners: tuple[str, ...]
    log_files: tuple[str, ...]
    submitted_at: datetime
    nodes: tuple[str, ...]
    outcome: str
    """Empty while it is under way."""


class RunHistory:
    """Reads a failures file; each answer is kept until the file changes.

    Parameters
    ----------
    path
        The SQLite file of a `FailureStore`.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: dict[str, tuple[object, Any]] = {}

    def attempts(self) -> list[PastAttempt]:
        """Return all attempts, the earliest first.

        Raises
        ------
        StoreError
            The file can't be read; also for the methods below.
        """
        query = SELECT_ATTEMPTS + " ORDER BY submitted_at, rowid"
        return self._ask(query, lambda rows: [past_of(parse_row(r), r[-1] or "") for r in rows])

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first."""
        query = "SELECT data FROM failures ORDER BY failed_at, attempt"
        return self._ask(query, lambda rows: [Failure.model_validate_json(row[0]) for row in rows])

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return what was set for single learners, by their files."""
        query = "SELECT learner, data FROM resources"
        return self._ask(query, lambda rows: {name: json.loads(data) for name, data in rows})

    def description(self) -> RunDescription:
        """Return what the run's own process wrote down of its learners."""
        query = "SELECT value FROM meta WHERE key = 'description'"
        return self._ask(query, lambda rows: RunDescription(json.loads(rows[0][0]) if rows else {}))

    def nodes_used(self) -> dict[str, int]:
        """Count the attempts that ran on each node."""
        counts: dict[str, int] = {}
        for attempt in self.attempts():
            for node in attempt.nodes:
                counts[node] = counts.get(node, 0) + 1
        return counts

    def _stamp(self) -> object:
        """Return what differs after each change: SQLite counts them in the file's header."""
        with self.path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            return os.fstat(file.fileno()).st_ino, header[_COUNTER]

    def _ask(self, query: str, make: Callable[[list[Any]], T]) -> T:
        with self._lock:
            try:
                stamp = self._stamp()
                known = self._read.get(query)
                if known is not None and known[0] == stamp:
                    found: T = known[1]
                    return found
                # Read-only: a reader must never be what keeps the run from writing.
                url = f"file:{quote(str(self.path))}?mode=ro"
                with closing(sqlite3.connect(url, uri=True, timeout=READ_TIMEOUT_S)) as db:
                    rows = db.execute(query).fetchall()
                made = make(rows)
            except (sqlite3.Error, OSError, ValueError, TypeError, LookupError) as exc:
                raise StoreError(f"{self.path} can't be read: {exc}") from exc
            self._read[query] = (stamp, made)
            return made


def past_of(attempt: Attempt, outcome: str = "") -> PastAttempt:
    """Return what is known of an attempt, also of one that is only in memory."""
    return PastAttempt(
        attempt=attempt.attempt,
        job_id=attempt.job_id,
        job_name=attempt.job_name,
        index=attempt.index,
        learners=attempt.learners,
        log_files=attempt.log_files,
        submitted_at=attempt.submitted_at,
        nodes=attempt.nodes,
        outcome=outcome,
    )


def note_id(row: PastAttempt, attempt: Attempt) -> PastAttempt:
    """Return a row with the job id that was not written down yet."""
    return replace(row, job_id=attempt.job_id, log_files=attempt.log_files)


def describe_attempts(
    attempts: Iterable[PastAttempt], failures: Iterable[Failure], learner: str
) -> list[AttemptInfo]:
    """Return the attempts of one learner with what is known of how each ended."""
    by_attempt = {failure.attempt: failure for failure in failures}
    described = []
    for past in attempts:
        if learner not in past.learners:
            continue
        failure = by_attempt.get(past.attempt)
        record = failure.record if failure else None
        diagnosis = failure.diagnosis if failure else None
        described.append(
            AttemptInfo(
                job_id=past.job_id,
                job_name=past.job_name,
                submitted_at=past.submitted_at,
                outcome="failed" if failure else past.outcome,
                state=record.state if record else "",
                elapsed_s=record.elapsed_s if record else None,
                nodes=failure.nodes if failure else past.nodes,
                log_files=_logs_of(past, failure),
                title=diagnosis.title if diagnosis else "",
            )
        )
    return described


def collect_logs(
    attempts: Iterable[PastAttempt], failures: Iterable[Failure]
) -> dict[str, tuple[str, ...]]:
    """Return the logs of all jobs, by job id; of failures the copies that were kept."""
    by_attempt = {failure.attempt: failure for failure in failures}
    logs: dict[str, tuple[str, ...]] = {}
    for past in attempts:
        if past.job_id is not None:
            found = _logs_of(past, by_attempt.pop(past.attempt, None))
            logs[past.job_id] = tuple(dict.fromkeys((*logs.get(past.job_id, ()), *found)))
    for failure in by_attempt.values():  # of attempts that the file has forgotten
        if failure.job_id is not None and failure.job_id not in logs:
            logs[failure.job_id] = failure.log_files
    return logs


def _logs_of(past: PastAttempt, failure: Failure | None) -> tuple[str, ...]:
    kept = failure.log_files if failure else ()
    names = {Path(file).name for file in kept}
    # The job's own status lines stand beside its output.
    status = [f"{file[:-4]}.log" for file in past.log_files if file.endswith(".out")]
    originals = [file for file in past.log_files if Path(file).name not in names]
    return tuple(dict.fromkeys([*kept, *originals, *status]))


def recorded_request(failures: Iterable[Failure], learner: str) -> dict[str, str]:
    """Return what the last failed job of a learner was given, by the scheduler's record."""
    found: dict[str, str] = {}
    for failure in failures:
        record = failure.record
        if learner not in failure.learners or record is None:
            continue
        with suppress(UsageError):
            if record.requested_memory_bytes:
                megabytes = -(-record.requested_memory_bytes // MIB)
                found["memory"] = parse_memory_request(f"{megabytes}MB")
        with suppress(UsageError):
            if record.time_limit_s:
                found["time"] = parse_time_request(f"{max(1, round(record.time_limit_s))}s")
    return found


def failing_point(failures: Iterable[Failure], learner: str) -> str:
    """Return where the function of a learner failed last, as adaptive said it."""
    point = ""
    for failure in failures:
        if learner in failure.learners and failure.diagnosis is not None:
            texts = (remedy.details for remedy in failure.diagnosis.remedies)
            found = next(filter(None, map(_POINT.search, texts)), None)
            point = found.group(1) if found else point
    return point


def last_status(attempts: Sequence[AttemptInfo]) -> dict[str, str]:
    """Return what the last job of a learner that said anything wrote about itself."""
    for attempt in reversed(attempts):
        for file in attempt.log_files:
            if file.endswith(".log") and (status := read_last_status(file)):
                return status
    return {}
