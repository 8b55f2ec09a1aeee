"""The last lines of what was read so far, kept without cutting every block into lines."""

from __future__ import annotations

from collections import deque

from llm_scheduler.logs.shortening import Ends, Shortener

TAIL_LINES = 200
_COPY_BYTES = 1 << 16
_Block = tuple[bytes, int, int, int] | list[bytes | Ends]
"""Bytes, the places where its lines start and end in them, and how many these are;
or the lines, where they are long."""


class Tail:
    """Holds the last blocks of whole lines that have enough lines between them."""

    def __init__(self, shorten: Shortener) -> None:
        self._shorten = shorten
        self._blocks: deque[_Block] = deque()
        self._n_lines = 0

    def add(self, data: bytes, start: int, end: int, n_lines: int) -> None:
        """Take the next lines of the log, each with its newline."""
        block: _Block = (data, start, end, n_lines)
        if n_lines < TAIL_LINES:  # else the block stands for the whole tail, as it is
            if end - start > _COPY_BYTES:
                block = [self._shorten.hold(line) for line in data[start : end - 1].split(b"\n")]
            else:
                block = (data[start:end], 0, end - start, n_lines)
        self._blocks.append(block)
        self._n_lines += n_lines
        while self._n_lines - _size(self._blocks[0]) >= TAIL_LINES:
            self._n_lines -= _size(self._blocks.popleft())

    def lines(self, n: int = TAIL_LINES) -> list[bytes]:
        """Return the last `n` lines, without newlines, shortened where very long."""
        found: list[bytes | Ends] = []
        for block in reversed(self._blocks):
            wanted = n - len(found)
            if wanted <= 0:
                break
            last = block[-wanted:] if isinstance(block, list) else _cut_last(*block[:3], wanted)
            found = [*last, *found]
        return [x.joined() if isinstance(x, Ends) else self._shorten(x) for x in found]


def _size(block: _Block) -> int:
    """Return how many lines a block has."""
    return len(block) if isinstance(block, list) else block[3]


def _cut_last(data: bytes, start: int, end: int, n: int) -> list[bytes]:
    """Return the last lines of a block."""
    pos = end
    for _ in range(n):
        if pos <= start:
            break
        pos = data.rfind(b"\n", start, pos - 1) + 1 or start
    return data[pos : end - 1].split(b"\n") if pos < end else []
