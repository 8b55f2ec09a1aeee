"""Figures of the benchmarks, each printed beside its limit."""

from __future__ import annotations

import operator
from typing import Literal

Relation = Literal["<", "<=", ">="]
_HOLDS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


def report(
    name: str,
    value: float,
    limit: float,
    unit: str = "",
    *,
    relation: Relation = "<=",
    digits: int = 2,
) -> bool:
    """Print a figure beside its limit; tell whether the limit holds.

    Parameters
    ----------
    name
        What was measured.
    value, limit
        The figure, and what it must not pass; both in `unit`.
    unit
        For example ``"ms"``.
    relation
        What the figure has to be to the limit.
    digits
        Digits of the figure behind the point.

    """
    is_reached = _HOLDS[relation](value, limit)
    ratio = f"; ratio {value / limit:.2f}" if limit else ""
    print(
        f"{name:<58} {value:8.{digits}f} {unit:<6} ({relation} {limit:g}{ratio}) "
        f"{'ok' if is_reached else 'NOT REACHED'}"
    )
    return bool(is_reached)
