"""Programs are bounded in time and output, and leave nothing behind."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_scheduler.engine import commands
from llm_scheduler.engine.commands import run_command
from llm_scheduler.errors import CommandMissing, CommandTimedOut

LIMIT_S = 240.0


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":  # killed; nobody collects orphans in some containers
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


def test_output_and_exit_code() -> None:
    done = run_command(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert done.first_error == "err"


def test_no_shell_sees_the_arguments() -> None:
    assert run_command(["echo", "$HOME; `id`"]).stdout == "$HOME; `id`\n"


def test_input_is_passed_and_empty_otherwise() -> None:
    text = "x" * 1_000_000
    assert run_command(["cat"], input=text).stdout == text
    assert run_command(["cat"]).stdout == ""


def test_locale_is_c_and_variables_can_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    done = run_command(
        ["sh", "-c", 'echo "$LC_ALL ${SQUEUE_FORMAT-unset} $MORE"'],
        env={"SQUEUE_FORMAT": None, "MORE": "1"},
    )
    assert done.stdout == "C unset 1\n"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert run_command(["printf", r"a\377b"]).stdout == "a\ufffdb"


def test_output_is_bounded() -> None:
    program = "import sys; sys.stdout.write('x' * 5_000_000)"
    done = run_command([sys.executable, "-c", program], max_output_bytes=1_000_000)
    assert done.truncated
    assert 1_000_000 <= len(done.stdout) < 1_100_000
    assert done.returncode == 0


def test_missing_program() -> None:
    with pytest.raises(CommandMissing, match="no-such-program") as caught:
        run_command(["no-such-program", "-x"])
    assert caught.value.argv == ("no-such-program", "-x")


def test_program_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(CommandMissing, match="Permission denied"):
        run_command([str(path)])


def test_a_program_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pids"
    script = f'sleep 1000 & echo word >&2; echo "$$ $!" > {note}.part; mv {note}.part {note}; wait'
    looks = iter([0.0] * 3)

    def monotonic() -> float:
        """Stand still until the program is under way, and two looks at its output longer."""
        return next(looks, 1000.0) if note.exists() else 0.0

    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=monotonic))
    with pytest.raises(CommandTimedOut, match=r"within 3 s") as caught:
        run_command(["sh", "-c", script], timeout_s=3)
    assert caught.value.stderr == "word\n"
    for pid in note.read_text().split():
        wait_until_gone(int(pid))


def test_a_child_that_keeps_the_pipe_does_not_block(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {note}; echo done"
    try:
        done = run_command(["sh", "-c", script], timeout_s=LIMIT_S)
        assert (done.stdout, done.returncode) == ("done\n", 0)
    finally:
        os.kill(int(note.read_text()), 9)


class LateSelector(selectors.DefaultSelector):
    """The first look finds nothing, and before anything else the program writes and ends."""

    looks = 0
    go: Path
    pid: Path

    def select(self, timeout: float | None = None) -> list:
        self.looks += 1
        if self.looks > 1:
            return super().select(timeout)
        self.go.touch()
        wait_until_gone(int(self.pid.read_text()))
        return []


def test_what_is_written_right_before_the_end_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LateSelector.go, LateSelector.pid = tmp_path / "go", tmp_path / "pid"
    popen = subprocess.Popen

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        process = popen(*args, **kwargs)
        LateSelector.pid.write_text(str(process.pid))
        return process

    monkeypatch.setattr(commands.subprocess, "Popen", start)
    monkeypatch.setattr(commands.selectors, "DefaultSelector", LateSelector)
    script = f"until [ -e {LateSelector.go} ]; do sleep 0.01; done; echo done"
    assert run_command(["sh", "-c", script], timeout_s=LIMIT_S).stdout == "done\n"


def test_many_threads_at_once() -> None:
    found: list[str] = []

    def call(number: int) -> None:
        found.append(run_command(["echo", str(number)]).stdout.strip())

    threads = [threading.Thread(target=call, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert sorted(map(int, found)) == list(range(20))
