"""What stands before the lines of a traceback: ranks, times, process ids, margins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_scheduler.logs.models import LogLine

MAX_SKIPPED = 60
"""How many lines of other ranks may stand between two lines of one traceback."""
_LOOK = 12

Strip = Callable[[str], str | None]
"""Takes a line; returns it without its prefix, ``None`` for someone else's line."""


def find_strip(lines: Sequence[LogLine], at: int, prefix: str) -> Strip:
    """Find out what prefix the lines after a header share with it.

    Parameters
    ----------
    lines, at, prefix
        The header is ``lines[at]``, and `prefix` is what stands before it.
    """
    if not prefix:
        return keep_whole
    after = [line.text for line in lines[at + 1 : at + 1 + _LOOK]]
    if any(text.startswith(prefix) and _is_frame(text[len(prefix) :]) for text in after):
        return _strip_exact(prefix)
    # The same prefix with another time in it.
    shape = re.compile(re.sub(r"\d+", r"\\d+", re.escape(prefix)))
    for text in after:
        found = shape.match(text)
        if found and _is_frame(text[found.end() :]):
            return _strip_shape(shape)
    # A progress bar or a name before the header only: the lines below have none.
    return keep_whole


def keep_whole(text: str) -> str:
    """Return a line as it is: it has no prefix."""
    return text


def _is_frame(text: str) -> bool:
    return re.match(r'\s*File "', text) is not None


def _strip_exact(prefix: str) -> Strip:
    bare = prefix.rstrip()

    def strip(text: str) -> str | None:
        if text.startswith(prefix):
            return text[len(prefix) :]
        # Blank lines lose the blank at the end of their prefix.
        return "" if text.rstrip() == bare else None

    return strip


def _strip_shape(shape: re.Pattern[str]) -> Strip:
    def strip(text: str) -> str | None:
        found = shape.match(text)
        return text[found.end() :] if found else None

    return strip
