"""The last lines of what was read so far, kept without cutting every block into lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

TAIL_LINES = 200
_COPY_BYTES = 1 << 16


class Tail:
    """Holds the last blocks of whole lines that have enough lines between them."""

    def __init__(self, shorten: Callable[[bytes], bytes]) -> None:
        self._shorten = shorten
        self._blocks: deque[tuple[bytes, int, int, int]] = deque()
        self._n_lines = 0

    def add(self, data: bytes, start: int, end: int, n_lines: int) -> None:
        """Take the next lines of the log, each with its newline."""
        if n_lines < TAIL_LINES:  # else the block stands for the whole tail, as it is
            if end - start > _COPY_BYTES:
                lines = data[start : end - 1].split(b"\n")
                data = b"\n".join(map(self._shorten, lines)) + b"\n"
            else:
                data = data[start:end]
            start, end = 0, len(data)
        self._blocks.append((data, start, end, n_lines))
        self._n_lines += n_lines
        while self._n_lines - self._blocks[0][3] >= TAIL_LINES:
            self._n_lines -= self._blocks.popleft()[3]

    def lines(self, n: int = TAIL_LINES) -> list[bytes]:
        """Return the last `n` lines, without newlines, shortened where very long."""
        found: list[bytes] = []
        for data, start, end, _ in reversed(self._blocks):
            if len(found) >= n:
                break
            found = [*_cut_last(data, start, end, n - len(found)), *found]
        return [self._shorten(line) for line in found]


def _cut_last(data: bytes, start: int, end: int, n: int) -> list[bytes]:
    """Return the last lines of a block."""
    pos = end
    for _ in range(n):
        if pos <= start:
            break
        pos = data.rfind(b"\n", start, pos - 1) + 1 or start
    return data[pos : end - 1].split(b"\n") if pos < end else []
