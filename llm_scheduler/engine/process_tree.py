"""Processes on Linux: descendants, memory, identity, and what a dying one leaves.

Only the standard library: the supervisor of a local job runs this file without any
installed package.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TAG_VARIABLE = "LLM_SCHEDULER_LOCAL_JOB"
"""Environment variable by which every process of a job can be recognised."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_STAT_PPID = 1
_STAT_STARTTIME = 19
_SPACE = {"RssAnon": "anon", "RssShmem": "shmem", "VmRSS": "rss"}


def prctl(option: int, value: int) -> None:
    """Call Linux's ``prctl`` with one argument."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read_stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/PID/stat`` from the state on, or ``None`` without the process."""
    try:
        data = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command name is in brackets and may itself hold blanks and brackets.
    return data.rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; with the pid it is its identity."""
    fields = read_stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return int(fields[_STAT_STARTTIME])


def is_same_process(pid: int | None, ticks: int | None) -> bool:
    """Whether the process that had this pid and start time still runs."""
    return pid is not None and ticks is not None and start_ticks(pid) == ticks


def descendants(root: int) -> list[int]:
    """All processes below `root`, without `root` itself."""
    if not (PROC / f"{root}/task/{root}/children").exists():
        return _descendants_by_scan(root)
    found: list[int] = []
    todo = [root]
    while todo:
        children = list(_children(todo.pop()))
        found += children
        todo += children
    return found


def _children(pid: int) -> Iterator[int]:
    # A child belongs to the thread that forked it.
    with suppress(OSError):
        for task in os.scandir(f"/proc/{pid}/task"):
            with suppress(OSError):
                text = (Path(task.path) / "children").read_text()
                yield from map(int, text.split())


def _descendants_by_scan(root: int) -> list[int]:
    # Kernels without CONFIG_PROC_CHILDREN.
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        fields = read_stat(pid)
        if fields is not None:
            children.setdefault(int(fields[_STAT_PPID]), []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def all_pids() -> list[int]:
    """All process ids that ``/proc`` shows."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208 - names only


def resident_bytes(pids: list[int]) -> int:
    """Upper bound of the processes' own memory: pages shared by forks count repeatedly."""
    return sum(_resident(pid) for pid in pids)


def _resident(pid: int) -> int:
    sizes: dict[str, int] = {}
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:  # noqa: PTH123 - hot path
            for line in file:
                key, _, value = line.partition(":")
                if key in _SPACE:
                    sizes[_SPACE[key]] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    if "anon" in sizes:
        return sizes["anon"] + sizes.get("shmem", 0)
    return sizes.get("rss", 0)


def proportional_bytes(pids: list[int]) -> int:
    """Own memory of the processes, a shared page counted once (slow: walks page tables)."""
    return sum(_proportional(pid) for pid in pids)


def _proportional(pid: int) -> int:
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup", errors="replace") as file:  # noqa: PTH123 - hot path
            for line in file:
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        # An old kernel or a process of another user: the upper bound must do.
        return _resident(pid)
    return total or _resident(pid)


def pids_with_tag(tag: str) -> list[int]:
    """Return the processes whose environment held the tag of a job when they started."""
    wanted = f"{TAG_VARIABLE}={tag}".encode()
    found = []
    for pid in all_pids():
        with suppress(OSError):
            if wanted in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def send_signal(pid: int, number: int) -> None:
    """Send a signal; a process that is gone or not ours is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_all(pids: list[int]) -> None:
    """Send SIGKILL to each of `pids`."""
    for pid in pids:
        send_signal(pid, signal.SIGKILL)
