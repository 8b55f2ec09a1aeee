"""Lines too long to hold: their start, their end and the places with alarms."""

from __future__ import annotations

from collections import deque
from typing import Any

from llm_scheduler.logs.text import cut_mark

_EDGE_BYTES = 2048
_WINDOW_BYTES = 500
_WINDOWS = 4
_STRIDE_BYTES = 1 << 16


def shorten(raw: bytes, pattern: Any) -> bytes:
    """Bound the bytes of a line that is kept."""
    if len(raw) <= 2 * _EDGE_BYTES:
        return raw
    line = LongLine(pattern)
    line.add(raw)
    return line.condensed()


class LongLine:
    """Takes a line piece by piece and keeps a bounded part of it."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self._size = 0
        self._start = b""
        self._end = b""
        self._windows: list[bytes] = []
        self._last: deque[bytes] = deque(maxlen=_WINDOWS // 2)

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the line."""
        self._size += len(piece)
        if len(self._start) < _EDGE_BYTES:
            taken = _EDGE_BYTES - len(self._start)
            self._start += piece[:taken]
            piece = piece[taken:]
        # The end of the last piece again: a word may lie across the edge.
        block = self._end[-_WINDOW_BYTES:] + piece
        pos = 0
        while (found := self._pattern.search(block, pos)) is not None:
            start, end = max(0, found.start() - _WINDOW_BYTES), found.end() + _WINDOW_BYTES
            windows = self._windows if len(self._windows) < _WINDOWS else self._last
            windows.append(block[start:end])
            pos = end if len(self._windows) < _WINDOWS else end + _STRIDE_BYTES
            if pos >= len(block):
                break
        self._end = (self._end + piece)[-_EDGE_BYTES:]

    def condensed(self) -> bytes:
        """Return the line with what is missing named in the middle."""
        windows = [*self._windows, *self._last]
        kept = len(self._start) + len(self._end) + sum(map(len, windows))
        mark = cut_mark(max(0, self._size - kept)).encode()
        if kept >= self._size:
            windows = []
            mark = mark if len(self._start) + len(self._end) < self._size else b""
        return mark.join([self._start, *windows, self._end])[: 8 * _EDGE_BYTES]
