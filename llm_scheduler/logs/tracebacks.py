"""Tracebacks out of the lines of a log: Python's, and the easy ones of others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.logs.foreign_tracebacks import parse_foreign
from llm_scheduler.logs.models import LogLine, Traceback
from llm_scheduler.logs.python_tracebacks import parse_python

_MAX_TRACEBACKS = 200
_DIGITS = re.compile(r"0x[0-9a-fA-F]+|\d+")

TracebackKey = tuple[object, ...]
"""What two prints of one traceback have in common."""


def parse_tracebacks(lines: Sequence[LogLine]) -> tuple[Traceback, ...]:
    """Find the tracebacks in lines of one log.

    The lines may have gaps. A chain of exceptions is one traceback, the last of
    the chain, with the others behind ``cause``. A traceback that is printed
    several times, or by several ranks, comes once with its ``count``.
    """
    return _collapse(find_tracebacks(lines))


def find_tracebacks(lines: Sequence[LogLine]) -> list[Traceback]:
    """Find every printed traceback, repeats too, in the order of the log."""
    found, used = parse_python(lines)
    found += parse_foreign(lines, used)
    found.sort(key=lambda tb: (tb.first_line == 0, tb.first_line))
    return found


def _collapse(found: Sequence[Traceback]) -> tuple[Traceback, ...]:
    """Join equal tracebacks; the first one stands for them."""
    merged: dict[TracebackKey, Traceback] = {}
    named = [tb for tb in found if tb.exception]
    for traceback in found:
        if not traceback.exception and _is_part(traceback, named):
            continue
        key = traceback_key(traceback)
        known = merged.get(key)
        merged[key] = replace(known, count=known.count + 1) if known else traceback
    unique = list(merged.values())
    if len(unique) > _MAX_TRACEBACKS:
        half = _MAX_TRACEBACKS // 2
        unique = unique[:half] + unique[-half:]
    return tuple(unique)


def _is_part(cut: Traceback, named: Sequence[Traceback]) -> bool:
    """Whether a traceback without its end repeats another that has one.

    That is what processes leave that print into one file at the same time.
    """
    places = {(frame.file, frame.line) for frame in cut.frames}
    return any(places <= {(frame.file, frame.line) for frame in tb.frames} for tb in named)


def traceback_key(traceback: Traceback) -> TracebackKey:
    """Return what is equal for tracebacks that differ only in numbers in their messages."""
    key: list[object] = []
    link: Traceback | None = traceback
    while link is not None:
        frames = tuple((f.file, f.line, f.function) for f in link.frames)
        key.append((link.exception, _DIGITS.sub("0", link.message), frames))
        link = link.cause
    return tuple(key)
