"""A place in the lines of a log, seen through the prefix of one traceback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_scheduler.logs.models import LogLine
from llm_scheduler.logs.prefixes import MAX_SKIPPED, Strip, keep_whole


@dataclass(slots=True)
class Cursor:
    """A place in the lines, seen through the prefix of one traceback."""

    lines: Sequence[LogLine]
    at: int
    strip: Strip

    def peek(self, at: int | None = None) -> tuple[int, str] | None:
        """Return the place and the text of the next line of this traceback."""
        start = self.at if at is None else at
        lines, strip = self.lines, self.strip
        if strip is keep_whole:  # as in most logs: every line is its own
            return (start, lines[start].text) if start < len(lines) else None
        for i in range(start, min(len(lines), start + MAX_SKIPPED)):
            text = strip(lines[i].text)
            if text is not None:
                return i, text
        return None

    def following(self) -> Iterator[tuple[int, str]]:
        """Yield the places and the texts of the lines of this traceback from here on."""
        at = self.at
        if self.strip is keep_whole:  # without a call for each line
            for i in range(at, len(self.lines)):
                yield i, self.lines[i][2]
            return
        while (here := self.peek(at)) is not None:
            yield here
            at = here[0] + 1

    def gap_before(self, at: int) -> bool:
        """Whether lines are missing before this one."""
        if at == 0:
            return False
        number, last = self.lines[at].number, self.lines[at - 1].number
        return number > last + 1
