"""Values as Slurm's programs print them: numbers, states, exit codes, sizes, nodes, times.

All functions are pure and take what a hostile or a future Slurm may print: a value
that makes no sense becomes ``None``, an empty tuple or an empty string.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

MIB = 1024 * 1024
TIME_FORMAT_ENV: dict[str, str | None] = {"SLURM_TIME_FORMAT": "%s"}
"""Makes Slurm's programs print times as seconds since 1970, whatever the time zone."""

_NO_VALUE_BYTES = 1 << 62  # Slurm's "no value" and "infinite" are near 2**64
_NOT_TOLD = {"", "none", "n/a", "(null)", "unknown", "none assigned", "invalid"}
_NEVER = {"unlimited", "infinite", "partition_limit", "not_set", "notset"}
_MAX_NODES = 20_000
_UNITS = {"K": 1024, "M": MIB, "G": 1024**3, "T": 1024**4, "P": 1024**5}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)([KMGTP]?)i?B?([cn]?)$", re.IGNORECASE)
_CANCELLED_BY = re.compile(r"^CANCELLED by (\S+)", re.IGNORECASE)
# In 23.02 and later a job has a list of states: one base state and flags.
_FLAG_STATES = (
    "COMPLETING",
    "CONFIGURING",
    "STOPPED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "SPECIAL_EXIT",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
    "RESV_DEL_HOLD",
)


def as_dict(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def parse_number(value: Any) -> int | None:
    """Read an integer given as such, as text or as ``{set, infinite, number}``."""
    if isinstance(value, dict):
        if not value.get("set", True) or value.get("infinite"):
            return None
        value = value.get("number")
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return int(str(value).strip()) if isinstance(value, str) else int(value)
    return None


def parse_text(value: Any) -> str:
    """Read a text; what Slurm prints for "nothing" becomes empty."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    return "" if text.lower() in _NOT_TOLD else text


def parse_state(value: Any) -> tuple[str, str]:
    """Read a state as text or list; return its name and who cancelled the job."""
    names = [str(name).strip() for name in (value if isinstance(value, list) else [value]) if name]
    if not names:
        return "UNKNOWN", ""
    for flag in _FLAG_STATES:
        if flag in names[1:]:
            return flag, ""
    found = _CANCELLED_BY.match(names[0])
    first = names[0].split()[0].rstrip("+").upper() if names[0] else "UNKNOWN"
    return first, found[1] if found else ""


def parse_exit_text(text: str) -> tuple[int | None, int | None]:
    """Read ``code:signal`` as sacct and scontrol print it; no signal is ``None``."""
    code, _, signal_number = text.strip().partition(":")
    if not code.isdigit():
        return None, None
    return int(code), (int(signal_number) or None) if signal_number.isdigit() else None


def parse_wait_status(value: Any) -> tuple[int | None, int | None]:
    """Read a raw wait status, which is what squeue prints: 256 is exit code 1."""
    status = parse_number(value)
    if status is None or status < 0 or status >= 1 << 31:
        return None, None
    # 0x7f in the low bits would mean "stopped"; Slurm's 125 (out of memory) is a signal.
    return (status >> 8) & 0xFF, (status & 0x7F) or None


def parse_exit_code(value: Any) -> tuple[int | None, int | None]:
    """Read the ``exit_code`` of the JSON output: an object, or a raw wait status."""
    if not isinstance(value, dict):
        return parse_wait_status(value)
    code = parse_number(value.get("return_code"))
    signal_value = as_dict(value.get("signal"))
    number = parse_number(signal_value.get("signal_id", signal_value.get("id"))) or None
    if number is not None and code is None:
        code = 0  # as sacct's table prints it: 0:9
    status = value.get("status")
    names = status if isinstance(status, list) else [status]
    if code is None and "SUCCESS" in names:
        code = 0
    return code, number


def parse_duration(text: str) -> float | None:
    """Read ``[days-]hours:minutes:seconds``, ``minutes:seconds`` or ``UNLIMITED`` in seconds."""
    text = text.strip()
    if text.lower() in _NOT_TOLD | _NEVER:
        return None
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    try:
        numbers = [float(part) for part in parts]
        total = 86_400.0 * int(days) if dash else 0.0
    except ValueError:
        return None
    if dash:  # days-hours[:minutes[:seconds]]
        numbers += [0.0] * (3 - len(numbers))
    elif len(numbers) == 1:
        return None  # a bare number has no unit here
    for number, unit in zip(reversed(numbers), (1, 60, 3600), strict=False):
        total += number * unit
    return total


def parse_size(text: str, *, cpus: int | None = None, default_unit: str = "M") -> int | None:
    """Read ``800M``, ``4Gc`` (for each processor) or ``4Gn`` (for the node) in bytes."""
    found = _SIZE.match(text.strip())
    if not found:
        return None
    number, unit, each = float(found[1]), found[2].upper() or default_unit, found[3].lower()
    if each == "c":
        if not cpus:
            return None
        number *= cpus
    return int(number * _UNITS.get(unit, 1)) or None


def parse_bytes(value: Any) -> int | None:
    """Read a number of bytes, dropping Slurm's marks for "no value"."""
    number = parse_number(value)
    return number if number is not None and 0 < number < _NO_VALUE_BYTES else None


def parse_tres_text(text: str) -> dict[str, str]:
    """Read ``cpu=2,mem=800M,node=1``."""
    pairs = (item.partition("=") for item in text.split(",") if "=" in item)
    return {key.strip(): value.strip() for key, _, value in pairs}


def node_memory(tres: dict[str, str], nodes: int | None = None) -> int | None:
    """Return the memory on one node of a job that was given these resources."""
    total = parse_size(tres.get("mem", ""))
    count = parse_number(tres.get("node")) or nodes or 1
    return total // max(count, 1) if total else None


def find_tres(items: Any, kind: str) -> int | None:
    """Return the count of one kind of resource in a list of the JSON output."""
    for item in as_list(items):
        if as_dict(item).get("type") == kind:
            return parse_bytes(as_dict(item).get("count"))
    return None


def parse_time(value: Any) -> datetime | None:
    """Read seconds since 1970, or ``2026-11-20T19:28:54`` in this machine's time zone."""
    seconds = parse_number(value)
    try:
        if seconds is not None:
            # 0 is "not yet", and 2**32 - 1 and near it are "never".
            return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 0xFFFF_FFF0 else None
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def expand_nodes(text: Any) -> tuple[str, ...]:
    """Expand ``t[1-3,7],gpu01`` to the names of the nodes."""
    text = parse_text(text)
    if not text or text.startswith("("):
        return ()
    names: list[str] = []
    for item in _split_outside_brackets(text):
        for name in _expand_brackets(item):
            names.append(name)
            if len(names) >= _MAX_NODES:
                return tuple(names)
    return tuple(dict.fromkeys(names))


def _split_outside_brackets(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [part.strip() for part in [*parts, current] if part.strip()]


def _expand_brackets(text: str) -> Iterable[str]:
    before, bracket, rest = text.partition("[")
    inside, closing, after = rest.partition("]")
    if not bracket or not closing:
        yield text
        return
    for part in inside.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)):
            continue
        stop = min(int(last or first), int(first) + _MAX_NODES)
        for number in range(int(first), stop + 1):
            for tail in _expand_brackets(after):
                yield f"{before}{number:0{len(first)}d}{tail}"


def log_paths(paths: Iterable[Any], folder: Any, names: dict[str, str]) -> tuple[str, ...]:
    """Return absolute paths of a job's logs; a path that can't be filled in is left out.

    Parameters
    ----------
    paths
        As given to ``sbatch``, with patterns such as ``%j`` where Slurm left them.
    folder
        The job's working directory.
    names
        What stands for the letters of the patterns, for example ``{"j": "12"}``.
    """
    found: list[str] = []
    for item in paths:
        path = parse_text(item)
        if not path or path.startswith("/dev/"):
            continue
        path = re.sub(r"%(\w)", lambda m: names.get(m[1], m[0]), path)
        if "%" in path or not path.isprintable():
            continue  # the pattern stays unknown; a job's name may hold line breaks
        if not path.startswith("/"):
            base = parse_text(folder)
            if not base:
                continue
            path = str(PurePosixPath(base) / path)
        found.append(path)
    return tuple(dict.fromkeys(found))
