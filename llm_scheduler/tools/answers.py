"""Answers of tools: without secrets, without what does not show, and never too long."""

from __future__ import annotations

from llm_scheduler.logs.redaction import redact
from llm_scheduler.tools.hidden_keys import hide_keys
from llm_scheduler.tools.visible import show_text


def make_answer(text: str, max_chars: int, *, more: str = "") -> str:
    """Return a text that may go to the model.

    Parameters
    ----------
    text
        The answer; may hold anything.
    max_chars
        Its size, mark included.
    more
        How to get what is cut off, for example ``ask for page=2``.
    """
    # Before anything is cut: a part of a secret is not known as one.
    return cut_answer(clean_answer(text), max_chars, more=more)


def clean_answer(text: str) -> str:
    """Return a text without secrets and without what does not show, with all its lines."""
    return show_text(redact(hide_keys(text)))


def cut_answer(text: str, max_chars: int, *, more: str = "") -> str:
    """Cut a text that is clean already, between lines where that loses little."""
    if len(text) <= max_chars:
        return text
    mark = f"\n[cut: {{}} of {len(text):,} characters shown{'; ' if more else ''}{more}]"
    room = max(0, max_chars - len(mark) - 10)
    end = text.rfind("\n", room - room // 4, room)
    end = room if end < 0 else end
    return (text[:end] + mark.format(f"{end:,}"))[:max_chars]
