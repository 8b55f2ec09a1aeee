"""Lines that come again and again with other numbers in them.

A log may hold an alarm word on every line (``error=0.01``). Such lines differ in
their digits only, and what is left without the digits is compared in bulk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MAX_REPEATS = 20
"""A line that came this often, digits aside, is only counted from then on."""
_MAX_SHAPES = 20_000
_MAX_SHAPE_BYTES = 400
_DIGITS = b"0123456789+-"


def make_shape(lines: bytes) -> bytes:
    """Leave out digits, and the signs that come and go with them."""
    return lines.translate(None, _DIGITS)


class Noise:
    """Knows the shapes of lines that came often."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._settled: set[bytes] = set()

    def find_fresh(self, block: bytes, separator: bytes = b"\n") -> list[int]:
        """Count the lines of a block; return the places of those not seen often yet."""
        shapes = make_shape(block).split(separator)
        settled = self._settled
        if settled.issuperset(shapes):
            return []
        fresh = [i for i, shape in enumerate(shapes) if shape not in settled]
        self._count([shapes[i] for i in fresh])
        return fresh

    def share_of_fresh(self, block: bytes) -> float:
        """Return the share of lines of a block that were not seen often yet."""
        shapes = make_shape(block).split(b"\n")
        return sum(shape not in self._settled for shape in shapes) / len(shapes)

    def _count(self, shapes: Sequence[bytes]) -> None:
        counts = self._counts
        counts.update(shapes)
        often = {
            shape
            for shape in set(shapes)
            if counts[shape] > MAX_REPEATS and len(shape) <= _MAX_SHAPE_BYTES
        }
        if len(self._settled) + len(often) <= _MAX_SHAPES:
            self._settled |= often
        for shape in often:
            del counts[shape]
        if len(counts) > _MAX_SHAPES or sum(map(len, counts)) > _MAX_SHAPES * _MAX_SHAPE_BYTES:
            counts.clear()
