"""`Approval`: one proposed change, and what became of it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from llm_scheduler.tools.change import ChangeKind

ApprovalStatus = Literal["pending", "approved", "done", "rejected", "void", "failed"]
"""``approved`` is decided and not carried out yet; ``done`` is carried out and in the
journal; ``void`` was approved after the file had changed, and `replaced_by` names the
new one; ``failed`` could not be carried out, and `message` says why."""

Decision = Literal["approve", "reject", "edit"]
Scope = Literal["call", "turn", "kind"]
"""A decision for this call, for all of this turn, or for this kind of change in this
folder until the session ends."""


class DecisionOptions(TypedDict, total=False):
    """What may be said with a decision; see `ApprovalDesk.decide`."""

    message: str
    arguments: Mapping[str, Any] | None
    scope: Scope


class Approval(BaseModel):
    """One proposed change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """For example ``ap-7``; unique in the database."""
    thread_id: str
    turn_id: str
    call_id: str
    """Of the model's tool call; of our own for changes that the rules propose."""
    tool: str
    kind: ChangeKind
    arguments: dict[str, Any] = Field(default_factory=dict)
    targets: tuple[str, ...] = ()
    """Absolute paths, or ``learner:FILE``."""
    summary: str
    diff: str
    """All that will change."""
    reason: str = ""
    """In the words of whoever proposed it; untrusted."""
    risk: str = ""
    status: ApprovalStatus = "pending"
    message: str = ""
    """The user's words with a reject, or why it is void or failed."""
    replaced_by: str = ""
    change_id: str = ""
    """In the journal, once it is done."""
    created_at: datetime
    decided_at: datetime | None = None


class Change(BaseModel):
    """One change in the journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """For example ``ch-3``; unique in the database."""
    approval_id: str
    thread_id: str
    turn_id: str
    tool: str
    kind: ChangeKind
    summary: str
    targets: tuple[str, ...]
    diff: str
    made_at: datetime
    by: Literal["approval", "rule", "yolo", "undo"]
    """Who allowed it: one decision, an earlier one for this turn or kind, YOLO mode;
    ``undo`` for the change that undid another."""
    undone_by: str = ""
    """The change that undid it."""
