"""Runs programs of a scheduler: bounded in time and output, never through a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from llm_scheduler.errors import CommandMissing, CommandTimedOut

MAX_OUTPUT_BYTES = 256 * 1024 * 1024
"""Output beyond this is read and dropped, so that a program can't fill the memory."""

_CHUNK_BYTES = 1 << 16
_LINGER_S = 1.0  # how long to read on when the program ended but a child keeps the pipe open


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """A program that ended by itself."""

    stdout: str
    stderr: str
    returncode: int
    truncated: bool = False
    """Whether output was dropped because there was too much."""

    @property
    def first_error(self) -> str:
        """The first line of what the program complained about."""
        for line in self.stderr.splitlines():
            if line.strip():
                return line.strip()
        return ""


def run_command(
    argv: Sequence[str],
    *,
    timeout_s: float = 30,
    input: str | None = None,  # noqa: A002 - the name that subprocess gave it
    env: Mapping[str, str | None] | None = None,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
) -> CompletedCommand:
    """Run a program and wait for its end.

    Parameters
    ----------
    argv
        The program and its arguments; no shell sees them.
    timeout_s
        After this time the program and all its children are killed.
    input
        Text for its standard input, which is empty otherwise.
    env
        Variables to add to this process's; ``None`` as the value removes one.
    max_output_bytes
        How much of each output stream is kept.

    Raises
    ------
    CommandMissing
        If there is no such program, or it may not be run.
    CommandTimedOut
        If it did not end in time.
    """
    argv = [str(part) for part in argv]
    with _input_file(input) as stdin, _start(argv, stdin, _environment(env)) as process:
        stdout, stderr, truncated = _read(process, argv, timeout_s, max_output_bytes)
    return CompletedCommand(
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        returncode=process.returncode,
        truncated=truncated,
    )


def _environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """Return this process's environment in the C locale, with the changes."""
    # Messages are parsed, so they must be English whatever the user's locale is.
    merged: dict[str, str | None] = {**os.environ, "LC_ALL": "C", **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}


@contextlib.contextmanager
def _input_file(text: str | None) -> Iterator[IO[bytes] | int]:
    """Give the standard input as a file: a pipe could block while output is read."""
    if text is None:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


@contextlib.contextmanager
def _start(
    argv: list[str],
    stdin: IO[bytes] | int,
    env: dict[str, str],
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program as the leader of its own process group."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
        message = f"The program {argv[0]!r} can't be run: {exc.strerror}."
        raise CommandMissing(message, argv=argv) from exc
    try:
        yield process
    except BaseException:
        # Also for KeyboardInterrupt: nothing that was started here stays behind.
        _kill_group(process)
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _read(
    process: subprocess.Popen[bytes],
    argv: list[str],
    timeout_s: float,
    max_bytes: int,
) -> tuple[bytes, bytes, bool]:
    """Read both streams until they end, then collect the exit status."""
    deadline = time.monotonic() + timeout_s
    kept = {process.stdout: bytearray(), process.stderr: bytearray()}
    truncated = False
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                _time_out(argv, timeout_s, kept[process.stderr])
            # Before the look: what is written and ended right after it is still to be read.
            has_ended = process.poll() is not None
            events = selector.select(min(left_s, _LINGER_S))
            if not events and has_ended:
                break  # the program ended; a child of it may hold the pipe for ever
            for key, _ in events:
                pipe = key.fileobj  # type: ignore[assignment] # only pipes are registered
                data = os.read(key.fd, _CHUNK_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                elif len(kept[pipe]) < max_bytes:
                    kept[pipe] += data
                else:
                    truncated = True
    try:
        process.wait(max(deadline - time.monotonic(), 0.05))
    except subprocess.TimeoutExpired:
        _time_out(argv, timeout_s, kept[process.stderr])
    return bytes(kept[process.stdout]), bytes(kept[process.stderr]), truncated


def _time_out(argv: list[str], timeout_s: float, stderr: bytearray) -> None:
    message = f"The program {argv[0]!r} did not answer within {timeout_s:g} s."
    raise CommandTimedOut(message, argv=argv, stderr=stderr.decode("utf-8", "replace"))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program with all that it started, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # A program stuck in a dead network file system ignores even SIGKILL.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
