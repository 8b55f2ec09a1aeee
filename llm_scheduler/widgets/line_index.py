"""`LineIndex`: where the lines of a large file begin, as far as they were counted."""

from __future__ import annotations

import os
import time
from bisect import bisect_right

BLOCK_BYTES = 4 << 20


class LineIndex:
    """Counts of lines at the start of each block; grows with each question.

    It is kept between requests, so a file is gone through once, in slices of time.
    """

    def __init__(self) -> None:
        self._counts = [0]
        """Newlines before each block."""
        self.end = 0
        """How far they were counted."""

    def is_whole(self, size: int) -> bool:
        """Whether everything but the last block of a file is counted."""
        return self.end + BLOCK_BYTES > size

    def find(self, fd: int, size: int, line: int, limit_s: float) -> int | None:
        """Return where a line begins; ``None`` when it was not reached in this time."""
        self._count(fd, size, limit_s, until_lines=line)
        n_before = line - 1
        if n_before == 0:
            return 0
        block = bisect_right(self._counts, n_before - 1) - 1
        begin = block * BLOCK_BYTES
        data = os.pread(fd, min(BLOCK_BYTES, max(0, size - begin)), begin)
        left = n_before - self._counts[block]
        if data.count(b"\n") < left:
            return None
        place = _after_newlines(data, left)
        return begin + place if begin + place < size else None

    def number_of(self, fd: int, size: int, offset: int, limit_s: float) -> int:
        """Return the number of the line at a place; 0 when it was not reached in this time."""
        if self.end < offset:
            self._count(fd, size, limit_s, until=offset)
        block = offset // BLOCK_BYTES
        if block >= len(self._counts):
            return 0
        begin = block * BLOCK_BYTES
        return self._counts[block] + os.pread(fd, offset - begin, begin).count(b"\n") + 1

    def _count(
        self, fd: int, size: int, limit_s: float, *, until: int = -1, until_lines: int = -1
    ) -> None:
        """Count whole blocks; the last one, which may grow, is never kept."""
        deadline = time.monotonic() + limit_s
        while not self.is_whole(size):
            if 0 <= until < self.end or 0 <= until_lines <= self._counts[-1]:
                return
            data = os.pread(fd, BLOCK_BYTES, self.end)
            if len(data) < BLOCK_BYTES:
                return  # cut short meanwhile
            self._counts.append(self._counts[-1] + data.count(b"\n"))
            self.end += BLOCK_BYTES
            if time.monotonic() > deadline:
                return


def _after_newlines(data: bytes, n: int) -> int:
    """Return the place after so many newlines; there must be as many.

    Goes by halves, as searching one by one takes long in a block of empty lines.
    """
    begin, end = 0, len(data)
    while n > 64:
        middle = (begin + end) // 2
        n_first = data.count(b"\n", begin, middle)
        if n_first >= n:
            end = middle
        else:
            n -= n_first
            begin = middle
    for _ in range(n):
        begin = data.find(b"\n", begin) + 1
    return begin
