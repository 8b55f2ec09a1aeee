"""The table of approvals: what was proposed, and what became of it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from llm_scheduler.agent.approval import Approval, ApprovalStatus
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.journal import By, hash_effect, parse_id, read_plan
from llm_scheduler.agent.policy import Tally
from llm_scheduler.errors import UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS approvals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    effect TEXT NOT NULL,
    status TEXT NOT NULL,
    made_by TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    replaced_by INTEGER,
    change INTEGER,
    created_at TEXT NOT NULL,
    decided_at TEXT,
    words BLOB NOT NULL,
    plan BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS approvals_of_calls ON approvals (thread_id, call_id);
CREATE INDEX IF NOT EXISTS approvals_of_turns ON approvals (thread_id, turn_id);
CREATE INDEX IF NOT EXISTS open_approvals ON approvals (status)
    WHERE status IN ('pending', 'approved')
"""
_COLUMNS = (
    "number, thread_id, turn_id, call_id, signature, status, made_by, message, replaced_by,"
    " change, created_at, decided_at, words, plan"
)


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a write tool, by the model or by the rules."""

    thread_id: str
    turn_id: str
    call_id: str
    tool: str
    arguments: Mapping[str, Any]
    reason: str
    must_ask: bool = False
    """Whether only the user may allow it, whatever the mode and the rules are."""
    replaces: tuple[str, ...] = ()
    """Approvals that are void when this one is there, where they are not decided yet."""

    @property
    def signature(self) -> str:
        """What tells calls apart that ask for something else; the reason does not."""
        arguments = {name: x for name, x in self.arguments.items() if name != "reason"}
        text = json.dumps([self.tool, arguments], sort_keys=True, default=str)
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    number: int
    thread_id: str
    turn_id: str
    call_id: str
    signature: str
    status: ApprovalStatus
    by: By | Literal[""]
    message: str
    replaced_by: int | None
    change: int | None
    created_at: str
    decided_at: str | None
    words: bytes
    plan: bytes

    def as_call(self) -> Call:
        """Return the call that it answers."""
        words = _unpack(self.words)
        tool = read_plan(self.plan)["tool"]
        return Call(
            self.thread_id,
            self.turn_id,
            self.call_id,
            tool,
            words["arguments"],
            words["reason"],
            bool(words.get("must_ask")),
        )

    def as_approval(self) -> Approval:
        """Return it as others see it."""
        plan, words = read_plan(self.plan), _unpack(self.words)
        return Approval(
            id=f"ap-{self.number}",
            thread_id=self.thread_id,
            turn_id=self.turn_id,
            call_id=self.call_id,
            tool=plan["tool"],
            kind=plan["kind"],
            arguments=words["arguments"],
            targets=tuple(state["target"] for state in plan["before"]),
            summary=plan["summary"],
            diff=plan["diff"],
            reason=words["reason"],
            risk=plan["risk"],
            status=self.status,
            message=self.message,
            replaced_by=f"ap-{self.replaced_by}" if self.replaced_by else "",
            change_id=f"ch-{self.change}" if self.change else "",
            created_at=datetime.fromisoformat(self.created_at),
            decided_at=datetime.fromisoformat(self.decided_at) if self.decided_at else None,
        )


class ApprovalTable:
    """The rows; each method is one transaction, or a part of the caller's."""

    def __init__(self, database: AgentDatabase) -> None:
        self._database = database
        database.add_schema(_SCHEMA)

    def add(self, call: Call, plan: bytes, *, signature: str = "") -> int:
        """Add a pending one and return its number.

        Parameters
        ----------
        call
            What it answers.
        plan
            The packed plan.
        signature
            Of the call that it stands for, where the user has edited that.

        """
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO approvals (thread_id, turn_id, call_id, signature, effect, status,"
                " created_at, words, plan) VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?)",
                (
                    call.thread_id,
                    call.turn_id,
                    call.call_id,
                    signature or call.signature,
                    hash_effect(plan),
                    datetime.now(UTC).isoformat(),
                    _pack(call),
                    plan,
                ),
            )
        number = cursor.lastrowid
        assert number is not None
        return number

    def get(self, approval_id: str | int) -> Row:
        """Return one.

        Raises
        ------
        UsageError
            There is none.

        """
        number = approval_id
        if isinstance(number, str):
            number = parse_id(number, "ap", "approval")
        found = self._select("number = ?", number)
        if not found:
            raise UsageError(f"There is no approval 'ap-{number}'.")
        return found[0]

    def of_call(self, thread_id: str, call_id: str, signature: str | None = None) -> Row | None:
        """Return the newest one of a tool call."""
        found = self._select(
            "thread_id = ?1 AND call_id = ?2 AND (?3 IS NULL OR signature = ?3)",
            thread_id,
            call_id,
            signature,
        )
        return found[-1] if found else None

    def with_status(
        self, status: ApprovalStatus, thread_id: str | None = None, turn_id: str | None = None
    ) -> list[Row]:
        """Return those of one status, the oldest first."""
        return self._select(
            "status = ?1 AND (?2 IS NULL OR thread_id = ?2) AND (?3 IS NULL OR turn_id = ?3)",
            status,
            thread_id,
            turn_id,
        )

    def with_call_prefix(self, thread_id: str, prefix: str) -> list[Row]:
        """Return those whose calls have ids that begin like this, the oldest first."""
        return self._select(
            "thread_id = ?1 AND substr(call_id, 1, length(?2)) = ?2", thread_id, prefix
        )

    def tally(self, thread_id: str, turn_id: str) -> Tally:
        """Count what was proposed in a turn, and which files were changed in it."""
        rows = self._select("thread_id = ? AND turn_id = ?", thread_id, turn_id)
        targets = {
            state["target"]
            for row in rows
            if row.status in ("approved", "done")
            for state in read_plan(row.plan)["before"]
            if state["what"] != "learner"
        }
        return Tally(sum(row.status != "void" for row in rows), frozenset(targets))

    def was_rejected(self, call: Call, plan: bytes) -> str | None:
        """Return the user's words if the same was rejected in this turn, else ``None``."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT message FROM approvals WHERE thread_id = ? AND turn_id = ?"
                " AND status = 'rejected' AND (signature = ? OR effect = ?)",
                (call.thread_id, call.turn_id, call.signature, hash_effect(plan)),
            ).fetchone()
        return None if row is None else str(row[0])

    def is_refused(self, call: Call, plan: bytes) -> bool:
        """Whether the same was rejected before, in any turn, and not approved since."""
        with self._database.transaction() as db:
            rejected, approved = db.execute(
                "SELECT MAX(CASE WHEN status = 'rejected' THEN decided_at END),"
                " MAX(CASE WHEN status = 'done' AND made_by = 'approval' AND effect = ?1"
                " THEN decided_at END) FROM approvals WHERE effect = ?1 OR signature = ?2",
                (hash_effect(plan), call.signature),
            ).fetchone()
        return rejected is not None and (approved is None or rejected > approved)

    def same_pending(self, row: Row) -> list[Row]:
        """Return the earlier ones of the thread that wait and would do the same."""
        return self._select(
            "status = 'pending' AND thread_id = ? AND effect = ? AND number < ?",
            row.thread_id,
            hash_effect(row.plan),
            row.number,
        )

    def set_status(
        self,
        number: int,
        status: ApprovalStatus,
        *,
        message: str | None = None,
        by: str | None = None,
        replaced_by: int | None = None,
        change: int | None = None,
    ) -> None:
        """Note what became of one; what is ``None`` stays as it is."""
        decided_at = None if status == "pending" else datetime.now(UTC).isoformat()
        with self._database.transaction() as db:
            db.execute(
                "UPDATE approvals SET status = ?, message = COALESCE(?, message),"
                " made_by = COALESCE(?, made_by), replaced_by = COALESCE(?, replaced_by),"
                " change = COALESCE(?, change),"
                " decided_at = CASE WHEN ?6 IS NULL THEN NULL ELSE COALESCE(decided_at, ?6) END"
                " WHERE number = ?",
                (status, message, by, replaced_by, change, decided_at, number),
            )

    def set_plan(self, number: int, call: Call, plan: bytes) -> None:
        """Put what the user wrote in the place of what was proposed."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE approvals SET words = ?, plan = ?, effect = ? WHERE number = ?",
                (_pack(call), plan, hash_effect(plan), number),
            )

    def open_plans(self) -> Sequence[bytes]:
        """Return the plans that may still be carried out."""
        return [row.plan for row in self._select("status IN ('pending', 'approved')")]

    def _select(self, where: str, *values: Any) -> list[Row]:
        with self._database.transaction() as db:
            # `where` is one of the constants above.
            query = f"SELECT {_COLUMNS} FROM approvals WHERE {where} ORDER BY number"  # noqa: S608
            rows = db.execute(query, values).fetchall()
        return [Row(*row) for row in rows]


def _pack(call: Call) -> bytes:
    words = {"arguments": dict(call.arguments), "reason": call.reason, "must_ask": call.must_ask}
    # A model can write halves of characters, which nothing that shows them could encode.
    text = json.dumps(words, default=str, ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "replace"))


def _unpack(words: bytes) -> dict[str, Any]:
    unpacked: dict[str, Any] = json.loads(zlib.decompress(words))
    return unpacked
