"""What the chat panel's two sides say to each other; written here once.

``frontend/src/wire.ts`` is made from this file by ``make frontend`` and checked in CI.

Three ways lead to the browser. *Traits* hold what a view needs to be drawn anew, also
after a reload: the overview and the finished part of the open threads. *Events* carry
what is going on, gathered for some milliseconds and numbered for each thread; a view
that misses a number, or starts in the middle, asks for the thread again. *Replies*
answer one request of one view.

All texts are untrusted: they come from logs, files and models.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL = 1
"""Raised when one side can't read the other any more."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


# -- what traits hold ----------------------------------------------------------------

GroupState = Literal["new", "diagnosing", "diagnosed", "fix_proposed", "fixed", "held"]
JobState = Literal["waiting", "pending", "running", "done", "failed", "held"]
PanelMode = Literal["read-only", "approve", "yolo"]


class EvidenceLine(_Message):
    """A line that proves something; opens in the log viewer."""

    file: str
    line: int
    text: str


class RemedyView(_Message):
    """One thing to do."""

    kind: str
    summary: str
    details: str = ""
    """Markdown."""


class DiagnosisView(_Message):
    """Why a job failed."""

    category: str
    title: str
    explanation: str
    """Markdown."""
    confidence: float
    doubts: list[str] = Field(default_factory=list)
    source: Literal["rules", "model"]
    evidence: list[EvidenceLine] = Field(default_factory=list)
    remedies: list[RemedyView] = Field(default_factory=list)


class GroupView(_Message):
    """A cause and the failures it made."""

    key: str
    thread_id: str
    title: str
    category: str
    count: int
    state: GroupState
    n_known: int = 0
    learners: list[str] = Field(default_factory=list)
    """The first hundred."""
    job_ids: list[str] = Field(default_factory=list)
    """The first hundred."""
    nodes: list[str] = Field(default_factory=list)
    bad_node: str = ""
    last_seen: str = ""
    """ISO 8601, in UTC."""
    diagnosis: DiagnosisView


class JobView(_Message):
    """What one learner's job does."""

    index: int
    learner: str
    job_name: str
    job_id: str
    """Empty when it has none."""
    state: JobState
    elapsed_s: float | None = None
    note: str = ""
    group: str = ""
    """Key of the group of its last failure."""


class Overview(_Message):
    """The state of the run and of the panel's settings."""

    protocol: int = PROTOCOL
    run: str = ""
    n_jobs: dict[str, int] = Field(default_factory=dict)
    """Jobs by state."""
    n_failures: int = 0
    n_groups: int = 0
    """Of all; the largest are in the trait."""
    n_pending: int = 0
    """Diagnoses under way."""
    problem: str = ""
    is_closed: bool = False
    """Whether the run was closed: nothing is followed until somebody says something."""
    mode: PanelMode = "approve"
    model: str = ""
    """Name of the model; empty without one."""
    how_to_configure: str = ""
    """What to set to have a model; empty with one."""
    budget_left: str = ""
    yolo_changes: int = 0
    """Changes made in YOLO mode since it was last switched on."""
    yolo_since: str = ""
    """When that was, in ISO 8601 and UTC; empty where it is off. `ChangeView.made_at` is alike."""
    run_id: str = ""
    """Names the run, also after a restart of the kernel, and no other one of the same name."""
    asks_anyway: str = ""
    """What YOLO mode still asks for, a sentence."""
    quick_prompts: list[str] = Field(default_factory=list)
    """Questions that fit the state."""


class ThreadView(_Message):
    """One conversation."""

    id: str
    title: str
    kind: Literal["group", "chat"]
    updated: str
    """ISO 8601, in UTC."""
    tokens: int = 0
    money: float | None = None
    is_busy: bool = False
    n_pending: int = 0
    """Changes that wait for a decision."""


class ApprovalView(_Message):
    """A proposed change, or one that was decided."""

    id: str
    thread_id: str
    tool: str
    kind: str
    targets: list[str]
    summary: str
    diff: str
    reason: str
    risk: str
    status: Literal["pending", "approved", "done", "rejected", "void", "failed"]
    message: str = ""
    replaced_by: str = ""
    change_id: str = ""
    can_edit: bool = False
    """Whether `text` can be edited before it is approved."""
    text: str = ""
    """The proposed text, where it can be edited."""
    can_undo: bool = False
    undone: bool = False


class ChangeView(_Message):
    """One change that was made."""

    id: str
    approval_id: str
    thread_id: str
    turn_id: str
    tool: str
    summary: str
    targets: list[str]
    diff: str
    made_at: str
    by: str
    undone_by: str = ""


class ToolCallView(_Message):
    """A tool call inside an answer."""

    call_id: str
    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    status: Literal["running", "ok", "error", "waiting"]
    summary: str = ""
    output: str = ""


class Item(_Message):
    """One entry of a conversation."""

    id: str
    role: Literal["user", "assistant", "notice", "error"]
    text: str = ""
    """Markdown for the assistant, plain text for others."""
    calls: list[ToolCallView] = Field(default_factory=list)
    approvals: list[str] = Field(default_factory=list)
    """Ids of `ApprovalView`."""
    turn_id: str = ""
    at: str = ""
    is_final: bool = True
    is_stopped: bool = False
    """Whether the user stopped the turn here; the text may be empty."""


class Conversation(_Message):
    """The finished part of a thread, and the number of the last event in it."""

    thread_id: str
    items: list[Item] = Field(default_factory=list)
    """The newest; see `n_earlier`."""
    n_earlier: int = 0
    """How many older ones can be asked for."""
    approvals: list[ApprovalView] = Field(default_factory=list)
    seq: int = 0
    is_busy: bool = False


# -- from the kernel to every view -------------------------------------------------------


class ItemAdded(_Message):
    """A new entry; text follows."""

    type: Literal["item"] = "item"
    item: Item


class TextAdded(_Message):
    """More text of an entry."""

    type: Literal["text"] = "text"
    item_id: str
    text: str


class CallChanged(_Message):
    """A tool call began or ended."""

    type: Literal["call"] = "call"
    item_id: str
    call: ToolCallView


class ItemFinished(_Message):
    """Nothing is added to this entry any more."""

    type: Literal["finished"] = "finished"
    item_id: str
    is_stopped: bool = False
    """As of the item."""


class ItemsRemoved(_Message):
    """An entry and all after it were taken back, to be said anew."""

    type: Literal["removed"] = "removed"
    item_id: str


class ApprovalChanged(_Message):
    """A change was proposed, decided or undone."""

    type: Literal["approval"] = "approval"
    approval: ApprovalView
    item_id: str = ""
    """Entry in which it was proposed."""


class BusyChanged(_Message):
    """A turn began or ended."""

    type: Literal["busy"] = "busy"
    is_busy: bool
    status: str = ""
    """How it ended."""
    doing: str = ""
    """What it waits for, a few words."""


PanelEvent = (
    ItemAdded
    | TextAdded
    | CallChanged
    | ItemFinished
    | ItemsRemoved
    | ApprovalChanged
    | BusyChanged
)


class Events(_Message):
    """What happened in one thread, in order; the first has number `seq`."""

    type: Literal["events"] = "events"
    thread_id: str
    seq: int
    events: list[PanelEvent]


class Notification(_Message):
    """Something is ready while the user may be elsewhere."""

    type: Literal["notification"] = "notification"
    title: str
    text: str
    thread_id: str = ""


class Reply(_Message):
    """The answer to one request."""

    type: Literal["reply"] = "reply"
    request_id: str
    ok: bool
    error: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """As the request says."""


# -- from a view to the kernel ---------------------------------------------------------------


class _Request(_Message):
    request_id: str
    """Chosen by the view; a request with the same one is carried out once."""


class Send(_Request):
    """Say something in a thread."""

    type: Literal["send"] = "send"
    thread_id: str
    text: str


class Resend(_Request):
    """Take back the thread to before an entry of the user and say this instead."""

    type: Literal["resend"] = "resend"
    thread_id: str
    item_id: str
    text: str


class Stop(_Request):
    """Stop the turn of a thread."""

    type: Literal["stop"] = "stop"
    thread_id: str


class Decide(_Request):
    """Decide proposed changes."""

    type: Literal["decide"] = "decide"
    approval_ids: list[str]
    decision: Literal["approve", "reject", "edit"]
    message: str = ""
    text: str = ""
    """The edited text, with ``edit``."""
    scope: Literal["call", "turn", "kind"] = "call"


class Undo(_Request):
    """Undo a change, or all of a turn."""

    type: Literal["undo"] = "undo"
    change_id: str = ""
    turn_id: str = ""


class SetMode(_Request):
    """Switch what may be changed."""

    type: Literal["set_mode"] = "set_mode"
    mode: PanelMode


class OpenThread(_Request):
    """Have a thread among the open ones; the reply holds a `Conversation`."""

    type: Literal["open_thread"] = "open_thread"
    thread_id: str
    before: str = ""
    """Id of the oldest entry that is there, to get those before it."""


class ChangeThread(_Request):
    """Make, rename or delete a thread; the reply holds ``thread_id``."""

    type: Literal["change_thread"] = "change_thread"
    action: Literal["new", "rename", "delete"]
    thread_id: str = ""
    title: str = ""


class Fix(_Request):
    """Propose what makes the jobs of a group pass."""

    type: Literal["fix"] = "fix"
    group: str


class Release(_Request):
    """Start the held learners of a group again."""

    type: Literal["release"] = "release"
    group: str


class ReadLog(_Request):
    """Read a piece of a log; the reply holds a `LogPage`."""

    type: Literal["read_log"] = "read_log"
    file: str
    line: int = 0
    """Line in the middle of the piece; 0 to use `offset`."""
    offset: int = -1
    """Byte at which the piece begins, or before which it ends; -1 for the end."""
    backwards: bool = False


class SearchLog(_Request):
    """Find the next line with a text; the reply holds a `LogPage` around it."""

    type: Literal["search_log"] = "search_log"
    file: str
    text: str
    offset: int = 0
    backwards: bool = False


class Complete(_Request):
    """Complete ``@job``, ``@file`` or ``/command``; the reply holds ``choices`` and ``about``.

    ``about`` says of some choices what they do.
    """

    type: Literal["complete"] = "complete"
    text: str


class FindJobs(_Request):
    """Search the jobs; the reply holds ``jobs``, a list of `JobView`, and ``n``."""

    type: Literal["find_jobs"] = "find_jobs"
    text: str = ""
    states: list[JobState] = Field(default_factory=list)
    start: int = 0


class Export(_Request):
    """Write the conversation to a file; the reply holds ``html``."""

    type: Literal["export"] = "export"
    thread_id: str


PanelRequest = (
    Send
    | Resend
    | Stop
    | Decide
    | Undo
    | SetMode
    | OpenThread
    | ChangeThread
    | Fix
    | Release
    | ReadLog
    | SearchLog
    | Complete
    | FindJobs
    | Export
)


class LogLine(_Message):
    """One line of a log."""

    number: int
    """From 1; 0 when it is not known, deep in a huge file."""
    offset: int
    text: str
    is_cut: bool = False
    """Whether the line is too long for one piece, and goes on in the next."""
    is_rest: bool = False
    """Whether this goes on with the line of the piece before it."""


class LogPage(_Message):
    """A piece of a log."""

    file: str
    lines: list[LogLine] = Field(default_factory=list)
    begin: int = 0
    end: int = 0
    size: int = 0
    """Of the file in bytes; it may grow."""
    found: int = -1
    """Offset of the line, or piece of one, that was searched for; -1 when there is none."""
    after: int = -1
    """Where to search for the next one; -1 when none was found."""
    is_searching: bool = False
    """Whether the search stopped before the end, at `end`, to be gone on with."""
    problem: str = ""
