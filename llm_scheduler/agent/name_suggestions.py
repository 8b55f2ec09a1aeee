"""The name that Python would suggest for one that is not defined.

Python up to 3.11 suggests nothing in the worker processes in which most functions of
learners run; newer versions do. This is their measure (``_compute_suggestion_error`` in
CPython's ``traceback.py``), and it is stricter: of two names that are as near, none is
taken.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMES = 750
MAX_LENGTH = 40
_MOVE_COST = 2
_CASE_COST = 1
_MIN_LENGTH = 3
"""Of shorter words too many others are near."""


def suggest_name(word: str, names: Iterable[str]) -> str:
    """Return the one name that is nearest to a misspelt one; "" when none or several are."""
    candidates = sorted(set(names) - {word})
    if not _MIN_LENGTH <= len(word) <= MAX_LENGTH or len(candidates) > MAX_NAMES:
        return ""
    best: list[str] = []
    least = 0
    for name in candidates:
        if len(name) > MAX_LENGTH:
            continue
        limit = (len(name) + len(word) + 3) * _MOVE_COST // 6
        cost = distance(word, name)
        if cost > limit or (best and cost > least):
            continue
        best = [*best, name] if best and cost == least else [name]
        least = cost
    return best[0] if len(best) == 1 else ""


def is_nearest(word: str, hint: str, names: Iterable[str]) -> bool:
    """Tell whether no other of the names that a line can use is nearer than a suggested one."""
    others = set(names) - {word}
    if hint not in others or max(len(word), len(hint)) > MAX_LENGTH:
        return False
    return distance(word, hint) <= min(
        distance(word, name) for name in others if len(name) <= MAX_LENGTH
    )


def distance(a: str, b: str) -> int:
    """Return the cost of turning one word into the other."""
    row = [i * _MOVE_COST for i in range(len(b) + 1)]
    for i, left in enumerate(a, start=1):
        above = row
        row = [i * _MOVE_COST]
        for j, right in enumerate(b, start=1):
            change = above[j - 1] + _change_cost(left, right)
            row.append(min(change, above[j] + _MOVE_COST, row[j - 1] + _MOVE_COST))
    return row[-1]


def _change_cost(a: str, b: str) -> int:
    if a == b:
        return 0
    return _CASE_COST if a.lower() == b.lower() else _MOVE_COST
