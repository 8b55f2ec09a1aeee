"""A traceback in few lines: the cause first, the frames of libraries counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_scheduler.logs.models import Frame, LogLine, LogText, Traceback
from llm_scheduler.logs.page import Page, Row
from llm_scheduler.logs.ranking import chain_of
from llm_scheduler.logs.ranks import RANK_PREFIX
from llm_scheduler.logs.text import cut_text

MAX_FRAMES = 8
"""How many of the user's frames are shown where there is room."""
_MAX_LINKS = 6
_NOTE_CHARS = 160
_MAX_SOURCE = 6
"""Lines of source and marks under a frame."""

_Show = Callable[[LogLine], Row]


def fold_traceback(
    traceback: Traceback,
    page: Page,
    n_frames: int = MAX_FRAMES,
) -> list[Row]:
    """Return the lines of a traceback, the root of its chain first.

    Parameters
    ----------
    traceback
        With its causes.
    page
        Turns lines of the log into its rows, and knows what was counted.
    n_frames
        How many of the user's frames to show of each exception; of more, the
        first two and the last ones, and only the last ones where few are wanted.
    """
    chain = chain_of(traceback)
    lines = _say_count(traceback, page)
    skipped = len(chain) - _MAX_LINKS
    for i, link in enumerate(chain):
        if skipped > 0 and _MAX_LINKS - 2 < i + 1 <= _MAX_LINKS - 2 + skipped:
            if i == _MAX_LINKS - 2:
                lines.append(Row(f"  ... {skipped} more exceptions ..."))
            continue
        if i:
            lines.append(Row("which led to:"))
        lines += _fold_link(link, page.show, n_frames)
    return lines


def _say_count(traceback: Traceback, page: Page) -> list[Row]:
    """Say how often it was printed, and by which rank first."""
    if traceback.n_ranks > 1:
        n_ranks = page.count(traceback.n_ranks, traceback.file)
        return [Row(f"({n_ranks} ranks printed it, first {traceback.rank})")]
    if traceback.count > 1:
        return [Row(f"(printed {page.count(traceback.count, traceback.file)} times)")]
    return []


def _fold_link(link: Traceback, show: _Show, n_frames: int) -> list[Row]:
    head = ": ".join(x for x in (link.exception, link.message) if x)
    lines: list[Row] = []
    if head:
        lines.append(show(LogLine(link.file, link.message_line, head)))
        lines += [Row(f"    {cut_text(note, _NOTE_CHARS)}") for note in link.notes[:3]]
    lines += _fold_frames(link, show, n_frames)
    return lines


def _fold_frames(link: Traceback, show: _Show, n_frames: int) -> list[Row]:
    """Show the user's frames and the last one, and count the others."""
    kept = _choose(link.frames, n_frames)
    lines: list[Row] = []
    n_folded = 0
    for i, frame in enumerate(link.frames):
        if i not in kept:
            n_folded += 1
            continue
        if n_folded:
            lines.append(Row(_folded(n_folded)))
            n_folded = 0
        lines.append(show(LogLine(link.file, frame.log_line, f"  {_describe(frame)}")))
    if n_folded:
        lines.append(Row(_folded(n_folded)))
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


def fold_in_place(text: LogText) -> dict[int, str]:
    """Return which lines of a log that is shown whole can be left out, by number.

    Frames of libraries, and tracebacks that were printed before, are told by a
    remark where the first of their lines stood.
    """
    folded: dict[int, str] = {}
    for traceback in text.tracebacks:
        if traceback.count > 1:
            _fold_repeats(traceback, text.lines, folded)
        if traceback.language == "python" and traceback.n_ranks <= 1:
            for link in chain_of(traceback):
                _fold_in_link(link, folded)
    return folded


def _fold_in_link(link: Traceback, folded: dict[int, str]) -> None:
    if len(link.frames) <= MAX_FRAMES and not any(frame.is_library for frame in link.frames):
        return
    kept = _choose(link.frames, MAX_FRAMES)
    ends = [*[frame.log_line for frame in link.frames[1:]], link.message_line]
    first, n_folded = 0, 0
    for i, (frame, end) in enumerate(zip(link.frames, ends, strict=False)):
        if i in kept or not frame.log_line:
            n_folded = 0
            continue
        is_near = frame.log_line < end <= frame.log_line + _MAX_SOURCE
        for number in range(frame.log_line, end if is_near else frame.log_line + 1):
            folded[number] = ""
        first = first if n_folded else frame.log_line
        n_folded += 1
        folded[first] = _folded(n_folded)


def _fold_repeats(traceback: Traceback, lines: Sequence[LogLine], folded: dict[int, str]) -> None:
    """Leave out all but the first of tracebacks that are the same."""
    first, last = chain_of(traceback)[0].first_line, traceback.last_line
    shown: set[str] = set()
    gone: list[int] = []
    for line in lines:
        if line.number in traceback.lines:
            prefix = RANK_PREFIX.match(line.text)
            said = line.text[prefix.end() :] if prefix else line.text
            if first <= line.number <= last and traceback.rank in line.text:
                shown.add(said)
            elif said in shown:  # else it is something between them, or behind the last one
                gone.append(line.number)
    folded.update(dict.fromkeys(gone, ""))
    if gone and traceback.n_ranks > 1:
        of_rank = f", first {traceback.rank}" if traceback.rank else ""
        folded[gone[0]] = f"    ({traceback.n_ranks} ranks printed it{of_rank})"
    elif gone:
        folded[gone[0]] = f"    (the same traceback, printed {traceback.count} times)"
