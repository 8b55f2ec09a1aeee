"""`LogViewer`: pages through logs of any size, in bounded time and memory.

People see their own logs as they are, without redaction; only control characters are
shown as signs, so that no line can look like something else. Logs may be huge, grow,
be compressed, or hold no line break at all.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from llm_scheduler.errors import LLMSchedulerError, LogError, UsageError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.text import decode
from llm_scheduler.tools.visible import show_text
from llm_scheduler.widgets.line_index import BLOCK_BYTES, LineIndex
from llm_scheduler.widgets.messages import LogLine, LogPage

if TYPE_CHECKING:
    from llm_scheduler.managers.assistant import Assistant

PAGE_LINES = 200
PAGE_BYTES = 128 << 10
LINE_BYTES = 4_000
"""Of one line that are shown."""
SEARCH_BYTES = 64 << 20
"""Looked through in one request; the view asks again to go on."""
COUNT_S = 1.0
"""How long lines are counted in one request."""
UNPACKED_BYTES = 256 << 20
"""Of a compressed log that can be paged through."""
UNPACK_S = 10.0
MAX_FILES = 8
MAX_SEARCH_CHARS = 500

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x09}
_PICTURES[0x7F] = "\u2421"


class KnownLogs:
    """The logs of one run: no other file is read for a browser."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)

    def check(self, file: str) -> str:
        """Return the file; raises `UsageError` when it is no log of this run."""
        if file not in self._files:
            raise UsageError(f"{file!r} is no log of this run.")
        return file


def known_logs(assistant: Assistant) -> KnownLogs:
    """Return the logs of a run, kept copies and the lines that prove something included."""
    run = assistant.run
    files: set[str] = set()
    for failure in assistant.failures():
        files.update(failure.log_files)
        if failure.diagnosis is not None:
            # Also what a job has named itself, such as the script that failed.
            files.update(line.file for line in failure.diagnosis.evidence if line.file)
    with suppress(LLMSchedulerError):
        for paths in run.logs().values():
            files.update(paths)
        files.update(run.success_logs())
    return KnownLogs(files)


@dataclass
class _Opened:
    """What is kept of one log between requests."""

    key: tuple[int, int]
    index: LineIndex = field(default_factory=LineIndex)
    unpacked: IO[bytes] | None = None
    unpacked_of: tuple[int, int] = (0, 0)
    """Size and time of change of what was unpacked."""
    note: str = ""


class LogViewer:
    """Reads pieces of logs; each method may be called from any thread."""

    def __init__(self) -> None:
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, file: str, *, line: int = 0, offset: int = -1, backwards: bool = False
    ) -> LogPage:
        """Return a piece of a log.

        Parameters
        ----------
        file
            Its path, checked already.
        line
            The line in the middle of the piece; 0 to use `offset`.
        offset
            Where the piece begins, or with `backwards` ends; -1 for the end of the log.

        """
        with self._lock:
            try:
                with self._open(file) as (fd, known, size):
                    return _Reading(file, fd, known, size).read(line, offset, backwards=backwards)
            except LogError as exc:
                return LogPage(file=file, problem=str(exc))

    def search(self, file: str, text: str, *, offset: int = 0, backwards: bool = False) -> LogPage:
        """Return the piece around the next line with a text, whatever its case.

        Raises
        ------
        UsageError
            The text is empty, too long, or has more than one line.

        """
        if not text or len(text) > MAX_SEARCH_CHARS or "\n" in text:
            raise UsageError(f"Search for one line of 1 to {MAX_SEARCH_CHARS} characters.")
        with self._lock:
            try:
                with self._open(file) as (fd, known, size):
                    reading = _Reading(file, fd, known, size)
                    return reading.search(text, offset, backwards=backwards)
            except LogError as exc:
                return LogPage(file=file, problem=str(exc))

    def close(self) -> None:
        """Remove what was unpacked."""
        with self._lock:
            while self._opened:
                self._drop(self._opened.popitem()[1])

    @contextmanager
    def _open(self, file: str) -> Iterator[tuple[int, _Opened, int]]:
        fd, info = _open_regular(file)
        try:
            known = self._known(file, info)
            with LogReader(file) as reader:
                is_packed = bool(reader.compression or reader.encoding)
                if is_packed:
                    self._unpack(reader, known, info)
            if known.unpacked is not None and is_packed:
                own = known.unpacked.fileno()
                yield own, known, os.fstat(own).st_size
            else:
                yield fd, known, info.st_size
        except OSError as exc:
            raise LogError(file, f"can't be read ({exc.strerror})") from exc
        finally:
            os.close(fd)

    def _known(self, file: str, info: os.stat_result) -> _Opened:
        key = (info.st_dev, info.st_ino)
        known = self._opened.get(file)
        if known is not None and known.key != key:
            self._drop(known)
            known = None
        if known is None:
            known = self._opened[file] = _Opened(key)
        if known.unpacked is None and known.index.end > info.st_size:
            known.index = LineIndex()  # it was cut short and is written anew
        self._opened.move_to_end(file)
        while len(self._opened) > MAX_FILES:
            self._drop(self._opened.popitem(last=False)[1])
        return known

    def _unpack(self, reader: LogReader, known: _Opened, info: os.stat_result) -> None:
        """Write what a compressed log holds to a file that is nowhere in a folder."""
        state = (info.st_size, info.st_mtime_ns)
        if known.unpacked is not None and known.unpacked_of == state:
            return
        self._drop(known)
        known.index, known.note = LineIndex(), ""
        target = known.unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - kept open
        known.unpacked_of = state
        deadline, size = time.monotonic() + UNPACK_S, 0
        for chunk in reader.chunks():
            target.write(chunk)
            size += len(chunk)
            if size >= UNPACKED_BYTES or time.monotonic() > deadline:
                known.note = f"This log is compressed; its first {size:,} bytes are shown."
                break
        known.note = known.note or (f"The log has {reader.damage}." if reader.damage else "")
        target.flush()

    @staticmethod
    def _drop(known: _Opened) -> None:
        if known.unpacked is not None:
            known.unpacked.close()
            known.unpacked = None


class _Reading:
    """One request for a log that is open."""

    def __init__(self, file: str, fd: int, known: _Opened, size: int) -> None:
        self._file = file
        self._fd = fd
        self._index = known.index
        self._size = size
        self._note = known.note

    def read(self, line: int, offset: int, *, backwards: bool) -> LogPage:
        if line > 0:
            return self._around_line(line)
        if offset < 0 or (backwards and offset > self._size):
            offset, backwards = self._size, True
        if backwards:
            return self._page(self._lines_before(offset, PAGE_LINES), offset)
        # A piece may have ended in the middle of a line that is too long for one.
        offset = min(offset, self._size)
        return self._page(_whole_character(self._read(offset, 4), offset))

    def _around_line(self, line: int) -> LogPage:
        first = max(1, line - PAGE_LINES // 2)
        start = self._index.find(self._fd, self._size, first, COUNT_S)
        if start is not None:
            return self._page(start)
        if not self._index.is_whole(self._size):
            page = LogPage(file=self._file, size=self._size, problem=self._note)
            page.is_searching, page.begin, page.end = True, 0, self._index.end
            return page
        page = self._page(self._lines_before(self._size, PAGE_LINES), self._size)
        page.problem = f"The log has no line {line:,}; this is its end. {self._note}".strip()
        return page

    def search(self, text: str, offset: int, *, backwards: bool) -> LogPage:
        import re2

        options = re2.Options()
        options.case_sensitive = False
        options.never_capture = True
        options.log_errors = False
        compiled = re2.compile(re2.escape(text).encode(), options)
        overlap = len(text.encode()) * 2  # another case may take more bytes
        if backwards:
            found, at = self._search_back(compiled, min(max(offset, 0), self._size), overlap)
            is_over = at <= 0
        else:
            found, at = self._search_on(compiled, min(max(offset, 0), self._size), overlap)
            is_over = at >= self._size
        if found < 0:
            page = LogPage(file=self._file, size=self._size, problem=self._note)
            page.begin = page.end = at
            page.is_searching = not is_over
            return page
        start = self._line_start(found)
        page = self._page(self._lines_before(start, PAGE_LINES // 2))
        page.found = start
        return page

    def _search_on(self, compiled: Any, offset: int, overlap: int) -> tuple[int, int]:
        end = min(self._size, offset + SEARCH_BYTES)
        place = offset
        while place < end:
            data = self._read(place, min(BLOCK_BYTES + overlap, self._size - place))
            found = compiled.search(data)
            if found is not None:
                return place + found.start(), place
            if not data:
                break
            place += min(BLOCK_BYTES, len(data))
        return -1, min(end, place)

    def _search_back(self, compiled: Any, offset: int, overlap: int) -> tuple[int, int]:
        """Search what lies before `offset`; a match that begins there does not count."""
        begin = max(0, offset - SEARCH_BYTES)
        place = offset
        while place > begin:
            start = max(begin, place - BLOCK_BYTES)
            data = self._read(start, min(place - start + overlap, self._size - start))
            last = -1
            pos = 0
            while (found := compiled.search(data, pos)) is not None:
                if start + found.start() >= place:
                    break
                last = found.start()
                # On from the next line: one match a line is enough.
                line_end = data.find(b"\n", last)
                pos = (line_end if line_end >= 0 else len(data) - 1) + 1
                if pos >= len(data):
                    break
            if last >= 0:
                return start + last, start
            place = start
        return -1, begin

    # -- pieces -------------------------------------------------------------------------

    def _read(self, offset: int, n_bytes: int) -> bytes:
        return os.pread(self._fd, max(0, n_bytes), offset)

    def _line_start(self, offset: int) -> int:
        """Return where the line of a place begins; of a very long one, a place in it."""
        begin = max(0, offset - PAGE_BYTES)
        data = self._read(begin, offset - begin)
        at = data.rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        return 0 if begin == 0 else _whole_character(self._read(offset, 4), offset)

    def _lines_before(self, offset: int, n_lines: int) -> int:
        """Return where the lines before a place begin."""
        begin = max(0, offset - PAGE_BYTES)
        data = self._read(begin, offset - begin)
        # A newline right before the place ends the last of these lines.
        at = len(data) - 1 if data.endswith(b"\n") else len(data)
        for _ in range(n_lines):
            at = data.rfind(b"\n", 0, at)
            if at < 0:
                break
        if at >= 0:
            return begin + at + 1
        if begin == 0:
            return 0
        first = data.find(b"\n")
        return begin + first + 1 if 0 <= first < len(data) - 1 else begin

    def _page(self, begin: int, stop: int | None = None) -> LogPage:
        data = self._read(begin, PAGE_BYTES if stop is None else min(stop - begin, PAGE_BYTES))
        lines: list[LogLine] = []
        number = self._index.number_of(self._fd, self._size, begin, COUNT_S / 2)
        at = 0
        while at < len(data) and (stop is not None or len(lines) < PAGE_LINES):
            end = data.find(b"\n", at)
            is_end = end < 0
            end = len(data) if is_end else end
            is_rest = begin + len(data) < self._size
            if is_end and is_rest and lines and stop is None:
                break  # the line goes on behind what was read: the next page begins with it
            raw = data[at : min(end, at + LINE_BYTES)]
            is_cut = end - at > LINE_BYTES or (is_end and is_rest and stop is None)
            lines.append(
                LogLine(number=number, offset=begin + at, text=show_line(raw), is_cut=is_cut)
            )
            number += 1 if number else 0
            at = end if is_end else end + 1
        return LogPage(
            file=self._file,
            lines=lines,
            begin=begin,
            end=begin + at,
            size=self._size,
            problem=self._note,
        )


def show_line(raw: bytes) -> str:
    """Return a line with signs in the place of what does not show."""
    return show_text(decode(raw.removesuffix(b"\r")).translate(_PICTURES))


def _whole_character(data: bytes, offset: int) -> int:
    """Return the next place at which a character of UTF-8 begins."""
    skipped = next((i for i, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
    return offset + skipped


def _open_regular(file: str) -> tuple[int, os.stat_result]:
    """Open a regular file; never waits, whatever the path names."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "it is no path"
        raise LogError(file, f"can't be opened ({reason.lower()})") from exc
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise LogError(file, "is not a regular file")
    return fd, info
