"""The row of an attempt in the failures file: what is written, and what is read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llm_scheduler.engine.attempts import Attempt

SELECT_ATTEMPTS = (
    "SELECT attempt, job_id, job_name, learner, learners, log_files, submitted_at, nodes,"
    " dropped, outcome FROM attempts"
)
"""The columns that `parse_row` expects, and last what became of the attempt."""

WRITE_ATTEMPT = (
    "INSERT INTO attempts (attempt, job_id, job_name, learner, learners, log_files,"
    " submitted_at, nodes, dropped) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (attempt) DO UPDATE SET job_id = excluded.job_id,"
    " log_files = excluded.log_files, nodes = excluded.nodes,"
    " dropped = excluded.dropped"
)
"""Takes what `make_row` makes."""


def make_row(attempt: Attempt) -> tuple[str | int | None, ...]:
    """Return an attempt as it is written down."""
    return (
        attempt.attempt,
        attempt.job_id,
        attempt.job_name,
        attempt.index,
        json.dumps(attempt.learners),
        json.dumps(attempt.log_files),
        attempt.submitted_at.isoformat(),
        json.dumps(attempt.nodes),
        int(attempt.dropped),
    )


def parse_row(row: Sequence[Any]) -> Attempt:
    """Return the attempt that was written down.

    Raises
    ------
    ValueError, TypeError, LookupError
        The row is damaged.

    """
    return Attempt(
        attempt=row[0],
        job_id=row[1],
        job_name=row[2],
        index=row[3],
        learners=tuple(json.loads(row[4])),
        log_files=tuple(json.loads(row[5])),
        submitted_at=datetime.fromisoformat(row[6]),
        nodes=tuple(json.loads(row[7])),
        dropped=bool(row[8]),
    )
