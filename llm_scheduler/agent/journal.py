"""The journal: every change with its before and after, and those that are being made.

A change is written down before it is carried out and marked as done afterwards. One
that is still marked as being made, seen by whoever holds the desk's lock, belongs to a
process that died in the middle of it.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from llm_scheduler.agent.approval import Change
from llm_scheduler.agent.contents import Contents
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.errors import UsageError
from llm_scheduler.tools.change import PlannedChange, State

By = Literal["approval", "rule", "yolo", "undo"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    approval INTEGER NOT NULL,
    thread_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TEXT NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0,
    undoes INTEGER,
    undone_by INTEGER,
    plan BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_in_the_making ON changes (number) WHERE is_done = 0
"""
_COLUMNS = (
    "number, approval, thread_id, turn_id, made_by, made_at, is_done, undoes, undone_by, plan"
)


def parse_id(text: str, prefix: str, what: str) -> int:
    """Return the number of an id such as ``ap-7``.

    Raises
    ------
    UsageError
        It is no such id.

    """
    number = str(text).strip().removeprefix(f"{prefix}-")
    # SQLite's integers end at 2**63.
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise UsageError(f"{text!r} is no {what}; it looks like '{prefix}-7'.")
    return int(number)


class PlanKeeper:
    """Turns planned changes into rows and back; contents go to their own folder."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def pack(self, change: PlannedChange) -> bytes:
        """Keep the contents and return the rest, compressed.

        Raises
        ------
        StoreError
            The contents can't be written.

        """
        states = [*change.before, *change.after]
        names = self._contents.put(state.content for state in states)
        packed = [
            {"target": x.target, "what": x.what, "mode": x.mode, "content": name}
            for x, name in zip(states, names, strict=True)
        ]
        n_targets = len(change.before)
        plan = change.model_dump(include={"tool", "kind", "summary", "diff", "risk"})
        plan |= {"before": packed[:n_targets], "after": packed[n_targets:]}
        return zlib.compress(json.dumps(plan).encode())

    def unpack(self, packed: bytes) -> PlannedChange:
        """Return the whole change.

        Raises
        ------
        StoreError
            A content is gone or damaged.

        """
        plan = read_plan(packed)
        for side in ("before", "after"):
            plan[side] = tuple(
                State(**(state | {"content": self._contents.get(state["content"])}))
                for state in plan[side]
            )
        return PlannedChange(**plan)

    def remove_unused(self, packed: Iterable[bytes]) -> None:
        """Remove the contents that none of these plans needs."""
        used = set()
        for plan in map(read_plan, packed):
            used |= {state["content"] for state in (*plan["before"], *plan["after"])}
        self._contents.remove_unused(used)


def read_plan(packed: bytes) -> dict[str, Any]:
    """Return a packed plan with the names of contents in the place of contents."""
    plan: dict[str, Any] = json.loads(zlib.decompress(packed))
    return plan


def hash_effect(packed: bytes) -> str:
    """Return what tells changes apart that lead to something else."""
    return sha256(json.dumps(read_plan(packed)["after"]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal."""

    number: int
    approval: int
    thread_id: str
    turn_id: str
    by: By
    made_at: str
    is_done: int
    undoes: int | None
    undone_by: int | None
    plan: bytes

    @property
    def id(self) -> str:
        """As people see it."""
        return f"ch-{self.number}"

    def as_change(self) -> Change:
        """Return it as others see it."""
        plan = read_plan(self.plan)
        return Change(
            id=self.id,
            approval_id=f"ap-{self.approval}",
            thread_id=self.thread_id,
            turn_id=self.turn_id,
            tool=plan["tool"],
            kind=plan["kind"],
            summary=plan["summary"],
            targets=tuple(state["target"] for state in plan["before"]),
            diff=plan["diff"],
            made_at=datetime.fromisoformat(self.made_at),
            by=self.by,
            undone_by=f"ch-{self.undone_by}" if self.undone_by else "",
        )


class Journal:
    """The table of changes."""

    def __init__(self, database: AgentDatabase) -> None:
        self._database = database
        database.add_schema(_SCHEMA)

    def begin(
        self,
        approval: int,
        *,
        thread_id: str,
        turn_id: str,
        by: By,
        plan: bytes,
        undoes: int | None = None,
    ) -> int:
        """Write down what is about to be done and return its number."""
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO changes (approval, thread_id, turn_id, made_by, made_at, undoes,"
                " plan) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (approval, thread_id, turn_id, by, datetime.now(UTC).isoformat(), undoes, plan),
            )
        number = cursor.lastrowid
        assert number is not None
        return number

    def complete(self, entry: Entry) -> None:
        """Note that it is done."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE changes SET is_done = 1, made_at = ? WHERE number = ?",
                (datetime.now(UTC).isoformat(), entry.number),
            )
            if entry.undoes is not None:
                db.execute(
                    "UPDATE changes SET undone_by = ? WHERE number = ?",
                    (entry.number, entry.undoes),
                )

    def drop(self, number: int) -> None:
        """Forget what was not done."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM changes WHERE number = ? AND is_done = 0", (number,))

    def in_the_making(self) -> list[Entry]:
        """Return what was begun and is neither done nor dropped, the oldest first."""
        return self._select("is_done = 0")

    def get(self, number: int) -> Entry:
        """Return one that is begun or done.

        Raises
        ------
        UsageError
            There is none.

        """
        found = self._select("number = ?", number)
        if not found:
            raise UsageError(f"There is no change 'ch-{number}' in the journal.")
        return found[0]

    def done(self, thread_id: str | None = None, turn_id: str | None = None) -> list[Entry]:
        """Return what is done, the oldest first."""
        return self._select(
            "is_done = 1 AND (?1 IS NULL OR thread_id = ?1) AND (?2 IS NULL OR turn_id = ?2)",
            thread_id,
            turn_id,
        )

    def undos(self, thread_id: str) -> list[Entry]:
        """Return what is done and undid something, the oldest first."""
        return self._select("is_done = 1 AND made_by = 'undo' AND thread_id = ?", thread_id)

    def plans(self) -> Sequence[bytes]:
        """Return the plans of all changes."""
        return [entry.plan for entry in self._select("1")]

    def _select(self, where: str, *values: Any) -> list[Entry]:
        with self._database.transaction() as db:
            # `where` is one of the constants above.
            query = f"SELECT {_COLUMNS} FROM changes WHERE {where} ORDER BY number"  # noqa: S608
            rows: list[sqlite3.Row] = db.execute(query, values).fetchall()
        return [Entry(*row) for row in rows]
