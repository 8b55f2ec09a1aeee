"""Long lines made short: the first of a kind with care, the others by their ends.

What is cut out of the middle of a line takes time to be searched for secrets. A
log may have thousands of long lines that are all alike, and few of them are shown.
"""

from __future__ import annotations

from typing import NamedTuple

from llm_scheduler.logs.engines import Engine
from llm_scheduler.logs.longline import MAX_RAW_BYTES, LongLine, shorten
from llm_scheduler.logs.noise import make_shape
from llm_scheduler.logs.redaction import MARGIN_BYTES, redact_part
from llm_scheduler.logs.text import cut_mark

_EDGE_BYTES = MAX_RAW_BYTES // 2 - 32  # the mark between two of them has room too
_KNOWN_BYTES = _EDGE_BYTES + MARGIN_BYTES
_KEY_BYTES = 600
_SHAPE_BYTES = 60
_MAX_LIKE = 8
_MAX_KEYS = 2000
_MAX_SHORT = 64


class Ends(NamedTuple):
    """The start and the end of a line, with what is needed to redact them."""

    start: bytes
    end: bytes
    size: int
    """Of the whole line."""

    def joined(self) -> bytes:
        """Return both without secrets, and between them how much is missing."""
        # Where the margin has a blank, no key reaches from behind it into the start.
        is_open = b" " not in self.start[-MARGIN_BYTES:]
        start = redact_part(self.start, 0, _EDGE_BYTES, cut_start=False, cut_end=is_open)
        first = len(self.end) - _EDGE_BYTES
        end = redact_part(self.end, first, len(self.end), cut_end=False)
        return start + cut_mark(self.size - 2 * _EDGE_BYTES).encode() + end


class LineEnds:
    """Takes a line piece by piece and keeps its start and its end."""

    def __init__(self) -> None:
        self._start = b""
        self._end = b""
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the line."""
        self._start += piece[: _KNOWN_BYTES - len(self._start)]
        self._end = (self._end + piece[-_KNOWN_BYTES:])[-_KNOWN_BYTES:]
        self._size += len(piece)

    def condensed(self) -> bytes:
        """Return both without secrets."""
        return Ends(self._start, self._end, self._size).joined()


class Shortener:
    """Bounds the bytes of the lines of one log.

    Parameters
    ----------
    engine
        Tells which places of a long line are kept.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counts: dict[bytes, int] = {}
        self._short: dict[tuple[int, int], bytes] = {}

    def __call__(self, raw: bytes) -> bytes:
        """Return a line in a bounded number of bytes, without secrets if it was cut."""
        kept = self.hold(raw)
        return kept.joined() if isinstance(kept, Ends) else kept

    def hold(self, raw: bytes) -> bytes | Ends:
        """Bound a line of which it is not known yet whether it is wanted."""
        if len(raw) <= MAX_RAW_BYTES:
            return raw
        # The same line may be asked for as one of the head, of a group, and of the tail.
        if (known := self._short.get((len(raw), hash(raw)))) is not None:
            return known
        if len(raw) > 2 * _KNOWN_BYTES and self._is_like_others(raw):
            return Ends(raw[:_KNOWN_BYTES], raw[-_KNOWN_BYTES:], len(raw))
        return self._remember(raw, shorten(raw, self._engine))

    def begin(self, start: bytes) -> LongLine | LineEnds:
        """Return what takes a line that is too long to hold, from its first bytes on."""
        is_like = len(start) > 2 * _KNOWN_BYTES and self._is_like_others(start)
        line = LineEnds() if is_like else LongLine(self._engine)
        line.add(start)
        return line

    def end(self, line: LongLine | LineEnds) -> bytes:
        """Return what is kept of it."""
        found = line.condensed()
        self._remember(found, found)  # it is short enough now
        return found

    def _remember(self, raw: bytes, short: bytes) -> bytes:
        if len(self._short) >= _MAX_SHORT:
            del self._short[next(iter(self._short))]
        self._short[len(raw), hash(raw)] = short
        return short

    def _is_like_others(self, raw: bytes) -> bool:
        """Count a line; tell whether many began as it does, digits aside."""
        key = make_shape(raw[:_KEY_BYTES])[:_SHAPE_BYTES]
        count = self._counts.get(key, 0) + 1
        if count > 1 or len(self._counts) < _MAX_KEYS:
            self._counts[key] = count
        return count > _MAX_LIKE
