"""A traceback in few lines: the cause first, the frames of libraries counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_scheduler.logs.models import Frame, LogLine, Traceback
from llm_scheduler.logs.ranking import chain_of

MAX_FRAMES = 8
"""How many of the user's frames are shown where there is room."""
_MAX_LINKS = 6

_Show = Callable[[LogLine], str]


def fold_traceback(
    traceback: Traceback,
    show: _Show,
    n_frames: int = MAX_FRAMES,
) -> list[str]:
    """Return the lines of a traceback, the root of its chain first.

    Parameters
    ----------
    traceback
        With its causes.
    show
        Turns a line of the log into a line of the digest.
    n_frames
        How many of the user's frames to show of each exception; of more, the
        first two and the last ones, and only the last ones where few are wanted.
    """
    chain = chain_of(traceback)
    lines = _say_count(traceback)
    skipped = len(chain) - _MAX_LINKS
    for i, link in enumerate(chain):
        if skipped > 0 and _MAX_LINKS - 2 < i + 1 <= _MAX_LINKS - 2 + skipped:
            if i == _MAX_LINKS - 2:
                lines.append(f"  ... {skipped} more exceptions ...")
            continue
        if i:
            lines.append("which led to:")
        lines += _fold_link(link, show, n_frames)
    return lines


def _say_count(traceback: Traceback) -> list[str]:
    """Say how often it was printed, and by which rank first."""
    if traceback.n_ranks > 1:
        return [f"({traceback.n_ranks} ranks printed it, first {traceback.rank})"]
    return [f"(printed {traceback.count} times)"] if traceback.count > 1 else []


def _fold_link(link: Traceback, show: _Show, n_frames: int) -> list[str]:
    head = ": ".join(x for x in (link.exception, link.message) if x)
    lines = []
    if head:
        lines.append(show(LogLine(link.file, link.message_line, head)))
        lines += [f"    {note[:160]}" for note in link.notes[:3]]
    lines += _fold_frames(link, show, n_frames)
    return lines


def _fold_frames(link: Traceback, show: _Show, n_frames: int) -> list[str]:
    """Show the user's frames and the last one, and count the others."""
    kept = _choose(link.frames, n_frames)
    lines: list[str] = []
    n_folded = 0
    for i, frame in enumerate(link.frames):
        if i not in kept:
            n_folded += 1
            continue
        if n_folded:
            lines.append(_folded(n_folded))
            n_folded = 0
        lines.append(show(LogLine(link.file, frame.log_line, f"  {_describe(frame)}")))
    if n_folded:
        lines.append(_folded(n_folded))
    return lines


def _describe(frame: Frame) -> str:
    parts = [f'File "{frame.file}"'] if frame.file else []
    parts += [f"line {frame.line}"] if frame.line else []
    parts += [f"in {frame.function}"] if frame.function else []
    return ", ".join(parts) + (f": {frame.source}" if frame.source else "")


def _choose(frames: Sequence[Frame], n_frames: int) -> set[int]:
    own = [i for i, frame in enumerate(frames) if not frame.is_library]
    if n_frames < MAX_FRAMES:
        return set(own[-n_frames:] or [len(frames) - 1])
    if len(own) > n_frames:
        own = own[:2] + own[2 - n_frames :]
    return {*own, len(frames) - 1}


def _folded(count: int) -> str:
    return f"    ... {count} more frame{'s' if count > 1 else ''} ..."
