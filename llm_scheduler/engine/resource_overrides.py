"""Other resources for the jobs of one learner than the run was given.

The values reach a command line, where the model or a file chose them: each is parsed
and written anew, so that none can be an option of its own, and no shell sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from llm_scheduler.engine.quantities import parse_duration, parse_memory
from llm_scheduler.engine.slurm_values import expand_nodes
from llm_scheduler.errors import UsageError

SchedulerKind = Literal["slurm", "pbs", "local", ""]

SETTABLE: dict[str, tuple[str, ...]] = {
    "slurm": ("memory", "time", "exclude"),
    "pbs": ("memory", "time"),
    "local": ("memory", "time"),
    "": (),
}
"""What can be set for one learner, by the kind of scheduler."""

MIB = 1024**2
MAX_MEMORY_BYTES = 1 << 46
MAX_TIME_S = 366 * 86400.0
MAX_EXCLUDED = 200

_MEMORY = re.compile(r"\d{1,12}(?:\.\d{1,6})?(?:[KMGT](?:i?B)?)?", re.ASCII | re.IGNORECASE)
_TIME = re.compile(
    r"(?:\d{1,4}-)?\d{1,6}(?::\d{1,2}){0,2}|(?:\d{1,6}(?:\.\d{1,3})?(?:d|h|min|m|s)){1,4}",
    re.ASCII | re.IGNORECASE,
)
_NODES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\[\],-]{0,1999}", re.ASCII)
_DIRECTIVE = re.compile(
    r"^#SBATCH[ \t]+--(mem-per-cpu|ntasks|cpus-per-task|nodes)(?:=|[ \t]+)([^\s#]{1,40})",
    re.MULTILINE,
)
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", re.ASCII)


def parse_memory_request(text: str) -> str:
    """Return an amount of memory in one way of writing it: ``8GB``, ``1600MB``.

    Raises
    ------
    UsageError
        It is no amount of memory.
    """
    n_bytes = 0
    with suppress(UsageError):
        n_bytes = parse_memory(text) if _MEMORY.fullmatch(text) else 0
    if not 0 < n_bytes <= MAX_MEMORY_BYTES:
        raise UsageError(f"memory={text!r} is no amount of memory; write for example '8GB'.")
    megabytes = -(-n_bytes // MIB)
    return f"{megabytes // 1024}GB" if megabytes % 1024 == 0 else f"{megabytes}MB"


def parse_time_request(text: str) -> str:
    """Return a time limit in one way of writing it: ``HH:MM:SS``, with all its hours.

    Raises
    ------
    UsageError
        It is no time.
    """
    seconds = 0.0
    with suppress(UsageError):
        seconds = parse_duration(text) if _TIME.fullmatch(text) else 0.0
    if not 1 <= seconds <= MAX_TIME_S:
        raise UsageError(f"time={text!r} is no time limit; write for example '02:00:00'.")
    total = round(seconds)
    return f"{total // 3600:02d}:{total % 3600 // 60:02d}:{total % 60:02d}"


def parse_nodes_request(text: str) -> str:
    """Return names of nodes, sorted, with commas between; ``t[1-3]`` is expanded.

    Raises
    ------
    UsageError
        It holds something else.
    """
    nodes = sorted(set(expand_nodes(text))) if _NODES.fullmatch(text) else []
    if not nodes or not all(map(_NODE.fullmatch, nodes)):
        raise UsageError(f"exclude={text!r} names no nodes; write for example 'node7,node9'.")
    if len(nodes) > MAX_EXCLUDED:
        raise UsageError(f"exclude= names {len(nodes)} nodes; {MAX_EXCLUDED} are the most.")
    return ",".join(nodes)


PARSERS = {
    "memory": parse_memory_request,
    "time": parse_time_request,
    "exclude": parse_nodes_request,
}
"""How each resource is checked."""


@dataclass(frozen=True)
class ResourceOverride:
    """What the jobs of one learner ask for; "" for what the run was given.

    Raises
    ------
    UsageError
        A value makes no sense.
    """

    memory: str = ""
    time: str = ""
    exclude: str = ""
    """All nodes to avoid, also those that the run was given."""
    base: Mapping[str, str] = field(default_factory=dict)
    """What the run was given when this was set."""

    def __post_init__(self) -> None:
        for name, parse in PARSERS.items():
            value = getattr(self, name)
            if value and value != parse(value):
                raise UsageError(f"{name}={value!r} must be written as {parse(value)!r}.")

    def __bool__(self) -> bool:
        return bool(self.memory or self.time or self.exclude)

    def against(self, base: Mapping[str, str]) -> ResourceOverride:
        """Return what still holds when the run is given these resources.

        Who raises the memory of the whole run means the learners with an override, too.
        """
        changed: dict[str, Any] = {
            name: "" for name in PARSERS if base.get(name) and base[name] != self.base.get(name, "")
        }
        return replace(self, **changed)


def scheduler_kind(scheduler: Any) -> SchedulerKind:
    """Tell the kind of an engine's scheduler, or of ours."""
    # By name, so that the engine need not be imported for it.
    names = {cls.__name__ for cls in type(scheduler).__mro__}
    if "LocalScheduler" in names:
        return "local"
    if "SLURM" in names:
        return "slurm"
    return "pbs" if "PBS" in names else ""


def command_options(kind: SchedulerKind, override: ResourceOverride, script: str = "") -> list[str]:
    """Return the options for ``sbatch`` or ``qsub``, which win over those in the script.

    Parameters
    ----------
    kind
        Of scheduler.
    override
        What the job asks for.
    script
        The job's script: how it asks for memory decides how more is asked for.
    """
    memory = parse_memory(override.memory) // MIB if override.memory else 0
    options: list[str] = []
    if kind == "slurm":
        options += [_slurm_memory(memory, script)] if memory else []
        options += [f"--time={override.time}"] if override.time else []
        options += [f"--exclude={override.exclude}"] if override.exclude else []
    elif kind == "pbs":
        options += ["-l", f"mem={memory}mb"] if memory else []
        options += ["-l", f"walltime={override.time}"] if override.time else []
    return options


def _slurm_memory(megabytes: int, script: str) -> str:
    """Return the option for an amount of memory on each node.

    Slurm refuses ``--mem`` for a script that has ``--mem-per-cpu``.
    """
    found = {name: value for name, value in _DIRECTIVE.findall(script) if value}
    if "mem-per-cpu" not in found:
        return f"--mem={megabytes}M"
    counts = [_count(found.get(name, "")) for name in ("ntasks", "cpus-per-task", "nodes")]
    n_cpus = max(1, counts[0] * counts[1] // counts[2])
    return f"--mem-per-cpu={-(-megabytes // n_cpus)}M"


def _count(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else 1


_present: ContextVar[ResourceOverride | None] = ContextVar(
    "llm_scheduler_resource_override", default=None
)


@contextmanager
def using(override: ResourceOverride | None) -> Iterator[None]:
    """Let the job that is submitted in this block ask for other resources."""
    token = _present.set(override)
    try:
        yield
    finally:
        _present.reset(token)


def present_override() -> ResourceOverride:
    """Return the override of the job that is being submitted."""
    return _present.get() or ResourceOverride()
