"""One SQLite file for what the agent must remember: approvals, changes, budget, threads.

Several kernels and terminals may use it at once; each transaction takes the write lock
at its beginning, so that what it read still holds when it writes. The rollback journal
is used, not WAL, which is unsafe where the folder turns out to be shared.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_scheduler.errors import StoreError

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0


class AgentDatabase:
    """The connection, shared by the threads of this process.

    Parameters
    ----------
    path
        The SQLite file; its folder is made, readable by this user only.
    is_durable
        Whether a power cut must not cost what was written; each transaction waits for
        the disk then. A killed process costs nothing either way.

    Raises
    ------
    StoreError
        The file can't be used, or a newer version of this package wrote it.

    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._is_durable = is_durable
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                path.chmod(0o600)
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"{path} can't be used: {exc}") from exc

    def _prepare(self) -> None:
        # Like the default, without making and removing a file for each transaction.
        self._connection.execute("PRAGMA journal_mode=TRUNCATE")
        self._connection.execute(f"PRAGMA synchronous={'FULL' if self._is_durable else 'OFF'}")
        self.add_schema("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT)")
        with self.transaction() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
            if row is not None and int(row[0]) > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer version (schema {row[0]}, this one "
                    f"knows {SCHEMA_VERSION}). Update llm_scheduler."
                )
            if row is None or int(row[0]) < SCHEMA_VERSION:
                db.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)",
                    (str(SCHEMA_VERSION),),
                )

    def add_schema(self, statements: str) -> None:
        """Create the tables of one part; ``;`` separates the statements."""
        with self.transaction() as db:
            for statement in statements.split(";"):
                db.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock of the file; commits at the end, or rolls back.

        May be nested in one thread: the outermost one commits.

        Raises
        ------
        StoreError
            The file can't be used, or somebody else holds its lock for too long.

        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as exc:
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                if isinstance(exc, sqlite3.Error):
                    raise StoreError(f"{self.path} can't be used: {exc}") from exc
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
