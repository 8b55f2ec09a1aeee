"""The live jobs of any scheduler, in all states in which they still exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from llm_scheduler.engine.accounting import Accounting, make_accounting
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.engine.live_queue import LiveJob, cancel_jobs, read_live_queue
from llm_scheduler.engine.local_scheduler import LocalScheduler

_ENGINE_STATES = {"R": "RUNNING", "Q": "PENDING", "PD": "PENDING"}


class JobQueue:
    """One scheduler's queue and accounting.

    Parameters
    ----------
    scheduler
        Of ``adaptive_scheduler`` (``SLURM``, ``PBS``, any other), or ours.

    """

    def __init__(self, scheduler: Any) -> None:
        from adaptive_scheduler.scheduler import PBS, SLURM

        self.scheduler = scheduler
        self.kind: Literal["", "local", "slurm", "pbs"] = ""
        if isinstance(scheduler, LocalScheduler):
            self.kind = "local"
        elif isinstance(scheduler, SLURM):
            self.kind = "slurm"
        elif isinstance(scheduler, PBS):
            self.kind = "pbs"
        self.accounting: Accounting = make_accounting(scheduler)

    @property
    def is_local(self) -> bool:
        """Whether asking costs nothing."""
        return self.kind == "local"

    def read(self) -> Mapping[str, LiveJob]:
        """Return the user's live jobs by job id; blocks while the scheduler answers."""
        if self.kind == "slurm" or self.kind == "pbs":
            return read_live_queue(self.kind)
        return {
            str(job_id): LiveJob(
                job_id=str(job_id),
                name=info["job_name"],
                state=_ENGINE_STATES.get(info.get("state", ""), info.get("state", "RUNNING")),
            )
            for job_id, info in self.scheduler.queue(me_only=True).items()
        }

    def cancel_one(self, name: str, job_id: str | None) -> None:
        """Cancel a job by its id, or by its name where no id is known."""
        if job_id is not None and (self.kind == "slurm" or self.kind == "pbs"):
            cancel_jobs(self.kind, [job_id])
        elif job_id is not None and isinstance(self.scheduler, LocalScheduler):
            self.scheduler.cancel_ids([job_id])
        else:
            self.scheduler.cancel([name], with_progress_bar=False)

    def cancel(self, attempts: Iterable[Attempt]) -> None:
        """Cancel jobs by their ids, with one command for many."""
        ids = [a.job_id for a in attempts if a.job_id is not None and a.gone_at is None]
        if ids and (self.kind == "slurm" or self.kind == "pbs"):
            cancel_jobs(self.kind, ids)
