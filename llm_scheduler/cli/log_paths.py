"""Which files are logs: what was named on the command line, and what lies in folders."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_scheduler.errors import UsageError

STDIN = "-"
"""The name that stands for standard input."""

_COMPRESSED = r"(?:\.(?:gz|bz2|xz|zst))?"
_LOG_NAME = re.compile(
    rf"""(?xi)
    ^(?: .+\.(?:out|err|log)
       | slurm-.+
       | .+\.[oe]\d+(?:[.-]\d+)?     # PBS: NAME.oID, with -INDEX or .INDEX for arrays
    ){_COMPRESSED}$""",
)
_NO_LOG = re.compile(
    rf"(?i)\.(?:sh|py|sbatch|slurm|toml|json|ya?ml|md|conf|ipynb|pickle){_COMPRESSED}$"
)
_JOB_ID = re.compile(
    rf"""(?xi)
    (?: -(?P<slurm>\d+(?:_\d+)?)\.(?:out|err|log)
      | ^slurm-(?P<bare>\d+(?:_\d+)?)
      | \.[oe](?P<pbs>\d+)(?:[.-]\d+)?
    ){_COMPRESSED}$""",
)


@dataclass
class LogPaths:
    """The logs to read, and what was left out with the reason."""

    logs: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Named by the person, so that not reading them is a failure."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Found in a folder."""


def find_logs(names: Sequence[str], *, recursive: bool) -> LogPaths:
    """Find the logs that `names` stand for, without opening any of them."""
    found = LogPaths()
    seen: set[str] = set()
    for name in names:
        if name == STDIN:
            found.logs.append(name)
        elif os.path.isdir(name):  # noqa: PTH112 - Path.is_dir raises for over-long names
            if not recursive:
                msg = f"{name!r} is a folder; add -r to read the logs in it."
                raise UsageError(msg)
            _add_folder(name, found, seen)
        elif problem := _problem_with(name):
            found.unreadable.append((name, problem))
        else:
            seen.add(os.path.realpath(name))
            found.logs.append(name)
    return found


def is_log_name(name: str) -> bool:
    """Tell whether a file's name looks like the log of a job."""
    return bool(_LOG_NAME.match(name)) and not _NO_LOG.search(name)


def parse_job_id(path: str) -> str | None:
    """Read the job's id out of the name of its log, where it stands there."""
    match = _JOB_ID.search(Path(path).name)
    return next((group for group in match.groups() if group), None) if match else None


def _problem_with(name: str) -> str | None:
    """Say why a file can't be a log; opening a FIFO would wait for ever."""
    try:
        mode = Path(name).stat().st_mode
    except FileNotFoundError:
        return "there is no such file"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    if stat.S_ISREG(mode):
        return None if os.access(name, os.R_OK) else "permission denied"
    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }
    kind = kinds.get(stat.S_IFMT(mode), "not a regular file")
    return f"it is {kind}, not a log; give '-' to read standard input"


def _add_folder(folder: str, found: LogPaths, seen: set[str]) -> None:
    root = os.path.realpath(folder)
    for path in _walk(folder, found):
        target = os.path.realpath(path)
        if target in seen:
            continue
        # A link could lead the reader to any file of the machine.
        if os.path.commonpath([root, target]) != root:
            found.skipped.append((path, "it is a link that leads out of the folder"))
        elif problem := _problem_with(path):
            found.skipped.append((path, problem.partition(";")[0]))
        else:
            seen.add(target)
            found.logs.append(path)


def _walk(folder: str, found: LogPaths) -> Iterator[str]:
    def report(error: OSError) -> None:
        found.skipped.append((str(error.filename), error.strerror or str(error)))

    for parent, folders, files in os.walk(folder, onerror=report, followlinks=False):
        folders.sort()
        for name in sorted(files, key=_natural):
            if is_log_name(name):
                yield str(Path(parent) / name)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort ``slurm-9.out`` before ``slurm-10.out``."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]
