"""What a person types: lines with a history, single keys, and a text in their editor."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from llm_scheduler.errors import UsageError

_MAX_HISTORY = 1000
_MAX_EDIT_BYTES = 10_000_000


class Input(Protocol):
    """Where lines and keys come from."""

    has_keys: bool
    """Whether single keys can be read."""

    def read_line(self, prompt: str, /) -> str | None:
        """Return a line; ``None`` at the end of the input."""
        ...

    def read_key(self, prompt: str, keys: str, /) -> str:
        """Wait for one of these keys; the empty string for none."""
        ...


class PipeInput:
    """Lines of a file or a pipe."""

    has_keys = False

    def read_line(self, _prompt: str) -> str | None:
        """Return a line; ``None`` at the end of the input."""
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.rstrip("\r\n") if line else None

    def read_key(self, _prompt: str, _keys: str) -> str:
        """Return nothing: there are no keys."""
        return ""


class TerminalInput:
    """Lines with editing and a history that only the user can read, and keys.

    Parameters
    ----------
    history_file
        Where the lines are kept.
    completions
        Words that the tabulator key completes.

    """

    has_keys = True

    def __init__(self, history_file: Path, completions: Sequence[str] = ()) -> None:
        self._file = history_file
        self._completions = completions
        self._readline: Any = None
        with suppress(ImportError):  # Python can be built without
            import readline

            self._readline = readline
            self._set_up()

    def read_line(self, prompt: str) -> str | None:
        """Return a line; a backslash at its end joins the next one to it."""
        lines: list[str] = []
        while True:
            try:
                line = input(prompt)
            except EOFError:
                return None
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])
            prompt = "  "

    def read_key(self, prompt: str, keys: str) -> str:
        """Wait for one of these keys; the empty string for Escape, Enter and Ctrl-D."""
        import termios
        import tty

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        try:
            # What was typed before the question was shown can't be meant for it.
            tty.setcbreak(number, termios.TCSAFLUSH)
            sys.stdout.write(prompt)
            sys.stdout.flush()
            while True:
                typed = os.read(number, 64)
                if typed in (b"", b"\x1b", b"\n", b"\r", b"\x04"):
                    return ""
                # More than one at once was pasted.
                key = typed.decode(errors="replace").lower() if len(typed) == 1 else ""
                if key and key in keys:
                    return key
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)
            sys.stdout.write("\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Keep the history."""
        if self._readline is not None:
            with suppress(OSError):
                self._readline.set_history_length(_MAX_HISTORY)
                self._readline.write_history_file(str(self._file))

    def _set_up(self) -> None:
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Before anything is in it, so that nobody else ever reads it.
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._file.chmod(0o600)
            self._readline.read_history_file(str(self._file))
        self._readline.set_completer_delims(" ")
        self._readline.set_completer(self._complete)
        self._readline.parse_and_bind("tab: complete")
        # Alt-U: the line is replaced by the command and sent.
        self._readline.parse_and_bind(r'"\eu": "\C-a\C-k/undo\C-m"')

    def _complete(self, text: str, state: int) -> str | None:
        found = [word for word in self._completions if text and word.startswith(text)]
        return found[state] if state < len(found) else None


def edit_text(
    text: str, *, suffix: str = "", run: Callable[[Sequence[str]], int] | None = None
) -> str:
    """Let the user change a text in their editor and return it.

    Parameters
    ----------
    text
        What they see first.
    suffix
        Of the file's name, by which editors choose their colours.
    run
        Starts the editor; for tests.

    Raises
    ------
    UsageError
        The editor can't be started, failed, or left no text.

    """
    # Which editor is the terminal's affair, as in every other program, and no setting.
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    safe = suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", suffix) else ".txt"
    with tempfile.TemporaryDirectory(prefix="llm-scheduler-") as folder:  # only for the user
        file = Path(folder, f"proposed{safe}")
        file.write_bytes(text.encode())
        try:
            status = (run or _run)([*shlex.split(editor), str(file)])
            if file.stat().st_size > _MAX_EDIT_BYTES:
                raise UsageError("The edited text is too long.")
            edited = file.read_bytes().decode()
        except (OSError, ValueError) as exc:
            if isinstance(exc, UsageError):
                raise
            raise UsageError(f"The editor {editor!r} can't be used: {exc}. Set EDITOR.") from exc
    if status:
        raise UsageError(f"The editor {editor!r} ended with status {status}; nothing is changed.")
    # Most editors end the last line, which would be one line more in the file.
    return edited if text.endswith("\n") else edited.removesuffix("\n")


def is_terminal() -> bool:
    """Whether a person types and sees what is written."""
    try:
        return bool(sys.stdin and sys.stdin.isatty() and sys.stdout.isatty())
    except ValueError:  # closed
        return False


def _run(argv: Sequence[str]) -> int:
    return subprocess.run(argv, check=False).returncode
