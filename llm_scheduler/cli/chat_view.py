"""What a turn looks like: streamed Markdown, a line for each tool, coloured diffs.

Three views show the same events: `LiveView` on a terminal, `PlainView` elsewhere,
`JsonView` for programs. Everything that comes from a model, a log or a file is untrusted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import IO, Any, Protocol

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text
from rich.theme import Theme

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    Done,
    Event,
    Failed,
    Notice,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from llm_scheduler.cli.chat_markdown import BlockBuffer, markdown_view
from llm_scheduler.cli.console import make_console
from llm_scheduler.cli.render import printable

_REFRESHES_PER_S = 12
_MAX_VALUE = 60
_MAX_LINE = 400
_MAX_TAIL = 4000


class View(Protocol):
    """Shows events and the results of commands."""

    def show_event(self, event: Event) -> None:
        """Show one event of a turn."""
        ...

    def show(self, *parts: RenderableType) -> None:
        """Show the result of a command."""
        ...

    def show_answer(self, markdown: str) -> None:
        """Show a whole answer of the model, such as one of the history."""
        ...

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something, in a line."""
        ...

    def pause(self) -> None:
        """Leave the terminal alone, as something else is going to use it."""
        ...


class PlainView:
    """Answers and results on standard output as they come, the rest on standard error."""

    def __init__(self, out: Console | None = None, err: Console | None = None) -> None:
        self._out = out or make_console()
        self._err = err or make_console(sys.stderr)
        self._calls: dict[str, ToolStarted] = {}
        self._at_start = True
        self._held = ""

    def show_event(self, event: Event) -> None:
        """Show one event of a turn."""
        if isinstance(event, TextDelta):
            self._write(event.text)
            return
        self.pause()
        if isinstance(event, ToolStarted):
            self._calls[event.call_id] = event
        elif isinstance(event, ToolFinished):
            self._err.print(tool_line(event, self._calls.pop(event.call_id, None)))
        elif isinstance(event, ApprovalWanted):
            self.show(approval_view(event.approval))
        elif isinstance(event, ApprovalSettled):
            self._err.print(settled_line(event.approval))
        else:
            line = other_line(event)
            if line is not None:
                self._err.print(line)

    def show(self, *parts: RenderableType) -> None:
        """Show the result of a command."""
        self.pause()
        self._out.print(*parts, sep="\n", crop=False)

    def show_answer(self, markdown: str) -> None:
        """Show a whole answer as it was written."""
        self.show(Text(printable(markdown)))

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something, in a line."""
        self.pause()
        self._err.print(Text(printable(text), style=style))

    def pause(self) -> None:
        """End the line that is being written."""
        if not self._at_start:
            self._out.file.write("\n")
            self._out.file.flush()
            self._at_start = True
        self._held = ""

    def _write(self, text: str) -> None:
        text = self._held + text
        # A line ending may come in two pieces.
        self._held = "\r" if text.endswith("\r") else ""
        shown = printable(text.removesuffix("\r"))
        if shown:
            self._out.file.write(shown)
            self._out.file.flush()
            self._at_start = shown.endswith("\n")


class LiveView(PlainView):
    """A terminal: the block that is being written is drawn anew, the others stay."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or make_console()
        # rich's own have a black background, also where the screen is white.
        console.push_theme(Theme({"markdown.code": "cyan", "markdown.code_block": "cyan"}))
        super().__init__(console, console)
        self._console = console
        self._blocks = BlockBuffer()
        self._message_id = ""
        self._doing = ""
        self._since = time.monotonic()
        self._live: Live | None = None

    def show_event(self, event: Event) -> None:
        """Show one event of a turn."""
        self._since = time.monotonic()
        if isinstance(event, Done):
            self.pause()
        elif self._live is None:
            self._start()
        if isinstance(event, TextDelta):
            self._add_text(event)
            return
        if isinstance(event, ToolStarted):
            self._doing = f"{event.tool} {_arguments(event.arguments)}".strip()
        else:
            self._doing = ""
        self._flush()
        super().show_event(event)

    def show(self, *parts: RenderableType) -> None:
        """Show the result of a command."""
        self._flush()
        self._console.print(*parts, sep="\n", crop=False)

    def show_answer(self, markdown: str) -> None:
        """Show a whole answer as Markdown."""
        self.show(markdown_view(markdown))

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something, in a line."""
        self._flush()
        self._console.print(Text(printable(text), style=style))

    def pause(self) -> None:
        """Print what is unfinished and end the drawing."""
        live, self._live = self._live, None
        if live is not None:
            rest = self._blocks.finish()
            live.stop()
            if rest:
                self._print_block(rest)

    def _start(self) -> None:
        self._doing = ""
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=_REFRESHES_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _add_text(self, event: TextDelta) -> None:
        if event.message_id != self._message_id:
            self._flush()
            self._message_id = event.message_id
        for block in self._blocks.feed(event.text):
            self._print_block(block)

    def _flush(self) -> None:
        rest = self._blocks.finish()
        if rest:
            self._print_block(rest)

    def _print_block(self, block: str) -> None:
        self._console.print(markdown_view(block), Text(), sep="\n")

    def _draw(self) -> RenderableType:
        """Draw what is not finished, from the thread that refreshes the screen."""
        rest = self._blocks.rest
        if len(rest) > _MAX_TAIL:
            return _Tail(Text(printable(rest[-_MAX_TAIL:])))
        if rest.strip():
            return _Tail(markdown_view(rest))
        seconds = time.monotonic() - self._since
        waiting = f" ({seconds:.0f} s, Ctrl-C cancels)" if seconds >= 2 else ""
        doing = printable(self._doing, max_chars=_MAX_VALUE) or "..."
        return Spinner("line", Text(f"{doing}{waiting}", style="dim", no_wrap=True))


class JsonView:
    """One JSON object per event on standard output; texts for people on standard error."""

    def __init__(self, out: IO[str] | None = None, err: Console | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or make_console(sys.stderr)

    def show_event(self, event: Event) -> None:
        """Print one event; ASCII only, so no character steers a terminal."""
        self._out.write(json.dumps(event.model_dump(mode="json")) + "\n")
        self._out.flush()

    def show(self, *parts: RenderableType) -> None:
        """Show the result of a command."""
        self._err.print(*parts, sep="\n")

    def show_answer(self, markdown: str) -> None:
        """Show a whole answer as it was written."""
        self._err.print(Text(printable(markdown)))

    def say(self, text: str, style: str = "") -> None:
        """Tell the person something, in a line."""
        self._err.print(Text(printable(text), style=style))

    def pause(self) -> None:
        """Do nothing: each event is a line of its own."""


class _Tail:
    """The last lines of something, as many as the screen has room for."""

    def __init__(self, part: RenderableType) -> None:
        self._part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._part, options.update(height=None), pad=False)
        for line in lines[-max(1, console.height - 3) :]:
            yield from line
            yield Segment.line()


def tool_line(event: ToolFinished, started: ToolStarted | None) -> RenderableType:
    """Show a finished tool call in one line."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("✓ " if event.ok else "✗ ", style="green" if event.ok else "red")
    line.append(printable(event.tool, max_chars=_MAX_VALUE), style="cyan")
    arguments = _arguments(started.arguments) if started else ""
    if arguments:
        line.append(f" {arguments}", style="dim")
    if event.summary:
        line.append(f" · {_one_line(event.summary)}")
    # A text alone would be joined with others and lose how it is to be cut.
    return Group(line)


def approval_view(approval: Approval) -> RenderableType:
    """Show a proposed change, whole."""
    head = Text()
    head.append(f"{printable(approval.id)} ", style="bold yellow")
    head.append(_one_line(approval.summary), style="bold")
    parts: list[RenderableType] = [Text(), head]
    if approval.reason:
        parts.append(Text(f"Reason given: {_one_line(approval.reason)}", style="dim"))
    if approval.risk:
        parts.append(Text(f"Risk: {_one_line(approval.risk)}", style="yellow"))
    parts.append(diff_view(approval.diff))
    return Group(*parts)


class _Diff:
    """A unified diff in colours, whole.

    What goes on in the next line of the screen is set back, so that a long line can't
    look like several.
    """

    def __init__(self, diff: str) -> None:
        self._lines = printable(diff).split("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            style = console.get_style(_diff_style(line))
            # In a pipe the lines stay as they are.
            width = max(8, options.max_width) if console.is_terminal else cell_len(line)
            chunks = chop_cells(line, width - 4) if cell_len(line) > width else [line]
            for number, chunk in enumerate(chunks):
                yield Segment(f"  … {chunk}" if number else chunk, style)
                yield Segment.line()


def diff_view(diff: str) -> RenderableType:
    """Show a unified diff in colours."""
    return _Diff(diff.removesuffix("\n"))


def settled_line(approval: Approval) -> RenderableType:
    """Say what became of a change."""
    signs = {"done": ("✓", "green"), "rejected": ("-", "yellow"), "approved": ("·", "cyan")}
    sign, style = signs.get(approval.status, ("✗", "red"))
    line = Text(f"{sign} ", style=style)
    line.append(f"{printable(approval.id)} {_one_line(approval.summary)}: {approval.status}")
    if approval.status == "approved":
        line.append("; the run's own process carries it out")
    if approval.message:
        line.append(f" · {_one_line(approval.message)}", style="dim")
    if approval.replaced_by:
        line.append(f" · see {printable(approval.replaced_by)}")
    if approval.change_id:
        line.append(f" · /undo {printable(approval.change_id)}", style="dim")
    return line


def other_line(event: Event) -> RenderableType | None:
    """Show notices, errors and cancelled turns in a line each; the rest says nothing."""
    if isinstance(event, Notice):
        return Text(_one_line(event.text), style="dim")
    if isinstance(event, Failed):
        return Text(f"✗ {_one_line(event.text)}", style="red")
    if isinstance(event, Done) and event.status == "cancelled":
        return Text("Cancelled.", style="yellow")
    return None


def user_line(message: str) -> RenderableType:
    """Show what the user said earlier."""
    return Text(f"› {printable(message)}", style="bold")


def _diff_style(line: str) -> str:
    if line.startswith(("+++ ", "--- ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "none")


def _arguments(arguments: Mapping[str, Any]) -> str:
    shown = []
    for name, value in arguments.items():
        if name != "reason":
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            clean = printable(text, max_chars=_MAX_VALUE).replace("\n", "\\n")
            shown.append(f"{printable(str(name))}={clean}")
    return " ".join(shown)[:_MAX_LINE]


def _one_line(text: str) -> str:
    return " ".join(printable(text, max_chars=_MAX_LINE).split())
