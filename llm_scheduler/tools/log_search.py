"""Searching in a log of any size, without secrets, for a bounded time.

A search looks at lines as they are shown: whether a pattern stands in a secret can't
be found out by trying patterns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from llm_scheduler.errors import ToolError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.redaction import redact_lines
from llm_scheduler.logs.text import clean_line, cut_text
from llm_scheduler.tools.hidden_keys import hide_keys
from llm_scheduler.tools.log_pages import (
    AROUND,
    DEADLINE_S,
    KEPT_BYTES,
    LINE_CHARS,
    Chunks,
    Clock,
    cut_out,
    keep_ends,
)
from llm_scheduler.tools.stopping import check_stop

MAX_HITS = 1000
MAX_PATTERN_CHARS = 500
_BLOCK_BYTES = 4 << 20
_ABOVE_BYTES = AROUND * 400
_RE2_MEMORY_BYTES = 16 << 20


@dataclass
class LogHits:
    """What a search found."""

    lines: list[tuple[int, str, bool]] = field(default_factory=list)
    """Number, line, and whether it is a hit or stands beside one."""
    n_hits: int = 0
    stopped_at: int = 0
    """The line at which the search stopped; 0 when it went through the whole log."""
    note: str = ""


def search(
    reader: LogReader,
    pattern: str,
    *,
    regex: bool = False,
    ignore_case: bool = True,
    context: int = 2,
    first_line: int = 1,
    max_chars: int = 4000,
    clock: Clock = time.monotonic,
) -> LogHits:
    """Find the lines of a log with a text, or with a match of an RE2 expression.

    Raises
    ------
    ToolError
        The expression is wrong.
    """
    compiled = compile_pattern(pattern, regex=regex, ignore_case=ignore_case)
    chunks = Chunks(reader, clock, clock() + DEADLINE_S)
    hits = LogHits()
    shown: dict[int, tuple[str, bool]] = {}
    room = max_chars
    for block in _blocks(chunks, context):
        if block.number + block.n_lines < first_line:
            continue  # skipped quickly, so that one can go on where the time was over
        for number, texts, first in _hits_in(block, compiled, context, first_line):
            hits.n_hits += 1
            if hits.n_hits > MAX_HITS:
                hits.n_hits, hits.stopped_at = MAX_HITS, number
                break
            if room <= 0:
                continue
            for i, text in enumerate(texts, first):
                if i not in shown:
                    room -= len(text) + 8
                shown[i] = (text, i == number or (i in shown and shown[i][1]))
        if hits.stopped_at:
            break
        if chunks.note:
            hits.stopped_at = block.number
    hits.lines = [(number, *shown[number]) for number in sorted(shown)]
    hits.note = chunks.note
    return hits


def compile_pattern(pattern: str, *, regex: bool, ignore_case: bool) -> Any:
    """Return what finds a text or an RE2 expression in bytes.

    Raises
    ------
    ToolError
        It is empty, too long, or no expression.
    """
    import re2

    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        raise ToolError(f"Give a pattern of 1 to {MAX_PATTERN_CHARS} characters.")
    if "\n" in pattern and not regex:
        raise ToolError("A pattern is looked for in single lines; leave the line break out.")
    options = re2.Options()
    options.max_mem = _RE2_MEMORY_BYTES
    options.case_sensitive = not ignore_case
    options.never_capture = True
    options.log_errors = False
    options.never_nl = True
    text = pattern if regex else re2.escape(pattern)
    try:
        return re2.compile(f"(?m:{text})".encode(), options)
    except re2.error as exc:
        reason = exc.args[0] if exc.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ToolError(
            f"{pattern!r} is no RE2 expression ({reason}); look-around and back references are "
            "not there. With regex=False it is looked for as a plain text."
        ) from exc


@dataclass
class _Block:
    """Whole lines of a log, with lines around those that are searched."""

    data: bytes
    start: int
    """Where the lines to search begin; those before were searched with the last block."""
    end: int
    number: int
    """Of the line at `start`."""
    n_lines: int


def _blocks(chunks: Chunks, context: int) -> Iterator[_Block]:
    before, number = b"", 1
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size < _BLOCK_BYTES:
            continue
        data = b"".join(parts)
        end = data.rfind(b"\n") + 1
        for _ in range(context + 1):  # lines behind a hit come with it
            end = data.rfind(b"\n", 0, max(0, end - 1)) + 1
        end = end or len(data)  # one line without an end: searched in parts
        n_lines = data.count(b"\n", 0, end)
        yield _Block(before + data, len(before), len(before) + end, number, n_lines)
        number += n_lines
        before, parts = _last_lines(before, data, end), [data[end:]]
        size = len(parts[0])
    data = b"".join(parts)
    if data:
        start = len(before)
        n_lines = data.count(b"\n") + 1
        yield _Block(before + data, start, start + len(data), number, n_lines)


def _last_lines(before: bytes, data: bytes, end: int) -> bytes:
    """Return the last lines of what was searched, to know what stands above the next."""
    last = data[max(0, end - _ABOVE_BYTES) : end]
    last = last if len(last) == _ABOVE_BYTES else (before + last)[-_ABOVE_BYTES:]
    lines = last.split(b"\n")
    if len(last) == _ABOVE_BYTES and len(lines) > 1:
        del lines[0]  # it may be a part, and a part of a secret is not known as one
    return b"\n".join(lines[-AROUND - 1 :])


def _hits_in(
    block: _Block, compiled: Any, context: int, first_line: int
) -> Iterator[tuple[int, list[str], int]]:
    """Yield the number of each hit, the lines around it, and the number of their first."""
    data, number, counted, pos = block.data, block.number, block.start, block.start
    while pos < block.end and (found := compiled.search(data, pos, block.end)) is not None:
        at = data.rfind(b"\n", 0, found.start()) + 1
        stop = data.find(b"\n", found.start())
        stop = len(data) if stop < 0 else stop
        pos = stop + 1
        is_part = at < block.start  # the line begins in the block before
        at = max(at, block.start)
        number += data.count(b"\n", counted, at)
        counted = at
        if number < first_line:
            continue
        check_stop()
        above = _lines_before(data, at)
        below = list(islice(_lines_after(data, stop), AROUND))
        line = _around(data[at:stop], found.start() - at, is_part=is_part)
        redacted = redact_lines([*map(keep_ends, above), line, *below])
        place = len(above)
        shown = compiled.search(redacted[place])
        if shown is None:
            continue  # it stands in a secret only
        start = max(0, place - context)
        texts = [
            _show_hit(raw, shown.start())
            if i == place
            else cut_text(hide_keys(clean_line(raw)), LINE_CHARS)
            for i, raw in enumerate(redacted[start : place + context + 1], start)
        ]
        yield number, texts, number - (place - start)


def _around(raw: bytes, place: int, *, is_part: bool) -> bytes:
    """Return a line; of a very long one the part around a place."""
    if len(raw) <= KEPT_BYTES:
        return cut_out(raw, 0, len(raw), is_part=True) if is_part else raw
    first = max(0, place - KEPT_BYTES // 4)
    last = min(len(raw), first + KEPT_BYTES // 2)
    return cut_out(raw, first, last, is_part=is_part)


def _show_hit(raw: bytes, place: int) -> str:
    """Return a line that is clean; of a long one the part around a place."""
    if len(raw) <= LINE_CHARS:
        return clean_line(raw)
    first = max(0, place - LINE_CHARS // 3)
    last = min(len(raw), first + LINE_CHARS - 10)
    part = raw[first:last].decode(errors="ignore").encode()  # no half characters at its ends
    return ("... " if first else "") + clean_line(part) + (" ..." if last < len(raw) else "")


def _lines_before(data: bytes, at: int) -> list[bytes]:
    start = max(0, at - _ABOVE_BYTES)
    lines = data[start : max(start, at - 1)].split(b"\n") if at else []
    if start and lines:  # the first may be a part of a line
        lines[0] = cut_out(lines[0], 0, len(lines[0]), is_part=True)
    return lines[-AROUND:]


def _lines_after(data: bytes, stop: int) -> Iterator[bytes]:
    pos = stop + 1
    while pos < len(data):
        end = data.find(b"\n", pos)
        end = len(data) if end < 0 else end
        yield keep_ends(data[pos:end])
        pos = end + 1
