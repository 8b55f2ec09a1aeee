"""Ctrl-C that is held back while stopping at once would leave something behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self


class Interrupts:
    """Ctrl-C, SIGTERM and a closed terminal; all three end a command in the same way.

    Outside of `hold` each raises `KeyboardInterrupt` at once, as usual. Inside it only
    `check` raises, so that no job is half started, no coroutine is half awaited, and
    an impatient second Ctrl-C does not keep the first one from cleaning up.
    """

    def __init__(self) -> None:
        self._arrived = self._held = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # only there signals can be handled
        usual = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
            signal.SIGHUP: signal.SIG_DFL,
        }
        for number, handler in usual.items():
            # nohup, or a program around this one, may want it otherwise.
            if signal.getsignal(number) is handler:
                self._before[number] = signal.signal(number, self._arrive)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raise only in `check` until the block ends."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def check(self) -> None:
        """Raise `KeyboardInterrupt` where one has arrived."""
        if self._arrived:
            raise KeyboardInterrupt

    def _arrive(self, *_args: object) -> None:
        self._arrived = True
        if not self._held:
            raise KeyboardInterrupt
