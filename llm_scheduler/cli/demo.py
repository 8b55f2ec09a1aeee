"""``llm-scheduler demo``: run jobs that really fail, and explain each."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.interrupts import Interrupts
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from llm_scheduler.managers.demo import DemoResult, DemoRun

_TICK_S = 0.25
_LIMIT_S = 300.0
"""The demo takes half a minute; a machine on which it takes this long is stuck."""
_ENDED = frozenset({"done", "failed", "held"})
NOTEBOOK = "quickstart.ipynb"


def add_parser(subparsers: Any) -> None:
    """Add this command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="run jobs on this machine that really fail, and explain each",
        description="Run learners as jobs on this machine. Two reach their goal, the others "
        "die for real reasons (memory, time, a crash, a mistake in the code, ...) and are "
        "explained. Takes about half a minute, and no model and no network.",
    )
    parser.add_argument(
        "--folder",
        metavar="F",
        help="new folder for the files (default: ./llm-scheduler-demo-DATE-TIME)",
    )
    parser.add_argument("--cores", type=int, metavar="N", help="run N jobs at once")
    parser.add_argument(
        "--llm",
        metavar="MODEL",
        help="then mend one failure with this model, for example openai:gpt-4.1",
    )
    parser.add_argument("--base-url", metavar="U", help="of an OpenAI-compatible server")
    parser.add_argument("--yes", action="store_true", help="answer its questions with yes")
    parser.add_argument("--plain", action="store_true", help="print lines, no live table")
    parser.add_argument("--json", action="store_true", help="print the groups as JSON lines")
    parser.set_defaults(run=demo_command)


def demo_command(args: argparse.Namespace) -> int:
    """Run the demo and return the exit status."""
    from llm_scheduler.cli.console import is_live, make_console
    from llm_scheduler.cli.render import printable, short_path

    llm = make_llm(args)
    folder = Path(args.folder or time.strftime("llm-scheduler-demo-%Y%m%d-%H%M%S")).absolute()
    out = make_console()
    # With --json the results are for a program, and people look at standard error.
    people = make_console(sys.stderr) if args.json else out
    live = not args.plain and is_live(people.file) and people.is_terminal
    where = printable(short_path(str(folder)))
    is_new = not os.path.lexists(folder)
    with Interrupts() as interrupts:
        try:
            load_demo(folder, cores=args.cores, console=people, live=live)
            # Python drops an interrupt that arrives in what it calls back while it imports.
            interrupts.check()
        except KeyboardInterrupt:
            if is_new:
                with suppress(OSError):
                    folder.rmdir()
            print("Interrupted before any job was started.", file=sys.stderr)
            return 130
        try:
            options: dict[str, Any] = {"console": people, "live": live, "llm": llm}
            options["yes"] = args.yes
            result = run_demo(folder, cores=args.cores, interrupts=interrupts, **options)
        except KeyboardInterrupt:
            text = f"Interrupted; the jobs were cancelled. The files are in {where}"
            print(text, file=sys.stderr)
            return 130
    if args.json:
        for group in result.groups:
            print(json.dumps(group.model_dump(mode="json")))
    elif not args.llm:  # else it stands before the conversation
        people.print(report(result))
    for surprise in result.surprises:
        print(f"Unexpected: {printable(surprise)}", file=sys.stderr)
    people.print(f"The files of this demo are in {where}", soft_wrap=True)
    people.print(notebook_line(folder), soft_wrap=True)
    return 0 if result.ok else 1


def make_llm(args: argparse.Namespace) -> object:
    """Return the model that the arguments name, for the run."""
    from llm_scheduler.config import LLMSettings

    if args.llm is None:
        if args.base_url is not None or args.yes:
            raise UsageError("--base-url and --yes need --llm MODEL.")
        return "offline"
    named = {"base_url": args.base_url} if args.base_url else {}
    return LLMSettings(model=args.llm, mode="approve", **named)


def load_demo(folder: Path, *, cores: int | None, console: Console, live: bool) -> None:
    """Check the options, make the folder, and import what the demo needs."""
    from llm_scheduler.managers.demo.run import check_demo_options, make_demo_folder

    check_demo_options(folder, cores)
    make_demo_folder(folder)
    with _status(console, live, "Loading adaptive and adaptive-scheduler ..."):
        import llm_scheduler.managers.local_run  # noqa: F401 - it takes seconds


def run_demo(
    folder: Path,
    *,
    cores: int | None,
    console: Console,
    live: bool,
    interrupts: Interrupts | None = None,
    llm: object = "offline",
    yes: bool = False,
) -> DemoResult:
    """Run the demo to its end while `console` shows how it goes."""
    interrupts = interrupts or Interrupts()
    # Held already while jobs are started: what is half started could not be cancelled.
    with interrupts.hold(), _start(folder, cores, console, live, llm) as demo:
        try:
            interrupts.check()
            if not demo.small_disk:
                console.print(
                    "The job that fills a disk is left out: only root may mount a small one.",
                    style="dim",
                )
            (_watch_live if live else _watch_plain)(demo, console, interrupts)
            with _status(console, live, "Reading the logs ..."):
                result = demo.result()
            interrupts.check()
            if llm != "offline":
                from llm_scheduler.cli.demo_talk import talk

                console.print(report(result))
                problem = talk(demo, console, live=live, yes=yes)
                if problem:
                    surprises = (*result.surprises, problem)
                    result = dataclasses.replace(result, surprises=surprises)
        finally:
            with _status(console, live, "Cleaning up ..."):
                demo.close()
    return result


def _start(folder: Path, cores: int | None, console: Console, live: bool, llm: object) -> DemoRun:
    from llm_scheduler.managers.demo import start_demo

    with _status(console, live, "Starting the jobs ..."):
        return start_demo(folder, cores=cores, llm=llm)


def report(result: DemoResult, *, max_groups: int | None = None) -> RenderableType:
    """Show how the demo ended: the jobs, then the failures by cause."""
    from rich.console import Group
    from rich.text import Text

    from llm_scheduler.cli.render import groups_view, jobs_table

    return Group(
        Text(), jobs_table(result.rows), Text(), groups_view(result.groups, limit=max_groups)
    )


def notebook_line(folder: Path) -> str:
    """Put the quickstart notebook into `folder`; say the command that opens it."""
    from llm_scheduler.cli.render import short_path

    notebook = find_notebook()
    if notebook is None:
        return "The notebook quickstart.ipynb did not come with this installation."
    copy = folder / NOTEBOOK
    shutil.copyfile(notebook, copy)
    command = f"{_jupyter()} {shlex.quote(short_path(str(copy)))}"
    return f"Next, the same in a notebook:  {command}"


def find_notebook() -> Path | None:
    """Find the quickstart notebook: in the installed package, or in the checkout."""
    import llm_scheduler

    package = Path(llm_scheduler.__file__).parent
    for path in (package / "managers/demo" / NOTEBOOK, package.parent / "notebooks" / NOTEBOOK):
        if path.is_file():
            return path
    return None


def _jupyter() -> str:
    """Say how to start this environment's JupyterLab, which need not be on the PATH."""
    from importlib.util import find_spec

    from llm_scheduler.cli.render import short_path

    bin_folder = Path(sys.executable).parent
    python = shlex.quote(short_path(sys.executable))
    if find_spec("jupyterlab") is None:
        return f"{python} -m pip install jupyterlab && {python} -m jupyter lab"
    found = shutil.which("jupyter-lab")
    if found and os.path.realpath(Path(found).parent) == os.path.realpath(bin_folder):
        return "jupyter lab"
    return f"{python} -m jupyter lab"


def progress_line(rows: Sequence[Any], elapsed_s: float) -> str:
    """Say in a line how far the jobs are."""
    states = [row.state for row in rows]
    parts = [f"{sum(s in _ENDED for s in states)} of {len(states)} jobs ended"]
    for word, group in (("running", {"running"}), ("failed", {"failed", "held"})):
        count = sum(s in group for s in states)
        if count:
            parts.append(f"{count} {word}")
    return f"{', '.join(parts)}, {elapsed_s:.0f} s"


def _watch_live(demo: DemoRun, console: Console, interrupts: Interrupts) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from llm_scheduler.cli.render import jobs_table

    started = time.monotonic()

    def view() -> RenderableType:
        rows = demo.rows()
        elapsed = time.monotonic() - started
        ended = sum(row.state in _ENDED for row in rows)
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=max(1, len(rows)), completed=ended, width=24),
            Text(progress_line(rows, elapsed)),
        )
        return Group(Text(), jobs_table(rows), Text(), bar)

    # The table of the end is printed with the report.
    with Live(view(), console=console, auto_refresh=False, transient=True) as screen:
        for _ in _until_ended(demo, interrupts):
            screen.update(view(), refresh=True)


def _watch_plain(demo: DemoRun, console: Console, interrupts: Interrupts) -> None:
    from llm_scheduler.cli.render import printable

    started = last_line = time.monotonic()
    shown: set[int] = set()
    for last in _until_ended(demo, interrupts):
        rows = demo.rows()
        now = time.monotonic()
        for row in rows:
            waits = row.state == "failed" and row.note.endswith("...") and not last
            if row.index in shown or row.state not in _ENDED or waits:
                continue
            shown.add(row.index)
            last_line = now
            name = printable(Path(row.fname).stem)
            console.print(f"{row.state:<7} {name:<16} {printable(row.note)}", soft_wrap=True)
        if now - last_line >= 5:
            last_line = now
            console.print(f"... {progress_line(rows, now - started)}")


def _until_ended(demo: DemoRun, interrupts: Interrupts) -> Iterator[bool]:
    """Yield a few times a second until all jobs ended, and then once more ``True``."""
    deadline = time.monotonic() + _LIMIT_S
    while not demo.wait(_TICK_S) and time.monotonic() < deadline:
        interrupts.check()
        yield False
    yield True


@contextmanager
def _status(console: Console, live: bool, text: str) -> Iterator[None]:
    """Say that something is under way that may take longer than a second."""
    if not live:
        console.print(text, style="dim")
        yield
        return
    with console.status(text):
        yield
