"""A lock that only one thread of all processes on this machine holds at a time.

The kernel gives it back when the holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_scheduler.errors import StoreError

TIMEOUT_S = 60.0
_SHORTEST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


class FileLock:
    """A lock on a file of a local file system; it can't be taken twice by one thread.

    Parameters
    ----------
    path
        The file; it is made and never removed.
    timeout_s
        How long to wait for another holder.

    """

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._own = threading.Lock()  # so that threads need not poll

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock.

        Raises
        ------
        StoreError
            Somebody else holds it for too long, or the file can't be locked.

        """
        until = time.monotonic() + self._timeout_s
        if not self._own.acquire(timeout=self._timeout_s):
            raise StoreError(self._why_not())
        try:
            descriptor = self._lock(until)
            try:
                yield
            finally:
                # Closing would not do: a child that was forked meanwhile has it open too.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)
        finally:
            self._own.release()

    def _lock(self, until: float) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        pause_s = _SHORTEST_PAUSE_S
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as exc:
            raise StoreError(f"{self._path} can't be opened: {exc.strerror}") from exc
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise StoreError(self._why_not()) from None
                    time.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                except OSError as exc:
                    raise StoreError(f"{self._path} can't be locked: {exc.strerror}") from exc
                else:
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise

    def _why_not(self) -> str:
        return (
            f"Another process is carrying out a change and holds {self._path} for more than "
            f"{self._timeout_s:.0f} s. Try again when it has ended."
        )
