"""From the agent's values to what the panel is told: approvals, changes, calls, items."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from llm_scheduler.widgets.messages import ApprovalView, ChangeView, Item, ToolCallView

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Change
    from llm_scheduler.agent.threads import HistoryItem, ToolCallItem

MAX_SUMMARY_CHARS = 160
MAX_OUTPUT_CHARS = 20_000
MAX_ARGUMENT_CHARS = 4_000
CHANGE_DIFF_CHARS = 3_000
"""Of one change in the list of changes; its card in the conversation has it whole."""

_TEXT_OF = {"replace_text": "new_text", "write_file": "content"}
"""The argument of a tool that a person can edit."""
_RESOURCES = ("memory", "time", "cores", "exclude")

MakeApproval = Callable[["Approval"], ApprovalView]
ItemRole = Literal["user", "assistant", "notice", "error"]
_ROLES: dict[str, ItemRole] = {
    "user": "user",
    "assistant": "assistant",
    "note": "notice",
    "problem": "error",
}


def make_approval(approval: Approval, *, undone: bool = False) -> ApprovalView:
    """Return an approval as the panel shows it."""
    text = editable_text(approval)
    is_done = approval.status == "done" and bool(approval.change_id)
    return ApprovalView(
        id=approval.id,
        thread_id=approval.thread_id,
        tool=approval.tool,
        kind=approval.kind,
        targets=list(approval.targets),
        summary=approval.summary,
        diff=approval.diff,
        reason=approval.reason,
        risk=approval.risk,
        status=approval.status,
        message=approval.message,
        replaced_by=approval.replaced_by,
        change_id=approval.change_id,
        can_edit=text is not None and approval.status == "pending",
        text=text or "",
        can_undo=is_done and not undone,
        undone=is_done and undone,
    )


def editable_text(approval: Approval) -> str | None:
    """Return what a person may edit before approving; ``None`` when that is nothing."""
    arguments = approval.arguments
    if approval.kind == "resources":
        return "".join(f"{name}: {arguments[name]}\n" for name in _RESOURCES if arguments.get(name))
    value = arguments.get(_TEXT_OF.get(approval.tool, ""))
    return value if isinstance(value, str) else None


def edited_arguments(approval: Approval, text: str) -> dict[str, Any] | None:
    """Return the arguments of a tool with what a person made of its text.

    ``None`` when there is nothing to edit.
    """
    if editable_text(approval) is None:
        return None
    if approval.kind != "resources":
        return {**approval.arguments, _TEXT_OF[approval.tool]: text}
    pairs = (line.partition(":") for line in text.splitlines() if line.strip())
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    rest = {name: value for name, value in approval.arguments.items() if name not in _RESOURCES}
    return rest | given


def make_change(change: Change) -> ChangeView:
    """Return a change of the journal as the panel lists it."""
    return ChangeView(
        id=change.id,
        approval_id=change.approval_id,
        thread_id=change.thread_id,
        turn_id=change.turn_id,
        tool=change.tool,
        summary=change.summary,
        targets=list(change.targets[:20]),
        diff=shorten_diff(change.diff),
        made_at=change.made_at.isoformat(),
        by=change.by,
        undone_by=change.undone_by,
    )


def shorten_diff(diff: str, max_chars: int = CHANGE_DIFF_CHARS) -> str:
    """Cut a diff between two lines, with a line that says how many are missing."""
    if len(diff) <= max_chars:
        return diff
    end = diff.rfind("\n", 0, max_chars) + 1
    n_left = diff.count("\n", end) + (not diff.endswith("\n"))
    return f"{diff[:end]}\\ {n_left} more lines are not shown here\n"


def undone_changes(changes: Sequence[Change]) -> set[str]:
    """Return the ids of changes that do not hold any more; an undo can be undone too."""
    undone: set[str] = set()
    for change in reversed(changes):  # what undid it is younger
        if change.undone_by and change.undone_by not in undone:
            undone.add(change.id)
    return undone


def last_redone(changes: Sequence[Change], change_id: str) -> str:
    """Return the change that holds in the place of one that was undone and done again."""
    by_id = {change.id: change for change in changes}
    found = by_id.get(change_id)
    while found is not None and found.undone_by in by_id:
        undo = by_id[found.undone_by]
        if undo.undone_by not in by_id:
            break
        found = by_id[undo.undone_by]
    return found.id if found is not None else change_id


def make_call(
    call_id: str,
    tool: str,
    arguments: Mapping[str, Any],
    status: Literal["running", "ok", "error", "waiting"],
    *,
    summary: str = "",
    output: str = "",
) -> ToolCallView:
    """Return a tool call, bounded: a model can write a megabyte into an argument."""
    return ToolCallView(
        call_id=call_id,
        tool=tool,
        arguments={str(name): _bounded(value) for name, value in list(arguments.items())[:30]},
        status=status,
        summary=" ".join(summary.split())[:MAX_SUMMARY_CHARS],
        output=_cut(output, MAX_OUTPUT_CHARS),
    )


def _bounded(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):  # JSON has no others
        return value
    return _cut(value if isinstance(value, str) else repr(value), MAX_ARGUMENT_CHARS)


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}\n... ({len(text):,} characters)"


def make_items(
    history: Iterable[HistoryItem], make: MakeApproval
) -> tuple[list[Item], dict[str, ApprovalView]]:
    """Return the entries of a thread that is kept, and the approvals in it."""
    items: list[Item] = []
    approvals: dict[str, ApprovalView] = {}
    for number, entry in enumerate(history):
        views = [make(call.approval) for call in entry.tool_calls if call.approval is not None]
        approvals.update({view.id: view for view in views})
        items.append(
            Item(
                id=entry.message_id or f"entry-{number}",
                role=_ROLES[entry.role],
                text=entry.text,
                calls=[_past_call(call) for call in entry.tool_calls],
                approvals=[view.id for view in views],
            )
        )
    return items, approvals


def _past_call(call: ToolCallItem) -> ToolCallView:
    approval = call.approval
    if call.ok is not None:
        status: Literal["ok", "error", "waiting"] = "ok" if call.ok else "error"
    elif approval is not None and approval.status in ("pending", "approved"):
        status = "waiting"
    else:
        status = "error"
    summary = approval.summary if approval is not None else call.output.strip().partition("\n")[0]
    return make_call(
        call.call_id, call.tool, call.arguments, status, summary=summary, output=call.output
    )
