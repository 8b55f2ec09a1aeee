"""What the parsers of all languages but Python share: a run of lines, a failure made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_scheduler.logs.models import Frame, LogLine, Traceback

MAX_LINES = 120
"""How many lines one failure may have."""

Parse = Callable[[Sequence[LogLine], int], tuple[Traceback, int] | None]
"""Takes lines and a place; returns the failure that stands there, and where it ends."""


def read_block(lines: Sequence[LogLine], at: int, n_lines: int = MAX_LINES) -> Sequence[LogLine]:
    """Return the lines from a place on, up to the first gap."""
    end = at + 1
    while end < min(len(lines), at + n_lines) and lines[end].number <= lines[end - 1].number + 1:
        end += 1
    return lines[at:end]


def make_failure(
    first: LogLine,
    last: LogLine,
    named: tuple[str, str, LogLine],
    language: str,
    frames: Sequence[Frame] = (),
    notes: Sequence[str] = (),
    cause: Traceback | None = None,
) -> Traceback:
    """Make a traceback; `named` has the exception, its message and their line."""
    name, message, line = named
    return Traceback(
        file=first.file,
        first_line=first.number,
        last_line=last.number,
        exception=name,
        message=message.strip(),
        message_line=line.number,
        frames=tuple(frames),
        notes=tuple(notes),
        cause=cause,
        language=language,
    )
