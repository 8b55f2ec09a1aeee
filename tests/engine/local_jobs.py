"""Programs that run as local jobs in tests, and ways to look at them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from llm_scheduler.engine.local_runner import LocalRunner

MB = 1024**2
LONG_S = 240.0
IGNORE_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


SLEEP = python("import time; print('up', flush=True); time.sleep(1000)")


def until(condition: Callable[[], object], what: str = "condition") -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came true"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def has_text(path: Path, text: str = "\n") -> bool:
    return path.exists() and text in path.read_text()


def processes_of(runner: LocalRunner, job_id: str) -> dict[str, int]:
    """Pids by role, once the job has been started."""

    def read() -> dict[str, list[int]]:
        return (runner.store.read(job_id) or {}).get("processes", {})

    until(read, "the start of the job")
    return {role: pid for role, (pid, _) in read().items()}


DAEMON = (
    "import os, sys, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        os.environ.clear(); print(os.getpid(), flush=True); time.sleep(1000)\n"
    "    os._exit(0)\n"
    "os.wait()\n"
)
"""Leaves a process in a session of its own, without an environment, and prints its pid."""
