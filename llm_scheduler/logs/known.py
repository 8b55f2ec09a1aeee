"""What a successful job of the same run printed too, and so tells less about a failure."""

from __future__ import annotations

from collections.abc import Iterable

from llm_scheduler.logs.models import LogText
from llm_scheduler.logs.normal_form import normalise


def known_lines(texts: Iterable[LogText]) -> frozenset[str]:
    """Return the lines of logs in the form in which `is_known` compares them.

    Parameters
    ----------
    texts
        Scanned logs of a job that succeeded.
    """
    plain = {line.text for text in texts for line in text.lines}
    return frozenset(filter(None, map(normalise, plain)))


def is_known(line: str, known: frozenset[str]) -> bool:
    """Tell whether a line occurs there too, with whatever numbers, times, nodes and paths."""
    return bool(known) and normalise(line) in known
