"""`ThreadList`: the conversations of a run, and the values that panels show of them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_scheduler.agent.approval import Approval
from llm_scheduler.errors import StoreError, UsageError

ThreadKind = Literal["group", "chat"]

MAX_TITLE = 80
MAX_ID = 200
GROUP_PREFIX = "group-"
BUSY_TIMEOUT_S = 10.0
WAL_PAGES = 200
"""After so many pages the log is written back by a thread for which nobody waits."""
_MOST_WAL_PAGES = 600
"""After so many whoever writes does it, and waits for the disk."""
WAL_BYTES = 500_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    turn_id TEXT NOT NULL DEFAULT '',
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0
)
"""

_INSERT = (
    "INSERT INTO threads (id, title, kind, created_at, updated_at, turn_id) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
COUNT_TOKENS = (
    "UPDATE threads SET input_tokens = input_tokens + ?, output_tokens = output_tokens + ? "
    "WHERE id = ?"
)
"""Adds what a call of the model used to a thread."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ThreadInfo(_Frozen):
    """One conversation."""

    id: str
    title: str
    """The user's name for it, else its first message."""
    kind: ThreadKind
    """``group`` for one that belongs to a group of failures."""
    created_at: datetime
    updated_at: datetime
    turn_id: str = ""
    """Of its latest turn."""
    input_tokens: int = 0
    output_tokens: int = 0


class ToolCallItem(_Frozen):
    """One call of a tool, with what came of it."""

    call_id: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    output: str = ""
    """What the model saw; empty while there is none."""
    ok: bool | None = None
    """``None`` while there is no answer."""
    approval: Approval | None = None
    """Of a call that changes something."""


class HistoryItem(_Frozen):
    """One message of a conversation, as a panel shows it; all text is untrusted."""

    role: Literal["user", "assistant", "note", "problem"]
    """``note`` is what the model was told without the user's words, ``problem`` why a
    turn could not go on."""
    message_id: str = ""
    text: str = ""
    tool_calls: tuple[ToolCallItem, ...] = ()


def thread_for_group(key: str) -> str:
    """Return the id of the thread that belongs to a group of failures."""
    return GROUP_PREFIX + sha256(key.encode()).hexdigest()[:12]


def check_thread_id(thread_id: str) -> str:
    """Return the id; raises `UsageError` when it can't be one."""
    if not isinstance(thread_id, str) or not thread_id.strip() or len(thread_id) > MAX_ID:
        raise UsageError(
            f"thread_id={thread_id!r} is no name for a thread; give 1 to {MAX_ID} characters."
        )
    return thread_id


def connect(path: Path) -> sqlite3.Connection:
    """Open the SQLite file of conversations; its folder must be on a local file system.

    It has a write-ahead log, so that a step of a turn need not wait for the disk. What a
    killed process wrote is kept; a power cut may cost the last turn.

    Raises
    ------
    StoreError
        It can't be used.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            for pragma in (
                "journal_mode=WAL",
                "synchronous=NORMAL",
                f"wal_autocheckpoint={_MOST_WAL_PAGES}",
                f"journal_size_limit={WAL_BYTES}",
            ):
                connection.execute(f"PRAGMA {pragma}").close()
            path.chmod(0o600)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as exc:
        raise StoreError(f"{path} can't be used: {exc}") from exc
    return connection


class ThreadList:
    """The conversations of a run; each method may be called from any thread.

    Parameters
    ----------
    path
        The SQLite file of conversations.
    now
        Returns the present time in UTC.

    Raises
    ------
    StoreError
        Of every method, too: the file can't be used.

    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._connection = connect(path)
        with self._transaction() as db:
            db.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._connection:
                yield self._connection
        except sqlite3.Error as exc:
            raise StoreError(f"{self._path} can't be used: {exc}") from exc

    def all(self) -> list[ThreadInfo]:
        """Return the threads, the one used last first."""
        with self._transaction() as db:
            rows = _query(db, "SELECT * FROM threads ORDER BY updated_at DESC, id")
        return [ThreadInfo.model_validate(row) for row in rows]

    def get(self, thread_id: str) -> ThreadInfo | None:
        """Return one thread."""
        with self._transaction() as db:
            rows = _query(db, "SELECT * FROM threads WHERE id = ?", thread_id)
        return ThreadInfo.model_validate(rows[0]) if rows else None

    def touch(self, thread_id: str, *, message: str, turn_id: str) -> None:
        """Note that a turn begins; makes the thread when it is new."""
        now = self._now().isoformat()
        title = " ".join(message.split())[:MAX_TITLE]
        with self._transaction() as db:
            db.execute(
                f"{_INSERT} ON CONFLICT (id) DO UPDATE SET "
                "updated_at = excluded.updated_at, turn_id = excluded.turn_id, "
                "title = CASE WHEN title = '' THEN excluded.title ELSE title END",
                (thread_id, title, _kind_of(thread_id), now, now, turn_id),
            )

    def rename(self, thread_id: str, title: str, *, may_make: bool = False) -> None:
        """Give a thread another title.

        Parameters
        ----------
        thread_id, title
            The thread, and what it is called.
        may_make
            Whether to make the thread when it is new, so that its first message finds
            the title there. After the message it may still be missing.

        Raises
        ------
        UsageError
            There is no such thread, or the title is empty.

        """
        title = " ".join(title.split())[:MAX_TITLE]
        if not title:
            raise UsageError("A thread's title can't be empty.")
        with self._transaction() as db:
            done = db.execute("UPDATE threads SET title = ? WHERE id = ?", (title, thread_id))
            if done.rowcount:
                return
            if not may_make:
                raise UsageError(f"There is no thread {thread_id!r}.")
            now = self._now().isoformat()
            db.execute(_INSERT, (thread_id, title, _kind_of(thread_id), now, now, ""))

    def delete(self, thread_id: str) -> None:
        """Forget a thread."""
        with self._transaction() as db:
            db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))


def _kind_of(thread_id: str) -> ThreadKind:
    return "group" if thread_id.startswith(GROUP_PREFIX) else "chat"


def _query(db: sqlite3.Connection, sql: str, *arguments: object) -> list[dict[str, Any]]:
    cursor = db.execute(sql, arguments)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
