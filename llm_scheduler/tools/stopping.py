"""When a tool's work has to end: its turn was cancelled, or it takes too long.

Tools run in threads, which nobody can end from outside, so their loops ask.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar

from llm_scheduler.errors import ToolError

_stop: ContextVar[threading.Event | None] = ContextVar("_stop", default=None)
"""Set for the thread of a call, which may be cancelled."""


class Stopped(ToolError):
    """The call was cancelled; nobody reads its answer."""


def check_stop() -> None:
    """Raise `Stopped` in a call that was cancelled; quick enough for every turn of a loop."""
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise Stopped("The call was cancelled.")


async def run_stoppable(func: Callable[..., str], **arguments: object) -> str:
    """Run a tool in a thread; when this is cancelled, its loops end soon."""
    stop = threading.Event()
    token = _stop.set(stop)  # the thread gets a copy of this context
    try:
        return await asyncio.to_thread(func, **arguments)
    except asyncio.CancelledError:
        stop.set()
        raise
    finally:
        _stop.reset(token)
