"""The user's jobs that still are in the scheduler's hands, and how to cancel some.

The engine's own queue leaves out suspended and completing jobs; this one has every
live state, so that a job that is only suspended does not look dead.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llm_scheduler.engine import qstat, squeue
from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import SchedulerError, UsageError

Kind = Literal["slurm", "pbs"]

IDS_PER_CANCEL = 200
# Short forms of the names in `LIVE_STATES`, as squeue takes them.
_LIVE_CODES = "PD,R,S,CG,CF,ST,RQ,RH,RF,SE,SI,SO,RS,RD"
# A job that has ended by itself needs no cancelling.
_ALREADY_GONE = (
    "invalid job id",
    "already completing or completed",
    "unknown job",
    "job has finished",
)


@dataclass(frozen=True, slots=True)
class LiveJob:
    """One job of the user that has not ended."""

    job_id: str
    """The plain number in Slurm (also for array tasks), the full id in PBS."""
    state: str
    """Slurm's state name, one of `LIVE_STATES`."""
    name: str = ""
    reason: str = ""
    nodes: tuple[str, ...] = ()
    elapsed_s: float | None = None
    time_limit_s: float | None = None
    partition: str = ""
    restarts: int = 0
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    display_id: str = ""
    """The id as the scheduler's own tables print it, for example ``12_3``."""


def read_live_queue(kind: Kind, *, timeout_s: float = 30) -> dict[str, LiveJob]:
    """Return the user's jobs in all live states, by job id.

    Raises
    ------
    SchedulerError
        If the scheduler does not answer: an empty queue would mean that all jobs ended.
    """
    if kind == "slurm":
        rows = squeue.parse_rows(_list_own_jobs(timeout_s))
        return {raw_id: _live_job(record, raw_id) for record, raw_id in rows if record.is_live}
    if kind == "pbs":
        jobs = qstat.read_own_jobs(timeout_s=timeout_s)
        records = (qstat.make_record(job_id, job) for job_id, job in jobs.items())
        mine = (record for record in records if record.user == _user() and record.is_live)
        return {record.job_id: _live_job(record, record.job_id) for record in mine}
    raise UsageError(f"Scheduler {kind!r} is unknown; use 'slurm' or 'pbs'.")


def _list_own_jobs(timeout_s: float) -> str:
    """Return squeue's rows of the user's jobs, without those that have ended if possible.

    The controller also remembers jobs that ended some minutes ago, which may be
    thousands; but no version of Slurm knows all names of states.
    """
    user = f"--user={_user()}"
    done = squeue.run_squeue(f"--states={_LIVE_CODES}", user, timeout_s=timeout_s)
    if done.returncode and "state" in done.stderr.lower():
        done = squeue.run_squeue("--states=all", user, timeout_s=timeout_s)
    return squeue.check_done(done).stdout


def cancel_jobs(kind: Kind, job_ids: Sequence[str], *, timeout_s: float = 60) -> None:
    """Cancel jobs, some hundreds with each call; those that have ended are no error.

    Raises
    ------
    SchedulerError
        If the scheduler refused to cancel a job; it is raised after all were tried.
    """
    if kind not in {"slurm", "pbs"}:
        raise UsageError(f"Scheduler {kind!r} is unknown; use 'slurm' or 'pbs'.")
    program = "scancel" if kind == "slurm" else "qdel"
    ids = [str(job_id) for job_id in job_ids]
    wrong = [job_id for job_id in ids if not job_id[:1].isdigit()]
    if wrong:
        # Also an attack: an id that begins with "-" would be an option.
        raise UsageError(f"{wrong[0]!r} is no job id.")
    refused: list[str] = []
    for start in range(0, len(ids), IDS_PER_CANCEL):
        argv = [program, *ids[start : start + IDS_PER_CANCEL]]
        done = run_command(argv, timeout_s=timeout_s)
        if done.returncode != 0:
            refused += _complaints(done.stderr) or (
                [] if done.stderr.strip() else [f"exit code {done.returncode}"]
            )
    if refused:
        raise SchedulerError(f"{program} failed: {refused[0]}", stderr="\n".join(refused))


def _complaints(stderr: str) -> list[str]:
    lines = (line.strip() for line in stderr.splitlines())
    return [
        line for line in lines if line and not any(word in line.lower() for word in _ALREADY_GONE)
    ]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a container without a name for its user


def _live_job(record: JobRecord, job_id: str) -> LiveJob:
    return LiveJob(
        job_id=job_id,
        state=record.state,
        name=record.name,
        reason=record.reason,
        nodes=record.nodes,
        elapsed_s=record.elapsed_s,
        time_limit_s=record.time_limit_s,
        partition=record.partition,
        restarts=record.restarts,
        submitted_at=record.submitted_at,
        started_at=record.started_at,
        display_id=record.job_id,
    )
