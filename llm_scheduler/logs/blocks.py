"""Blocks of lines, one after another: what of them is handed on to be kept."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from llm_scheduler.logs.engines import Engine, find_strong, make_strong_engine
from llm_scheduler.logs.groups import BEFORE, HEADER, Keeper
from llm_scheduler.logs.longline import LongLine
from llm_scheduler.logs.newlines import NewlineCounter
from llm_scheduler.logs.noise import MAX_REPEATS, Noise
from llm_scheduler.logs.shortening import LineEnds, Shortener
from llm_scheduler.logs.tail import Tail

HEAD_LINES = 60
_MAX_LINE_BYTES = 1 << 18
_MAX_TRACEBACK_BYTES = 1 << 15
_NOISY_LINES = 32
"""A block with more alarmed lines than this is noisy."""
_SMALL_BYTES = 1 << 16
_SAMPLE_BYTES = 1 << 14
_SAMPLE_LINES = 4
_MAX_BLANKS = 12
_MAX_WORD_BYTES = 60
_WORD_BYTES = (string.ascii_letters + string.digits + "_").encode()
_MAX_KEYS = 20_000
_MAX_FRESH = 0.5
_LONG_BYTES = 2048
"""Where lines are as long on average, a noisy one has very many matches."""
_PATIENCE = 20_000
"""Alarmed lines of noisy blocks that are looked at; later only strong ones are."""


class BlockScan:
    """Cuts chunks into blocks of whole lines and hands those worth it to a `Keeper`."""

    def __init__(self, engine: Engine, *, is_large: bool = False) -> None:
        self.n_bytes = 0
        self.n_lines = 0
        self.n_newlines = 0
        """Lines that end with a newline; known when all is read."""
        self._engine = engine
        self.count_newlines = NewlineCounter(is_large=is_large)
        short = Shortener(engine)
        self._shorten = short
        self._keeper = Keeper(short)
        self._tail = Tail(short)
        self._noise = Noise()
        self._was_noisy = False
        self._n_noisy = 0
        self._n_strong: Counter[bytes] = Counter()
        self._blanks: dict[bytes, bytes] = {}
        self._rest = b""  # an unfinished line
        self._long: LongLine | LineEnds | None = None
        self._head: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        self.n_bytes += len(chunk)
        pos = self._end_line(chunk)
        if pos < 0:
            return
        last = chunk.rfind(b"\n", pos) + 1
        if last > pos:
            self._block(chunk, pos, last)
            pos = last
        self._rest = chunk[pos:]
        self._check_rest()

    def _end_line(self, chunk: bytes) -> int:
        """Add to the unfinished line; returns where it ends, -1 when it goes on."""
        if self._long is None and not self._rest:
            return 0
        end = chunk.find(b"\n")
        if self._long is not None:
            self._long.add(chunk if end < 0 else chunk[:end])
        else:
            self._rest += chunk if end < 0 else chunk[:end]
            self._check_rest()
        if end < 0:
            return -1
        self._end_rest()
        return end + 1

    def _end_rest(self) -> None:
        """Search the line that was unfinished so far."""
        if self._long is not None:
            self._rest = self._shorten.end(self._long)
            self._long = None
        line, self._rest = self._rest + b"\n", b""
        self._block(line, 0, len(line))

    def _check_rest(self) -> None:
        if len(self._rest) > _MAX_LINE_BYTES:
            self._long = self._shorten.begin(self._rest)
            self._rest = b""

    def finish(self) -> None:
        """Take the last line, which may lack its newline."""
        self.n_newlines = self.n_lines
        if self._rest or self._long is not None:
            self._end_rest()
        self._keeper.flush()

    def lines(self) -> list[tuple[int, bytes]]:
        """Return head, kept lines and tail with their numbers, in order."""
        tail = self._tail.lines()
        found = dict(enumerate(tail, self.n_lines - len(tail) + 1))
        found.update(self._keeper.lines())
        found.update(enumerate(self._head, 1))
        return sorted(found.items())

    def _block(self, data: bytes, start: int, end: int) -> None:
        """Search the whole lines between two places."""
        if len(self._head) < HEAD_LINES:
            self._take_head(data, start, end)
        is_small = end - start < _SMALL_BYTES
        noisy = not is_small and self._was_noisy and self._is_hay(data, start, end)
        starts = [] if noisy else _find_lines(self._engine, data, start, end)
        if not is_small:
            noisy = noisy or len(starts) > _NOISY_LINES
            self._was_noisy = noisy
        if noisy:
            starts = self._find_fresh(data, start, end)
        n_lines = self._hand_on(data, start, end, starts)
        self.n_lines += n_lines
        self._tail.add(data, start, end, n_lines)

    def _take_head(self, data: bytes, start: int, end: int) -> None:
        pos = start
        while pos < end and len(self._head) < HEAD_LINES:
            stop = data.find(b"\n", pos, end)
            self._head.append(self._shorten(data[pos:stop]))
            pos = stop + 1

    def _hand_on(self, data: bytes, start: int, end: int, starts: Sequence[int]) -> int:
        """Give alarmed lines and those around them to the keeper; returns how many there are."""
        number, pos, i = self.n_lines + 1, start, 0
        keeper = self._keeper
        while pos < end:
            if keeper.is_open:
                stop = data.find(b"\n", pos, end)
                alarmed = i < len(starts) and starts[i] == pos
                i += alarmed
                keeper.take(number, data[pos:stop], alarmed=alarmed)
                number, pos = number + 1, stop + 1
            elif i < len(starts):
                number += self.count_newlines(data, pos, starts[i])
                pos = starts[i]
                keeper.open(number, self._before(data, start, pos))
            else:
                number += self.count_newlines(data, pos, end)
                break
        return number - 1 - self.n_lines

    def _before(self, data: bytes, start: int, at: int) -> list[bytes]:
        """Return the lines before a place, from this block or from the last one."""
        pos = at
        for _ in range(BEFORE):
            if pos <= start:
                break
            pos = data.rfind(b"\n", start, pos - 1) + 1 or start
        near = data[pos:at].split(b"\n")[:-1]
        if near and near[-1][:1].isspace():
            near = _find_traceback(data, max(start, at - _MAX_TRACEBACK_BYTES), at) or near
        if len(near) < BEFORE:
            near = [*self._tail.lines(BEFORE - len(near)), *near]
        return near

    def _is_hay(self, data: bytes, start: int, end: int) -> bool:
        """Tell by its first lines whether a block has alarms nearly everywhere."""
        stop = data.find(b"\n", min(start + _SAMPLE_BYTES, end), end) + 1 or end
        return len(_find_lines(self._engine, data, start, stop)) > _SAMPLE_LINES

    def _find_fresh(self, data: bytes, start: int, end: int) -> list[int]:
        """Find the alarmed lines of a noisy block whose like did not come often yet."""
        if self._n_noisy > _PATIENCE and self._is_varied(data, start, end):
            return self._find_strong(data, start, end)
        block = data[start : end - 1]
        fresh = self._noise.find_fresh(block)
        if not fresh:
            return []
        lines = block.split(b"\n")
        offsets = list(accumulate((len(line) + 1 for line in lines), initial=start))
        chosen = [lines[i] for i in fresh]
        places = dict(zip(accumulate((len(x) + 1 for x in chosen), initial=0), fresh, strict=False))
        joined = b"\n".join(chosen)
        found = _find_lines(self._engine, joined, 0, len(joined))
        self._n_noisy += len(found)
        return [offsets[places[at]] for at in found]

    def _is_varied(self, data: bytes, start: int, end: int) -> bool:
        """Tell by its first lines whether the noise of a block is new line after line."""
        stop = data.find(b"\n", min(start + _SAMPLE_BYTES, end), end)
        lines = data[start : stop if stop >= 0 else end - 1]
        return self._noise.share_of_fresh(lines) > _MAX_FRESH

    def _find_strong(self, data: bytes, start: int, end: int) -> list[int]:
        """Find the lines with strong expressions that did not come often yet.

        Words that came often are blanked: another one on the line is found then.
        """
        block = data[start:end]
        for word, blank in self._blanks.items():
            block = block.replace(word, blank)
        counts = self._n_strong
        rare = []
        for at in self._strong.find_lines(block, 0, len(block)):
            first, last = find_strong(block, at) or (at, at)
            # The whole word and the sign before it: "ValueError" is not "KeyError".
            before = block[max(at, first - _MAX_WORD_BYTES) : first]
            first -= len(before) - len(before.rstrip(_WORD_BYTES))
            word = block[max(0, first - 1) : last]
            counts[word] += 1
            if counts[word] <= MAX_REPEATS:
                rare.append(start + at)
            elif len(self._blanks) < _MAX_BLANKS:
                self._blanks[word] = word[:1] + bytes(len(word) - 1)
        if len(counts) > _MAX_KEYS:
            counts.clear()
        return rare

    @cached_property
    def _strong(self) -> Engine:
        return make_strong_engine(self._engine.name)


def _find_lines(engine: Engine, data: bytes, start: int, end: int) -> list[int]:
    """Return where the lines with a match start, of long ones by their first match only."""
    sample = min(end, start + _SMALL_BYTES)  # to count all newlines takes as long as to search
    if data.count(b"\n", start, sample) * _LONG_BYTES > sample - start:
        return engine.find_lines(data, start, end)
    starts: list[int] = []
    pos = start
    while pos < end and (span := engine.find_span(data, pos)) is not None and span[0] < end:
        starts.append(data.rfind(b"\n", pos, span[0]) + 1 or pos)
        pos = data.find(b"\n", span[0], end) + 1 or end
    return starts


def _find_traceback(data: bytes, start: int, at: int) -> list[bytes]:
    """Return the lines of a Python traceback whose indented lines end at a place."""
    header = data.rfind(HEADER, start, at)
    if header < 0:
        return []
    first = data.rfind(b"\n", start, header) + 1 or start
    lines = data[first:at].split(b"\n")[:-1]
    return lines if all(line[:1].isspace() for line in lines[1:]) else []
