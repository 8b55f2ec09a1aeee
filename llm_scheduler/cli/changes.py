"""``llm-scheduler changes``: what the agent has changed in a run, and how to undo it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.run_files import find_run_file

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Change
    from llm_scheduler.managers.assistant import Assistant


_EXAMPLES = """\
examples:
  llm-scheduler changes                         list the changes of the run in this folder
  llm-scheduler changes show ch-3               show one with its diff
  llm-scheduler changes undo ch-3               put back what was there before it
  llm-scheduler changes undo-turn turn-1f3a     undo all changes of one turn
  llm-scheduler changes --run runs/adaptive.failures.sqlite --json

A change is only undone when what it changed is still as it left it. An undo is a change
too and can be undone.

exit status: 0 done; 1 something has changed since; 2 wrong usage
"""


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "changes",
        help="list, show and undo the changes that the agent has made",
        description="List, show and undo the changes that the agent of a run has made.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=list_command)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    listing = commands.add_parser("list", help="list the changes, the oldest first")
    show = commands.add_parser("show", help="show one change with its diff")
    show.add_argument("id", metavar="ID", help="for example ch-3")
    undo = commands.add_parser("undo", help="put back what was there before a change")
    undo.add_argument("id", metavar="ID", help="for example ch-3")
    turn = commands.add_parser("undo-turn", help="undo all changes of one turn, or none")
    turn.add_argument("id", metavar="TURN", help="as `list` shows it")
    for command, run in (
        (listing, list_command),
        (show, show_command),
        (undo, undo_command),
        (turn, undo_turn_command),
    ):
        command.set_defaults(run=run)
    for command in (parser, listing, show, undo, turn):
        # Without a default of its own a subcommand keeps what stands before it.
        default = {} if command is parser else {"default": argparse.SUPPRESS}
        command.add_argument(
            "--run",
            dest="run_file",
            metavar="FILE",
            help="the run's file NAME.failures.sqlite; the one in this folder if there is one",
            **default,
        )
        command.add_argument("--json", action="store_true", help="print JSON", **default)


def list_command(args: argparse.Namespace) -> int:
    """List the changes of a run."""
    from llm_scheduler.cli import changes_view

    with _open_assistant(args.run_file) as assistant:
        changes = assistant.changes()
    if args.json:
        changes_view.print_json(changes)
    else:
        changes_view.print_list(changes)
    return 0


def show_command(args: argparse.Namespace) -> int:
    """Show one change."""
    from llm_scheduler.cli import changes_view

    with _open_assistant(args.run_file) as assistant:
        details = assistant.desk.show(args.id)
    if args.json:
        changes_view.print_details_json(details)
    else:
        changes_view.print_details(details)
    return 0


def undo_command(args: argparse.Namespace) -> int:
    """Undo one change."""
    with _open_assistant(args.run_file) as assistant:
        return _tell_undone(args, [assistant.undo(args.id)])


def undo_turn_command(args: argparse.Namespace) -> int:
    """Undo all changes of a turn."""
    with _open_assistant(args.run_file) as assistant:
        return _tell_undone(args, assistant.undo_turn(args.id))


def _tell_undone(args: argparse.Namespace, changes: Sequence[Change]) -> int:
    from llm_scheduler.cli import changes_view

    if args.json:
        changes_view.print_json(changes)
    else:
        changes_view.print_undone(changes)
    return 0


@contextmanager
def _open_assistant(given: str | None) -> Iterator[Assistant]:
    import sys

    from llm_scheduler.cli.render import printable
    from llm_scheduler.config import Settings
    from llm_scheduler.managers.assistant import open_assistant

    # Nothing is asked here, so a model that can't be reached must not matter.
    assistant = open_assistant(
        find_run_file(given, Path.cwd()), Settings.load(), model=None, fallback=None, mode="approve"
    )
    try:
        if assistant.problem:
            print(f"llm-scheduler: warning: {printable(assistant.problem)}", file=sys.stderr)
        yield assistant
    finally:
        assistant.close()
