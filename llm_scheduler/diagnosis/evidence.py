"""The lines that prove a diagnosis, the decisive one first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_scheduler.diagnosis.accounting import describe_record
from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.diagnosis.precedence import Choice
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import Frame, LogText, Traceback

MAX_LINES = 6
_MAX_CHARS = 500
_MAX_OTHERS = 3


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
            yield from _last_lines(logs)
        return
    if chosen.from_record and from_record is not None:
        yield from_record
    if not chosen.from_record:
        yield from _of_candidate(chosen, logs)
    if from_record is not None:
        yield from_record
    for other in choice.others[:_MAX_OTHERS]:
        if other.role != "hint" or chosen.role == "hint":
            yield _line(other.file, other.line, other.text)
    if chosen.from_record:
        yield from _last_lines(logs)


def _of_candidate(candidate: Candidate, logs: Sequence[LogText]) -> Iterator[Evidence]:
    yield _line(candidate.file, candidate.line, candidate.text)
    if candidate.exception is None or candidate.traceback is None:
        return
    frame = find_frame(candidate)
    if frame is not None and frame.log_line:
        yield from _of_frame(frame, candidate.file, logs)
    if candidate.traceback is not candidate.exception:
        yield _line(
            candidate.file,
            candidate.traceback.message_line,
            f"{candidate.traceback.exception}: {candidate.traceback.message}",
        )


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
