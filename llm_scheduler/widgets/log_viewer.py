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
from typing import IO, TYPE_CHECKING

from llm_scheduler.errors import LLMSchedulerError, LogError, UsageError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.widgets.line_index import LineIndex
from llm_scheduler.widgets.log_reading import LogReading
from llm_scheduler.widgets.messages import LogPage

if TYPE_CHECKING:
    from llm_scheduler.managers.assistant import Assistant

UNPACKED_BYTES = 256 << 20
"""Of a compressed log that can be paged through."""
UNPACK_S = 10.0
MAX_FILES = 8
MAX_SEARCH_CHARS = 500


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
                    reading = LogReading(file, fd, known.index, size, known.note)
                    return reading.read(line, offset, backwards=backwards)
            except LogError as exc:
                return LogPage(file=file, problem=str(exc))

    def search(self, file: str, text: str, *, offset: int = 0, backwards: bool = False) -> LogPage:
        """Return the piece around the next line with a text, whatever its case.

        Raises
        ------
        UsageError
            The text is empty, too long, has more than one line, or holds half a character.

        """
        if not text or len(text) > MAX_SEARCH_CHARS or "\n" in text:
            raise UsageError(f"Search for one line of 1 to {MAX_SEARCH_CHARS} characters.")
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise UsageError("The text holds half a character, which no log can hold.") from exc
        with self._lock:
            try:
                with self._open(file) as (fd, known, size):
                    reading = LogReading(file, fd, known.index, size, known.note)
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
