"""Processes that use a desk and may be killed in the middle of it.

This program forks one process for each job of a line on its input and answers with how
each ended; it has no threads of its own, so that forking is safe.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from llm_scheduler.errors import LLMSchedulerError
from tests.agent.desk_files import Bench

_CALLS = ("fsync", "link", "mkdir", "replace", "rename", "unlink", "rmdir", "write")


def die() -> None:
    """End this process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(point: str) -> Callable[[str], None]:
    """Return a hook that ends the process at the step of this name."""

    def step(name: str) -> None:
        if name == point:
            die()

    return step


def die_at_call(number: int) -> None:
    """Let the process end before its nth call that changes a file."""
    left = number

    def deadly(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                die()
            return original(*args, **kwargs)

        return call

    for name in _CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def fill_disk_at_step(point: str, max_bytes: int) -> Callable[[str], None]:
    """Return a hook after which no file of this process can grow beyond a size."""

    def step(name: str) -> None:
        if name == point:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, resource.RLIM_INFINITY))

    return step


def work(job: dict[str, Any]) -> Any:
    """Do one job and return its outcome, or what went wrong."""
    try:
        return do(job)
    except LLMSchedulerError as exc:
        return f"{type(exc).__name__}: {exc}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def do(job: dict[str, Any]) -> Any:
    """Do one job and return its outcome."""
    point = job.get("die_at")
    hook = die_at_step(point) if isinstance(point, str) else None
    if "full_at" in job:
        hook = fill_disk_at_step(job["full_at"], job["max_bytes"])
    bench = Bench(Path(job["folder"]), on_step=hook, **job.get("options", {}))
    if isinstance(point, int):
        die_at_call(point)
    match job["do"]:
        case "propose":
            return bench.propose(**job["call"]).status
        case "decide":
            return bench.desk.decide(job["id"], job["decision"], **job.get("how", {})).status
        case "undo":
            return bench.desk.undo(job["id"]).id
        case "decide-many":
            return decide_many(bench, job)
    raise ValueError(job["do"])


def decide_many(bench: Bench, job: dict[str, Any]) -> list[str]:
    """Decide the same from many threads at once."""
    statuses: list[str] = []
    start = threading.Barrier(job["threads"])

    def decide(decision: Any) -> None:
        start.wait(timeout=120)
        statuses.append(bench.desk.decide(job["id"], decision).status)

    choices = job["decisions"]
    threads = [
        threading.Thread(target=decide, args=(choices[number % len(choices)],))
        for number in range(job["threads"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    return statuses


def run(job: dict[str, Any]) -> None:
    """Do one job in this forked process, and end it."""
    status = 1
    try:
        Path(job["out"]).write_text(json.dumps(work(job)))
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Fork until the input ends."""
    for line in sys.stdin:
        pids = []
        for job in json.loads(line):
            pid = os.fork()
            if pid == 0:
                run(job)
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    main()
