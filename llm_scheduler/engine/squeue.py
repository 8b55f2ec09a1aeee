"""What Slurm's controller knows of jobs that live or ended some minutes ago: ``squeue``.

Each field ends with a control character, and each job with another one, because names
may hold spaces, ``|`` and even line breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_scheduler.engine import slurm_values as values
from llm_scheduler.engine.commands import CompletedCommand, run_command
from llm_scheduler.engine.records import LIVE_STATES, JobRecord
from llm_scheduler.errors import SchedulerError

FIELDS = (
    "JobID",
    "JobArrayID",
    "State",
    "exit_code",
    "Reason",
    "NodeList",
    "TimeLimit",
    "TimeUsed",
    "NumNodes",
    "tres-alloc",
    "RestartCnt",
    "SubmitTime",
    "StartTime",
    "EndTime",
    "Partition",
    "Account",
    "UserName",
    "STDOUT",
    "STDERR",
    "WorkDir",
    "Name",
)
"""Columns asked for, with their names in ``squeue --Format``."""

IDS_PER_CALL = 400
_FIELD_END, _JOB_END = "\x1f", "\x1e"
# Variables of the user that would change what squeue prints or hides.
_ENV: dict[str, str | None] = {
    **values.TIME_FORMAT_ENV,
    **{
        f"SQUEUE_{name}": None
        for name in (
            *("ALL", "ARRAY", "ACCOUNT", "FORMAT", "FORMAT2", "LICENSES", "NAMES", "PARTITION"),
            *("QOS", "SORT", "STATES", "USERS", "FEDERATION", "SIBLING", "LOCAL", "PRIORITY"),
        )
    },
}


def squeue_argv(*arguments: str) -> list[str]:
    """Return the command that prints `FIELDS` of the jobs chosen by the arguments."""
    ends = [_FIELD_END] * (len(FIELDS) - 1) + [_JOB_END]
    columns = ",".join(f"{field}:{end}" for field, end in zip(FIELDS, ends, strict=True))
    return ["squeue", "--noheader", "--array", "--all", *arguments, "--Format", columns]


def parse_squeue(text: str) -> dict[str, JobRecord]:
    """Read the output of `squeue_argv`, by the ids that Slurm's tables print."""
    return {record.job_id: record for record, _ in parse_rows(text)}


def parse_rows(text: str) -> Iterator[tuple[JobRecord, str]]:
    """Read the output of `squeue_argv`: each record with the job's plain number."""
    for item in text.split(_JOB_END):
        cells = item.lstrip("\n").split(_FIELD_END)
        if len(cells) == len(FIELDS):
            row = dict(zip(FIELDS, (cell.strip() for cell in cells), strict=True))
            yield _record(row), row["JobID"]


def read_squeue(job_ids: Sequence[str], *, timeout_s: float = 30) -> list[tuple[JobRecord, str]]:
    """Ask the controller for these jobs, in any state that it still remembers.

    Raises
    ------
    SchedulerError
        If squeue is missing, fails, or is too old for its output to be told apart.
    """
    found: list[tuple[JobRecord, str]] = []
    for start in range(0, len(job_ids), IDS_PER_CALL):
        ids = ",".join(job_ids[start : start + IDS_PER_CALL])
        done = run_squeue("--states=all", "--jobs", ids, timeout_s=timeout_s)
        if done.returncode != 0 and "nvalid job id" in done.stderr:
            continue  # the controller has forgotten every one of them
        found += parse_rows(check_done(done).stdout)
    return found


def run_squeue(*arguments: str, timeout_s: float = 30) -> CompletedCommand:
    """Run squeue with `FIELDS` and the given arguments."""
    return run_command(squeue_argv(*arguments), timeout_s=timeout_s, env=_ENV)


def check_done(done: CompletedCommand) -> CompletedCommand:
    """Raise `SchedulerError` if squeue failed."""
    if done.returncode != 0:
        raise SchedulerError(
            f"squeue failed: {done.first_error or f'exit code {done.returncode}'}",
            returncode=done.returncode,
            stderr=done.stderr,
        )
    return done


def _record(row: dict[str, str]) -> JobRecord:
    state, _ = values.parse_state(row["State"])
    live = state in LIVE_STATES
    code, signal = (None, None) if live else values.parse_wait_status(row["exit_code"])
    reason = values.parse_text(row["Reason"])
    started = values.parse_time(row["StartTime"])
    tres = values.parse_tres_text(row["tres-alloc"])
    name, job_id = row["Name"], row["JobArrayID"]
    array, _, task = job_id.partition("_")
    return JobRecord(
        job_id=job_id,
        name=name,
        state=state,
        exit_code=code,
        signal=signal,
        elapsed_s=values.parse_duration(row["TimeUsed"]),
        time_limit_s=values.parse_duration(row["TimeLimit"]),
        requested_memory_bytes=values.node_memory(tres, values.parse_number(row["NumNodes"])),
        nodes=values.expand_nodes(row["NodeList"]),
        reason=clean_reason(reason, signal),
        partition=row["Partition"],
        account=row["Account"],
        user=row["UserName"],
        restarts=values.parse_number(row["RestartCnt"]) or 0,
        submitted_at=values.parse_time(row["SubmitTime"]),
        # For a pending job these are the scheduler's forecast.
        started_at=None if state == "PENDING" else started,
        ended_at=None if live else values.parse_time(row["EndTime"]),
        log_files=values.log_paths(
            (row["STDOUT"], row["STDERR"]),
            row["WorkDir"],
            {"j": row["JobID"], "x": name, "u": row["UserName"], "A": array, "a": task or "0"},
        ),
        source="squeue",
    )


def clean_reason(reason: str, signal: int | None) -> str:
    """Drop the reason that the controller makes up when a job's script dies of a signal."""
    # Seen with Slurm 22.05: a segmentation fault reads "JobLaunchFailure".
    return "" if reason == "JobLaunchFailure" and signal else reason
