"""Memory and time as people write them for a scheduler, and back."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from llm_scheduler.errors import UsageError

_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?b)?\s*", re.IGNORECASE)
_FACTORS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
_CLOCK = re.compile(r"(\d+)(?::(\d+))?(?::(\d+))?")
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)[a-z]*\s*", re.IGNORECASE)
_SECONDS = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}


def parse_memory(value: str | int) -> int:
    """Return a number of bytes.

    Parameters
    ----------
    value
        A number of bytes, or a text as ``sbatch --mem`` takes it: ``"4GB"``, ``"4G"``,
        ``"500MiB"``, ``"800"`` (megabytes). As in Slurm each unit is 1024 of the one
        below.

    Raises
    ------
    UsageError
        If it isn't an amount of memory above zero.
    """
    n_bytes = 0
    if isinstance(value, int) and not isinstance(value, bool):
        n_bytes = value
    elif isinstance(value, str) and (match := _MEMORY.fullmatch(value)):
        number, unit, suffix = match.groups()
        plain = not unit and not suffix
        n_bytes = int(float(number) * 1024 ** (2 if plain else _FACTORS[unit.lower()]))
    if n_bytes <= 0:
        msg = f"{value!r} is not an amount of memory; write for example '4GB' or '500M'."
        raise UsageError(msg)
    return n_bytes


def parse_duration(value: str | float | timedelta) -> float:
    """Return a number of seconds.

    Parameters
    ----------
    value
        A number of seconds, a `timedelta`, or a text: one of ``sbatch --time``
        (``"90"`` are minutes, ``"90:30"``, ``"01:30:00"``, ``"2-12"``, ``"2-00:00:00"``)
        or one with units (``"1h"``, ``"1h 30min"``, ``"45s"``).

    Raises
    ------
    UsageError
        If it isn't a time above zero.
    """
    seconds = math.nan
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _parse_duration_text(value.strip())
    if not 0 < seconds < math.inf:
        msg = f"{value!r} is not a duration; write for example '01:30:00', '2-00:00:00' or '1h'."
        raise UsageError(msg)
    return seconds


def _parse_duration_text(text: str) -> float:
    if match := _DAYS.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds
    if match := _CLOCK.fullmatch(text):
        first, second, third = match.groups()
        if third is not None:
            return (int(first) * 60 + int(second)) * 60.0 + int(third)
        return int(first) * 60.0 + int(second or 0)
    parts = _PARTS.findall(text)
    if not parts or _PARTS.sub("", text):
        return math.nan
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)


def format_memory(n_bytes: float) -> str:
    """Return an amount of memory for people, e.g. ``"800.0 MB"``."""
    size = float(n_bytes)
    for unit in _UNITS:
        if abs(size) < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Return a time span for people: its two largest units, e.g. ``"1 h 30 min"``."""
    if abs(seconds) < 10:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    days, rest = divmod(rest, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    first = next(i for i, (n, _) in enumerate(units) if n)
    return " ".join(f"{n} {unit}" for n, unit in units[first : first + 2] if n)
