"""Finding jobs by name: for a manager that was killed before it noted their ids."""

from __future__ import annotations

import getpass
from collections.abc import Collection
from datetime import datetime
from typing import Any

from llm_scheduler.engine import squeue
from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.live_queue import read_live_queue
from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.errors import SchedulerError


def find_jobs(
    scheduler: Any,
    kind: str,
    names: Collection[str],
    since: datetime,
) -> list[tuple[str, str]]:
    """Return ``(job id, name)`` of the user's jobs with these names, the latest first.

    Parameters
    ----------
    scheduler
        The engine's scheduler, or ours.
    kind
        ``"slurm"``, ``"pbs"`` or ``"local"``; of others no job can be found.
    names
        Job names.
    since
        Jobs submitted before are left out; aware.

    """
    if kind == "slurm":
        found = _find_in_slurm(names, since)
    elif kind == "pbs":
        found = [(j.job_id, j.name) for j in read_live_queue("pbs").values()]
    elif isinstance(scheduler, LocalScheduler):
        found = [
            (record.job_id, record.name)
            for record in scheduler.records().values()
            if record.submitted_at is None or record.submitted_at >= since
        ]
    else:
        found = []
    return sorted({pair for pair in found if pair[1] in names}, key=_by_id, reverse=True)


def _find_in_slurm(names: Collection[str], since: datetime) -> list[tuple[str, str]]:
    """Ask the controller, which forgets ended jobs after minutes, and sacct."""
    done = squeue.run_squeue("--states=all", f"--user={getpass.getuser()}", timeout_s=30)
    rows = squeue.parse_rows(squeue.check_done(done).stdout)
    found = [
        (raw_id, record.name)
        for record, raw_id in rows
        if record.submitted_at is None or record.submitted_at >= since
    ]
    local = since.astimezone().strftime("%Y-%m-%dT%H:%M:%S")  # sacct thinks in local time
    argv = ["sacct", "-X", "-n", "-P", f"--starttime={local}", f"--user={getpass.getuser()}"]
    argv += [f"--name={','.join(sorted(names))}", "--format=JobIDRaw,JobName"]
    try:
        result = run_command(argv, timeout_s=60)
    except SchedulerError:
        return found  # many clusters have no sacct
    if result.returncode == 0:
        for line in result.stdout.splitlines():
            job_id, _, name = line.partition("|")
            found.append((job_id, name))
    return found


def _by_id(pair: tuple[str, str]) -> int:
    digits = pair[0].partition(".")[0].partition("_")[0]
    return int(digits) if digits.isdigit() else 0
