"""Attempts to run a learner, and what became of each.

An attempt is one submission of one job. `judge` is where it is decided whether an
attempt that left the queue has failed; everything else only acts on its verdict.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from llm_scheduler.engine.records import FAILED_STATES, JobRecord

GRACE_S = 20.0
"""How long a job that left the queue may be unknown to accounting: ``slurmdbd`` and
the local record files lag behind."""
STALE_S = 120.0
"""How long accounting may call a job live that is not in the queue any more."""


class Verdict(Enum):
    """What became of an attempt."""

    LIVE = "live"
    """It waits or runs; also when suspended, completing or requeued."""
    UNDECIDED = "undecided"
    """It left the queue; accounting does not know yet."""
    FINISHED = "finished"
    """Its learner reached the goal."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """A person, or the cluster's staff, cancelled it."""
    DROPPED = "dropped"
    """The manager itself ended it: no failure."""


@dataclass
class Attempt:
    """One submission of one job for one learner."""

    index: int
    """Index of the learner."""
    job_name: str
    learners: tuple[str, ...]
    """Files of the learner."""
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)
    job_id: str | None = None
    log_files: tuple[str, ...] = ()
    submitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    """When it was known to have ended."""
    nodes: tuple[str, ...] = ()
    state: str = ""
    """Last state seen in the queue; empty before it was seen."""
    added_at: float = 0.0
    """Monotonic time from which it can be expected in the queue."""
    gone_at: float | None = None
    """Monotonic time at which it was first missing from the queue."""
    dropped: bool = False
    """Whether the manager itself asked for it to be cancelled."""
    leftover: bool = False
    """Whether an earlier session submitted it and it had ended before this one: its
    learner's row in the database is not about it."""
    killed_because: str = ""
    """Why the kill manager cancelled it."""
    kill_pattern: str = ""
    """The text in its log that made the kill manager do so."""


def judge(
    attempt: Attempt,
    record: JobRecord | None,
    *,
    is_done: bool,
    gone_for_s: float,
) -> Verdict:
    """Decide what became of an attempt that is no longer in the queue.

    Parameters
    ----------
    record
        What accounting says; ``None`` when it knows nothing.
    is_done
        Whether the job reported that its learner reached the goal.
    gone_for_s
        How long the job has been missing from the queue.

    """
    if is_done and not attempt.leftover:
        return Verdict.FINISHED
    if record is None or record.state == "UNKNOWN":
        if attempt.dropped:
            return Verdict.DROPPED
        # The kill manager has seen an error: waiting for accounting adds nothing.
        waited = gone_for_s >= GRACE_S or bool(attempt.killed_because)
        return Verdict.FAILED if waited else Verdict.UNDECIDED
    if record.is_live:
        return Verdict.FAILED if gone_for_s >= STALE_S else Verdict.UNDECIDED
    if record.state == "CANCELLED":
        if attempt.dropped or record.reason == "ManagerDied":
            return Verdict.DROPPED
        return Verdict.FAILED if attempt.killed_because else Verdict.CANCELLED
    if record.state == "COMPLETED" and (attempt.dropped or _is_whole(attempt, record)):
        return Verdict.FINISHED
    # COMPLETED without the learner's word that it is done: the job ended early, or a
    # step of it was killed while its script went on.
    return Verdict.FAILED


def _is_whole(attempt: Attempt, record: JobRecord) -> bool:
    """Say whether a completed job of an earlier session did its work.

    It told the manager of that session that its learner was done; what is left to
    see is whether one of its steps was killed.
    """
    bad_step = any(step.state in FAILED_STATES for step in record.steps)
    return attempt.leftover and not bad_step
