"""Lines too long to hold: their start, their end and the places with alarms.

Secrets are taken out of these parts while what stands around them is still known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from llm_scheduler.logs.engines import Engine
from llm_scheduler.logs.noise import Noise, make_shape
from llm_scheduler.logs.redaction import MARGIN_BYTES, redact_part
from llm_scheduler.logs.text import cut_mark

_EDGE_BYTES = 2048
MAX_RAW_BYTES = 2 * _EDGE_BYTES
"""A line that is kept is shortened when it is longer."""
_WINDOW_BYTES = 500
_WINDOWS = 4
_STRIDE_BYTES = 1 << 16
_MIN_CELLS = 32
_MAX_SHAPES = 1000


def shorten(raw: bytes, engine: Engine) -> bytes:
    """Bound the bytes of a line that is kept."""
    if len(raw) <= MAX_RAW_BYTES:
        return raw
    line = LongLine(engine)
    line.add(raw)
    return line.condensed()


@dataclass
class _Window:
    """A part of a line with a margin on both sides, which is dropped in the end."""

    data: bytes
    first: int
    size: int
    start: int
    """Where the part begins in the line."""
    is_cell: bool = False
    cut_start: bool = True

    @property
    def n_missing(self) -> int:
        """How many bytes behind it are still wanted."""
        return self.first + self.size + MARGIN_BYTES - len(self.data)

    def redacted(self) -> bytes:
        """Return the part without margins and without secrets."""
        last = min(self.first + self.size, len(self.data))
        text = redact_part(
            self.data, self.first, last, cut_start=self.cut_start, cut_end=self.n_missing <= 0
        )
        return b"\r%b\r" % text if self.is_cell else text


class LongLine:
    """Takes a line piece by piece and keeps a bounded part of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._noise = Noise()
        self._shapes: set[bytes] = set()
        self._size = 0
        self._start = _Window(b"", 0, _EDGE_BYTES, 0, cut_start=False)
        self._end = b""
        self._windows: list[_Window] = []
        self._last: deque[_Window] = deque(maxlen=_WINDOWS // 2)

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the line."""
        for window in (self._start, *self._windows, *self._last):
            if (wanted := window.n_missing) > 0:
                window.data += piece[:wanted]
        # The start is kept in any case; alarms are searched behind it.
        searched = max(0, min(len(piece), _EDGE_BYTES - self._size))
        self._size += len(piece)
        known = self._end + piece
        before = self._size - len(known)
        # The end of the last piece again: a word may lie across the edge.
        first = len(self._end) + searched - (_WINDOW_BYTES if not searched else 0)
        for start, end, is_cell in self._find_alarms(known[max(0, first) :]):
            windows = self._windows if len(self._windows) < _WINDOWS else self._last
            place = max(0, first) + start
            windows.append(_cut_out(known, before, place, max(0, first) + end, is_cell))
        self._end = known[-_EDGE_BYTES - MARGIN_BYTES :]

    def _find_alarms(self, block: bytes) -> Iterator[tuple[int, int, bool]]:
        """Tell the places around alarms, some of very many, and whether each is a bar's cell."""
        pos = 0
        is_bar = block.count(b"\r") >= _MIN_CELLS
        while pos < len(block) and (found := self._engine.find_span(block, pos)) is not None:
            if is_bar:
                # A bar is written over: what comes again in it is searched once.
                yield from self._find_cells(block)
                return
            yield max(0, found[0] - _WINDOW_BYTES), found[1] + _WINDOW_BYTES, False
            pos = found[1] + _WINDOW_BYTES
            if len(self._windows) >= _WINDOWS:
                pos += _STRIDE_BYTES

    def _find_cells(self, block: bytes) -> Iterator[tuple[int, int, bool]]:
        """Tell where the alarmed cells of a bar are whose like has not come often."""
        fresh = self._noise.find_fresh(block, b"\r")
        cells = block.split(b"\r") if fresh else []
        # Cut cells look new; those here are whole in the piece before or after.
        edges = {i for i in (0, len(cells) - 1) if fresh and len(cells[i]) < _WINDOW_BYTES}
        starts = list(accumulate((len(cell) + 1 for cell in cells), initial=0))
        for i in fresh:
            shape = make_shape(cells[i])
            if i in edges or shape in self._shapes or len(self._shapes) >= _MAX_SHAPES:
                continue
            if (span := self._engine.find_span(cells[i], 0)) is not None:
                self._shapes.add(shape)
                start = max(0, span[0] - _WINDOW_BYTES)
                end = min(len(cells[i]), span[1] + _WINDOW_BYTES)
                yield starts[i] + start, starts[i] + end, True

    def condensed(self) -> bytes:
        """Return the line with what is missing named in the middle, without secrets."""
        n_end = min(_EDGE_BYTES, max(0, self._size - _EDGE_BYTES))
        first = len(self._end) - n_end
        end = redact_part(
            self._end, first, len(self._end), cut_start=self._size > len(self._end), cut_end=False
        )
        windows = [*self._windows, *self._last]
        n_start = min(_EDGE_BYTES, self._size)
        if n_start + n_end + sum(window.size for window in windows) >= self._size:
            windows = []
        out, done = self._start.redacted(), n_start
        for window in windows:
            out += _name_gap(window.start - done) + window.redacted()
            done = max(done, window.start + window.size)
        return (out + _name_gap(self._size - n_end - done) + end)[: 8 * _EDGE_BYTES]


def _name_gap(n_bytes: int) -> bytes:
    """Return the mark between two parts of a line."""
    return cut_mark(n_bytes).encode() if n_bytes > 0 else b""


def _cut_out(known: bytes, before: int, start: int, end: int, is_cell: bool) -> _Window:
    """Cut a window out of what is known of a line; what follows may be added later."""
    first = max(0, start - MARGIN_BYTES)
    data = known[first : end + MARGIN_BYTES]
    size = end - start
    return _Window(data, start - first, size, before + start, is_cell, cut_start=first > 0)
