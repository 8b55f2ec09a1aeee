"""What the journal of changes looks like in a terminal.

Summaries, paths and diffs are untrusted: they go through `printable`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from llm_scheduler.cli.chat_view import diff_view
from llm_scheduler.cli.console import make_console
from llm_scheduler.cli.render import printable, short_path

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Change
    from llm_scheduler.agent.desk import ChangeDetails

_MAX_LINE = 300
_BY = {
    "approval": "you approved it",
    "rule": "allowed by an earlier decision",
    "yolo": "YOLO mode",
    "undo": "an undo",
}


def print_list(changes: Sequence[Change]) -> None:
    """Print a line for each change: id, when, what, who allowed it, the turn."""
    console = make_console()
    if not changes:
        console.print("No changes were made.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("Change", "When"):
        table.add_column(name, no_wrap=True)
    table.add_column("What", ratio=1, overflow="fold")
    for name in ("By", "Turn"):
        table.add_column(name, overflow="fold")
    for change in changes:
        is_undone = bool(change.undone_by)
        what = Text(_one_line(change.summary), style="dim strike" if is_undone else "")
        if is_undone:
            what.append(f"  undone by {printable(change.undone_by)}", style="not strike yellow")
        table.add_row(
            Text(printable(change.id), style="bold"),
            Text(f"{change.made_at.astimezone():%Y-%m-%d %H:%M}", style="dim"),
            what,
            Text(change.by),
            Text(_one_line(change.turn_id), style="dim"),
        )
    console.print(table)


def print_details(details: ChangeDetails) -> None:
    """Print one change with its diff."""
    change = details.change
    console = make_console()
    console.print(Text(f"{printable(change.id)}  {_one_line(change.summary)}", style="bold"))
    facts = {
        "when": f"{change.made_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "by": _BY[change.by],
        "files": ", ".join(short_path(target) for target in change.targets),
        "thread": change.thread_id,
        "turn": change.turn_id,
        "approval": change.approval_id,
        "undone by": change.undone_by,
    }
    for name, value in facts.items():
        if value:
            console.print(Text(f"  {name}: {_one_line(value)}", style="dim"))
    console.print()
    console.print(diff_view(change.diff), soft_wrap=True)


def print_undone(changes: Sequence[Change]) -> None:
    """Say what was done to undo changes."""
    console = make_console()
    for change in changes:
        console.print(Text(f"{printable(change.id)}  {_one_line(change.summary)}"), soft_wrap=True)
    console.print(Text("Undone.", style="green"))


def print_json(changes: Sequence[Change]) -> None:
    """Print one JSON object for each change."""
    for change in changes:
        print(json.dumps(change.model_dump(mode="json")))


def print_details_json(details: ChangeDetails) -> None:
    """Print a change with all that it touched before and after, contents in base64."""
    print(
        json.dumps(
            details.change.model_dump(mode="json")
            | {
                "before": [state.model_dump(mode="json") for state in details.before],
                "after": [state.model_dump(mode="json") for state in details.after],
            }
        )
    )


def _one_line(text: str) -> str:
    return " ".join(printable(text, max_chars=_MAX_LINE).split())
