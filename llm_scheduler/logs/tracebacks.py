"""Tracebacks out of the lines of a log, of every language and of every rank."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from llm_scheduler.logs.foreign_tracebacks import find_hints, parse_foreign
from llm_scheduler.logs.models import LogLine, Traceback
from llm_scheduler.logs.python_tracebacks import parse_python
from llm_scheduler.logs.ranks import split_ranks

MAX_TRACEBACKS = 200
"""Different ones of one log; of more, the first and the last."""
_DIGITS = re.compile(r"0x[0-9a-fA-F]+|\d+")

_Place = tuple[str, int]
TracebackKey = tuple[object, ...]
"""What two prints of one traceback have in common."""


def parse_tracebacks(
    lines: Sequence[LogLine], text: str | None = None, hints: Sequence[int] | None = None
) -> tuple[Traceback, ...]:
    """Find the tracebacks in lines of one log.

    The lines may have gaps. A chain of exceptions is one traceback, the last of
    the chain, with the others behind ``cause``. A traceback that is printed
    several times, or by several ranks, comes once with its ``count``.

    Parameters
    ----------
    lines
        In the order of the log.
    text
        All of them joined, where it is at hand.
    hints
        What `find_hints` says of the text.
    """
    found = find_tracebacks(lines, text, hints)
    return _collapse(found) if len(found) > 1 else tuple(found)


def find_tracebacks(
    lines: Sequence[LogLine], text: str | None = None, hints: Sequence[int] | None = None
) -> list[Traceback]:
    """Find every printed traceback, repeats too, in the order of the log."""
    if text is None:
        text = "\n".join([line.text for line in lines])
    if hints is None:
        hints = find_hints(text)
    found: list[Traceback] = []
    taken: set[int] = set()
    if "raceback (most recent" in text:
        for prefix, own, numbers in split_ranks(lines, text):
            said = "\n".join([line.text for line in own])
            for traceback in _find(own, said, find_hints(said)):
                if traceback.exception:  # else the end may stand under another prefix
                    found.append(_renumber(traceback, numbers, prefix))
                    taken |= found[-1].lines
        if taken:
            lines = [line for line in lines if line.number not in taken]
            text = "\n".join([line.text for line in lines])
    found += _find(lines, text, hints)
    if len(found) > 1:
        found.sort(key=lambda tb: (tb.first_line == 0, tb.first_line))
    return found


def _find(lines: Sequence[LogLine], text: str, hints: Sequence[int]) -> list[Traceback]:
    """Find the tracebacks of one stream of lines; `text` is all of them."""
    found, used = parse_python(lines, text)
    return found + parse_foreign(lines, used, hints)


def _renumber(traceback: Traceback, numbers: Mapping[int, int], rank: str) -> Traceback:
    """Put the line numbers of the log into a traceback of one rank's stream."""
    cause = traceback.cause and _renumber(traceback.cause, numbers, rank)
    frames = tuple(x._replace(log_line=numbers.get(x.log_line, 0)) for x in traceback.frames)
    return replace(
        traceback,
        first_line=numbers.get(traceback.first_line, 0),
        last_line=numbers.get(traceback.last_line, 0),
        message_line=numbers.get(traceback.message_line, 0),
        lines=frozenset(numbers.get(x, 0) for x in traceback.lines),
        frames=frames,
        cause=cause,
        rank=rank,
        n_ranks=1,
    )


def _collapse(found: Sequence[Traceback]) -> tuple[Traceback, ...]:
    """Join equal tracebacks; the first one stands for them."""
    groups: dict[TracebackKey, list[Traceback]] = {}
    cut: list[Traceback] = []
    for traceback in found:
        if traceback.exception:
            groups.setdefault(traceback_key(traceback), []).append(traceback)
        else:
            cut.append(traceback)
    named = [(_places(group[0]), group) for group in groups.values()] if cut else []
    for traceback in cut:
        whole = _find_whole(_places(traceback), named)
        if whole is None:
            groups.setdefault(traceback_key(traceback), []).append(traceback)
        else:
            own = replace(whole[0], lines=whole[0].lines | traceback.lines)
            whole[0] = own
    unique = [_join(group) for group in _join_parts(list(groups.values()))]
    unique.sort(key=lambda tb: (tb.first_line == 0, tb.first_line))
    if len(unique) > MAX_TRACEBACKS:
        half = MAX_TRACEBACKS // 2
        unique = unique[:half] + unique[-half:]
    return tuple(unique)


def _join_parts(groups: list[list[Traceback]]) -> list[list[Traceback]]:
    """Join groups that differ only in frames which a mixed log has lost."""
    whole: dict[TracebackKey, list[tuple[set[_Place], list[Traceback]]]] = {}
    for group in sorted(groups, key=lambda group: -len(group[0].frames)):
        key = traceback_key(group[0], frames=False)
        same = whole.setdefault(key, [])
        places = _places(group[0])
        known = _find_whole(places, same) if group[0].rank else None
        if known is None:
            same.append((places, group))
        else:
            known += group
    return [group for same in whole.values() for _, group in same]


def _join(group: Sequence[Traceback]) -> Traceback:
    """Make one traceback of equal ones."""
    if len(group) == 1:
        return group[0]
    first = min(group, key=lambda tb: (tb.first_line == 0, tb.first_line))
    return replace(
        first,
        count=len(group),
        n_ranks=len({tb.rank for tb in group if tb.rank}),
        lines=frozenset().union(*(tb.lines for tb in group)),
    )


def _places(traceback: Traceback) -> set[_Place]:
    return {(frame.file, frame.line) for frame in traceback.frames}


def _find_whole(
    places: set[_Place],
    named: Iterable[tuple[set[_Place], list[Traceback]]],
) -> list[Traceback] | None:
    """Find the tracebacks of which one with frames at these places is a part.

    That is what processes leave that print into one file at the same time.
    """
    for whole, group in named:
        if places <= whole:
            return group
    return None


def traceback_key(traceback: Traceback, *, frames: bool = True) -> TracebackKey:
    """Return what is equal for tracebacks that differ only in numbers in their messages.

    Parameters
    ----------
    traceback
        With its causes.
    frames
        Whether they must come from the same places, too.
    """
    key: list[object] = []
    link: Traceback | None = traceback
    while link is not None:
        places = tuple([(f.file, f.line, f.function) for f in link.frames if frames])
        key.append((link.exception, _DIGITS.sub("0", link.message), places))
        link = link.cause
    return tuple(key)
