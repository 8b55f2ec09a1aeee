"""Pages of a log of any size, without secrets, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.redaction import MARGIN_BYTES, redact_lines, redact_part
from llm_scheduler.logs.text import clean_line, cut_text
from llm_scheduler.tools.hidden_keys import hide_in_chunks, hide_in_tail, hide_keys
from llm_scheduler.tools.stopping import check_stop

DEADLINE_S = 20.0
COUNT_S = 3.0
"""How long lines behind the page are counted, to say how many there are."""
KEPT_BYTES = 16_384
"""Of one line."""
LINE_CHARS = 600
AROUND = 60
"""Lines on each side that are looked at to know secrets of several lines."""
_TAIL_BYTES = 1 << 20

Clock = Callable[[], float]


@dataclass
class LogPage:
    """Some lines of a log."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    """Numbers from 1, and the lines; numbers below 0 count from the end."""
    n_lines: int | None = None
    """Of the whole log; ``None`` when they were not counted."""
    note: str = ""
    """What could not be read."""


def read_page(
    reader: LogReader, first_line: int, max_chars: int, *, clock: Clock = time.monotonic
) -> LogPage:
    """Return the lines of a log from one on, as many as there is room for."""
    begin = max(1, first_line - AROUND)
    started = clock()
    chunks = Chunks(reader, clock, started + DEADLINE_S)
    raws: list[bytes] = []
    room = max_chars
    for number, raw in _lines_from(chunks, begin):
        raws.append(raw)
        if number >= first_line:
            room -= min(len(raw), LINE_CHARS) + 8
            if room <= 0:
                break
    skipped = min(first_line - begin, len(raws))
    texts = _clean(raws)[skipped:]
    page = LogPage(list(enumerate(texts, first_line)), note=chunks.note)
    if room > 0 and not chunks.note:
        page.n_lines = first_line - 1 + len(texts) if texts else None
    return page


def count_lines(reader: LogReader, *, clock: Clock = time.monotonic) -> int | None:
    """Count the lines of a log, or give up when that takes long."""
    chunks = Chunks(reader, clock, clock() + COUNT_S)
    n_lines, last = 0, b"\n"
    for chunk in chunks:
        n_lines += chunk.count(b"\n")
        last = chunk[-1:] or last
    return None if chunks.note else n_lines + (last != b"\n")


def read_tail(
    reader: LogReader, n_lines: int, max_chars: int, *, clock: Clock = time.monotonic
) -> LogPage:
    """Return the last lines of a log, as many as there is room for."""
    if reader.compression or reader.encoding:
        chunks = Chunks(reader, clock, clock() + DEADLINE_S)
        tail = b""
        for chunk in chunks:
            tail = (tail + chunk)[-_TAIL_BYTES:]
        note, is_whole = chunks.note, len(tail) < _TAIL_BYTES
    else:
        tail = reader.read_end(_TAIL_BYTES, 0)
        note, is_whole = "", reader.size <= len(tail)
        tail = hide_in_tail(tail, is_whole=is_whole)
    raws = tail.split(b"\n")
    if not raws[-1]:
        raws.pop()
    if not is_whole:
        # The first line may be a part; a secret in it is not known as one.
        raws = raws[1:] or [redact_part(tail, 0, len(tail), cut_end=False)]
    texts = _clean([keep_ends(raw) for raw in raws[-n_lines - AROUND :]])[-n_lines:]
    room = max_chars
    kept: list[str] = []
    for text in reversed(texts):
        room -= len(text) + 8
        if room < 0 and kept:
            break
        kept.append(text)
    return LogPage([(i - len(kept), text) for i, text in enumerate(reversed(kept))], note=note)


class Chunks:
    """The chunks of a log until the time is over."""

    def __init__(self, reader: LogReader, clock: Clock, deadline: float) -> None:
        self._reader = reader
        self._clock = clock
        self._deadline = deadline
        self.note = ""

    def __iter__(self) -> Iterator[bytes]:
        n_bytes = 0
        for chunk in hide_in_chunks(self._reader.chunks()):
            check_stop()
            yield chunk
            n_bytes += len(chunk)
            if self._clock() > self._deadline:
                self.note = f"stopped after {n_bytes:,} bytes, which took too long"
                return
        self.note = self._reader.damage


def _lines_from(chunks: Chunks, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines from one on, each at most `KEPT_BYTES` and a remark."""
    number, head, size = 1, b"", 0
    for chunk in chunks:
        pieces: list[bytes]
        n_new = chunk.count(b"\n")
        if number + n_new < first:
            # Far before the page: only the line in which the chunk ends matters.
            number += n_new
            pieces = [chunk[chunk.rfind(b"\n") + 1 :]]
            if n_new:
                head, size = b"", 0
        else:
            pieces = chunk.split(b"\n")
        for i, piece in enumerate(pieces):
            if i:
                if number >= first:
                    yield number, _mark_cut(head, size)
                number, head, size = number + 1, b"", 0
            if len(head) < KEPT_BYTES:
                head = (head + piece)[:KEPT_BYTES]
            size += len(piece)
    if size and number >= first:
        yield number, _mark_cut(head, size)


def _mark_cut(head: bytes, size: int) -> bytes:
    if size <= len(head):
        return head
    part = redact_part(head, 0, len(head), cut_start=False)
    return part + f" ... [{size - len(head):,} bytes cut]".encode()


def keep_ends(raw: bytes) -> bytes:
    """Cut the middle out of a very long line."""
    if len(raw) <= KEPT_BYTES:
        return raw
    half = KEPT_BYTES // 2
    start, end = cut_out(raw, 0, half), cut_out(raw, len(raw) - half, len(raw))
    return start + f" ... [{len(raw) - 2 * half:,} bytes cut] ... ".encode() + end


def cut_out(raw: bytes, first: int, last: int, *, is_part: bool = False) -> bytes:
    """Return a part of a long line without secrets, looking at little more than the part."""
    begin, end = max(0, first - MARGIN_BYTES), min(len(raw), last + MARGIN_BYTES)
    return redact_part(
        raw[begin:end],
        first - begin,
        last - begin,
        cut_start=begin > 0 or is_part,
        cut_end=end < len(raw),
    )


def _clean(raws: list[bytes]) -> list[str]:
    # Once more: a key with colours in it is known only now.
    return [cut_text(hide_keys(clean_line(raw)), LINE_CHARS) for raw in redact_lines(raws)]
