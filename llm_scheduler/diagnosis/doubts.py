"""How sure a diagnosis is, and why it is not surer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.accounting import is_completed
from llm_scheduler.diagnosis.candidates import GENERIC_LINE, Candidate, is_general
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.texts import quote
from llm_scheduler.diagnosis.woven import is_woven
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

CERTAIN = 0.97
"""From here on a diagnosis may have no doubts."""
_HIGHEST = 0.99
_MAX_QUOTED = 100
_SURVIVED = 0.75
"""The most for a success after an error, where no record confirms it."""
_WOVEN = 0.7
"""The most for an error of which the frames may be another's."""
_MIXED = "Several tracebacks stand mixed line by line; which frames are of this error is not sure."
_NEAR_PRIORITY = 12
_ANY = "Lines like the first proof do not always mean the end of a job."


@dataclass(frozen=True, slots=True)
class _Doubt:
    """One reason to be less sure: a factor, and a highest confidence."""

    text: str
    factor: float = 1.0
    cap: float = 1.0


def weigh(choice: Choice, logs: Sequence[LogText], record: JobRecord | None) -> Choice:
    """Return the choice with its confidence, and with the doubts that lower it."""
    if choice.candidate is not None:
        confidence = choice.candidate.cause.confidence
        if record is not None and record.is_failed and not choice.candidate.from_record:
            confidence += 0.02  # the scheduler too says that the job failed
        found = list(_of_candidate(choice, choice.candidate, record))
    elif choice.success:
        confidence = CERTAIN
        found = list(_of_success(choice, logs, record))
    else:
        confidence = 0.2
        found = [_Doubt(choice.silence or "No line of the log and nothing else says why.")]
        if record is not None and record.state == "COMPLETED" and record.exit_code:
            told = f"COMPLETED, and yet gives exit code {record.exit_code}"
            found.append(_Doubt(f"The scheduler's record says {told}."))
    found += _of_reading(choice, logs)
    if is_woven(choice.candidate, logs):
        found.append(_Doubt(_MIXED, cap=_WOVEN))
    for doubt in found:
        confidence = min(confidence * doubt.factor, doubt.cap)
    confidence = round(min(confidence, _HIGHEST), 2)
    texts = tuple(dict.fromkeys(doubt.text for doubt in found))
    return replace(choice, confidence=confidence, doubts=complete(texts, confidence))


def complete(doubts: tuple[str, ...], confidence: float) -> tuple[str, ...]:
    """Return the doubts; never none where the confidence is not high."""
    return doubts or ((_ANY,) if confidence < CERTAIN else ())


def _of_candidate(
    choice: Choice,
    found: Candidate,
    record: JobRecord | None,
) -> Iterator[_Doubt]:
    if found.known:
        yield _Doubt("The log of a successful job has this line too.", factor=0.6)
    if choice.survived:
        yield _Doubt("The program went on after this error.", 0.6)
    elif found.after and found.role != "verdict":
        # Lines of progress weigh more than one, so no number of lines is told.
        factor = 1 - 0.02 * min(found.after, 15)
        yield _Doubt("The program, or the script around it, wrote on afterwards.", factor)
    yield from _of_role(found)
    if is_completed(record) and found.role != "verdict":
        yield _Doubt("The scheduler says that the job completed.", factor=0.65)
    if choice.over is not None:
        title = quote((choice.over.text or choice.over.cause.id)[:_MAX_QUOTED])
        yield _Doubt(f"The scheduler ended the job as well: {title}.", factor=0.85)
    if choice.rival is not None:
        near = abs(choice.rival.cause.priority - found.cause.priority) <= _NEAR_PRIORITY
        text = f"Another error could be the reason: {quote(choice.rival.text[:_MAX_QUOTED])}."
        yield _Doubt(text, factor=0.9 if near else 0.95)
    if record is None:
        yield _Doubt("The scheduler's record of the job is not known.", cap=0.96)
    elif record.is_live:
        yield _Doubt("The scheduler says that the job has not ended.", cap=0.9)


def _of_role(found: Candidate) -> Iterator[_Doubt]:
    if found.role == "symptom" and found.from_record:
        text = "Only the exit code or the signal says so; programs use them freely."
        yield _Doubt(text, cap=0.88)
    elif found.role == "symptom" and is_general(found.cause):
        text = "No rule knows this message; it is told as the program wrote it."
        yield _Doubt(text, cap=0.85)
    elif found.role == "symptom":
        text = "The line is only a consequence; the reason itself is not in the log."
        yield _Doubt(text, cap=0.85)
    elif found.role == "hint":
        yield _Doubt("Programs often survive such an error.", cap=0.7)
    elif found.cause.id == GENERIC_LINE:
        yield _Doubt("No rule knows this error; it is told as the program wrote it.", cap=0.85)
    if found.in_thread:
        yield _Doubt("It ended one thread only; others may have gone on.", factor=0.9)


def _of_success(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> Iterator[_Doubt]:
    well = any(noise.ends_well(log) for log in logs)
    if record is None:
        text = "The scheduler's record is not known; a job can also end without a word."
        yield _Doubt(text, cap=0.9 if well else 0.6)
        if not well:
            yield _Doubt("The log does not say that the work was finished.")
    alarming = [x for x in choice.others if x.role in {"cause", "symptom"}]
    if alarming:
        shown = quote(alarming[0].text[:_MAX_QUOTED])
        # Whether it was this program that went on, only a record could tell.
        unsure = record is None and alarming[0].role == "cause"
        text = f"The log holds an error that the program survived: {shown}."
        yield _Doubt(text, factor=0.85, cap=_SURVIVED if unsure else 1.0)


def _of_reading(choice: Choice, logs: Sequence[LogText]) -> Iterator[_Doubt]:
    decided_by_record = choice.candidate is not None and choice.candidate.role == "verdict"
    cap = 1.0 if decided_by_record else 0.9
    if any(log.problem for log in logs):
        yield _Doubt("Not every log could be read.", cap=cap)
    elif any(not log.complete for log in logs):
        yield _Doubt("The log was read in part.", cap=cap)
