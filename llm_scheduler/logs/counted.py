"""Whether what is counted in the lines kept of a log holds for all of the log."""

from __future__ import annotations

from collections import Counter

from llm_scheduler.logs.groups import MAX_KEPT
from llm_scheduler.logs.models import LogText
from llm_scheduler.logs.noise import MAX_REPEATS, make_shape
from llm_scheduler.logs.tracebacks import MAX_TRACEBACKS

_SHAPE_CHARS = 80
_MANY_FOLDED = 200
"""Lines of tracebacks; of more that stand together some in the middle may be missing."""


def is_counted(text: LogText, n_folded: int) -> bool:
    """Whether no line of a log that may tell something was left out, repeats among them.

    Left out are lines of which others, digits aside, came often already; lines of
    a log that has very many of them; and the middle of endless tracebacks.

    Parameters
    ----------
    text
        The log.
    n_folded
        How many of its lines belong to tracebacks.
    """
    if not text.complete or len(text.tracebacks) >= MAX_TRACEBACKS:
        return False
    if text.n_lines == len(text.lines):
        return True
    if text.alarms is None or n_folded >= _MANY_FOLDED or len(text.lines) >= MAX_KEPT:
        return False
    if len(text.alarms) < MAX_REPEATS:
        return True
    said = [line.text[:_SHAPE_CHARS] for line in text.lines if line.number in text.alarms]
    shapes = Counter(make_shape("\n".join(said).encode(errors="replace")).split(b"\n"))
    return max(shapes.values(), default=0) < MAX_REPEATS
