"""The audit: one JSON line for each decision and each effect, without contents.

A line is queued in the database in the transaction that it tells of, and then
appended to the file, so that neither a crash nor a full disk loses it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.engine.process_tree import is_same_process, start_ticks
from llm_scheduler.errors import StoreError

MAX_BYTES = 4_000_000
"""A file that is larger is put aside; as many older ones as `OLDER_FILES` are kept."""
OLDER_FILES = 3

_TAIL_BYTES = 65_536
_DELETE = "DELETE FROM audit_queue WHERE number = ?"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit_queue (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    ticks INTEGER,
    line TEXT NOT NULL
)
"""


class AuditLog:
    """The lines of one agent folder.

    Parameters
    ----------
    path
        The file, readable by this user only.
    database
        Where lines wait until they are in the file.

    """

    def __init__(self, path: Path, database: AgentDatabase, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._database = database
        self._max_bytes = max_bytes
        self._written: set[int] = set()
        database.add_schema(_SCHEMA)

    def queue(self, event: str, **facts: Any) -> None:
        """Queue a line; call it inside the transaction that the line tells of."""
        pid = os.getpid()
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        line = json.dumps(entry | _without_empty(facts) | {"pid": pid})
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO audit_queue (pid, ticks, line) VALUES (?, ?, ?)",
                (pid, start_ticks(pid), line),
            )
            # Here rather than in `flush`, which would wait for the disk once more.
            db.executemany(_DELETE, [(number,) for number in self._written])

    def flush(self) -> None:
        """Append what waits; what can't be written now waits on.

        Lines of other processes are left to them while they live.
        """
        # The database's lock also keeps two processes from the file.
        with suppress(OSError, StoreError), self._database.transaction() as db:
            rows = db.execute("SELECT number, pid, ticks, line FROM audit_queue ORDER BY number")
            waiting = rows.fetchall()
            self._written &= {row[0] for row in waiting}
            mine = [
                (number, line)
                for number, pid, _ticks, line in waiting
                if pid == os.getpid() and number not in self._written
            ]
            left = [
                (number, line)
                for number, pid, ticks, line in waiting
                if pid != os.getpid() and not is_same_process(pid, ticks)
            ]
            if mine or left:
                self._append(sorted(left + mine))
                self._written |= {number for number, _line in mine}
                db.executemany(_DELETE, [(number,) for number, _line in left])

    def _append(self, waiting: list[tuple[int, str]]) -> None:
        descriptor = self._open()
        try:
            end = os.fstat(descriptor).st_size
            tail = os.pread(descriptor, _TAIL_BYTES, max(0, end - _TAIL_BYTES))
            data = b"" if not tail or tail.endswith(b"\n") else b"\n"
            for number, line in waiting:
                raw = f'{{"n": {number}, {line[1:]}\n'.encode()
                # A process that died may have written it.
                data += b"" if raw in tail else raw
            if os.write(descriptor, data) != len(data):
                os.ftruncate(descriptor, end)
                raise OSError(f"{self._path} took only a part of a line")
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """Open the file; a full one is put aside first."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            if self._path.lstat().st_size >= self._max_bytes:
                self._put_aside()
        return os.open(self._path, flags, 0o600)

    def _put_aside(self) -> None:
        names = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, OLDER_FILES + 1)]
        for older, newer in zip(reversed(names), [*reversed(names[:-1]), self._path], strict=True):
            with suppress(FileNotFoundError):
                newer.replace(older)


def _without_empty(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in ("", None)}
