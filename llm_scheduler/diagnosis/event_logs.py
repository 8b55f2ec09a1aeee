"""Event logs of HTCondor: what one job met before it ran again and ended well."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.logs.models import LogLine

_EVENT = re.compile(r"^\d{3} \((\d+\.\d+\.\d+)\) ")
"""How an event begins: its number, and cluster, process and subprocess of the job."""
_ENDED_WELL = "(1) Normal termination (return value 0)"
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


def _job_of(lines: Sequence[LogLine], order: int) -> str:
    """Return the number of the job that the event around a line is about, or nothing."""
    for at in range(order, max(-1, order - _MAX_LINES), -1):
        found = _EVENT.match(lines[at].text) if at < len(lines) else None
        if found is not None:
            return found[1]
    return ""
