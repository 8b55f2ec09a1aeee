"""Whether logs hold text that rules can judge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.logs.models import LogText

_CUT = re.compile(r" ?\.\.\. \[\d+ characters cut\] \.\.\. ?")
"""The reader's mark, also where trailing blanks were taken off."""
_UNREADABLE = "\ufffd"
_MIN_UNREADABLE = 8
"""A few broken characters are an accident of an encoding."""
_UNREADABLE_PART = 0.1


def has_text(logs: Sequence[LogText]) -> bool:
    """Tell whether anything that can be read stands in the logs."""
    return any(_visible(line.text) for log in logs for line in log.lines)


def are_binary(logs: Sequence[LogText]) -> bool:
    """Tell whether what the logs hold is data and no text.

    A log of nothing but NULs counts: the reader takes them out, and no line is left.
    """
    filled = [log for log in logs if log.n_bytes]
    return bool(filled) and all(_is_binary(log) for log in filled)


def _is_binary(log: LogText) -> bool:
    texts = [_visible(line.text) for line in log.lines]
    n_chars = sum(map(len, texts))
    if not n_chars:
        # Blank lines have a newline each, and a file of NULs next to none.
        return log.n_bytes > 8 * max(1, log.n_lines)
    n_unreadable = sum(text.count(_UNREADABLE) for text in texts)
    return n_unreadable >= max(_MIN_UNREADABLE, _UNREADABLE_PART * n_chars)


def _visible(text: str) -> str:
    return _CUT.sub("", text).strip() if "[" in text else text.strip()
