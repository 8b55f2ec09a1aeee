"""The run's failures in SQLite, beside the run's own database file.

It is what survives the death of the manager: which jobs were submitted, which of
them have been reported as failed, and their diagnoses. An attempt is written down
before its job is submitted, and reported in one transaction, so that whenever the
process is killed each failure is reported exactly once.

The rollback journal is used, not WAL: home directories lie on NFS or Lustre, where
WAL is unsafe.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.errors import StoreError
from llm_scheduler.managers.attempt_rows import (
    SELECT_ATTEMPTS,
    WRITE_ATTEMPT,
    make_row,
    parse_row,
)
from llm_scheduler.managers.run_numbers import read_run, write_run

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0
PAUSE_S = 20.0
"""After a failed write the file is left alone this long: jobs must not wait for it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (
    attempt TEXT PRIMARY KEY,
    job_id TEXT,
    job_name TEXT NOT NULL,
    learner INTEGER NOT NULL,
    learners TEXT NOT NULL,
    log_files TEXT NOT NULL,
    submitted_at TEXT NOT NULL,
    nodes TEXT NOT NULL DEFAULT '[]',
    dropped INTEGER NOT NULL DEFAULT 0,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS open_attempts ON attempts (attempt) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS failures (
    attempt TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    failed_at TEXT NOT NULL,
    diagnosed INTEGER NOT NULL,
    data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS resources (learner TEXT PRIMARY KEY, data TEXT NOT NULL);
"""


class FailureStore:
    """Attempts and failures of one run.

    Every method may be called from any thread; each is one transaction.

    Parameters
    ----------
    path
        The SQLite file; its folder is made.

    Raises
    ------
    StoreError
        The file can't be used, or a newer version of this package wrote it.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._last_problem = ""
        self._data_version = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"{path} can't be used: {exc}") from exc

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self._transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            row = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
            if row is not None and int(row[0]) > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer version (schema {row[0]}, this one "
                    f"knows {SCHEMA_VERSION}). Update llm_scheduler or use another run name.",
                )
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)",
                (str(SCHEMA_VERSION),),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if time.monotonic() < self._paused_until:
                raise StoreError(self._last_problem)
            try:
                # IMMEDIATE: two kernels with the same run wait for each other instead of
                # failing half-way.
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as exc:
                self._roll_back()
                if isinstance(exc, sqlite3.Error):
                    self._paused_until = time.monotonic() + PAUSE_S
                    self._last_problem = f"{self.path} can't be used: {exc}"
                    raise StoreError(self._last_problem) from exc
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as exc:
            raise StoreError(f"{self.path} can't be read: {exc}") from exc

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself when the disk is full.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # -- which run it is ----------------------------------------------------------

    def begin_run(self) -> int:
        """Begin a run, or go on with the one that has not ended; returns its number, from 1."""
        with self._transaction() as db:
            number, has_ended = read_run(db)
            write_run(db, number + has_ended, has_ended=False)
        return number + has_ended

    def mark_run(self, *, has_ended: bool, number: int | None = None) -> None:
        """Note that a run has ended or goes on, the present one by default.

        Nothing is noted of a run after which another one has begun.
        """
        with self._transaction() as db:
            present, _ = read_run(db)
            if number in (None, present):
                write_run(db, present, has_ended=has_ended)

    def run_number(self) -> int:
        """Return the number of the run among those of its name in this folder."""
        with self._lock, self._reading() as db:
            return read_run(db)[0]

    # -- attempts ---------------------------------------------------------------

    def write_attempts(self, attempts: Iterable[Attempt]) -> None:
        """Write attempts down, or bring what is written up to date."""
        rows = [make_row(attempt) for attempt in attempts]
        if not rows:
            return
        with self._transaction() as db:
            db.executemany(WRITE_ATTEMPT, rows)

    def close_attempts(self, outcomes: Iterable[tuple[Attempt, str]]) -> None:
        """Note what became of attempts that did not fail."""
        rows = [(outcome, json.dumps(a.nodes), a.attempt) for a, outcome in outcomes]
        if not rows:
            return
        with self._transaction() as db:
            db.executemany("UPDATE attempts SET outcome = ?, nodes = ? WHERE attempt = ?", rows)

    def open_attempts(self) -> list[Attempt]:
        """Return the attempts of which it is not known how they ended."""
        with self._transaction() as db:
            query = SELECT_ATTEMPTS + " WHERE outcome IS NULL ORDER BY submitted_at"
            rows = db.execute(query).fetchall()
        return [parse_row(row) for row in rows]

    def nodes_used(self) -> dict[str, int]:
        """Count the attempts, failed or not, that ran on each node."""
        with self._transaction() as db:
            rows = db.execute("SELECT nodes FROM attempts WHERE nodes != '[]'").fetchall()
        counts: dict[str, int] = {}
        for (nodes,) in rows:
            for node in json.loads(nodes):
                counts[node] = counts.get(node, 0) + 1
        return counts

    # -- failures ---------------------------------------------------------------

    def add_failures(self, failures: Sequence[Failure]) -> list[Failure]:
        """Report failures; those that were reported before are left out.

        Returns
        -------
        The failures that are new.

        """
        new = []
        with self._transaction() as db:
            for failure in failures:
                cursor = db.execute(
                    "INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?, ?)",
                    (
                        failure.attempt,
                        self.session,
                        failure.failed_at.astimezone(UTC).isoformat(),
                        int(failure.diagnosis is not None),
                        failure.model_dump_json(),
                    ),
                )
                if cursor.rowcount == 1:
                    new.append(failure)
                db.execute(
                    "UPDATE attempts SET outcome = 'failed', nodes = ? WHERE attempt = ?",
                    (json.dumps(failure.nodes), failure.attempt),
                )
        return new

    def update_failures(self, failures: Sequence[Failure]) -> None:
        """Write failures that are there already: their diagnosis, whether they are held."""
        rows = [(int(f.diagnosis is not None), f.model_dump_json(), f.attempt) for f in failures]
        if rows:
            with self._transaction() as db:
                db.executemany(
                    "UPDATE failures SET diagnosed = ?, data = ? WHERE attempt = ?",
                    rows,
                )

    def revise_failures(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Set single fields of failures; the others stay as they are in the file now."""
        with self._transaction() as db:
            for attempt, update in values.items():
                query = "SELECT data FROM failures WHERE attempt = ?"
                for (data,) in db.execute(query, (attempt,)).fetchall():
                    failure = Failure.model_validate_json(data).model_copy(update=update)
                    db.execute(
                        "UPDATE failures SET diagnosed = ?, data = ? WHERE attempt = ?",
                        (failure.diagnosis is not None, failure.model_dump_json(), attempt),
                    )

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first.

        ``known`` tells those that an earlier session reported.
        """
        with self._transaction() as db:
            rows = db.execute(
                "SELECT data, session FROM failures ORDER BY failed_at, attempt",
            ).fetchall()
        return [
            Failure.model_validate_json(data).model_copy(
                update={"known": session != self.session},
            )
            for data, session in rows
        ]

    def changed_elsewhere(self) -> list[Failure]:
        """Return all failures when another process has written since the last call, else none."""
        with self._lock, self._reading() as db:
            # Of this connection: what it writes itself does not count. It takes no lock
            # that others would wait for.
            version = int(db.execute("PRAGMA data_version").fetchone()[0])
        if version == self._data_version:
            return []
        found = self.failures()
        self._data_version = version  # not before: what could not be read is still to be seen
        return found

    def remove_failures(self, attempts: Iterable[str]) -> None:
        """Forget failures for good."""
        rows = [(attempt,) for attempt in attempts]
        with self._transaction() as db:
            db.executemany("DELETE FROM failures WHERE attempt = ?", rows)

    # -- resources --------------------------------------------------------------

    def write_description(self, description: dict[str, Any]) -> None:
        """Keep what other shells should know of the run."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('description', ?)", (json.dumps(description),)
            )

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return what was set for single learners, by their files."""
        with self._transaction() as db:
            rows = db.execute("SELECT learner, data FROM resources").fetchall()
        return {learner: json.loads(data) for learner, data in rows}

    def write_resources(self, learner: str, values: dict[str, Any]) -> None:
        """Keep what is set for one learner; nothing set is nothing kept."""
        with self._transaction() as db:
            db.execute("DELETE FROM resources WHERE learner = ?", (learner,))
            if values:
                text = json.dumps(values, sort_keys=True)
                db.execute("INSERT INTO resources VALUES (?, ?)", (learner, text))


def open_store(
    db_fname: str | Path | None,
    job_name: str,
    state_dir: Path,
) -> tuple[FailureStore, str]:
    """Open the failures of a run, beside its own database file or in the state folder.

    Parameters
    ----------
    db_fname
        The run's own database file; ``None`` for the engine's default.
    job_name
        Name of the run's jobs.
    state_dir
        Where it is kept when nothing can be written beside the run.

    Returns
    -------
    The store, and a sentence that says why it lies elsewhere; empty when it does not.

    Raises
    ------
    StoreError
        A newer version wrote the database, or neither place can be written to.
    """
    beside = Path(db_fname or f"{job_name}-database.json").absolute().parent
    try:
        return FailureStore(beside / f"{job_name}.failures.sqlite"), ""
    except StoreError as exc:
        if "newer version" in str(exc):
            raise
        folder = state_dir / "runs" / sha256(str(beside).encode()).hexdigest()[:16]
        store = FailureStore(folder / f"{job_name}.failures.sqlite")
        return store, f"{exc}. Failures are kept in {folder} instead."
