"""What a small log may hold, told in one pass over its bytes."""

from __future__ import annotations

from collections.abc import Sequence

from llm_scheduler.logs.foreign_tracebacks import HINTS
from llm_scheduler.logs.pattern_set import PatternSet
from llm_scheduler.logs.secret_marks import PRECISE

# One pass for both: over a log of 2 kB each takes some microseconds. RE2 has memory for
# thousands of states here; it starts over when they are used up, and never gives up.
_ALL = PatternSet((PRECISE, *HINTS), is_exact=True)
_SECRET = 0


def look_over(data: bytes) -> Sequence[int] | None:
    """Return the places in `HINTS` of what may be failures.

    ``None`` where there may be secrets or characters that do not show.
    """
    found = _ALL.find_raw(data)
    if _SECRET in found:
        return None
    return [place - 1 for place in found] if found else found
