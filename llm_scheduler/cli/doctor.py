"""``llm-scheduler doctor``: say what is present, what is not, and what to do."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from llm_scheduler.managers.doctor import Check

_SIGNS = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "missing": ("-", "dim"),
    "error": ("✗", "bold red"),
}


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is installed here and what is missing",
        description="Check Python, the engine, Slurm, sacct, PBS, the model, the widgets, the "
        "folders and the disks, and say what to do about each.",
        epilog="exit status: 0 nothing is broken (optional parts may be missing), 1 something is",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=doctor_command)


def doctor_command(args: argparse.Namespace) -> int:
    """Run all checks, show them, and return the exit status."""
    from llm_scheduler.cli.console import StatusLine, make_console
    from llm_scheduler.managers.doctor import run_checks

    with StatusLine() as status:
        checks = run_checks(on_wait=lambda names: status.update(f"Checking {', '.join(names)}"))
    broken = any(check.status == "error" for check in checks)
    if args.json:
        items = [dataclasses.asdict(check) for check in checks]
        print(json.dumps({"ok": not broken, "checks": items}))
    else:
        make_console().print(checks_view(checks))
    return 1 if broken else 0


def checks_view(checks: Sequence[Check]) -> RenderableType:
    """Show the checks as a table, and a line that sums them up."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from llm_scheduler.cli.render import printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("")
    table.add_column("part", no_wrap=True)
    table.add_column("what was found and what to do", overflow="fold", ratio=1)
    for check in checks:
        sign, style = _SIGNS[check.status]
        words = Text(printable(check.detail))
        if check.advice:
            words.append(f"\n→ {printable(check.advice)}", style="cyan")
        table.add_row(Text(sign, style=style), Text(check.name, style=style), words)
    return Group(table, Text(summary(checks)))


def summary(checks: Sequence[Check]) -> str:
    """Return one sentence about all checks."""
    count = {status: sum(check.status == status for check in checks) for status in _SIGNS}
    if count["error"]:
        verdict = "Something is broken"
    elif count["warning"]:
        verdict = "Ready, with warnings"
    else:
        verdict = "Ready"
    return (
        f"{verdict}: {count['ok']} ok, {count['warning']} to look at, "
        f"{count['missing']} optional and not there, {count['error']} broken."
    )
