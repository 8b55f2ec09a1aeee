"""What a scheduler knows about a job, in one form for every scheduler.

States are Slurm's names, also for PBS and for the local scheduler. Nothing here
imports ``adaptive_scheduler``: reading a log must not need it.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

LIVE_STATES = frozenset(
    {
        "PENDING",
        "CONFIGURING",
        "RUNNING",
        "SUSPENDED",
        "STOPPED",
        "COMPLETING",
        "REQUEUED",
        "REQUEUE_HOLD",
        "REQUEUE_FED",
        "RESIZING",
        "SIGNALING",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "RESV_DEL_HOLD",
    },
)
"""States of a job that still is in the scheduler's hands: it has not failed."""

FAILED_STATES = frozenset(
    {
        "FAILED",
        "OUT_OF_MEMORY",
        "TIMEOUT",
        "NODE_FAIL",
        "BOOT_FAIL",
        "DEADLINE",
        "PREEMPTED",
        "CANCELLED",
        "REVOKED",
        "LAUNCH_FAILED",
        "RECONFIG_FAIL",
    },
)
"""States in which a job ended without finishing its work."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepRecord(_Frozen):
    """One step of a job (``batch``, ``extern``, ``0``, ...)."""

    step_id: str
    """Name after the dot in ``JobID.step``."""
    state: str = "UNKNOWN"
    exit_code: int | None = None
    signal: int | None = None
    max_rss_bytes: int | None = None
    nodes: tuple[str, ...] = ()


class JobRecord(_Frozen):
    """What the scheduler knows about one job.

    A value that the scheduler did not tell is ``None``, never a guess.
    """

    job_id: str
    name: str = ""
    state: str = "UNKNOWN"
    """Slurm's state name, without additions (``CANCELLED by 0`` is ``CANCELLED``)."""
    exit_code: int | None = None
    signal: int | None = None
    elapsed_s: float | None = None
    time_limit_s: float | None = None
    """``None`` when unknown or unlimited."""
    max_rss_bytes: int | None = None
    """Highest resident memory of any step or of the process tree."""
    requested_memory_bytes: int | None = None
    """For the whole job on one node."""
    nodes: tuple[str, ...] = ()
    reason: str = ""
    """The scheduler's reason word or sentence; for a refused submission its error."""
    partition: str = ""
    account: str = ""
    user: str = ""
    cancelled_by: str = ""
    """User id or name that cancelled the job, where known."""
    restarts: int = 0
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    log_files: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    source: str = ""
    """Where this was read: ``sacct``, ``scontrol``, ``squeue``, ``qstat``, ``local``."""

    @property
    def is_live(self) -> bool:
        """Whether the scheduler still has the job in its hands."""
        return self.state in LIVE_STATES

    @property
    def is_failed(self) -> bool:
        """Whether the job itself ended in a failed state (steps not counted)."""
        return self.state in FAILED_STATES
