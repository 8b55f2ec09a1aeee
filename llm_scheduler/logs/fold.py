"""A traceback in few lines: the cause first, the frames of libraries counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_scheduler.logs.models import Frame, LogLine, Traceback
from llm_scheduler.logs.ranking import chain_of

_MAX_FRAMES = 8
_MAX_LINKS = 6

_Show = Callable[[LogLine], str]


def fold_traceback(traceback: Traceback, show: _Show) -> list[str]:
    """Return the lines of a traceback, the root of its chain first.

    Parameters
    ----------
    traceback
        With its causes.
    show
        Turns a line of the log into a line of the digest.
    """
    chain = chain_of(traceback)
    lines = [f"(printed {traceback.count} times)"] if traceback.count > 1 else []
    skipped = len(chain) - _MAX_LINKS
    for i, link in enumerate(chain):
        if skipped > 0 and _MAX_LINKS - 2 < i + 1 <= _MAX_LINKS - 2 + skipped:
            if i == _MAX_LINKS - 2:
                lines.append(f"  ... {skipped} more exceptions ...")
            continue
        if i:
            lines.append("which led to:")
        lines += _fold_link(link, show)
    return lines


def _fold_link(link: Traceback, show: _Show) -> list[str]:
    head = ": ".join(x for x in (link.exception, link.message) if x)
    lines = []
    if head:
        lines.append(show(LogLine(link.file, link.message_line, head)))
        lines += [f"    {note[:160]}" for note in link.notes[:3]]
    lines += _fold_frames(link, show)
    return lines


def _fold_frames(link: Traceback, show: _Show) -> list[str]:
    """Show the user's frames and the last one, and count the others."""
    kept = _choose(link.frames)
    lines: list[str] = []
    n_folded = 0
    for i, frame in enumerate(link.frames):
        if i not in kept:
            n_folded += 1
            continue
        if n_folded:
            lines.append(_folded(n_folded))
            n_folded = 0
        where = f'  File "{frame.file}", line {frame.line}'
        where += f", in {frame.function}" if frame.function else ""
        where += f": {frame.source}" if frame.source else ""
        lines.append(show(LogLine(link.file, frame.log_line, where)))
    if n_folded:
        lines.append(_folded(n_folded))
    return lines


def _choose(frames: Sequence[Frame]) -> set[int]:
    own = [i for i, frame in enumerate(frames) if not frame.is_library]
    if len(own) > _MAX_FRAMES:
        own = own[:2] + own[2 - _MAX_FRAMES :]
    return {*own, len(frames) - 1}


def _folded(count: int) -> str:
    return f"    ... {count} more frame{'s' if count > 1 else ''} ..."
