"""What a run gives to its jobs: memory, time and excluded nodes, read off its scheduler.

Elements that are functions are not called: they may do anything, and answer otherwise
when the job is submitted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from llm_scheduler.engine.quantities import parse_duration, parse_memory
from llm_scheduler.engine.resource_overrides import (
    MIB,
    PARSERS,
    parse_memory_request,
    parse_time_request,
    scheduler_kind,
)
from llm_scheduler.errors import UsageError

_SLURM_NAMES = {
    "mem": "memory",
    "mem-per-cpu": "mem-per-cpu",
    "time": "time",
    "t": "time",
    "exclude": "exclude",
    "x": "exclude",
    "partition": "partition",
    "p": "partition",
}
_OPTION = re.compile(r"\s*(?:--([a-z-]{1,40})(?:=|\s+)|-([a-z])\s*)(\S.{0,999})")


def read_request(scheduler: Any, index: int) -> dict[str, str]:
    """Return what the jobs of a learner ask for, without any override.

    Parameters
    ----------
    scheduler
        Of ``adaptive_scheduler``, or ours.
    index
        Of the learner.

    Returns
    -------
    ``memory``, ``time``, ``exclude``, ``cores`` and ``partition``, each empty when it is
    not said or not known before the job is submitted.
    """
    kind = scheduler_kind(scheduler)
    found = dict.fromkeys(("memory", "time", "exclude", "cores", "partition"), "")
    cores = _element(getattr(scheduler, "cores", None), index)
    if isinstance(cores, int):
        found["cores"] = str(cores)
    for name in ("memory", "time", "partition"):
        found[name] = _canonical(name, _element(getattr(scheduler, name, None), index))
    extra = _element(getattr(scheduler, "_extra_scheduler", None), index)
    options = [text for text in extra if isinstance(text, str)] if isinstance(extra, list) else []
    pairs = _slurm_options(options) if kind == "slurm" else _pbs_options(options)
    for name, value in pairs:
        if name == "mem-per-cpu":
            found["memory"] = _times(value, cores)
        else:
            found[name] = _canonical(name, value)
    return found


def _element(value: Any, index: int) -> Any:
    if isinstance(value, tuple):
        value = value[index] if index < len(value) else None
    return None if callable(value) else value


def _canonical(name: str, value: Any) -> str:
    """Return a value in one way of writing it; empty when it can't be told."""
    if value is None or isinstance(value, bool):
        return ""
    with suppress(UsageError):
        if isinstance(value, str):
            parse = PARSERS.get(name, str)
            return parse("".join(value.split()))
        if name == "memory":
            return parse_memory_request(f"{-(-parse_memory(value) // MIB)}MB")
        if name == "time":
            return parse_time_request(f"{max(1, round(parse_duration(value)))}s")
    return ""


def _times(value: str, cores: Any) -> str:
    with suppress(UsageError):
        n_bytes = parse_memory(value) * (cores if isinstance(cores, int) else 0)
        return parse_memory_request(f"{-(-n_bytes // MIB)}MB")
    return ""


def _slurm_options(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    for option in options:
        if found := _OPTION.fullmatch(option):
            name = _SLURM_NAMES.get(found[1] or found[2])
            if name:
                yield name, found[3].strip()


def _pbs_options(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    for option in options:
        words = option.split()
        if words[:1] == ["-q"] and len(words) > 1:
            yield "partition", words[1]
        elif words[:1] == ["-l"]:
            for item in re.split("[,:]", " ".join(words[1:])):
                name, _, value = item.partition("=")
                if name in ("mem", "pmem"):
                    yield "memory", value
            if found := re.search(r"walltime=([\d:]{1,20})", option):
                yield "time", found[1]
