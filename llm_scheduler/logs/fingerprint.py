"""Fingerprints: equal for the same failure with other numbers, paths and nodes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from llm_scheduler.logs.identity import shield, unshield
from llm_scheduler.logs.models import Frame, LogLine, LogText, Traceback
from llm_scheduler.logs.normal_form import normalise
from llm_scheduler.logs.ranking import Ranked, chain_of, find_line, rank_lines
from llm_scheduler.logs.tracebacks import parse_tracebacks

_LENGTH = 16
_CELL = re.compile(r"<ipython-input-|(?:Cell )?In(?:put In)? ?\[|.*/ipykernel_\d+/")
_FOLDERS = re.compile(r".*[/\\]")
_CALL = re.compile(r"\s{1,8}at (?:async )?([\w.$<>]{1,200}) \(\S{1,300}:\d+\)$")
_DIGITS = re.compile(r"\d+")


def fingerprint(text_or_lines: str | Iterable[str | LogLine]) -> str:
    """Return a short hexadecimal name of the failure that a text shows.

    Equal for the same failure with other numbers, paths, ranks, nodes,
    addresses, job ids and times; different for another exception, another
    missing module or another failing function.
    """
    if isinstance(text_or_lines, str):
        text_or_lines = text_or_lines.splitlines()
    lines = [
        line if isinstance(line, LogLine) else LogLine("", number, line)
        for number, line in enumerate(text_or_lines, 1)
    ]
    text = LogText(
        file="",
        lines=tuple(lines),
        tracebacks=parse_tracebacks(lines),
        n_lines=len(lines),
    )
    return fingerprint_ranked(rank_lines([text]), [text])


def fingerprint_ranked(ranked: Sequence[Ranked], texts: Sequence[LogText]) -> str:
    """Return the fingerprint of logs whose lines are ranked already."""
    if not ranked:
        # Nothing alarming: what was said last is all there is.
        for text in reversed(texts):
            for line in reversed(text.lines):
                if line.text.strip():
                    return fingerprint_key(normalise(line.text))
        return fingerprint_key("")
    best = ranked[0]
    if best.traceback:
        return fingerprint_key(describe(best.traceback))
    return fingerprint_key(normalise(best.line.text) + _describe_calls(best.line, texts))


@lru_cache(maxsize=1024)
def fingerprint_key(key: str) -> str:
    """Return the fingerprint of what is the same whenever a failure happens."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:_LENGTH]


def describe(traceback: Traceback) -> str:
    """Return what is the same in a traceback whenever this failure happens."""
    parts = []
    for link in chain_of(traceback):
        frame = link.user_frame or (link.frames[-1] if link.frames else None)
        where = describe_frame(frame) if frame else ""
        # An exit asked for has no message but its status.
        message = link.message if link.exception == "SystemExit" else normalise(link.message)
        name = _describe_name(link.exception)
        parts.append(f"{name}|{message}|{where}")
    return "\n".join(parts)


def describe_frame(frame: Frame) -> str:
    """Name the function that failed; scripts that run as a whole by their file."""
    return _describe_place(frame.file, frame.function)


@lru_cache(maxsize=1024)
def _describe_name(exception: str) -> str:
    return unshield(_DIGITS.sub("#", shield(exception)))


@lru_cache(maxsize=1024)
def _describe_place(file: str, function: str) -> str:
    if _CELL.match(file):
        return "<cell>"
    name = _FOLDERS.sub("", file)
    function = function.partition("(")[0] or "<module>"
    return _DIGITS.sub("#", f"{name}:{function}")


def _describe_calls(line: LogLine, texts: Sequence[LogText]) -> str:
    """Name the function under a line that stands above calls, as JavaScript prints them."""
    for text in texts:
        if text.file == line.file and line.number:
            below = find_line(text.lines, line.number + 1)
            found = _CALL.match(below.text) if below else None
            return f"|{_DIGITS.sub('#', found[1])}" if found else ""
    return ""
