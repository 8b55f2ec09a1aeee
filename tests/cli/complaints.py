"""What a program complains of, progress aside."""

from __future__ import annotations

import re

_PROGRESS = re.compile(r"\w+ing \S+, \d+ of \d+ \(\d+ s\)")
"""Written every five seconds where the output is no terminal: on a busy machine only."""


def without_progress(err: str) -> str:
    """Return what a program complained of."""
    return "".join(
        line for line in err.splitlines(keepends=True) if not _PROGRESS.fullmatch(line.strip())
    )
