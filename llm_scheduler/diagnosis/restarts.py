"""Logs of several attempts: what stands before the last restart tells of another one.

A job that is preempted, requeued or loses its node starts again under its number
and mostly goes on writing to the same log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.candidates import SURVIVED_AFTER, Candidate
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

_RESTART = re.compile(
    r"CANCELLED AT \S+ DUE TO (?:JOB REQUEUE|REQUEUE|PREEMPTION|NODE FAILURE)"
    r"|TERM_REQUEUE_(?:OWNER|ADMIN)",
)
_MIN_LIFE = 3
_HEAD_LINES = 3
_MIN_CHARS = 8
_NUMBERS = re.compile(r"[\d.:]+")
_ENDED_ITSELF = frozenset({"COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE"})
"""States of a job that neither a preemption nor a lost node ended."""


def of_last_attempt(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> list[Candidate]:
    """Return the candidates without those of attempts before the last one."""
    if record is None or record.state not in _ENDED_ITSELF:
        return list(candidates)
    starts = {log.file: _last_restart(log) for log in logs}
    later = [
        found
        for found in candidates
        if found.from_record or found.last_order > starts.get(found.file, -1)
    ]
    if record.state == "FAILED" and not record.restarts:
        # A program that is told to end may fail before the scheduler ends it.
        failed_again = any(x.role in {"cause", "verdict"} and not x.from_record for x in later)
        if not failed_again and not any(_goes_on(log, starts[log.file]) for log in logs):
            return list(candidates)
    return later


def _goes_on(log: LogText, start: int) -> bool:
    """Tell whether lines of a program follow the end of the attempt before."""
    lines = log.lines[start + 1 :] if start >= 0 else ()
    return sum(noise.is_life(line.text) for line in lines) >= _MIN_LIFE


def _last_restart(log: LogText) -> int:
    """Return the place of the last line that ends an earlier attempt, -1 without one."""
    places = (i for i, line in enumerate(log.lines) if _RESTART.search(line.text))
    return max(places, default=-1)


def without_earlier_runs(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> list[Candidate]:
    """Return the candidates without those of runs before the last one, where that one is well.

    Some schedulers and many scripts write on into the log of the run before; the first
    lines of a log then come again where the next run begins.
    """
    if record is not None or not candidates or noise.is_parallel(list(logs)):
        return list(candidates)
    starts = {log.file: _last_start(log) for log in logs}
    later = [x for x in candidates if x.last_order >= starts.get(x.file, 0)]
    return list(candidates) if any(map(_may_end, later)) else later


def _may_end(found: Candidate) -> bool:
    """Tell whether something can have ended the run that wrote it."""
    if found.role == "cause":
        return found.traceback is not None or found.after < SURVIVED_AFTER
    return found.role in {"verdict", "symptom"}


def _last_start(log: LogText) -> int:
    """Return where the first lines of a log stand for the last time, 0 if only at its top."""
    filled = [i for i, line in enumerate(log.lines) if len(line.text.strip()) >= _MIN_CHARS]
    shapes = [_NUMBERS.sub("0", log.lines[i].text.strip()) for i in filled]
    head = shapes[:_HEAD_LINES]
    if len(set(head)) < _HEAD_LINES:
        return 0
    for at in range(len(shapes) - _HEAD_LINES, 0, -1):
        if shapes[at : at + _HEAD_LINES] == head:
            # A run that has only begun tells nothing yet.
            return filled[at] if _goes_on(log, filled[at] + _HEAD_LINES) else 0
    return 0
