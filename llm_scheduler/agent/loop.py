"""`AgentLoop`: the thread and event loop on which the agent runs.

A notebook's own loop stands still while a cell is busy; this one does not. The model's
client and the database of conversations belong to it and are used from nowhere else.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from llm_scheduler.errors import UsageError

T = TypeVar("T")
log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0

_open_loops: weakref.WeakSet[AgentLoop] = weakref.WeakSet()


class AgentLoop:
    """One daemon thread with one event loop; both start with the first use."""

    def __init__(self, name: str = "llm-scheduler-agent") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._is_closed = False
        self._at_close: list[Callable[[], Awaitable[None]]] = []

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def at_close(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Await this on the loop when it closes, the latest first."""
        self._at_close.append(callback)

    def submit(self, coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; may be called from any thread.

        Raises
        ------
        UsageError
            The loop was closed, or this process is a fork of the one that has it.

        """
        try:
            loop = self._ensure_started()
        except BaseException:
            coro.close()  # else Python warns that it was never awaited
            raise
        return asyncio.run_coroutine_threadsafe(coro, loop)

    async def call(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and await it from any other loop.

        When the caller is cancelled, so is the coroutine.
        """
        if self.is_current:
            return await coro
        return await asyncio.wrap_future(self.submit(coro))

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Call back on the loop soon; does nothing when the loop is closed."""
        loop = self._loop
        if loop is None or self._pid != os.getpid():
            return
        with contextlib.suppress(RuntimeError):  # closed in between
            loop.call_soon_threadsafe(callback, *arguments)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Cancel what runs and end the thread, waiting no longer than `timeout_s`.

        Tools that block in a thread of their own are not waited for.
        """
        _open_loops.discard(self)
        if self._pid != os.getpid():  # the lock may have been held when we were forked
            return
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout_s)

    def _ensure_started(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            # Threads do not survive a fork, and SQLite connections must not cross one.
            raise UsageError("The agent belongs to the parent process; make a new one here.")
        with self._lock:
            if self._is_closed:
                raise UsageError("The agent is closed; make a new one.")
            if self._loop is None:
                started = threading.Event()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._loop, started), name=self.name, daemon=True
                )
                self._thread.start()
                started.wait()
                _open_loops.add(self)
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(started.set)
        try:
            loop.run_forever()
            loop.run_until_complete(self._finish())
        finally:
            loop.close()

    async def _finish(self) -> None:
        """Cancel the tasks, then close what they used."""
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S / 2)
        for callback in reversed(self._at_close):
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S / 4):
                    await callback()
            except Exception:
                log.exception("the agent's loop could not be closed cleanly")
        await asyncio.get_running_loop().shutdown_asyncgens()


@atexit.register
def _close_open_loops() -> None:
    for loop in list(_open_loops):
        loop.close(timeout_s=2.0)
