"""What a turn tells those who watch it: typed events for panels and terminals."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_scheduler.agent.approval import Approval


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    thread_id: str
    turn_id: str


class TurnStarted(_Event):
    """A turn began, with the user's message or, after a decision, without one."""

    type: Literal["turn_started"] = "turn_started"
    message: str = ""


class TextDelta(_Event):
    """A piece of the answer; pieces with the same `message_id` belong together."""

    type: Literal["text"] = "text"
    message_id: str
    text: str


class ToolStarted(_Event):
    """A tool is called."""

    type: Literal["tool_started"] = "tool_started"
    call_id: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolFinished(_Event):
    """A tool has answered."""

    type: Literal["tool_finished"] = "tool_finished"
    call_id: str
    tool: str
    ok: bool
    summary: str
    """One line."""
    output: str
    """What the model sees of it."""


class ApprovalWanted(_Event):
    """A change waits for a decision."""

    type: Literal["approval_wanted"] = "approval_wanted"
    approval: Approval


class ApprovalSettled(_Event):
    """A change was decided, carried out, or found void."""

    type: Literal["approval_settled"] = "approval_settled"
    approval: Approval


class Usage(_Event):
    """What one call of the model used."""

    type: Literal["usage"] = "usage"
    input_tokens: int
    output_tokens: int
    money: float | None = None
    """In the currency of the configured prices; ``None`` without prices."""
    budget_left: str = ""
    """What is left, in words; empty without limits."""


class Notice(_Event):
    """Something that the user should know: a retry, a fallback, a summary of the history."""

    type: Literal["notice"] = "notice"
    text: str


class Failed(_Event):
    """The turn could not go on; the thread stays usable."""

    type: Literal["error"] = "error"
    kind: str
    """As of `ModelError`, or ``"internal"``."""
    text: str


class Done(_Event):
    """The last event of a turn."""

    type: Literal["done"] = "done"
    status: Literal["finished", "waiting", "cancelled", "failed"]
    """``waiting`` for decisions."""
    text: str = ""
    """The whole of the last answer."""


Event = Annotated[
    TurnStarted
    | TextDelta
    | ToolStarted
    | ToolFinished
    | ApprovalWanted
    | ApprovalSettled
    | Usage
    | Notice
    | Failed
    | Done,
    Field(discriminator="type"),
]


class ChatResult(BaseModel):
    """The outcome of one message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    """The answer, as Markdown; untrusted."""
    approvals: tuple[Approval, ...] = ()
    """Changes of this thread that wait for a decision."""
    thread_id: str
    status: Literal["finished", "waiting", "cancelled", "failed"] = "finished"
    problem: str = ""
    """What went wrong, a sentence; empty when nothing did."""
