"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "missing", "error"]
"""``missing`` is an optional part that is not there; ``error`` keeps the package from working."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found about one part."""

    name: str
    status: Status
    detail: str
    """What was found, in a phrase."""
    advice: str = ""
    """What to do, in a sentence; empty when there is nothing to do."""
