"""What the scheduler's record proves: states, signals, exit codes, steps, limits."""

from __future__ import annotations

import re2

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.signals import MAX_SIGNAL, explain_code, name_signal, signal_in_code
from llm_scheduler.diagnosis.texts import format_bytes, say_duration
from llm_scheduler.engine.records import JobRecord

SIGKILL = 9
SIGTERM = 15
NEAR_LIMIT = 0.9
"""A peak above this part of the limit explains a SIGKILL. Peaks are sampled,
so the highest value that was seen is mostly below the limit."""
_TIME_NEAR = 0.98


def signal_of(record: JobRecord) -> int | None:
    """Return the signal that ended the job, also when an exit code tells it."""
    return _told_signal(record) or _signal_of_code(record)


def _told_signal(record: JobRecord) -> int | None:
    signals = [record.signal, *(step.signal for step in record.steps)]
    return next((signal for signal in signals if signal and signal <= MAX_SIGNAL), None)


def _signal_of_code(record: JobRecord) -> int | None:
    codes = (record.exit_code, *(step.exit_code for step in record.steps))
    signals = (signal_in_code(code) for code in codes if code is not None)
    return next((signal for signal in signals if signal is not None), None)


def peak_of(record: JobRecord) -> int | None:
    """Return the highest resident memory of the job or of one of its steps."""
    peaks = [record.max_rss_bytes, *(step.max_rss_bytes for step in record.steps)]
    return max((peak for peak in peaks if peak), default=None)


def is_completed(record: JobRecord | None) -> bool:
    """Tell whether a job ended by itself, and with exit code 0 where one is known."""
    return record is not None and record.state == "COMPLETED" and not record.exit_code


def is_near_memory_limit(record: JobRecord | None) -> bool:
    """Tell whether the job had used nearly all of its memory."""
    if record is None or not record.requested_memory_bytes:
        return False
    return (peak_of(record) or 0) >= NEAR_LIMIT * record.requested_memory_bytes


def is_at_time_limit(record: JobRecord) -> bool:
    """Tell whether the job ran as long as it was allowed to."""
    if not record.time_limit_s or record.elapsed_s is None:
        return False
    return record.elapsed_s >= _TIME_NEAR * record.time_limit_s


def find_record_candidates(record: JobRecord, catalog: Catalog) -> list[Candidate]:
    """Return what the record suggests."""
    states = {record.state, *(s.state for s in record.steps if s.state == "OUT_OF_MEMORY")}
    signal = signal_of(record)
    codes = {record.exit_code, *(step.exit_code for step in record.steps)}
    told = _told_signal(record)
    sure = [cause for cause in catalog if _agrees(cause, states, set(), told, record.reason)]
    found = [cause for cause in catalog if _agrees(cause, states, codes, signal, record.reason)]
    if signal in {SIGKILL, SIGTERM} and is_at_time_limit(record):
        found.append(catalog["time-limit"])
    if record.state in {"COMPLETED", "TIMEOUT"}:
        # Signals to the steps of a job that ended otherwise were part of that end.
        found = [cause for cause in found if cause.role == "verdict"]
    # Programs choose their exit codes freely: 132 need not be a signal, nor 126 a
    # permission, so whatever a program wrote weighs more.
    return [
        Candidate(cause, "symptom" if cause.role == "cause" and cause not in sure else cause.role)
        for cause in found
    ]


def _agrees(
    cause: Cause,
    states: set[str],
    codes: set[int | None],
    signal: int | None,
    reason: str,
) -> bool:
    condition = cause.record
    if condition is None:
        return False
    return (
        bool(states.intersection(condition.states))
        or bool(codes.intersection(condition.exit_codes))
        or (signal is not None and signal in condition.signals)
        or any(re2.search(pattern, reason) for pattern in condition.reasons)
    )


def describe_record(record: JobRecord) -> str:
    """Return one line that says what the record proves."""
    parts = [f"State {record.state}"]
    if record.exit_code is not None:
        parts.append(explain_code(record.exit_code))
    if record.signal:
        parts.append(name_signal(record.signal))
    parts += [
        f"step {step.step_id} {step.state}"
        for step in record.steps
        if step.state not in {record.state, "COMPLETED", "UNKNOWN"}
    ][:3]
    if record.reason and record.reason not in {"None", record.state}:
        parts.append(f"reason: {record.reason[:200]}")
    peak = peak_of(record)
    if peak and record.requested_memory_bytes:
        limit = format_bytes(record.requested_memory_bytes)
        parts.append(f"memory {format_bytes(peak)} of {limit}")
    if record.elapsed_s is not None and record.time_limit_s:
        allowed = say_duration(record.time_limit_s)
        parts.append(f"time {say_duration(record.elapsed_s)} of {allowed}")
    return ", ".join(parts)


def record_values(record: JobRecord | None) -> dict[str, str]:
    """Return the fields that the record offers to templates."""
    if record is None:
        return {}
    values = {}
    peak = peak_of(record)
    if peak and record.requested_memory_bytes:
        # Peaks are sampled: a low one is not what a job reached that ran out of memory.
        name = "peak" if is_near_memory_limit(record) else "sampled"
        values[name] = format_bytes(peak)
    if record.requested_memory_bytes:
        values["memory_limit"] = format_bytes(record.requested_memory_bytes)
    if record.elapsed_s is not None:
        values["elapsed"] = say_duration(record.elapsed_s)
    if record.time_limit_s:
        values["time_limit"] = say_duration(record.time_limit_s)
    if record.nodes:
        values["nodes"] = ", ".join(record.nodes[:4])
    if record.cancelled_by:
        values["cancelled_by"] = record.cancelled_by
    if record.exit_code:
        values["code"] = str(record.exit_code)
    return values
