"""The consoles of a command, and the line that says that it is moving."""

from __future__ import annotations

import codecs
import io
import os
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

_QUIET_S = 1.0
"""What takes no longer needs no sign that it is moving."""
_TICK_S = 0.25
_PLAIN_INTERVAL_S = 5.0


def make_console(file: IO[str] | None = None) -> Console:
    """Make a console for results that never takes text for markup."""
    from rich.console import Console

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the program here; `main` does, with the right status.
            raise BrokenPipeError

    return QuietConsole(file=file, markup=False, highlight=False, emoji=False, soft_wrap=False)


_PLAIN_SIGNS = {
    "✓": "v",
    "✗": "x",
    "▸": ">",
    "·": "-",
    "│": "|",
    "─": "-",
    "…": "~",
    "━": "=",
    "›": ">",
}


def _plain_sign(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    chars = error.object[error.start : error.end]
    return "".join(_PLAIN_SIGNS.get(char) or ascii(char)[1:-1] for char in chars), error.end


codecs.register_error("llm_scheduler.plain", _plain_sign)


def make_stream_safe(stream: io.TextIOWrapper) -> None:
    """Let a stream write every text: signs that it lacks are spelt in ASCII."""
    stream.reconfigure(errors="llm_scheduler.plain")


def is_live(stream: IO[str]) -> bool:
    """Tell whether a stream is a terminal on which a line can be overwritten."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}
    except ValueError:  # closed
        return False


class StatusLine:
    """One line on standard error that is rewritten while something takes long.

    Where standard error is no terminal, a new line is printed every few seconds.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = is_live(self._stream)
        self._text = ""
        self._shown = False
        self._started = self._last_plain = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self.clear()

    def update(self, text: str) -> None:
        """Say what is being done now."""
        self._text = text

    def clear(self) -> None:
        """Take the line away, so that a result can be printed."""
        with self._lock:
            if self._shown:
                self._write("\r\x1b[K")
                self._shown = False

    def _tick(self) -> None:
        while not self._stop.wait(_TICK_S):
            now = time.monotonic()
            if not self._text or now - self._started < _QUIET_S:
                continue
            with self._lock:
                self._show(now)

    def _show(self, now: float) -> None:
        text = f"{self._text} ({now - self._started:.0f} s)"
        if self._live:
            self._write(f"\r{text[: _columns() - 1]}\x1b[K")
            self._shown = True
        elif now - self._last_plain >= _PLAIN_INTERVAL_S:
            self._last_plain = now
            self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody listens any more; the work goes on
            self._stop.set()


def _columns() -> int:
    try:
        return max(20, os.get_terminal_size(2).columns)
    except OSError:
        return 80
