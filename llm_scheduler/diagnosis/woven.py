"""Tracebacks of several processes that stand mixed in one log, line by line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.noise import without_prefix
from llm_scheduler.logs.models import LogText, Traceback

_MAX_LINES = 400
_HEADER = "Traceback (most recent call last)"
_OPENINGS = (_HEADER, "Exception in thread ", " ", "\t")
"""How the lines of a traceback begin above its message."""
_PLACE = re.compile(r'^\s+File "')
_MESSAGE = re.compile(r"^(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)(?=:|$)")
_DIGITS = re.compile(r"\d+")


def is_woven(found: Candidate | None, logs: Sequence[LogText]) -> bool:
    """Tell whether the frames of an error may be those of another process.

    So it is where two tracebacks begin before the first message, unless the processes
    ran one program: then their frames are the same as far as they go.
    """
    if found is None or found.traceback is None:
        return False
    log = next((log for log in logs if log.file == found.file), None)
    return log is not None and any(_is_mixed(link, log) for link in _chain(found.traceback))


def without_frames(found: Candidate) -> Candidate:
    """Return an error without the places that may be another's."""
    if found.traceback is None or found.exception is None:
        return found
    bare = _strip(found.traceback)
    line = found.exception.message_line
    own = next((link for link in _chain(bare) if link.message_line == line), bare)
    return replace(found, traceback=bare, exception=own)


def _chain(traceback: Traceback) -> Iterator[Traceback]:
    link: Traceback | None = traceback
    while link is not None:
        yield link
        link = link.cause


def _strip(traceback: Traceback) -> Traceback:
    cause = traceback.cause and _strip(traceback.cause)
    return replace(traceback, frames=(), cause=cause)


def _is_mixed(link: Traceback, log: LogText) -> bool:
    """Tell whether two headers stand above one message, and the ways to it differ."""
    if link.language != "python" or link.rank or not link.message_line:
        return False
    at = next((i for i, x in enumerate(log.lines) if x.number == link.message_line), 0)
    above = list(_lines_above(at, log))[::-1]
    headers = sum(text.startswith(_HEADER) for text in above)
    places = Counter(text for text in above if _PLACE.match(text))
    if headers < 2 or all(count % headers == 0 for count in places.values()):
        return False
    entry = next(iter(places.values()), 0)  # where the first of them began
    return entry < headers or _has_other_message(at, log)


def _lines_above(at: int, log: LogText) -> Iterator[str]:
    """Yield the lines above a place, nearest first, up to one that is of no traceback."""
    number = log.lines[at].number
    for line in reversed(log.lines[max(0, at - _MAX_LINES) : at]):
        number -= 1
        text = without_prefix(line.text)
        if line.number != number or not text.startswith(_OPENINGS):
            return
        yield text


def _has_other_message(at: int, log: LogText) -> bool:
    """Tell whether another message than the one at a place ends the next traceback."""
    for line in log.lines[at + 1 : at + _MAX_LINES]:
        text = without_prefix(line.text)
        if not text.startswith(_OPENINGS):
            own = without_prefix(log.lines[at].text)
            same = _DIGITS.sub("", text) == _DIGITS.sub("", own)
            return _MESSAGE.match(text) is not None and not same
    return False
