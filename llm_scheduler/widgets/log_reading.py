"""`LogReading`: one look into a log that is open: a piece of it, or the place of a text.

A line that is too long to be shown at once is cut into pieces that follow one another, so
that all of it can be read and a text that was found deep in it is shown where it stands.
"""

from __future__ import annotations

import os
from typing import Any

from llm_scheduler.logs.text import decode
from llm_scheduler.tools.visible import show_text
from llm_scheduler.widgets.line_index import BLOCK_BYTES, LineIndex
from llm_scheduler.widgets.messages import LogLine, LogPage

PAGE_LINES = 200
PAGE_BYTES = 128 << 10
LINE_BYTES = 4_000
"""Of one line that are shown in one piece."""
LEAD_BYTES = 200
"""Shown of a long line before what was found in it."""
SEARCH_BYTES = 64 << 20
"""Looked through in one request; the view asks again to go on."""
COUNT_S = 1.0
"""How long lines are counted in one request."""
_WINDOW_BYTES = 16 << 10
"""Searched at a time where the last of many matches is wanted."""

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x09}
_PICTURES[0x7F] = "\u2421"


class LogReading:
    """One request for a log that is open.

    Parameters
    ----------
    file
        Its path, for the answer.
    fd
        Where it is read from.
    index
        What is known of its lines; grows.
    size
        How much of it is looked at.
    note
        What is to be said of it in each answer.

    """

    def __init__(self, file: str, fd: int, index: LineIndex, size: int, note: str = "") -> None:
        self._file = file
        self._fd = fd
        self._index = index
        self._size = size
        self._note = note

    def read(self, line: int, offset: int, *, backwards: bool) -> LogPage:
        """Return the piece around a line, or where `line` is 0 the one at a place."""
        if line > 0:
            return self._around_line(line)
        if offset < 0 or (backwards and offset > self._size):
            offset, backwards = self._size, True
        if backwards:
            return self._page(self._lines_before(offset, PAGE_LINES), offset)
        # The view may ask for any place, also for one inside of a character.
        return self._page(self._whole_character(min(offset, self._size)))

    def _around_line(self, line: int) -> LogPage:
        start = self._index.find(self._fd, self._size, line, COUNT_S)
        if start is not None:
            return self._around(start)
        if not self._index.is_whole(self._size):
            page = LogPage(file=self._file, size=self._size, problem=self._note)
            page.is_searching, page.begin, page.end = True, 0, self._index.end
            return page
        page = self._page(self._lines_before(self._size, PAGE_LINES), self._size)
        page.problem = f"The log has no line {line:,}; this is its end. {self._note}".strip()
        return page

    # -- searching ----------------------------------------------------------------------

    def search(self, text: str, offset: int, *, backwards: bool) -> LogPage:
        """Return the piece around the next place with a text, whatever its case."""
        import re2

        options = re2.Options()
        options.case_sensitive = False
        options.never_capture = True
        options.log_errors = False
        compiled = re2.compile(re2.escape(text).encode(), options)
        overlap = len(text.encode()) * 2  # another case may take more bytes
        offset = min(max(offset, 0), self._size)
        if backwards:
            found, at = self._search_back(compiled, offset, overlap)
            is_over = at <= 0
        else:
            found, at = self._search_on(compiled, offset, overlap)
            is_over = at >= self._size
        if found is None:
            page = LogPage(file=self._file, size=self._size, problem=self._note)
            page.begin = page.end = at
            page.is_searching = not is_over
            return page
        start = self._piece_start(*found)
        page = self._around(start)
        page.found = start
        page.after = next((x.offset for x in page.lines if x.offset > start), page.end)
        return page

    def _search_on(
        self, compiled: Any, offset: int, overlap: int
    ) -> tuple[tuple[int, int] | None, int]:
        end = min(self._size, offset + SEARCH_BYTES)
        place = offset
        while place < end:
            data = self._read(place, min(BLOCK_BYTES + overlap, self._size - place))
            found = compiled.search(data)
            if found is not None:
                return (place + found.start(), place + found.end()), place
            if not data:
                break
            place += min(BLOCK_BYTES, len(data))
        return None, min(end, place)

    def _search_back(
        self, compiled: Any, offset: int, overlap: int
    ) -> tuple[tuple[int, int] | None, int]:
        """Search what lies before `offset`; a match that begins there does not count."""
        begin = max(0, offset - SEARCH_BYTES)
        place = offset
        while place > begin:
            start = max(begin, place - BLOCK_BYTES)
            data = self._read(start, min(place - start + overlap, self._size - start))
            found = _find_last(compiled, data, place - start, overlap)
            if found is not None:
                return (start + found[0], start + found[1]), start
            place = start
        return None, begin

    def _piece_start(self, begin: int, end: int) -> int:
        """Return where the piece that shows a match begins: its line, if that shows it."""
        first = max(0, begin - LINE_BYTES)
        newline = self._read(first, begin - first).rfind(b"\n")
        is_near = newline >= 0 or first == 0
        line_start = first + newline + 1
        if is_near and end - line_start <= LINE_BYTES:
            return line_start
        lead = self._whole_character(max(0, begin - LEAD_BYTES))
        return max(line_start, lead) if is_near else lead

    # -- pieces -------------------------------------------------------------------------

    def _read(self, offset: int, n_bytes: int) -> bytes:
        return os.pread(self._fd, max(0, n_bytes), offset)

    def _whole_character(self, offset: int) -> int:
        """Return the next place at which a character of UTF-8 begins."""
        data = self._read(offset, min(4, self._size - offset))
        return offset + next((i for i, byte in enumerate(data) if byte & 0xC0 != 0x80), 0)

    def _around(self, place: int) -> LogPage:
        """Return the piece in which the line, or part of a line, at a place is with others."""
        # Half of the piece at most, or lines before it that are long would push it out.
        begin = self._lines_before(place, PAGE_LINES // 2, PAGE_BYTES // 2)
        return self._page(begin, edge=place)

    def _lines_before(self, offset: int, n_lines: int, n_bytes: int = PAGE_BYTES) -> int:
        """Return where the lines before a place begin."""
        begin = max(0, offset - n_bytes)
        data = self._read(begin, offset - begin)
        # A newline right before the place ends the last of these lines.
        at = len(data) - 1 if data.endswith(b"\n") else len(data)
        for _ in range(n_lines):
            at = data.rfind(b"\n", 0, at)
            if at < 0:
                break
        if at >= 0:
            return begin + at + 1
        if begin == 0:
            return 0
        first = data.find(b"\n")
        if 0 <= first < len(data) - 1:
            return begin + first + 1
        return min(offset, self._whole_character(begin))

    def _page(self, begin: int, stop: int | None = None, edge: int = -1) -> LogPage:
        """Return the lines from a place on; a new piece begins at `edge`."""
        data = self._read(begin, PAGE_BYTES if stop is None else min(stop - begin, PAGE_BYTES))
        is_last = begin + len(data) >= self._size
        lines: list[LogLine] = []
        number = self._index.number_of(self._fd, self._size, begin, COUNT_S / 2)
        is_rest = begin > 0 and self._read(begin - 1, 1) != b"\n"
        at = 0
        while at < len(data) and (stop is not None or len(lines) < PAGE_LINES):
            newline = data.find(b"\n", at)
            line_end = newline if newline >= 0 else len(data)
            end = _piece_end(data, at, line_end, edge - begin)
            goes_on = end < line_end or (newline < 0 and not is_last)
            if end == len(data) and goes_on and lines and stop is None:
                break  # it goes on behind what was read: the next page begins with it
            lines.append(
                LogLine(
                    number=number,
                    offset=begin + at,
                    text=show_line(data[at:end]),
                    is_cut=goes_on,
                    is_rest=is_rest,
                )
            )
            is_rest = end != newline
            at = end if is_rest else end + 1
            number += 1 if number and not is_rest else 0
        return LogPage(
            file=self._file,
            lines=lines,
            begin=begin,
            end=begin + at,
            size=self._size,
            problem=self._note,
        )


def show_line(raw: bytes) -> str:
    """Return a line with signs in the place of what does not show."""
    return show_text(decode(raw.removesuffix(b"\r")).translate(_PICTURES))


def _piece_end(data: bytes, at: int, line_end: int, edge: int) -> int:
    """Return where the piece of a line that begins at `at` ends, not inside a character."""
    end = min(at + LINE_BYTES, line_end)
    if at < edge < end:
        return edge
    if end < line_end:
        starts = (end - back for back in range(4) if data[end - back] & 0xC0 != 0x80)
        end = next(starts, end)
    return end


def _find_last(compiled: Any, data: bytes, limit: int, overlap: int) -> tuple[int, int] | None:
    """Return the last match that begins before `limit`.

    Goes backwards in windows: from the front there may be millions before it.
    """
    end = min(limit, len(data))
    while end > 0:
        begin = max(0, end - _WINDOW_BYTES)
        last, pos = None, begin
        while (found := compiled.search(data, pos, min(len(data), end + overlap))) is not None:
            if found.start() >= end:
                break
            last, pos = (found.start(), found.end()), found.end()
        if last is not None:
            return last
        end = begin
    return None
