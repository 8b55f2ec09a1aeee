"""A program in a terminal: what it shows is read, and keys are typed into it."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07")
_LIMIT_S = 120.0


class Terminal:
    """Runs a program with a terminal of its own.

    Parameters
    ----------
    argv
        The program.
    env
        All of its environment.
    folder
        Where it runs.

    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], folder: Path) -> None:
        self.raw = ""
        """Everything that was shown, with escape sequences."""
        self._read_to = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._own, other_end = pty.openpty()
        fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=folder,
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
            # So that Ctrl-C becomes a signal, as in every terminal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)

    @property
    def shown(self) -> str:
        """What was shown, without escape sequences."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def wait_for(self, words: str) -> None:
        """Read until these words are shown after the last ones that were waited for."""
        while words not in self.shown[self._read_to :]:
            if not self._read():
                raise AssertionError(f"{words!r} was never shown:\n{self.shown[self._read_to :]}")
        self._read_to = self.shown.index(words, self._read_to) + len(words)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._own, keys.encode())

    def wait(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            pass
        return self.process.wait(_LIMIT_S)

    def _read(self) -> bool:
        if not select.select([self._own], [], [], _LIMIT_S)[0]:
            raise AssertionError(f"Nothing more was shown:\n{self.shown}")
        try:
            chunk = os.read(self._own, 65536)
        except OSError:  # the program has ended
            return False
        self.raw += self._decoder.decode(chunk)
        return bool(chunk)
