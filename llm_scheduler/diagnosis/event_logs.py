"""Event logs of HTCondor: what one job met before it ran again and ended well."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.logs.models import LogLine

_EVENT = re.compile(r"^\d{3} \((\d+\.\d+\.\d+)\) ")
"""How an event begins: its number, and cluster, process and subprocess of the job."""
_ENDED_WELL = "(1) Normal termination (return value 0)"
_STOPPED = re.compile(r"^(?:004|007|012) \(")
"""A job left its machine, lost the process that watches over it, or was put on hold."""
_STARTED = re.compile(r"^(?:001|013) \(")
"""A job was released, or runs."""
_MAX_LINES = 8
"""Lines that an event has at most before the one that tells how the job ended."""


def ran_again(lines: Sequence[LogLine], order: int) -> bool:
    """Tell whether the job of an event ended well later, after its release or on another machine.

    One event log may hold many jobs, so the job is looked up by its number.
    """
    job = _job_of(lines, order)
    return bool(job) and any(
        _ENDED_WELL in lines[at].text and _job_of(lines, at) == job
        for at in range(order + 1, len(lines))
    )


def was_started_anew(lines: Sequence[LogLine], order: int) -> bool:
    """Tell whether a line is part of an event that stopped a job which was started again.

    What stopped it then tells of an attempt before, whatever became of the job.
    """
    head = _head_of(lines, order)
    if head is None or _STOPPED.match(lines[head].text) is None:
        return False
    job = _job_of(lines, head)
    return any(
        _STARTED.match(lines[at].text) is not None and _job_of(lines, at) == job
        for at in range(order + 1, len(lines))
    )


def _head_of(lines: Sequence[LogLine], order: int) -> int | None:
    """Return the place of the line that begins the event around a line."""
    places = range(min(order, len(lines) - 1), max(-1, order - _MAX_LINES), -1)
    return next((at for at in places if _EVENT.match(lines[at].text) is not None), None)


def _job_of(lines: Sequence[LogLine], order: int) -> str:
    """Return the number of the job that the event around a line is about, or nothing."""
    head = _head_of(lines, order)
    found = _EVENT.match(lines[head].text) if head is not None else None
    return found[1] if found is not None else ""
