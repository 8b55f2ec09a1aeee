"""Exit codes that a log tells: those of a signal or of the shell get its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.signals import explain_code, signal_in_code

_BARE = frozenset({"step-failed", "mpi-rank-exited", "exit-code-printed"})
"""Causes that know nothing but a code."""
_FROM_OUTSIDE = frozenset({1, 2, 9, 15})
"""Signals that launchers send to all other tasks when one has failed."""
_LAST_SIGNAL = 31
"""Signals above have no meaning of their own; Slurm's 53 stands in records only."""
_MAX_DIGITS = 4
_SURE = 0.7
"""Programs choose their exit codes freely: 132 alone need not be a signal."""


def explain_told_codes(candidates: Sequence[Candidate], catalog: Catalog) -> list[Candidate]:
    """Return the candidates; bare exit codes with the cause that a record's would have."""
    told = {code for code in map(_code_of, candidates) if code}
    return [_explained(candidate, catalog, told) for candidate in candidates]


def _code_of(candidate: Candidate) -> int:
    """Return the code of a line that tells nothing else, 0 for other lines."""
    code = candidate.values.get("code", "")
    is_code = code.isascii() and code.isdecimal() and len(code) <= _MAX_DIGITS
    return int(code) if is_code and candidate.cause.id in _BARE else 0


def _explained(candidate: Candidate, catalog: Catalog, told: set[int]) -> Candidate:
    code = _code_of(candidate)
    if not code or (len(told) > 1 and signal_in_code(code) in _FROM_OUTSIDE):
        return candidate
    means = _cause_of(code, catalog)
    if means is None:
        return candidate
    # Its rank stays that of a code: any words of a program tell more.
    update = {
        "priority": candidate.cause.priority,
        "confidence": min(means.confidence, _SURE),
        "beats": (),
    }
    return replace(
        candidate,
        cause=means.model_copy(update=update),
        values={**candidate.values, "told_code": explain_code(code)},
    )


def _cause_of(code: int, catalog: Catalog) -> Cause | None:
    """Return the strongest cause that a record with this code would have."""
    signal = signal_in_code(code)
    found = [
        cause
        for cause in catalog
        if cause.record is not None
        and cause.category != "unknown"
        and (
            code in cause.record.exit_codes
            or (signal is not None and signal <= _LAST_SIGNAL and signal in cause.record.signals)
        )
    ]
    return max(found, key=lambda cause: cause.priority, default=None)
