"""Private keys: blocks of base64 over many lines, whole or in part.

A log is kept in parts, so the line that starts a block may be missing, or the one
that ends it. Lines that look like a part of a key count as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from llm_scheduler.logs.secret_tokens import Span, is_mixed

_NAME = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?[ -]{4,6}"
_BEGIN = re.compile(rf"----[- ]?BEGIN {_NAME}|Private-Lines: \d+|PRIVATE KEY BLOCK-----")
_END = re.compile(rf"----[- ]?END {_NAME}|Private-MAC: ")
_INLINE = re.compile(
    rf"----[- ]?BEGIN {_NAME}(?=(?:\\+[nr]|[\"'+,\s\\]){{0,20}}[A-Za-z0-9+/=]{{16}})"
)
_ESCAPED = re.compile(r"[A-Za-z0-9+/]{60,76}\\+[nr](?:[A-Za-z0-9+/=]|\\+[nr])*")
_BODY = re.compile(r"(?<![^\s|:>\"'\]])([A-Za-z0-9+/=]{1,120})(?:\\+[nr])?[\"',;+\s\\]{0,8}$")
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|\d+|=+|(?:/[A-Za-z]+)+/?")
_LAST_CHARS = 140
_FULL = frozenset({64, 70, 72, 76})
_MIN_CHANGES = 22
_MIN_INSIDE = 16
_MAX_GAP = 3


def find_inline(text: str) -> Iterator[Span]:
    r"""Find keys that stand on one line, their newlines written as ``\\n``."""
    pos = 0
    while (found := _INLINE.search(text, pos)) is not None:
        end = _END.search(text, found.end())
        pos = end.start() if end else len(text)
        yield found.end(), pos
    if "\\" in text:
        for found in _ESCAPED.finditer(text):
            if _is_drawn(found.group()[:60]):
                yield found.span()


class KeyBlocks:
    """Tells which of the lines kept of a log are parts of keys."""

    def __init__(self, line_at: Callable[[int], str], n_lines: int) -> None:
        self._line_at = line_at
        self._n_lines = n_lines
        self._bodies: dict[int, Span | None] = {}
        self.hidden: dict[int, Span] = {}
        """Places of lines, and what to hide of each."""

    def look_at(self, at: int) -> None:
        """Hide what belongs to the same block as a line, if it is part of one."""
        line, body = self._line_at(at), self._body(at)
        if begin := _BEGIN.search(line):
            self._follow(at, 1, begin.start())
        if end := _END.search(line):
            self._follow(at, -1, end.start())
        if body is None or body[1] - body[0] not in _FULL or not _is_drawn(line[slice(*body)]):
            return
        if not line[: body[0]].strip() or self._has_like(at, body):
            self.hidden[at] = body
            rest = self._body(at + 1)
            if rest is not None and rest[0] == body[0]:
                self.hidden[at + 1] = rest

    def _follow(self, at: int, step: int, column: int) -> None:
        """Go through a block from its first or last line while lines look like its body."""
        gap = 0
        i = at + step
        while 0 <= i < self._n_lines and gap < _MAX_GAP:
            line, body = self._line_at(i), self._body(i)
            if _BEGIN.search(line) or _END.search(line):
                return
            if body is not None and _is_inside(line, body, column):
                self.hidden[i] = body
                column, gap = body[0], 0
            else:
                gap += 1
            i += step

    def _has_like(self, at: int, body: Span) -> bool:
        """Tell whether the line before or after looks like the same block with a prefix."""
        for i in (at - 1, at + 1):
            near = self._body(i)
            if (
                near is not None
                and near[0] == body[0]
                and _is_drawn(self._line_at(i)[slice(*near)])
            ):
                return True
        return False

    def _body(self, at: int) -> Span | None:
        """Return where base64 stands at the end of a line."""
        if not 0 <= at < self._n_lines:
            return None
        if at not in self._bodies:
            line = self._line_at(at)
            found = _BODY.search(line, max(0, len(line) - _LAST_CHARS))
            self._bodies[at] = found.span(1) if found else None
        return self._bodies[at]


def _is_inside(line: str, body: Span, column: int) -> bool:
    """Tell whether a line within a block belongs to it; ranks may print between."""
    text = line[slice(*body)]
    if _WORD.fullmatch(text):
        return False
    is_alone = not line[: body[0]].strip()
    return is_alone or body[0] == column or (len(text) >= _MIN_INSIDE and is_mixed(text))


def _is_drawn(text: str) -> bool:
    """Tell random base64 from words, paths, sums and sequences by how its characters change."""
    kinds = ["a" if c.islower() else "A" if c.isupper() else "0" for c in text]
    changes = sum(x != y for x, y in pairwise(kinds))
    return changes * 64 >= _MIN_CHANGES * len(text) and len(set(kinds)) == 3
