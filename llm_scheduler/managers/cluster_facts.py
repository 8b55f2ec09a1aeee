"""What the scheduler tells tools: the queue, partitions, limits, scripts of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.live_queue import LiveJob, read_live_queue
from llm_scheduler.engine.local_store import SCRIPT_FILE
from llm_scheduler.engine.partitions import Partition, read_partitions
from llm_scheduler.engine.quantities import format_memory
from llm_scheduler.engine.resource_overrides import SETTABLE, SchedulerKind
from llm_scheduler.errors import SchedulerError, ToolError
from llm_scheduler.tools.run_view import QueueRow, ResourceLimits

COMMAND_LIMIT_S = 10.0
KEEP_PARTITIONS_S = 60.0
MAX_SCRIPT_BYTES = 200_000


class ClusterFacts:
    """Asks one scheduler, for a bounded time.

    Parameters
    ----------
    kind
        Of scheduler; "" when it is not known.
    scheduler
        The scheduler itself, in the process of the run.
    clock
        Monotonic seconds.

    """

    def __init__(
        self,
        kind: SchedulerKind,
        scheduler: Any = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self._scheduler = scheduler
        self._clock = clock
        self._partitions: list[Partition] = []
        self._read_at = float("-inf")

    def queue(self, is_ours: Callable[[str, str], bool]) -> list[QueueRow]:
        """Return the user's jobs in the queue.

        Parameters
        ----------
        is_ours
            Whether a job with this id and name is one of the run.

        Raises
        ------
        ToolError
            The scheduler does not answer.
        """
        try:
            if self.kind == "slurm" or self.kind == "pbs":
                live = list(read_live_queue(self.kind, timeout_s=COMMAND_LIMIT_S).values())
                return [_row(job, is_ours=is_ours(job.job_id, job.name)) for job in live]
            if self._scheduler is None:
                raise ToolError("The queue of this run can only be seen in its own process.")
            rows = self._scheduler.queue(me_only=True)
        except (SchedulerError, RuntimeError, OSError) as exc:
            raise ToolError(f"The queue can't be read: {exc}") from exc
        return [
            QueueRow(
                job_id=str(job_id),
                name=str(info["job_name"]),
                state=str(info.get("state", "")),
                is_ours=is_ours(str(job_id), str(info["job_name"])),
            )
            for job_id, info in rows.items()
        ]

    def partitions(self) -> list[str]:
        """Describe the partitions, a line each.

        Raises
        ------
        ToolError
            The scheduler does not answer.
        """
        if self.kind == "local":
            return [self._describe_machine()]
        try:
            return [partition.describe() for partition in self._read_partitions()]
        except SchedulerError as exc:
            raise ToolError(str(exc)) from exc

    def limits(self, partition: str) -> ResourceLimits:
        """Return the most that a job in a partition can be given; "" for the default one."""
        settable = SETTABLE[self.kind]
        if self.kind == "local":
            limit = getattr(self._scheduler, "max_memory", None) or psutil.virtual_memory().total
            return ResourceLimits(limit, None, "this machine", settable)
        try:
            partitions = self._read_partitions()
        except SchedulerError:  # the scheduler itself refuses what is too much
            partitions = []
        names = set(partition.split(",")) if partition else set()
        chosen = [p for p in partitions if (p.name in names if names else p.is_default)]
        if not chosen:
            return ResourceLimits(settable=settable)
        memory = [p.memory_bytes for p in chosen]
        times = [p.time_limit_s for p in chosen]
        known = [value for value in memory if value is not None]
        limited = [value for value in times if value is not None]
        return ResourceLimits(
            memory_bytes=max(known) if len(known) == len(memory) else None,
            time_s=max(limited) if len(limited) == len(times) else None,
            where=f"partition {', '.join(p.name for p in chosen)!r}",
            settable=settable,
        )

    def job_script(self, job_id: str, batch_file: Path) -> str:
        """Return the script of a job, else the one that its next job would be given.

        Raises
        ------
        ToolError
            Neither is there.
        """
        text = self._submitted_script(job_id)
        if text:
            return text
        text = read_start(batch_file)
        if not text:
            raise ToolError(f"The script of job {job_id} is not kept.")
        return text

    def _submitted_script(self, job_id: str) -> str:
        if self._scheduler is not None and _is_local(self._scheduler):
            path = self._scheduler.runner.store.path(job_id, SCRIPT_FILE)
            return read_start(path) if job_id.isdigit() else ""
        if self.kind == "slurm" and job_id.replace("_", "").isdigit():
            argv = ["scontrol", "write", "batch_script", job_id, "-"]
            try:
                done = run_command(argv, timeout_s=COMMAND_LIMIT_S / 2)
            except SchedulerError:
                return ""
            return done.stdout[:MAX_SCRIPT_BYTES] if done.returncode == 0 else ""
        return ""

    def _read_partitions(self) -> list[Partition]:
        if self._clock() - self._read_at > KEEP_PARTITIONS_S:
            self._partitions = read_partitions(self.kind, timeout_s=COMMAND_LIMIT_S)
            self._read_at = self._clock()
        return self._partitions

    def _describe_machine(self) -> str:
        limit = getattr(self._scheduler, "max_memory", None) or psutil.virtual_memory().total
        cores = getattr(self._scheduler, "max_cores", None) or psutil.cpu_count() or 1
        return f"this machine: {cores} cores, {format_memory(limit)} of memory"


def read_start(path: Path) -> str:
    """Return the text of a small file, at most its start; empty when it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_SCRIPT_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _row(job: LiveJob, *, is_ours: bool) -> QueueRow:
    return QueueRow(
        job_id=job.job_id,
        name=job.name,
        state=job.state,
        partition=job.partition,
        nodes=job.nodes,
        elapsed_s=job.elapsed_s,
        time_limit_s=job.time_limit_s,
        reason=job.reason,
        is_ours=is_ours,
    )


def _is_local(scheduler: Any) -> bool:
    # Here, as the engine takes two seconds to load and other shells have no scheduler.
    from llm_scheduler.engine.local_scheduler import LocalScheduler

    return isinstance(scheduler, LocalScheduler)
