"""Logs of a successful job of the same run: what stands there too explains no failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.causes import Role
from llm_scheduler.logs import is_known

_WEAKER: dict[Role, Role] = {"cause": "hint", "hint": "harmless", "symptom": "harmless"}
"""A verdict keeps its role: the scheduler says how this job ended, not the other one."""


def demote_known(candidates: Sequence[Candidate], known: frozenset[str]) -> list[Candidate]:
    """Return the candidates, those whose line a successful job wrote too with a weaker role.

    Parameters
    ----------
    candidates
        What the logs and the record of the failed job suggest.
    known
        The lines of the successful job, from `llm_scheduler.logs.known_lines`.
    """
    if not known:
        return list(candidates)
    weighed = []
    for found in candidates:
        if found.role not in _WEAKER or found.from_record or not is_known(found.text, known):
            weighed.append(found)
            continue
        role = _WEAKER[found.role]
        if role != "harmless":
            weighed.append(replace(found, role=role, known=True))
    return weighed
