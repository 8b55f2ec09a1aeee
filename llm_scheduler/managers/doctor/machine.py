"""Checks of the machine: folders, disks, cores and memory."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from llm_scheduler.agent.places import find_network
from llm_scheduler.config import Settings
from llm_scheduler.errors import ConfigError
from llm_scheduler.managers.doctor.check import Check, Status

_GIB = 1024**3
_LOW_BYTES = _GIB
_LOW_FILES = 1000
_LOW_MEMORY_BYTES = _GIB
_NO_LIMIT_BYTES = 1 << 60  # cgroup v1 prints a number near 2**63 for "no limit"


def check_current_folder(name: str) -> Check:
    """Check that runs can write into the current folder."""
    try:
        folder = Path.cwd()
    except OSError:
        return Check(name, "error", "it was deleted", "Change to a folder that exists.")
    problem = _find_write_problem(folder)
    if problem:
        advice = "Change to a folder where you may write: runs keep their files in it."
        return Check(name, "error", f"{folder}: {problem}", advice)
    status, detail, advice = _judge_space(folder)
    return Check(name, status, f"{folder}: writable, {detail}", advice)


def check_state_folder(name: str) -> Check:
    """Check that the state folder can hold a database, and lies on a local disk."""
    try:
        folder = Settings.load().state_dir
    except ConfigError:
        return Check(name, "warning", "unknown, as the settings can't be read", "See settings.")
    advice = "Set LLM_SCHEDULER_STATE_DIR to a folder on a local disk where you may write."
    place = _nearest_place(folder)
    if not os.path.isdir(place):  # noqa: PTH112 - Path.is_dir raises for links it may not follow
        through = "" if place == folder else f"{folder}: "
        return Check(name, "error", f"{through}{place} is not a folder", advice)
    kind = find_network(folder)
    if kind:
        advice = "Set LLM_SCHEDULER_STATE_DIR to a folder on a local disk: a database can be lost."
        return Check(name, "warning", f"{folder} lies on {kind}, a network file system", advice)
    problem = _find_write_problem(place) or _find_database_problem(place)
    if problem:
        return Check(name, "error", f"{folder}: {problem}", advice)
    if not folder.is_absolute():
        detail = f"{folder} depends on the current folder, so each folder has its own"
        return Check(name, "warning", detail, "Set LLM_SCHEDULER_STATE_DIR to a full path.")
    status, detail, advice = _judge_space(place)
    made = "" if folder.is_dir() else " (made when needed)"
    return Check(name, status, f"{folder}{made}: local and writable, {detail}", advice)


def check_resources(name: str) -> Check:
    """Check how many cores and how much memory jobs on this machine may use."""
    cores = count_cores()
    memory = find_memory()
    if memory is None:
        return Check(name, "ok", f"{cores} cores")
    detail = f"{cores} {'core' if cores == 1 else 'cores'}, {memory / _GIB:.1f} GiB of memory"
    if memory < _LOW_MEMORY_BYTES:
        return Check(name, "warning", detail, "Local runs may be killed for want of memory.")
    return Check(name, "ok", detail)


def count_cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores that this process may use, with the limits of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = allowed or os.cpu_count() or 1
    quota, period = _read_numbers(root / "cpu.max") or (None, None)
    if quota is None:
        quota = next(iter(_read_numbers(root / "cpu" / "cpu.cfs_quota_us")), None)
        period = next(iter(_read_numbers(root / "cpu" / "cpu.cfs_period_us")), None)
    if quota and period and quota > 0:
        cores = min(cores, max(1, round(quota / period)))
    return cores


def find_memory(
    root: Path = Path("/sys/fs/cgroup"),
    meminfo: Path = Path("/proc/meminfo"),
    own: Path = Path("/proc/self/cgroup"),
) -> int | None:
    """Return the bytes of memory that this process may use, with its container's limit."""
    limits = []
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read_text(meminfo), re.MULTILINE)
    if found:
        limits.append(int(found[1]) * 1024)
    for line in _read_text(own).splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        path = path.lstrip("/")
        if number == "0":
            files = [root / path / "memory.max", root / "memory.max"]
        elif "memory" in controllers.split(","):
            name = "memory.limit_in_bytes"
            files = [root / "memory" / path / name, root / "memory" / name]
        else:
            continue
        limits += [limit for file in files for limit in _read_numbers(file)]
    real = [limit for limit in limits if 0 < limit < _NO_LIMIT_BYTES]
    return min(real) if real else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _read_numbers(path: Path) -> tuple[int, ...]:
    """Read numbers separated by spaces; ``max`` is no number."""
    words = _read_text(path).split()
    return tuple(map(int, words)) if all(re.fullmatch(r"-?\d+", w) for w in words) else ()


def _nearest_place(path: Path) -> Path:
    """Return the path, or what of it is there already: a folder, or what bars the way."""
    place = path
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place


def _find_write_problem(folder: Path) -> str:
    """Really write: neither a quota nor a read-only mount shows in the permission bits."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".llm-scheduler-check-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        return f"can't be written: {exc.strerror}"
    return ""


def _find_database_problem(folder: Path) -> str:
    try:
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".llm-scheduler-check-") as place,
            closing(sqlite3.connect(Path(place) / "check.db", timeout=5)) as database,
        ):
            database.execute("CREATE TABLE t (x)")
            database.commit()
    except (OSError, sqlite3.Error) as exc:
        return f"can't hold an SQLite database: {exc}"
    return ""


def _judge_space(folder: Path) -> tuple[Status, str, str]:
    """Return status, detail and advice for the free space and the free files."""
    usage = shutil.disk_usage(folder)
    detail = f"{usage.free / _GIB:.1f} GiB free"
    if usage.free < _LOW_BYTES:
        return "warning", detail, "Make room: jobs fail when the disk is full."
    files = os.statvfs(folder)
    if files.f_files and files.f_favail < _LOW_FILES:
        return (
            "warning",
            f"{detail}, but only {files.f_favail} files",
            "Delete files: few are left.",
        )
    return "ok", detail, ""
