"""Opening logs: regular files only, a fixed size, flat memory.

Logs are untrusted: a path may name a FIFO that never answers, a device, a
compressed file that expands without end, or a file that is still growing.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from llm_scheduler.errors import LogError
from llm_scheduler.logs.compression import (
    MAGIC,
    DecompressionError,
    decompress,
    find_zstd,
    make_decompressor,
)

CHUNK_BYTES = 1 << 19
"""Most bytes in one chunk, save of wide encodings and zstd; small enough for the cache."""
SMALL_BYTES = 1 << 16
"""A log up to this size is read at once."""
_FEED_BYTES = 1 << 16

_FIRST_OF_MAGIC = frozenset(magic[:1] for magic, _ in MAGIC)

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)

_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE_FORMS = (
    ("utf-16-le", 2, 0),
    ("utf-16-be", 2, 1),
    ("utf-32-le", 4, 0),
    ("utf-32-be", 4, 3),
)
"""Encodings, their bytes for a character, and which of them tells a plain one."""
_WIDE_SEEN = 256
_MIN_WIDE = 32


class LogReader:
    """An open log; use it with ``with``, and read `chunks` once.

    Attributes
    ----------
    path
        As it was given.
    size
        Bytes on disk when it was opened; bytes that arrive later are not read.
    compression
        ``""``, ``"gzip"``, ``"bzip2"``, ``"xz"`` or ``"zstd"``, told by the content.
    encoding
        ``"utf-16-le"`` or another of UTF-16 and UTF-32 when the log is written so, else ``""``.
    damage
        Why a compressed log could only be read in part; empty when it is sound.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.damage = ""
        self._fd = -1
        self._fd, self.size = _open_regular(self.path)
        try:
            start = os.pread(self._fd, min(self.size, SMALL_BYTES), 0)
        except OSError as exc:
            self.close()
            raise LogError(self.path, f"can't be read ({exc.strerror})") from exc
        self.compression = _tell_compression(start) if start[:1] in _FIRST_OF_MAGIC else ""
        if self.compression == "zstd" and find_zstd() is None:
            self.close()
            raise LogError(
                self.path,
                "is compressed with zstd; decompress it, or install llm-scheduler[zstd]",
            )
        is_plain = bool(self.compression) or (start.isascii() and b"\0" not in start)
        self.encoding = "" if is_plain else _guess_wide(start)
        self._start = start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def chunks(self) -> Iterator[bytes]:
        """Yield the content from the start, decompressed, UTF-16 and UTF-32 turned into UTF-8."""
        chunks = self._decompressed() if self.compression else self._raw(CHUNK_BYTES)
        first = next(chunks, b"")
        encoding = self.encoding or _guess_wide(first[:512])
        if not encoding:
            if first:
                yield first.removeprefix(codecs.BOM_UTF8)
            yield from chunks
            return
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        yield decoder.decode(first).removeprefix("\ufeff").encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()

    def read_small(self) -> bytes | None:
        """Return the content when it is plain and small, ``None`` when it is not."""
        if self.compression or self.encoding or self.size > SMALL_BYTES:
            return None
        return self._start.removeprefix(codecs.BOM_UTF8)

    def count_newlines(self, count: Callable[[bytes, int, int], int], n_done: int) -> int:
        """Count the newlines after the first `n_done` bytes that `chunks` yielded."""
        chunks = self._raw(CHUNK_BYTES, self._place_of(n_done))
        return sum(count(chunk, 0, len(chunk)) for chunk in chunks)

    def read_end(self, n_bytes: int, n_done: int) -> bytes:
        """Read the last bytes, none of the first `n_done` that `chunks` yielded.

        They come as they are on disk, so not for compressed logs.
        """
        place = max(self._place_of(n_done), self.size - n_bytes)
        try:
            return os.pread(self._fd, max(0, self.size - place), place)
        except OSError as exc:
            raise LogError(self.path, f"can't be read ({exc.strerror})") from exc

    def _place_of(self, n_done: int) -> int:
        """Return where in the file the chunks go on, which leave a byte order mark out."""
        mark = codecs.BOM_UTF8
        return n_done + len(mark) if self._start.startswith(mark) else n_done

    def _raw(self, step: int, done: int = 0) -> Iterator[bytes]:
        while done < self.size:
            try:
                chunk = os.pread(self._fd, min(step, self.size - done), done)
            except OSError as exc:
                raise LogError(self.path, f"can't be read ({exc.strerror})") from exc
            if not chunk:  # the file was cut short after it was opened
                return
            done += len(chunk)
            yield chunk

    def _decompressed(self) -> Iterator[bytes]:
        unit = make_decompressor(self.compression)
        started = False
        for piece in self._raw(_FEED_BYTES):
            data = piece
            while True:
                try:
                    out = decompress(unit, data, CHUNK_BYTES)
                except DecompressionError as exc:
                    self.damage = f"damaged {self.compression} data ({exc})"
                    return
                started = started or bool(data)
                if out:
                    yield out
                if unit.eof:
                    # Rotated logs are often several compressed files in a row.
                    data = unit.unused_data.lstrip(b"\0")
                    unit, started = make_decompressor(self.compression), False
                    if not data:
                        break
                elif len(out) < CHUNK_BYTES:
                    break
                else:
                    data = b""
        if started:
            self.damage = f"{self.compression} data that ends too early"


def _open_regular(path: str) -> tuple[int, int]:
    """Open a regular file and tell its size; never waits, whatever the path names."""
    try:
        # Opening some devices has an effect, so look before and after it.
        before = os.stat(path)  # noqa: PTH116 - as untyped as os.open
        if not stat.S_ISREG(before.st_mode):
            raise _not_regular(path, before)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise LogError(path, f"can't be opened ({reason})") from exc
    except ValueError as exc:
        raise LogError(path, "is not a valid path") from exc
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise _not_regular(path, info)
    return fd, info.st_size


def _not_regular(path: str, info: os.stat_result) -> LogError:
    kind = next((name for test, name in _KINDS if test(info.st_mode)), "not a regular file")
    return LogError(path, f"is {kind}")


def _tell_compression(start: bytes) -> str:
    return next((name for magic, name in MAGIC if start.startswith(magic)), "")


def _guess_wide(start: bytes) -> str:
    """Tell UTF-16 and UTF-32 by their marks, or by the bytes that are NUL in plain words."""
    # The mark of UTF-32 begins with the one of UTF-16.
    marked = next((name for mark, name in _WIDE_MARKS if start.startswith(mark)), "")
    if marked or len(start) < _MIN_WIDE:
        return marked
    for name, width, place in _WIDE_FORMS:
        parts = [start[i:_WIDE_SEEN:width] for i in range(width)]
        told = parts.pop(place)
        if not told.count(0) and all(part.count(0) >= 0.9 * len(part) for part in parts):
            return name
    return ""
