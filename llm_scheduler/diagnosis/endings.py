"""Diagnoses of jobs for which no cause was found: success, no end yet, nothing known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.accounting import describe_record, is_completed, signal_of
from llm_scheduler.diagnosis.candidates import SURVIVED_AFTER
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.evidence import choose_evidence
from llm_scheduler.diagnosis.models import Diagnosis, Remedy
from llm_scheduler.diagnosis.readability import are_binary, has_text
from llm_scheduler.diagnosis.texts import quote
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import fingerprint
from llm_scheduler.logs.models import LogText

NOT_ENDED = "not-ended"
"""The cause of a diagnosis whose job is still in the scheduler's hands."""

_PROBLEM_SHOWN = 2
_MAX_SHOWN = 120
_NOTHING_KNOWN = 0.2
_NO_TEXT = "The log is no text that could be read."
_EMPTY = "The log is empty."
_REMEDIES = (
    Remedy(kind="inspect", summary="Read the end of the log and run one point by hand"),
    Remedy(
        kind="environment",
        summary="Make the program say more",
        details="Set `PYTHONUNBUFFERED=1` and `PYTHONFAULTHANDLER=1` in the job.",
    ),
)
_REMEDIES_WITHOUT_RECORD = (
    Remedy(kind="inspect", summary="Check that this is the log of the job"),
    Remedy(kind="inspect", summary="Give the state and the exit code that the scheduler shows"),
)
_NOTHING_READ = Choice(None, confidence=_NOTHING_KNOWN, doubts=(_NO_TEXT,))
_LIVE_WORDS = {
    "PENDING": "has not started yet",
    "CONFIGURING": "has not started yet",
    "SUSPENDED": "is suspended",
    "STOPPED": "is suspended",
    "COMPLETING": "is just ending",
    "STAGE_OUT": "is just ending",
    "REQUEUED": "waits to be started again",
    "REQUEUE_HOLD": "waits to be started again",
    "REQUEUE_FED": "waits to be started again",
    "RESV_DEL_HOLD": "waits to be started again",
    "SPECIAL_EXIT": "waits to be started again",
}


def without_unreadable(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> Choice:
    """Take back what was concluded from a log that is no text, where nothing else is known.

    Silence of such a log is no success, and words in it are those of any program file.
    """
    if record is not None or any(log.problem for log in logs):
        return choice
    found = choice.candidate
    if found is None:
        if are_binary(logs):
            return _NOTHING_READ
        return choice if has_text(logs) else replace(_NOTHING_READ, doubts=(_EMPTY,))
    # A program may print data, and then really die.
    is_end = found.traceback is not None or found.after < SURVIVED_AFTER
    return choice if is_end or not are_binary(logs) else _NOTHING_READ


def explain_live(explanation: str, record: JobRecord | None) -> str:
    """Add to an explanation that the job has not ended, where its record says so."""
    if record is None or not record.is_live:
        return explanation
    words = f"The scheduler says that the job {_live_words(record)} (state `{record.state}`)."
    return f"{explanation} {words}".strip()


def diagnose_without_cause(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord | None,
    job_id: str | None,
) -> Diagnosis:
    """Say that a job succeeded, that it has not ended, or that nothing is known."""
    if record is not None and record.is_live:
        return _not_ended(choice, logs, record, job_id)
    evidence = choose_evidence(choice, logs, record)
    if choice.success:
        return Diagnosis(
            job_id=job_id,
            category="success",
            cause="success",
            title="The job seems to have succeeded",
            explanation=_say_success(logs, record),
            evidence=evidence,
            confidence=choice.confidence,
            doubts=choice.doubts,
            fingerprint=fingerprint("success"),
        )
    title, explanation = _say_unknown(logs, record, choice.silence)
    return Diagnosis(
        job_id=job_id,
        category="unknown",
        cause="unknown",
        title=title,
        explanation=explanation,
        # Scraps of data would only fill the screen.
        evidence=tuple(x for x in evidence if not x.line) if are_binary(logs) else evidence,
        confidence=choice.confidence,
        doubts=choice.doubts,
        remedies=_REMEDIES if record else _REMEDIES_WITHOUT_RECORD,
        fingerprint=fingerprint(f"unknown {record.state if record else ''} {title}"),
    )


def _not_ended(
    choice: Choice,
    logs: Sequence[LogText],
    record: JobRecord,
    job_id: str | None,
) -> Diagnosis:
    # An accounting database that lost the end of a job shows it as running for ever.
    explanation = (
        f"Its state is `{record.state}`, which is no end, and nothing in the log explains a "
        "failure. If the job is gone from the queue, this state is out of date."
    )
    return Diagnosis(
        job_id=job_id,
        category="unknown",
        cause=NOT_ENDED,
        title=f"The scheduler says that the job {_live_words(record)}",
        explanation=explanation,
        evidence=choose_evidence(replace(choice, success=False), logs, record),
        confidence=_NOTHING_KNOWN,
        doubts=("The job has not ended as far as the scheduler knows.",),
        remedies=(Remedy(kind="inspect", summary="Look again when the job has ended"),),
        fingerprint=fingerprint(f"not ended {record.state}"),
    )


def _live_words(record: JobRecord) -> str:
    return _LIVE_WORDS.get(record.state, "is still running")


def _say_success(logs: Sequence[LogText], record: JobRecord | None) -> str:
    """Say what was seen as the end of the work, and whether the scheduler says the same."""
    ends = ((log, noise.end_of(log)) for log in logs)
    shown = next((log.lines[at].text for log, at in ends if at is not None), "")
    if shown:
        seen = f"The log ends with a word of success: {quote(shown.strip()[:_MAX_SHOWN])}."
    elif has_text(logs):
        seen = "No line of the log speaks of a failure, but none says that the work was finished."
    else:
        seen = "The log holds no text."
    if is_completed(record):
        return f"{seen} The scheduler's record says that the job completed."
    if any(map(noise.is_told_done, logs)):
        return f"{seen} The scheduler's own report in the log says that the job is done."
    return f"{seen} The scheduler's record is not known."


def _say_unknown(
    logs: Sequence[LogText],
    record: JobRecord | None,
    silence: str,
) -> tuple[str, str]:
    ended = _end_of(record)
    problems = [f"`{log.file}`: {log.problem}" for log in logs if log.problem]
    told = "The scheduler's record gives no reason." if record else "No record is known."
    if problems and not any(log.lines for log in logs):
        shown = "; ".join(problems[:_PROBLEM_SHOWN])
        return (
            f"The job failed{ended}, and its log is missing or can't be read",
            f"No log could be read ({shown}), so only the scheduler's record is known.",
        )
    if are_binary(logs):
        return (
            f"The job failed{ended}, and its log is not text"
            if record
            else "The log is not text, so it can't tell how the job ended",
            f"The file holds binary data, in which nothing can be read. {told}",
        )
    if not has_text(logs):
        return (
            f"The job failed{ended} without writing anything to its log"
            if record
            else "The log is empty, so it can't tell how the job ended",
            f"There is no text in the log. {told}",
        )
    return _say_no_rule(record, silence)


def _say_no_rule(record: JobRecord | None, silence: str) -> tuple[str, str]:
    """Say that what was read tells no reason."""
    if silence:
        return (
            "The log does not tell how the job ended",
            f"{silence} No record of the scheduler is known that would tell the end.",
        )
    nothing = "holds an error that the catalogue knows."
    if record is None:
        return (
            "The log does not tell how the job ended",
            f"No line of the log {nothing} No record of the scheduler is known.",
        )
    return (
        f"The job failed{_end_of(record)} for a reason that no rule knows",
        (
            f"Neither the log nor the scheduler's record {nothing} "
            f"The record says: {describe_record(record)}."
        ),
    )


def _end_of(record: JobRecord | None) -> str:
    if record is None:
        return ""
    signal = signal_of(record)
    if signal:
        return f" (signal {signal})"
    return f" (exit code {record.exit_code})" if record.exit_code else ""
