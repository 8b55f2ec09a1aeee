"""Keeps what is asked and answered from servers that the user did not name for it.

LangChain sends every prompt to LangSmith where the environment says so
(``LANGSMITH_TRACING``, ``LANGCHAIN_TRACING_V2``), as that of a notebook may for other work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langsmith import tracing_context


@contextmanager
def untraced() -> Iterator[None]:
    """Switch LangSmith off in the block, and in all tasks and threads begun there."""
    with tracing_context(enabled=False, parent=False):
        yield
