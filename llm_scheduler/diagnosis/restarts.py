"""Logs of several attempts: what stands before the last restart tells of another one.

A job that is preempted, requeued or loses its node starts again under its number
and mostly goes on writing to the same log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

_RESTART = re.compile(
    r"CANCELLED AT \S+ DUE TO (?:JOB REQUEUE|REQUEUE|PREEMPTION|NODE FAILURE)"
    r"|TERM_REQUEUE_(?:OWNER|ADMIN)",
)
_MIN_LIFE = 3
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
