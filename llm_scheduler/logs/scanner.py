"""One pass over a log of any size: keep the lines that may tell something.

Kept are the head, the tail, and every line with an alarm word together with
the lines around it. Lines are searched as bytes in large blocks; Python code
runs only for the lines that are kept, and a line that comes again and again is
only counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from llm_scheduler.errors import LogError
from llm_scheduler.logs.alarms import clean_literals, make_pattern
from llm_scheduler.logs.groups import Keeper
from llm_scheduler.logs.longline import LongLine, shorten
from llm_scheduler.logs.models import LogLine, LogText
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.text import clean_line
from llm_scheduler.logs.tracebacks import parse_tracebacks

MAX_SCAN_BYTES = 8 << 30
"""How much of one log is scanned, counted after decompression."""
HEAD_LINES = 60
TAIL_LINES = 200
_TAIL_BYTES = 1 << 18
_NEAR_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 18


def scan_log(
    path: Path | str,
    *,
    literals: Iterable[str] = (),
    max_bytes: int = MAX_SCAN_BYTES,
) -> LogText:
    """Read a log once and return its telling lines and its tracebacks.

    Parameters
    ----------
    path
        The log; ``.gz``, ``.bz2`` and ``.xz`` are decompressed while reading.
    literals
        Texts whose lines are kept besides those with general alarm words,
        in any case.
    max_bytes
        Where to stop. Beyond it only the tail of the file is read, its lines
        have the number 0, and ``complete`` is false.

    Notes
    -----
    Never raises for a log that can't be read: ``problem`` says why then.
    """
    wanted = clean_literals(literals)
    finder = make_finder(wanted)
    scan = _Scan(make_pattern(wanted))
    try:
        n_bytes, problem, end = _read(scan, path, max_bytes)
    except LogError as exc:
        return LogText(file=str(path), lines=(), complete=False, problem=exc.reason)
    scan.finish()
    lines = scan.collect(str(path), finder)
    lines += [LogLine(str(path), 0, clean_line(raw, finder)) for raw in end]
    return LogText(
        file=str(path),
        lines=tuple(lines),
        tracebacks=parse_tracebacks(lines),
        n_bytes=n_bytes,
        n_lines=scan.n_lines,
        complete=scan.complete and not problem,
        problem=problem,
    )


def _read(scan: _Scan, path: Path | str, max_bytes: int) -> tuple[int, str, list[bytes]]:
    """Scan a log up to a limit; returns its size, what is wrong, and the tail beyond."""
    problem = ""
    end: list[bytes] = []
    with LogReader(path) as reader:
        try:
            for chunk in reader.chunks():
                room = max_bytes - scan.n_bytes
                scan.feed(chunk[:room])
                if len(chunk) > room:
                    scan.complete = False
                    end = _read_tail(reader, scan.n_bytes)
                    break
        except LogError as exc:  # keep what was read before the disk failed
            problem = exc.reason
        n_bytes = max(scan.n_bytes, 0 if reader.compression else reader.size)
        return n_bytes, problem or reader.damage, end


def make_finder(literals: tuple[str, ...]) -> Callable[[str], int]:
    """Return a function that tells where in a text the first literal is (-1: nowhere)."""

    def find(text: str) -> int:
        low = text.lower()
        return min((at for at in map(low.find, literals) if at >= 0), default=-1)

    return find


def _read_tail(reader: LogReader, scanned: int) -> list[bytes]:
    """Read the last lines of a log that is too large to be scanned whole."""
    if reader.compression or reader.encoding:
        return []
    n_bytes = min(_TAIL_BYTES, reader.size - scanned)
    raw = reader.read_end(n_bytes).split(b"\n")
    if not raw[-1]:
        raw.pop()
    return raw[1:][-TAIL_LINES:] if len(raw) > 1 else raw


class _Scan:
    """Cuts chunks into lines and hands those worth keeping to a `Keeper`."""

    def __init__(self, pattern: Any) -> None:
        self.n_bytes = 0
        self.n_lines = 0
        self.complete = True
        self._pattern = pattern
        self._keeper = Keeper(pattern)
        self._rest = b""  # an unfinished line
        self._long: LongLine | None = None
        self._recent: list[bytes] = []  # the last lines, for context and tail
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        self.n_bytes += len(chunk)
        if self._long is not None:
            end = chunk.find(b"\n")
            if end < 0:
                self._long.add(chunk)
                return
            self._long.add(chunk[:end])
            self._block(self._long.condensed() + b"\n")
            self._long = None
            chunk = chunk[end + 1 :]
        last = chunk.rfind(b"\n") + 1
        if last:
            self._block(self._rest + chunk[:last])
            self._rest = chunk[last:]
        else:
            self._rest += chunk
        if len(self._rest) > _MAX_LINE_BYTES:
            self._long = LongLine(self._pattern)
            self._long.add(self._rest)
            self._rest = b""

    def finish(self) -> None:
        """Take the last line, which may lack its newline."""
        if self._long is not None:
            self._rest = self._long.condensed()
            self._long = None
        if self._rest:
            self._block(self._rest + b"\n")
            self._rest = b""
        self._keeper.flush()

    def collect(self, file: str, find: Callable[[str], int]) -> list[LogLine]:
        """Return head, kept lines and tail in order."""
        first_of_tail = self.n_lines - len(self._tail) + 1
        raw = dict(enumerate(self._tail, first_of_tail))
        raw.update(self._keeper.lines())
        raw.update(enumerate(self._head, 1))
        return [LogLine(file, number, clean_line(raw[number], find)) for number in sorted(raw)]

    def _block(self, block: bytes) -> None:
        """Search a block of whole lines."""
        if len(self._head) < HEAD_LINES:
            head = block.split(b"\n", HEAD_LINES)[:-1]
            self._head += [shorten(x, self._pattern) for x in head[: HEAD_LINES - len(self._head)]]
        number, pos, size = self.n_lines + 1, 0, len(block)
        keeper, search = self._keeper, self._pattern.search
        while pos < size:
            if keeper.is_open:
                end = block.find(b"\n", pos)
                keeper.take(number, block[pos:end])
                number, pos = number + 1, end + 1
                continue
            found = search(block, pos)
            if found is None:
                number += block.count(b"\n", pos)
                break
            start = block.rfind(b"\n", pos, found.start()) + 1 or pos
            number += block.count(b"\n", pos, start)
            keeper.open(number, self._before(block, pos, start))
            pos = start
        self.n_lines = number - 1
        self._remember(block)

    def _before(self, block: bytes, pos: int, start: int) -> list[bytes]:
        """Return the lines before a place, from this block or from the last one."""
        near = block[max(pos, start - _MAX_LINE_BYTES) : start].split(b"\n")[:-1]
        if pos == 0 and len(near) < self._keeper.before:
            near = [*self._recent, *near]
        return near[-self._keeper.before :]

    def _remember(self, block: bytes) -> None:
        """Keep the last lines of the block for the tail and for context."""
        near = block[-_NEAR_BYTES:]
        if len(near) == len(block) or near.count(b"\n") <= TAIL_LINES:
            near = block
        lines = near[:-1].rsplit(b"\n", TAIL_LINES)[-TAIL_LINES:]
        self._tail.extend(shorten(x, self._pattern) for x in lines)
        while len(self._tail) > TAIL_LINES:
            self._tail.popleft()
        self._recent = list(self._tail)[-self._keeper.before :]
