"""Messages that stand some lines below the line that a cause takes.

Some programs first write who stops and where, then a heading such as
``Fatal error:``, and the message below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from llm_scheduler.diagnosis.candidates import UNREAD_LINE, Candidate, announces
from llm_scheduler.diagnosis.texts import fields_in
from llm_scheduler.logs.models import LogLine, LogText

_HEADING = re.compile(
    r"(?i)\b(?:error|fatal|inconsistency|failure|failed|invalid|not implemented)\b.{0,80}:\s*$"
)
_MAX_HEAD = 8
_MAX_MESSAGE_LINES = 4


def with_message_below(candidate: Candidate, log: LogText) -> Candidate:
    """Return a candidate at the message below its line, where its title waits for one.

    Such a title has a form with the message, and another one without: ``A {message}||B``.
    """
    if candidate.traceback is None and candidate.cause.id == UNREAD_LINE:
        return _with_next_line(candidate, log)
    if candidate.traceback is not None or candidate.values.get("message"):
        return candidate
    first, has_other, _ = candidate.cause.title.partition("||")
    if not has_other or "message" not in fields_in(first):
        return candidate
    at = _find_message(log.lines, candidate.order)
    if at is None:
        return candidate
    told = takewhile(lambda line: line.text.strip(), log.lines[at : at + _MAX_MESSAGE_LINES])
    return replace(
        candidate,
        line=log.lines[at].number,
        text=log.lines[at].text,
        values={**candidate.values, "message": " ".join(line.text.strip() for line in told)},
        order=at,
        last_order=at,
    )


def _with_next_line(candidate: Candidate, log: LogText) -> Candidate:
    """Return a candidate that tells also what its line only announces."""
    at = candidate.order
    if not announces(candidate.text) or at + 1 >= len(log.lines):
        return candidate
    below = log.lines[at + 1]
    if below.number != candidate.line + 1 or not any(map(str.isalpha, below.text)):
        return candidate
    message = f"{candidate.values.get('message') or candidate.text.strip()} {below.text.strip()}"
    return replace(candidate, values={**candidate.values, "message": message})


def _find_message(lines: Sequence[LogLine], start: int) -> int | None:
    """Return the place below the first heading of a block; the block may have empty lines."""
    for at in range(start + 1, min(start + _MAX_HEAD, len(lines) - 1)):
        text = lines[at].text.strip()
        if text and not any(map(str.isalnum, text)):
            return None  # a line of signs ends the block
        if _HEADING.search(text) and any(map(str.isalnum, lines[at + 1].text)):
            return at + 1
    return None
