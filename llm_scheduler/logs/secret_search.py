"""All searches for secrets in one line together; takes time to import, so done when needed."""

from __future__ import annotations

from collections.abc import Iterator

from llm_scheduler.logs import key_blocks, secret_held, secret_names, secret_places, secret_tokens
from llm_scheduler.logs.secret_tokens import Span


def find_in_line(text: str, *, cut_end: bool) -> Iterator[Span]:
    """Find secrets in a line, in any order; they may overlap."""
    yield from key_blocks.find_inline(text)
    yield from secret_tokens.find_tokens(text, cut_end=cut_end)
    yield from secret_names.find_named(text)
    yield from secret_held.find_held(text)
    yield from secret_places.find_placed(text)
