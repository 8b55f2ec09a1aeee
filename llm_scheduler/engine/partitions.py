"""Partitions of a cluster, and the most that a job can ask for in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.quantities import format_duration, format_memory
from llm_scheduler.engine.slurm_values import MIB, parse_duration
from llm_scheduler.errors import SchedulerError

MAX_PARTITIONS = 500
_FORMAT = "%R|%P|%a|%l|%m|%c|%D"


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition, or queue in PBS."""

    name: str
    is_default: bool = False
    is_up: bool = True
    time_limit_s: float | None = None
    """``None`` for no limit."""
    memory_bytes: int | None = None
    """Of its largest node."""
    cores: int | None = None
    """Of its largest node."""
    n_nodes: int = 0

    def describe(self) -> str:
        """Return a line for people."""
        parts = [f"{self.n_nodes} {'node' if self.n_nodes == 1 else 'nodes'}"] * bool(self.n_nodes)
        parts += [f"up to {self.cores} cores"] if self.cores else []
        parts += [f"{format_memory(self.memory_bytes)} a node"] if self.memory_bytes else []
        if self.time_limit_s:
            parts.append(f"at most {format_duration(self.time_limit_s)}")
        name = self.name + (" (default)" if self.is_default else "")
        return f"{name}: {', '.join([*([] if self.is_up else ['down']), *parts]) or 'up'}"


def read_partitions(kind: str, *, timeout_s: float = 10) -> list[Partition]:
    """Return the partitions of Slurm or the queues of PBS, the default first.

    Raises
    ------
    SchedulerError
        The scheduler does not answer.
    """
    if kind not in ("slurm", "pbs"):
        return []
    argv = ["sinfo", "--noheader", "--exact", f"--format={_FORMAT}"]
    done = run_command(argv if kind == "slurm" else ["qstat", "-Q"], timeout_s=timeout_s)
    if done.returncode != 0:
        raise SchedulerError(
            f"The partitions can't be read: {done.first_error or f'exit code {done.returncode}'}",
            argv=argv,
            returncode=done.returncode,
            stderr=done.stderr,
        )
    return parse_sinfo(done.stdout) if kind == "slurm" else parse_queues(done.stdout)


def parse_sinfo(text: str) -> list[Partition]:
    """Read ``sinfo`` in our format; rows of one partition with other nodes are joined."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != len(_FORMAT.split("|")):
            continue
        name, marked, up, limit, memory, cores, nodes = cells
        row = Partition(
            name=name,
            is_default=marked.endswith("*"),
            is_up=up == "up",
            time_limit_s=parse_duration(limit),
            memory_bytes=(_number(memory) or 0) * MIB or None,
            cores=_number(cores),
            n_nodes=_number(nodes) or 0,
        )
        found[name] = _join(found[name], row) if name in found else row
    return _sorted(found.values())


def parse_queues(text: str) -> list[Partition]:
    """Read the table that ``qstat -Q`` prints: names, and whether a queue takes and runs jobs."""
    rows = [line.split() for line in text.splitlines()]
    return _sorted(
        Partition(name=row[0], is_up=row[3:5] == ["yes", "yes"])
        for row in rows
        if len(row) > 5 and row[1].isdigit() and row[2].isdigit()
    )


def _join(one: Partition, other: Partition) -> Partition:
    return Partition(
        name=one.name,
        is_default=one.is_default,
        is_up=one.is_up,
        time_limit_s=one.time_limit_s,
        memory_bytes=max(one.memory_bytes or 0, other.memory_bytes or 0) or None,
        cores=max(one.cores or 0, other.cores or 0) or None,
        n_nodes=one.n_nodes + other.n_nodes,
    )


def _sorted(partitions: Iterable[Partition]) -> list[Partition]:
    return sorted(partitions, key=lambda p: (not p.is_default, p.name))[:MAX_PARTITIONS]


def _number(text: str) -> int | None:
    digits = text.rstrip("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
