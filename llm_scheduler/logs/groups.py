"""Groups of neighbouring lines of a log: which are kept, which only counted."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from llm_scheduler.logs.noise import MAX_REPEATS
from llm_scheduler.logs.shortening import Ends, Shortener

MAX_KEPT = 4000
"""Lines kept besides head and tail: the first half and the last half of them."""
_MAX_KEYS = 50_000
_MAX_GROUP = 400
BEFORE = 3
"""Lines kept before one with an alarm."""
_AFTER = 3
_AFTER_FRAME = 5
_KEY_BYTES = 300
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
HEADER = b"raceback (most recent call last)"
_MAY_BE_FRAME = frozenset(b" \t\r\v\f@[")
_FRAME = re.compile(
    rb'^.{0,80}\bFile "[^"\n]{1,500}", line \d+|^\s*(?:@|\[\d+\]) |^\s+\S', re.DOTALL
)
_Held = tuple[int, bytes | Ends, bool]
"""A line with its number, and whether it has an alarm."""


def _start_of(raw: bytes | Ends) -> bytes:
    return raw.start if isinstance(raw, Ends) else raw


def _is_frame(raw: bytes) -> bool:
    """Tell whether a line looks like a frame; the expression runs on few lines only."""
    maybe = (raw[:1] and raw[0] in _MAY_BE_FRAME) or b'File "' in raw
    return bool(maybe) and _FRAME.match(raw) is not None


def _make_key(raw: bytes) -> bytes:
    """Return what is equal for lines that differ in digits only."""
    key = raw[:_KEY_BYTES].translate(_DIGITS_TO_ZERO).replace(b"0000", b"0")
    while b"00" in key:
        key = key.replace(b"00", b"0")
    return key


class Keeper:
    """Takes alarmed lines with what stands around them, group by group.

    A group is a run of lines in which no alarm is more than a few lines from
    the next. It is decided upon as a whole, so that a traceback stays whole:
    its outer frames repeat while the exception at its end may be new.
    """

    def __init__(self, shorten: Shortener) -> None:
        self.n_thinned = 0
        self._shorten = shorten
        self._counts: dict[bytes, int] = {}
        self._first: list[tuple[int, bytes]] = []
        self._last: deque[tuple[int, bytes]] = deque(maxlen=MAX_KEPT // 2)
        self._group: list[_Held] = []
        self._left = 0
        self._has_header = False
        self._done = 0  # number of the last line that was decided upon

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to the present group."""
        return self._left > 0

    def open(self, number: int, before: Sequence[bytes]) -> None:
        """Start a group at a line, with the lines before it."""
        first = number - len(before)
        self._group = [
            (n, self._shorten.hold(raw), False)
            for n, raw in enumerate(before, first)
            if n > self._done
        ]
        self._has_header = any(HEADER in _start_of(raw) for _, raw, _ in self._group)
        self._left = 1

    def take(self, number: int, raw: bytes, *, alarmed: bool) -> None:
        """Take the next line of the open group."""
        if alarmed:
            is_header = HEADER in raw
            self._left = _AFTER_FRAME if is_header or _is_frame(raw) else _AFTER
            self._has_header = self._has_header or is_header
        elif not (self._has_header and raw[:1].isspace()):
            self._left -= 1
        self._group.append((number, self._shorten.hold(raw), alarmed))
        if len(self._group) > _MAX_GROUP:
            if self._has_header and raw[:1].isspace():
                # An endless traceback: its start and its end tell most.
                del self._group[_MAX_GROUP // 2]
            else:
                self._decide()
        if self._left <= 0:
            self.flush()

    def flush(self) -> None:
        """Decide upon the open group."""
        self._decide()
        self._left = 0

    def lines(self) -> list[tuple[int, bytes]]:
        """Return what was kept, with line numbers, in order."""
        return [*self._first, *self._last]

    def _decide(self) -> None:
        group, self._group = self._group, []
        if not group:
            return
        self._done = group[-1][0]
        fresh = self._fresh(group)
        if self._has_header and fresh:
            keep = set(range(len(group)))
        else:
            keep = {i for at in fresh for i in range(at - BEFORE, at + _AFTER + 1)}
        self._has_header = False
        for i, (number, raw, _) in enumerate(group):
            if i in keep:
                room = len(self._first) < MAX_KEPT // 2
                line = raw.joined() if isinstance(raw, Ends) else raw
                (self._first if room else self._last).append((number, line))
            else:
                self.n_thinned += 1

    def _fresh(self, held: list[_Held]) -> list[int]:
        """Return the places of telling lines that have not come too often yet."""
        telling = [i for i, line in enumerate(held) if line[2]]
        group = [_start_of(line[1]) for line in held]
        if self._has_header:
            ends = [
                i for i in range(1, len(group)) if group[i - 1][:1].isspace() and group[i].strip()
            ]
            own = {*telling, *ends}
            frames = {i for i in own if _is_frame(group[i]) or HEADER in group[i]}
            telling = sorted(own - frames) or telling
        return [i for i in telling if self._count(group[i]) <= MAX_REPEATS]

    def _count(self, raw: bytes) -> int:
        key = _make_key(raw)
        known = self._counts.get(key, 0)
        if known or len(self._counts) < _MAX_KEYS:
            self._counts[key] = known + 1
        return known + 1
