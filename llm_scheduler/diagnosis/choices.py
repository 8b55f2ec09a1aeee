"""The decision between all that logs and record suggest."""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_scheduler.diagnosis.candidates import Candidate


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision: a candidate, ``None`` for success or for nothing known."""

    candidate: Candidate | None
    success: bool = False
    survived: bool = False
    """Whether the program went on after the candidate."""
    over: Candidate | None = None
    """The scheduler's verdict that the candidate was preferred to."""
    rival: Candidate | None = None
    """Another error after which nothing went on."""
    others: tuple[Candidate, ...] = field(default=())
    """Candidates that support it, best first."""
    silence: str = ""
    """Why logs without an error are no success here; empty where they may be."""
    confidence: float = 0.0
    doubts: tuple[str, ...] = ()
