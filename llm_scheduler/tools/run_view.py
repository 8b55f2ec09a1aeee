"""`RunView`: what tools may see of a run, and the few things they may do to it.

The managers implement it, for the process that runs the jobs and for any other shell.
Tools know nothing else of a run. A learner is named by its file everywhere: the
``fname`` of its `JobInfo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from llm_scheduler.diagnosis.groups import Failure, FailureGroup

RESOURCES = ("memory", "time", "exclude", "cores")
"""Keys of what a learner's job asks for."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """What one learner's job does at the moment."""

    index: int
    """Of the learner."""
    fname: str
    """File of the learner, as the user named it; its first one when it has several."""
    job_name: str
    job_id: str | None
    """Of its last job; ``None`` when it never had one."""
    state: str
    """``waiting`` for a job, ``pending`` in the queue, ``running``, ``done``,
    ``failed``, ``held`` back from starting again."""
    elapsed_s: float | None = None
    note: str = ""
    """Why it failed, or what it waits for."""
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """One job that was submitted for a learner."""

    job_id: str | None
    """``None`` when the scheduler refused it, or its id was never known."""
    job_name: str
    submitted_at: datetime
    outcome: str = ""
    """``finished``, ``failed``, ``dropped``, ...; empty while it is under way."""
    state: str = ""
    """The scheduler's own word for how it ended, for example ``OUT_OF_MEMORY``."""
    elapsed_s: float | None = None
    nodes: tuple[str, ...] = ()
    log_files: tuple[str, ...] = ()
    """Copies that were kept first; some may be gone by now."""
    title: str = ""
    """Of its diagnosis."""


@dataclass(frozen=True, slots=True)
class LearnerInfo:
    """A learner: its function and its data."""

    fname: str
    kind: str = ""
    """Its class, for example ``Learner1D``."""
    function: str = ""
    """Qualified name of its function."""
    module: str = ""
    source: str = ""
    """Text of the function as its file has it now, or as it was when it was made."""
    file: str = ""
    """Where the source stands; empty when that is no file."""
    line: int = 0
    by_value: bool | None = None
    """Whether jobs get a copy of the function (defined in a notebook or a script), so
    that editing a file does not change it; ``None`` when it is not known."""
    bounds: str = ""
    n_points: int | None = None
    loss: float | None = None
    n_nan: int | None = None
    """Points whose value is not a number or not finite."""
    failing_point: str = ""
    """Where adaptive says that the function failed."""
    last_status: Mapping[str, str] = field(default_factory=dict)
    """What its last job wrote about itself: points, loss, memory, elapsed time."""
    problem: str = ""
    """Why something above is not known."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One job in the scheduler's queue."""

    job_id: str
    name: str
    state: str
    partition: str = ""
    nodes: tuple[str, ...] = ()
    elapsed_s: float | None = None
    time_limit_s: float | None = None
    reason: str = ""
    is_ours: bool = False
    """Whether it is a job of this run."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """The most that a job of a learner can be given; ``None`` where it is not known."""

    memory_bytes: int | None = None
    time_s: float | None = None
    where: str = ""
    """Whose limits these are, for example ``partition 'debug'``."""
    settable: tuple[str, ...] = ("memory", "time", "exclude")
    """What this scheduler lets one set for one learner."""


class RunView(Protocol):
    """A run, as tools see it. Each method may be called from any thread."""

    @property
    def name(self) -> str:
        """Name of the run and of its jobs."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def can_control(self) -> bool:
        """Whether this process runs the jobs, so that it can change them."""

    def failures(self) -> list[Failure]:
        """Return all failures, the earliest first."""

    def groups(self) -> list[FailureGroup]:
        """Return the failures by cause, the largest group first."""

    def jobs(self) -> list[JobInfo]:
        """Return one row per learner, in order."""

    def job_script(self, job_id: str) -> str:
        """Return the script of a job; raises `ToolError` when it is not there."""

    def resources(self, learner: str) -> dict[str, str]:
        """Return what the learner's next job asks for, by `RESOURCES`; "" when unknown."""

    def limits(self, learner: str) -> ResourceLimits:
        """Return the most that the learner's next job can be given; may take a second."""

    def attempts(self, learner: str) -> list[AttemptInfo]:
        """Return the jobs that were submitted for a learner, the earliest first."""

    def logs(self) -> dict[str, tuple[str, ...]]:
        """Return the logs by job id, kept copies first; some may be gone by now."""

    def success_logs(self) -> tuple[str, ...]:
        """Return the logs of a job that reached its goal; empty when none is kept."""

    def learner(self, learner: str) -> LearnerInfo:
        """Describe a learner, its function and its data."""

    def queue(self) -> list[QueueRow]:
        """Return the user's jobs in the queue; asks the scheduler, so it may take a second."""

    def partitions(self) -> list[str]:
        """Describe the partitions, a line each; asks the scheduler."""

    def set_resources(self, learner: str, resources: Mapping[str, str]) -> None:
        """Let the learner's next jobs ask for these; "" for what the run was given.

        Raises
        ------
        ToolError
            This process does not run the jobs, or it can't be kept.

        """

    def restart(self, learners: Sequence[str]) -> None:
        """Let learners start again that failed or are held back.

        Raises
        ------
        ToolError
            This process does not run the jobs, or is too busy; nothing was done then.

        """

    def hold(self, learners: Sequence[str]) -> None:
        """Keep learners from starting again; those of running jobs are left alone.

        Raises
        ------
        ToolError
            As for `restart`.

        """
