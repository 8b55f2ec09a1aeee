"""The lines that prove a diagnosis, the decisive one first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from llm_scheduler.diagnosis.accounting import describe_record
from llm_scheduler.diagnosis.candidates import Candidate, announces, find_place, is_general
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.diagnosis.noise import end_of, is_noise, is_of_launcher
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import Frame, LogLine, LogText, Traceback
from llm_scheduler.logs.ranking import WEAK, rank_lines
from llm_scheduler.logs.text import cut_line

MAX_LINES = 6
_MAX_CHARS = 500
_MAX_OTHERS = 3
_MAX_ABOVE = 6
_MAX_BELOW = 8
_FEW = 3
"""With fewer lines than this the neighbours of a proof are shown, too."""
_NEAR = 8
_WEIGHTY = 60
"""Causes of this priority and above end programs as a rule."""
_HEADING = "Traceback (most recent call last)"
"""Says only that an exception follows; the line with its name is the proof."""
_RULER = re.compile(r"^\W*$")
_BARE_FRAME = re.compile(r"(?:\d{1,5}: ?|\[[^\]]*\] ?)?\w+\(\w*\)\.{2,}: *")
"""A line of MPICH's stack without words; the one that says what failed stands below it."""
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
    chosen = choice.candidate
    beside = list(_beside(chosen, logs)) if chosen is not None else []
    for item in (*_in_order(choice, logs, record), *beside):
        key = (item.file, item.line, "" if item.line else item.text)
        # Ranks repeat each other; one of a text is enough.
        if key in seen or any(item.text.strip() == other.text.strip() for other in found):
            continue
        if item in beside and len(found) >= _FEW:
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
        yield from _telling_lines(logs) if not choice.success else _ends(logs)
        return
    if chosen.from_record and from_record is not None:
        yield from_record
        if choice.rival is not None:
            yield _line(choice.rival.file, choice.rival.line, choice.rival.text, choice.rival.cause)
    if not chosen.from_record:
        proof = list(_of_candidate(chosen, logs))
        yield proof[0]
        yield from _continued(chosen, logs)
        yield from _second(choice)
        yield from proof[1:]
        if chosen.traceback is None:
            yield from _same_kind(chosen, choice.others)
            yield from _around(chosen, logs)
            yield from _same_category(chosen, choice.others)
            yield from _beside(chosen, logs)
    if from_record is not None:
        yield from_record
    for other in choice.others[:_MAX_OTHERS]:
        if other.role != "hint" or chosen.role == "hint":
            yield _line(other.file, other.line, other.text, other.cause)
    if chosen.from_record:
        yield from _telling_lines(logs)


def _second(choice: Choice) -> Iterator[Evidence]:
    """Return what else could be the reason, or says the same in another way."""
    chosen = choice.candidate
    if chosen is None:
        return
    if choice.rival is not None:
        yield _line(choice.rival.file, choice.rival.line, choice.rival.text, choice.rival.cause)
    same = sorted(
        (x for x in choice.others if x.file == chosen.file and x.order != chosen.order),
        key=lambda x: x.order,
    )
    if chosen.role == "verdict" or is_general(chosen.cause):
        # Several jobs, or several errors: the first, and of verdicts the last.
        same = [x for x in same if x.cause is chosen.cause]
        ends = same[:1] if is_general(chosen.cause) else same[:1] + same[-1:]
        yield from (_line(x.file, x.line, x.text, x.cause) for x in ends)
        return
    if chosen.role == "symptom" and chosen.traceback is None:
        # Of ranks that say the same the first may be the one that pulled the others down.
        first = [x for x in same if x.cause is chosen.cause and x.order < chosen.order]
        yield from (_line(x.file, x.line, x.text, x.cause) for x in first[:1])
    for other in same:
        if choice.rival is None and other.order < chosen.order and _is_weighty(other, chosen):
            yield _line(other.file, other.line, other.text, other.cause)
            break
    for other in same:
        is_raised = other.traceback is not None and other.traceback is not chosen.traceback
        if is_raised and other.role in {"cause", "hint"} and other.text != chosen.text:
            if chosen.traceback is None and other.cause.category != chosen.cause.category:
                continue
            yield _line(other.file, other.line, other.text, other.cause)
            return


def _is_weighty(other: Candidate, chosen: Candidate) -> bool:
    """Tell whether an earlier error may be the reason of the one that was chosen."""
    return (
        other.role == "cause"
        and other.cause.priority >= _WEIGHTY
        and other.cause.category != chosen.cause.category
        and not (other.said_to_live or other.known or is_general(other.cause))
    )


def _continued(chosen: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the line below a message that was broken in the middle of a sentence."""
    last = chosen.text.rstrip()[-1:]
    if chosen.traceback is not None or not (last.isalpha() or last in {",", "'", '"'}):
        return
    lines = next((log.lines for log in logs if log.file == chosen.file), ())
    for line, below in pairwise(lines):
        if line.number == chosen.line:
            indent = len(line.text) - len(line.text.lstrip())
            is_flush = len(below.text) - len(below.text.lstrip()) == indent
            is_flush = is_flush and not is_of_launcher(below.text) and not is_noise(below.text)
            word = below.text.strip().partition(" ")[0]
            if is_flush and word.isalpha() and word.islower() and word != below.text.strip():
                yield _line(below.file, below.number, below.text)
            return


def _same_kind(chosen: Candidate, others: Sequence[Candidate]) -> Iterator[Evidence]:
    """Return the nearest other line that means the same, such as the one with the name."""
    near = [
        x
        for x in others
        if x.cause is chosen.cause
        and x.file == chosen.file
        and 0 < abs(x.line - chosen.line) <= _NEAR
        and x.values != chosen.values
    ]
    for other in sorted(near, key=lambda x: abs(x.line - chosen.line))[:1]:
        yield _line(other.file, other.line, other.text, other.cause)


def _same_category(chosen: Candidate, others: Sequence[Candidate]) -> Iterator[Evidence]:
    """Return the strongest line of another cause that comes to the same."""
    for other in others:
        is_same = other.cause.category == chosen.cause.category
        if is_same and other.cause is not chosen.cause and other.role in {"cause", "symptom"}:
            yield _line(other.file, other.line, other.text, other.cause)
            return


def _around(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the lines that belong to a message of several lines.

    What stands below a line that announces an error, then the lines of the same
    block that say that something failed, the nearest first.
    """
    lines = next((log.lines for log in logs if log.file == candidate.file), ())
    at = next((i for i, line in enumerate(lines) if line.number == candidate.line), None)
    if at is None:
        return
    below, above = _below(lines, at), _above(lines, at)
    found: list[LogLine] = []
    for announcing, line in pairwise([lines[at], *below]):
        if announces(announcing.text) or (
            line is below[0] and announcing.text.rstrip()[-1:] == ":"
        ):
            found.append(line)
    if announces(candidate.text):
        found += below[1:2]
    told = [line for line in reversed(above) if _SAYS_WHAT.search(line.text)]
    found += ([line for line in told if announces(line.text)] or told)[:1]
    found += [line for line in below if _SAYS_WHAT.search(line.text)][:1]
    found = [line for line in found if _HEADING not in line.text]
    yield from (_line(line.file, line.number, line.text) for line in found)


def _beside(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the line below a line, and the one above it."""
    lines = next((log.lines for log in logs if log.file == candidate.file), ())
    at = next((i for i, line in enumerate(lines) if line.number == candidate.line), None)
    if at is not None:
        # A title below belongs to the next message.
        below = [line for line in _below(lines, at)[:1] if not announces(line.text)]
        for line in (*below, *_above(lines, at)[-1:]):
            if _HEADING not in line.text:
                yield _line(line.file, line.number, line.text)


def _below(lines: Sequence[LogLine], at: int) -> list[LogLine]:
    """Return the lines below a line, up to the end of its block."""
    below: list[LogLine] = []
    for line in lines[at + 1 : at + 1 + _MAX_BELOW]:
        if is_of_launcher(line.text):
            break
        if _BARE_FRAME.fullmatch(line.text) is not None:
            continue
        if not _RULER.match(line.text):
            below.append(line)
        elif below and line.text.strip():
            break  # a line of signs ends a block; an empty one only parts it
    return below


def _above(lines: Sequence[LogLine], at: int) -> list[LogLine]:
    """Return the lines of the block above a line."""
    above: list[LogLine] = []
    for line in reversed(lines[max(0, at - _MAX_ABOVE) : at]):
        if not _RULER.match(line.text):
            above.append(line)
        elif above:
            break
    return above[::-1]


def _of_candidate(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    yield _line(candidate.file, candidate.line, candidate.text, candidate.cause)
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
    """Return the line with the message, where it stands below the name of the exception."""
    lines = next((log.lines for log in logs if log.file == exception.file), ())
    headline = f"{exception.exception.rsplit('.', 1)[-1]}: {exception.message}"
    for line in lines:
        # Notebooks print it again below the frames, other languages on the next line.
        near = exception.message_line < line.number <= exception.last_line
        if (near and exception.message in line.text) or (
            line.number > exception.message_line and headline in line.text
        ):
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


def _ends(logs: Sequence[LogText]) -> Iterator[Evidence]:
    """Return the lines that say that the work was finished."""
    for log in logs:
        at = end_of(log)
        if at is not None:
            yield _line(log.file, log.lines[at].number, log.lines[at].text)


def _last_lines(logs: Sequence[LogText]) -> Iterator[Evidence]:
    for log in logs:
        lines = [line for line in log.lines if line.text.strip()]
        for line in lines[-2:]:
            yield _line(line.file, line.number, line.text)


def _line(file: str, number: int, text: str, cause: Cause | None = None) -> Evidence:
    """Return a line; of a long one its start, the place that told, and its end."""
    text = text.rstrip()
    if len(text) > _MAX_CHARS:
        place = -1 if cause is None else find_place(cause, text)
        text = cut_line(text, _MAX_CHARS, find=lambda _: place)
    return Evidence(file=file, line=max(number, 0), text=text)
