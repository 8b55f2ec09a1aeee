"""One pass over a log of any size: keep the lines that may tell something.

Kept are the head, the tail, and every line with an alarm word together with
the lines around it. Lines are searched as bytes in large blocks; Python code
runs only for the lines that are kept, and a line that comes again and again is
only counted.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat
from pathlib import Path

from llm_scheduler.errors import LogError
from llm_scheduler.logs.blocks import HEAD_LINES, BlockScan
from llm_scheduler.logs.engines import Engine, check_engine, clean_literals, make_engine
from llm_scheduler.logs.longline import MAX_RAW_BYTES
from llm_scheduler.logs.models import LogLine, LogText, Traceback
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.redaction import MARGIN_BYTES, redact_lines, redact_part
from llm_scheduler.logs.shortening import Shortener
from llm_scheduler.logs.survey import look_over
from llm_scheduler.logs.tail import TAIL_LINES
from llm_scheduler.logs.text import MAX_LINE_CHARS, clean_lines
from llm_scheduler.logs.tracebacks import parse_tracebacks

MAX_SCAN_BYTES = 8 << 30
"""How much of one log is scanned, counted after decompression."""
MAX_WHOLE_LINES = HEAD_LINES + TAIL_LINES
"""A log that has no more lines is kept whole."""
_MAX_COUNT_FACTOR = 8
_TAIL_BYTES = 1 << 18
_LARGE_BYTES = 256 << 20
"""From this size on the time that numpy takes to import is saved in counting."""
# Every traceback has an alarm, save for some that are told by their stack only.
_STACK = re.compile(rb"\n\s{1,20}at \S")


def scan_log(
    path: Path | str,
    *,
    literals: Iterable[str] = (),
    max_bytes: int = MAX_SCAN_BYTES,
    engine: str = "auto",
) -> LogText:
    """Read a log once and return its telling lines and its tracebacks.

    Parameters
    ----------
    path
        The log; ``.gz``, ``.bz2``, ``.xz`` and, where `zstandard` is installed,
        ``.zst`` are decompressed while reading.
    literals
        Texts whose lines are kept besides those with general alarm words,
        in any case.
    max_bytes
        Where to stop. Beyond it only the tail of the file is read, and
        ``complete`` is false. Lines in between are still counted up to eight
        times as many bytes; the lines of the tail have the number 0 otherwise.
    engine
        What searches: ``hyperscan``, ``re2`` or ``re``; ``auto`` takes the fastest
        that runs here. The result is the same.

    Notes
    -----
    Never raises for a log that can't be read: ``problem`` says why then.

    Raises
    ------
    UsageError
        If `engine` is unknown or not installed.
    """
    if engine != "auto":
        check_engine(engine)
    wanted = clean_literals(tuple(literals))
    name = str(path)
    try:
        with LogReader(name) as reader:
            search = make_engine(engine, wanted, n_bytes=reader.size)
            small = reader.read_small() if reader.size <= max_bytes else None
            if small and (text := _scan_plain(name, small, reader.size, search)) is not None:
                return text
            read = _Reading(reader, search, max_bytes)
    except LogError as exc:
        return LogText(file=name, lines=(), complete=False, problem=exc.reason)
    return _make_text(name, read, _make_lines(name, read, make_finder(wanted)), search)


def _scan_plain(file: str, data: bytes, n_bytes: int, engine: Engine) -> LogText | None:
    """Scan a log of some short lines of ASCII without secrets, as most logs are, at once."""
    if data[-1:] != b"\n" or b"\r" in data or not data.isascii():
        return None
    raw_texts = data[:-1].decode().split("\n")
    n_lines = len(raw_texts)
    if n_lines > MAX_WHOLE_LINES:
        return None
    if len(data) > MAX_LINE_CHARS and max(map(len, raw_texts)) > MAX_LINE_CHARS:
        return None
    hints = look_over(data)
    if hints is None:
        return None
    texts = list(map(str.rstrip, raw_texts))
    numbers = range(1, n_lines + 1)
    lines = _number_lines(file, numbers, texts)
    alarms = _find_alarms(data, raw_texts, numbers, engine)
    tracebacks: tuple[Traceback, ...] = ()
    if alarms or _STACK.search(data):
        joined = "\n".join(texts)
        is_same = len(joined) + 1 == len(data)  # else a hint at the end of a line may be missing
        tracebacks = parse_tracebacks(lines, joined, hints if is_same else None)
    return LogText(
        file=file,
        lines=lines,
        tracebacks=tracebacks,
        n_bytes=n_bytes,
        n_lines=n_lines,
        alarms=alarms,
    )


def _make_text(file: str, read: _Reading, lines: tuple[LogLine, ...], engine: Engine) -> LogText:
    joined = b"\n".join(read.raws)
    alarmed = _find_alarms(joined, read.raws, read.numbers, engine)
    may_have = alarmed or _STACK.search(joined)
    return LogText(
        file=file,
        lines=lines,
        tracebacks=parse_tracebacks(lines) if may_have else (),
        n_bytes=read.n_bytes,
        n_lines=read.n_lines,
        complete=read.complete and not read.problem,
        problem=read.problem,
        alarms=alarmed - {0} if 0 in alarmed else alarmed,
    )


def make_finder(literals: tuple[str, ...]) -> Callable[[str], int]:
    """Return a function that tells where in a text the first literal is (-1: nowhere)."""

    def find(text: str) -> int:
        low = text.lower()
        return min((at for at in map(low.find, literals) if at >= 0), default=-1)

    return find


def _make_lines(file: str, read: _Reading, find: Callable[[str], int]) -> tuple[LogLine, ...]:
    """Turn all that is kept of a log into text: whatever leaves the scan passes here."""
    # Before anything is cut off the lines: a part of a secret is not known as one.
    raws = redact_lines(read.raws, cut_end=read.is_cut)
    texts = clean_lines(raws, find)
    return _number_lines(file, read.numbers, texts)


def _number_lines(file: str, numbers: Sequence[int], texts: Sequence[str]) -> tuple[LogLine, ...]:
    # Half of the time of `LogLine(...)`, of which a small log needs no more than the rest.
    new: Callable[[type[LogLine], tuple[str, int, str]], LogLine] = tuple.__new__
    return tuple(map(new, repeat(LogLine), zip(repeat(file), numbers, texts)))


def _find_alarms(
    joined: bytes, lines: Sequence[bytes | str], numbers: Sequence[int], engine: Engine
) -> frozenset[int]:
    """Return the numbers of the kept lines that hold alarms."""
    places = engine.find_places(joined)
    if not places:
        return frozenset()
    ends = list(accumulate([len(line) + 1 for line in lines]))
    return frozenset([numbers[bisect_right(ends, place)] for place in places])


class _Reading:
    """What one pass over an open log yields."""

    def __init__(self, reader: LogReader, engine: Engine, max_bytes: int) -> None:
        self.numbers: Sequence[int] = ()
        self.raws: Sequence[bytes] = ()
        """The bytes of the lines kept, in order."""
        self.n_bytes = 0
        self.n_lines = 0
        self.complete = True
        self.problem = ""
        self.is_cut = False
        """Whether the last line kept goes on behind what was read of it."""
        whole = reader.read_small() if reader.size <= max_bytes else None
        if whole is None or not self._take_whole(whole, engine):
            self._scan(reader, engine, max_bytes)
        else:
            self.n_bytes = reader.size
        self.problem = self.problem or reader.damage

    def _take_whole(self, data: bytes, engine: Engine) -> bool:
        """Keep every line of a log that has only some, as most logs are."""
        raws = data.split(b"\n")
        if not raws[-1]:
            raws.pop()
        if len(raws) > MAX_WHOLE_LINES:
            return False
        self.n_lines = len(raws)
        self.is_cut = data[-1:] != b"\n"
        self.numbers = range(1, len(raws) + 1)
        is_long = len(data) > MAX_RAW_BYTES and max(map(len, raws)) > MAX_RAW_BYTES
        self.raws = list(map(Shortener(engine), raws)) if is_long else raws
        return True

    def _scan(self, reader: LogReader, engine: Engine, max_bytes: int) -> None:
        is_large = reader.size > _LARGE_BYTES or "numpy" in sys.modules
        scan = BlockScan(engine, is_large=is_large)
        try:
            for chunk in reader.chunks():
                room = max_bytes - scan.n_bytes
                scan.feed(chunk if len(chunk) <= room else chunk[:room])
                if len(chunk) > room:
                    self.complete = False
                    break
        except LogError as exc:  # keep what was read before the disk failed
            self.problem = exc.reason
        scan.finish()
        self.is_cut = scan.n_lines > scan.n_newlines
        try:
            end = [] if self.complete else _read_tail(reader, scan, max_bytes)
        except LogError as exc:
            self.problem, end = exc.reason, []
        kept = scan.lines()
        if not self.complete and kept:  # the line in which the scan stops
            number, raw = kept[-1]
            kept[-1] = (number, redact_part(raw, 0, len(raw), cut_start=False))
        kept += end
        self.numbers = [number for number, _ in kept]
        self.raws = [raw for _, raw in kept]
        self.n_lines = max(scan.n_lines, end[-1][0] if end else 0)
        self.n_bytes = max(scan.n_bytes, 0 if reader.compression else reader.size)


def _read_tail(reader: LogReader, scan: BlockScan, max_bytes: int) -> list[tuple[int, bytes]]:
    """Read the last lines of a log that is too large to be scanned whole."""
    if reader.compression or reader.encoding:
        return []
    raw = reader.read_end(_TAIL_BYTES, scan.n_bytes).split(b"\n")
    ended = not raw[-1]
    if ended:
        raw.pop()
    if len(raw) == 1:  # a part of one line
        line = raw[0]
        # Where there is enough of it, its start is only there to redact the rest.
        first = MARGIN_BYTES if len(line) > 2 * MARGIN_BYTES else 0
        return [(0, redact_part(line, first, len(line), cut_end=not ended))]
    raw = raw[1:][-TAIL_LINES:]
    if reader.size > max_bytes * _MAX_COUNT_FACTOR:
        return [(0, line) for line in raw]
    # The line in which the scan stops is counted by the newline at its end.
    n_lines = (
        scan.n_newlines + reader.count_newlines(scan.count_newlines, scan.n_bytes) + (not ended)
    )
    return list(enumerate(raw, n_lines - len(raw) + 1))
