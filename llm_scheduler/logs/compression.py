"""Decompressors that all take a piece and give back a bounded one."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol

_MEMORY_BYTES = 256 << 20
_ZSTD_WINDOW_BYTES = 128 << 20
_ZSTD_FEED_BYTES = 256

MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
"""What compressed files start with."""


class Decompressor(Protocol):
    """What the decompressors of the standard library share."""

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What stands after the end of the member."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what the data holds, less than `max_length` only when all is used up."""
        ...


class DecompressionError(Exception):
    """Compressed data that can't be read."""


_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError)


class _Gzip:
    """`zlib` with the manners of `bz2` and `lzma`: it keeps what it did not use."""

    def __init__(self) -> None:
        self._z = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._z.decompress(self._z.unconsumed_tail + data, max_length)


class _Zstandard:
    """`zstandard`, which knows no bound of its output: it is fed in small bites.

    A bite of 256 bytes can become 8 MB at most: a block takes 4 bytes and holds 128 kB.
    """

    def __init__(self, module: ModuleType) -> None:
        self._z: Any = module.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        self._error = module.ZstdError
        self._pending = b""

    @property
    def eof(self) -> bool:
        return bool(self._z.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._z.unused_data) + self._pending

    def decompress(self, data: bytes, max_length: int) -> bytes:
        pending = self._pending + data
        out, size, pos = [], 0, 0
        while pos < len(pending) and size < max_length and not self._z.eof:
            try:
                piece = self._z.decompress(pending[pos : pos + _ZSTD_FEED_BYTES])
            except self._error as exc:
                raise DecompressionError(str(exc)) from exc
            out.append(piece)
            size += len(piece)
            pos += _ZSTD_FEED_BYTES
        self._pending = pending[pos:]
        return b"".join(out)


@lru_cache(maxsize=1)
def find_zstd() -> ModuleType | None:
    """Return the module that reads zstd: `zstandard`, or none is installed."""
    try:
        return importlib.import_module("zstandard")
    except ImportError:
        return None


def make_decompressor(compression: str) -> Decompressor:
    """Return a decompressor for one member of a compressed file."""
    if compression == "gzip":
        return _Gzip()
    if compression == "bzip2":
        return bz2.BZ2Decompressor()
    if compression == "zstd":
        module = find_zstd()
        assert module is not None
        return _Zstandard(module)
    # The header of an xz file can ask for gigabytes of dictionary.
    return lzma.LZMADecompressor(memlimit=_MEMORY_BYTES)


def decompress(unit: Decompressor, data: bytes, max_length: int) -> bytes:
    """Decompress a piece.

    Raises
    ------
    DecompressionError
        If the data is damaged.
    """
    try:
        return unit.decompress(data, max_length)
    except _ERRORS as exc:
        raise DecompressionError(str(exc)) from exc
