"""Counting newlines in large blocks of bytes."""

from __future__ import annotations

from types import ModuleType

_MIN_BYTES = 1 << 14


class NewlineCounter:
    """Counts newlines; several times faster with numpy, which takes time to import."""

    def __init__(self, *, is_large: bool = False) -> None:
        self._numpy = _import_numpy() if is_large else None

    def __call__(self, data: bytes, start: int, end: int) -> int:
        """Return how many newlines are between two places."""
        if self._numpy is None or end - start < _MIN_BYTES:
            return data.count(b"\n", start, end)
        np = self._numpy
        view = np.frombuffer(data, np.uint8, end - start, start)
        return int(np.count_nonzero(view == 0x0A))


def _import_numpy() -> ModuleType | None:
    try:
        import numpy as np
    except ImportError:
        return None
    return np
