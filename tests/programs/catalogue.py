"""All programs together, and which of them run where."""

from __future__ import annotations

from tests.programs import (
    crashes,
    files,
    memory,
    mpi,
    network,
    python_errors,
    scheduler_events,
    shell,
    successes,
)
from tests.programs.case import ProgramCase

CASES: tuple[ProgramCase, ...] = (
    # Those that wait for the scheduler come first: they take longest.
    *scheduler_events.CASES,
    *mpi.CASES,
    *memory.CASES,
    *python_errors.CASES,
    *crashes.CASES,
    *shell.CASES,
    *files.CASES,
    *network.CASES,
    *successes.CASES,
)


def select(place: str, *, refused: bool = False) -> tuple[ProgramCase, ...]:
    """Cases that run at `place`, or that it refuses."""
    return tuple(case for case in CASES if place in case.where and case.refused is refused)
