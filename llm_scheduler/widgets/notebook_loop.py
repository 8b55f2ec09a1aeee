"""`NotebookLoop`: what must happen on the notebook's own event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

PATIENCE_S = 3.0
"""How long the notebook's loop may take before it counts as busy."""


class NotebookLoop:
    """Does things on the loop on which the run lives.

    Parameters
    ----------
    loop
        That loop; ``None`` in a script.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop

    async def run(self, work: Callable[[], Any]) -> bool:
        """Do something there, from another loop; says whether it is done already.

        Where a cell is busy it is done when that ends.
        """
        loop = self._loop
        if loop is None or not loop.is_running():
            await asyncio.to_thread(work)
            return True
        future: concurrent.futures.Future[None] = concurrent.futures.Future()

        def run() -> None:
            try:
                work()
            except Exception as exc:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(exc)
            else:
                future.set_result(None)

        loop.call_soon_threadsafe(run)
        waited = asyncio.shield(asyncio.wrap_future(future))
        try:
            await asyncio.wait_for(waited, PATIENCE_S)
        except TimeoutError:
            return False
        return True
