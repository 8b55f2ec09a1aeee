"""The lines that prove a diagnosis, the decisive one first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from llm_scheduler.diagnosis.accounting import describe_record
from llm_scheduler.diagnosis.candidates import Candidate, is_general
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import Frame, LogLine, LogText, Traceback
from llm_scheduler.logs.ranking import WEAK, rank_lines

MAX_LINES = 6
_MAX_CHARS = 500
_MAX_OTHERS = 3
_MAX_ABOVE = 6
_MAX_BELOW = 2
_RULER = re.compile(r"^\W*$")
_SAYS_WHAT = re.compile(
    r"\b(?:error|erreur|fehler|fatal|fail(?:ed|ure|s)?|unable|cannot|can't|could not|not found"
    r"|no such|invalid|missing|denied|exceed(?:ed|s)?|terminated)\b",
    re.IGNORECASE,
)


def choose_evidence(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> tuple[Evidence, ...]:
    """Return at most six lines, best proof first."""
    found: list[Evidence] = []
    seen: set[tuple[str, int, str]] = set()
    for item in _in_order(choice, logs, record):
        key = (item.file, item.line, "" if item.line else item.text)
        # Ranks repeat each other; one of a text is enough.
        if key in seen or any(item.text.strip() == other.text.strip() for other in found):
            continue
        seen.add(key)
        found.append(item)
        if len(found) == MAX_LINES:
            break
    return tuple(found)


def _in_order(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> Iterator[Evidence]:
    chosen = choice.candidate
    from_record = None
    if record is not None and (not choice.success or chosen is not None):
        from_record = Evidence(file="", line=0, text=describe_record(record))
    if chosen is None:
        if from_record is not None:
            yield from_record
        if not choice.success:
            yield from _telling_lines(logs)
        return
    if chosen.from_record and from_record is not None:
        yield from_record
    if not chosen.from_record:
        proof = list(_of_candidate(chosen, logs))
        yield proof[0]
        if choice.rival is not None:
            yield _line(choice.rival.file, choice.rival.line, choice.rival.text)
        yield from proof[1:]
        if chosen.traceback is None:
            yield from _around(chosen, logs)
    if from_record is not None:
        yield from_record
    for other in choice.others[:_MAX_OTHERS]:
        if other.role != "hint" or chosen.role == "hint":
            yield _line(other.file, other.line, other.text)
    if chosen.from_record:
        yield from _telling_lines(logs)


def _around(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the lines that belong to a message of several lines.

    What stands below a line that ends with a colon, and the first line of the same
    block that says that something failed.
    """
    lines = next((log.lines for log in logs if log.file == candidate.file), ())
    at = next((i for i, line in enumerate(lines) if line.number == candidate.line), None)
    if at is None:
        return
    above = _above(lines, at)[:1]
    if candidate.text.rstrip().endswith(":"):
        found = [*_below(lines, at)[:_MAX_BELOW], *above]
    else:
        found = [*above, *_below(lines, at)[: int(is_general(candidate.cause))]]
    yield from (_line(line.file, line.number, line.text) for line in found)


def _below(lines: Sequence[LogLine], at: int) -> list[LogLine]:
    block = takewhile(lambda line: not _RULER.match(line.text), lines[at + 1 : at + 4])
    return list(block)


def _above(lines: Sequence[LogLine], at: int) -> list[LogLine]:
    """Return the lines of the block above a line that say that something failed."""
    above: list[LogLine] = []
    for line in reversed(lines[max(0, at - _MAX_ABOVE) : at]):
        if _RULER.match(line.text) and above:
            break
        above.append(line)
    return [line for line in reversed(above) if _SAYS_WHAT.search(line.text)]


def _of_candidate(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    yield _line(candidate.file, candidate.line, candidate.text)
    if candidate.exception is None or candidate.traceback is None:
        return
    if candidate.exception.message not in candidate.text:
        yield from _message_of(candidate.exception, logs)
    if candidate.traceback is not candidate.exception:
        outer = candidate.traceback
        text = f"{outer.exception}: {outer.message}" if outer.message else outer.exception
        yield _line(candidate.file, outer.message_line, text)
    frame = find_frame(candidate)
    if frame is not None and frame.log_line:
        yield from _of_frame(frame, candidate.file, logs)


def _message_of(exception: Traceback, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the line with the message, where notebooks print it below the frames."""
    headline = f"{exception.exception.rsplit('.', 1)[-1]}: {exception.message}"
    lines = next((log.lines for log in logs if log.file == exception.file), ())
    for line in lines:
        if line.number > exception.message_line and headline in line.text:
            yield _line(line.file, line.number, line.text)
            return


def _of_frame(frame: Frame, file: str, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the lines of a frame as the log has them: the place, then the source."""
    lines = next((log.lines for log in logs if log.file == file), ())
    for line in lines:
        is_place = line.number == frame.log_line
        is_source = line.number == frame.log_line + 1 and frame.source in line.text
        if is_place or (is_source and frame.source):
            yield _line(file, line.number, line.text.strip())


def find_frame(candidate: Candidate) -> Frame | None:
    """Return the innermost frame of the user's own code, as near to the root as possible."""
    if candidate.exception is None or candidate.traceback is None:
        return None
    chain: list[Traceback] = []
    link: Traceback | None = candidate.traceback
    while link is not None:
        chain.append(link)
        link = link.cause
    chain.reverse()
    start = chain.index(candidate.exception)
    for exception in chain[start:]:
        if exception.user_frame is not None:
            return exception.user_frame
    return None


def _telling_lines(logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the lines that look most telling, then the last ones."""
    for ranked in rank_lines(logs)[:_MAX_OTHERS]:
        if ranked.score >= WEAK:
            yield _line(ranked.line.file, ranked.line.number, ranked.line.text)
    yield from _last_lines(logs)


def _last_lines(logs: Sequence[LogText]) -> Iterator[Evidence]:
    for log in logs:
        lines = [line for line in log.lines if line.text.strip()]
        for line in lines[-2:]:
            yield _line(line.file, line.number, line.text)


def _line(file: str, number: int, text: str) -> Evidence:
    text = text.rstrip()
    if len(text) > _MAX_CHARS:
        text = text[: _MAX_CHARS - 1] + "…"
    return Evidence(file=file, line=max(number, 0), text=text)
