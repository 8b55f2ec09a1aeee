"""`Asides`: what was said beside a conversation, such as a typed command and its answer.

The model neither sees nor pays for it, and people find it again where it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

from pydantic import BaseModel, ConfigDict

from llm_scheduler.agent.database import AgentDatabase

ASIDE_PREFIX = "aside-"
"""How the ids of entries begin that are no messages of the conversation."""
MAX_KEPT = 200
"""Of one conversation; the oldest go."""
MAX_CHARS = 20_000
"""Of one text."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asides (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    n_before INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS asides_of_threads ON asides (thread_id)
"""
_INSERT = "INSERT INTO asides (name, thread_id, n_before, role, text, at) VALUES (?, ?, ?, ?, ?, ?)"
_CLEARED = "cleared"
"""Role of the row that is left of a conversation that was deleted."""


class Aside(BaseModel):
    """One text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Chosen by whoever adds it."""
    n_before: int
    """So many messages were in the conversation."""
    role: Literal["user", "notice", "stopped"]
    """``stopped`` says, without a text, that the user stopped the turn here."""
    text: str
    at: datetime


class Asides:
    """Those of all conversations of a run; each method may be called from any thread.

    Parameters
    ----------
    database
        Where they are kept.

    """

    def __init__(self, database: AgentDatabase) -> None:
        self._database = database
        database.add_schema(_SCHEMA)

    def add(self, thread_id: str, asides: Sequence[Aside]) -> None:
        """Keep some."""
        with self._database.transaction() as db:
            for aside in asides:
                text = aside.text[:MAX_CHARS].encode("utf-8", "replace").decode()
                db.execute(
                    _INSERT,
                    (aside.id, thread_id, aside.n_before, aside.role, text, aside.at.isoformat()),
                )
            db.execute(
                "DELETE FROM asides WHERE thread_id = ?1 AND role != ?2 AND number NOT IN ("
                "SELECT number FROM asides WHERE thread_id = ?1 ORDER BY number DESC LIMIT ?3)",
                (thread_id, _CLEARED, MAX_KEPT),
            )

    def add_stop(self, thread_id: str, n_before: int) -> None:
        """Keep that a turn was stopped after so many messages."""
        name = f"{ASIDE_PREFIX}{token_hex(6)}"
        now = datetime.now(UTC)
        self.add(thread_id, [Aside(id=name, n_before=n_before, role="stopped", text="", at=now)])

    def of(self, thread_id: str) -> list[Aside]:
        """Return those of a conversation, the oldest first."""
        return [
            Aside.model_validate({"id": name, "n_before": n, "role": role, "text": text, "at": at})
            for name, n, role, text, at in self._rows(thread_id)
            if role != _CLEARED
        ]

    def take_back(self, thread_id: str, n_left: int, ids: Sequence[str] = ()) -> None:
        """Forget some, and all that came after the messages that are left."""
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM asides WHERE thread_id = ? AND n_before > ? AND role != ?",
                (thread_id, n_left, _CLEARED),
            )
            for name in ids:
                db.execute("DELETE FROM asides WHERE thread_id = ? AND name = ?", (thread_id, name))

    def clear(self, thread_id: str) -> None:
        """Forget those of a conversation that was deleted."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM asides WHERE thread_id = ?", (thread_id,))
            now = datetime.now(UTC).isoformat()
            db.execute(_INSERT, ("", thread_id, 0, _CLEARED, "", now))

    def cleared_at(self, thread_id: str) -> datetime | None:
        """Return when a conversation of this id was last deleted."""
        times = [at for _, _, role, _, at in self._rows(thread_id) if role == _CLEARED]
        return datetime.fromisoformat(times[-1]) if times else None

    def _rows(self, thread_id: str) -> Sequence[tuple[str, int, str, str, str]]:
        with self._database.transaction() as db:
            return db.execute(
                "SELECT name, n_before, role, text, at FROM asides WHERE thread_id = ? "
                "ORDER BY number",
                (thread_id,),
            ).fetchall()
