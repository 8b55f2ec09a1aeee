"""Job records from ``sacct``: its JSON, and its table where there is no JSON.

Known oddities, all seen on real clusters:

- Slurm 22.05 prints ``{"status": "SUCCESS", "return_code": 0}`` for a job that failed
  with an exit code: such a code is taken as not told.
- The table prints exit code 137 as ``9:0``, so the controller's word is better.
- ``SLURM_TIME_FORMAT`` makes ``sacct --json`` fail, and the table exact.
- Without ``-D`` a requeued job has one row, with ``-D`` one for each attempt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_scheduler.engine import slurm_values as values
from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.records import FAILED_STATES, LIVE_STATES, JobRecord, StepRecord
from llm_scheduler.errors import SchedulerError

TABLE_SEPARATOR = "\x1f"
TABLE_FIELDS = (
    "JobID",
    "JobIDRaw",
    "State",
    "ExitCode",
    "ElapsedRaw",
    "TimelimitRaw",
    "MaxRSS",
    "ReqMem",
    "ReqTRES",
    "AllocTRES",
    "AllocNodes",
    "NodeList",
    "Reason",
    "Partition",
    "Account",
    "User",
    "Submit",
    "Start",
    "End",
    "JobName",
)
"""Columns asked for; the name comes last because it may hold line breaks."""

IDS_PER_CALL = 400
_RANGES = ("1970-01-02T00:00:00", "now-30days", "now-1days")
# Variables of the user that would change what sacct prints or hides.
_ENV: dict[str, str | None] = {"SACCT_FORMAT": None, "SACCT_FEDERATION": None}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job, with the plain number that Slurm gives each array task."""

    record: JobRecord
    raw_id: str


def parse_sacct_json(text: str) -> dict[str, JobRecord]:
    """Read the output of ``sacct --json``; of several attempts of a job the last counts."""
    return _last_attempts(parse_sacct_attempts(text))


def parse_sacct_table(text: str) -> dict[str, JobRecord]:
    """Read the output of ``sacct -P -n`` with `TABLE_FIELDS`; the last attempt counts."""
    return _last_attempts(parse_table_attempts(text))


def parse_sacct_attempts(text: str) -> list[Attempt]:
    """Read every attempt in the output of ``sacct --json``, oldest first.

    Raises
    ------
    SchedulerError
        If the text is not JSON, or is Slurm's report of an error.
    """
    try:
        data = values.as_dict(json.loads(text, strict=False))
    except ValueError as exc:
        raise SchedulerError("sacct --json printed something that is not JSON.") from exc
    if "jobs" not in data:
        errors = [values.as_dict(item) for item in values.as_list(data.get("errors"))]
        reason = "; ".join(str(item.get("description") or item.get("error")) for item in errors)
        raise SchedulerError(f"sacct --json printed no jobs: {reason or 'no reason given'}.")
    jobs = [job for job in values.as_list(data["jobs"]) if isinstance(job, dict)]
    return _number_restarts(_json_attempt(job) for job in jobs if job.get("job_id") is not None)


def parse_table_attempts(text: str) -> list[Attempt]:
    """Read every attempt in the output of ``sacct -P -n`` with `TABLE_FIELDS`, oldest first."""
    jobs: list[tuple[dict[str, str], list[StepRecord]]] = []
    current: dict[str, list[StepRecord]] = {}
    for line in text.split("\n"):
        cells = line.split(TABLE_SEPARATOR)
        if len(cells) != len(TABLE_FIELDS):
            continue  # the rest of a job name with a line break
        row = dict(zip(TABLE_FIELDS, cells, strict=True))
        job_id, dot, step_id = row["JobID"].partition(".")
        if dot:
            current.setdefault(job_id, []).append(_table_step(row, step_id))
        else:
            # Steps follow their job, also where attempts repeat the job id.
            current[job_id] = []
            jobs.append((row, current[job_id]))
    return _number_restarts(_table_attempt(row, steps) for row, steps in jobs)


def read_sacct(job_ids: Sequence[str], *, as_json: bool, timeout_s: float = 60) -> list[Attempt]:
    """Ask sacct for all attempts of these jobs, some hundreds of jobs with each call.

    Raises
    ------
    SchedulerError
        If sacct is missing, disabled on this cluster or fails.
    """
    found: list[Attempt] = []
    for start in range(0, len(job_ids), IDS_PER_CALL):
        chunk = job_ids[start : start + IDS_PER_CALL]
        found += _read_chunk(chunk, as_json=as_json, timeout_s=timeout_s)
    return found


def _read_chunk(job_ids: Sequence[str], *, as_json: bool, timeout_s: float) -> list[Attempt]:
    base = ["sacct", "-D", "-j", ",".join(job_ids)]
    if as_json:
        argv = [*base, "--json"]
        env = {**_ENV, "SLURM_TIME_FORMAT": None}
    else:
        columns = ",".join(TABLE_FIELDS)
        argv = [*base, "-P", "-n", f"--delimiter={TABLE_SEPARATOR}", f"--format={columns}"]
        env = {**_ENV, **values.TIME_FORMAT_ENV}
    for range_start in _RANGES:
        done = run_command([*argv, "-S", range_start], timeout_s=timeout_s, env=env)
        # Some clusters bound the range that a query may span (MaxQueryTimeRange).
        if "date range" not in done.stderr:
            break
    if done.returncode != 0:
        raise SchedulerError(
            f"sacct failed: {done.first_error or f'exit code {done.returncode}'}",
            argv=argv,
            returncode=done.returncode,
            stderr=done.stderr,
        )
    return parse_sacct_attempts(done.stdout) if as_json else parse_table_attempts(done.stdout)


def _last_attempts(attempts: Iterable[Attempt]) -> dict[str, JobRecord]:
    return {attempt.record.job_id: attempt.record for attempt in attempts}


def _number_restarts(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Put the attempts in order of time, and count those before each."""
    ordered = sorted(
        attempts,
        key=lambda item: (
            item.record.submitted_at.timestamp() if item.record.submitted_at else 0.0,
            item.record.started_at.timestamp() if item.record.started_at else float("inf"),
        ),
    )
    seen: dict[tuple[str, str, str], int] = {}
    numbered = []
    for attempt in ordered:
        record = attempt.record
        # Job ids are used again after years; a job of another name is another job.
        key = (record.job_id, record.name, record.user)
        before = seen[key] = seen.get(key, -1) + 1
        if before > record.restarts:
            record = record.model_copy(update={"restarts": before})
        numbered.append(Attempt(record, attempt.raw_id))
    return numbered


def _job_id(job: dict[str, Any]) -> str:
    """Return the id as Slurm's tables print it: ``12``, ``12_3`` or ``12+1``."""
    array, het = values.as_dict(job.get("array")), values.as_dict(job.get("het"))
    array_id, task = values.parse_number(array.get("job_id")), array.get("task_id")
    if array_id and (number := values.parse_number(task)) is not None:
        return f"{array_id}_{number}"
    het_id, offset = values.parse_number(het.get("job_id")), het.get("job_offset")
    if het_id and (number := values.parse_number(offset)) is not None:
        return f"{het_id}+{number}"
    return str(job["job_id"])


def _json_attempt(job: dict[str, Any]) -> Attempt:
    job_id, raw_id = _job_id(job), str(job["job_id"])
    state_value, time = values.as_dict(job.get("state")), values.as_dict(job.get("time"))
    state, by = values.parse_state(state_value.get("current"))
    by = by or values.parse_text(job.get("kill_request_user"))
    code, signal = _told_exit_code(state, job.get("exit_code"))
    steps = tuple(_json_step(step) for step in values.as_list(job.get("steps")))
    limit = values.parse_number(time.get("limit"))
    nodes = values.expand_nodes(job.get("nodes"))
    name = values.parse_text(job.get("name"))
    user = values.parse_text(job.get("user"))
    record = JobRecord(
        job_id=job_id,
        name=name,
        state=state,
        exit_code=code,
        signal=signal,
        elapsed_s=values.parse_number(time.get("elapsed")),
        time_limit_s=limit * 60 if limit and limit < 1 << 31 else None,
        max_rss_bytes=max((step.max_rss_bytes or 0 for step in steps), default=0) or None,
        requested_memory_bytes=_json_memory(job),
        nodes=nodes,
        reason=_waiting_reason(state_value.get("reason"), state, nodes),
        partition=values.parse_text(job.get("partition")),
        account=values.parse_text(job.get("account")),
        user=user,
        cancelled_by=by if state == "CANCELLED" else "",
        restarts=values.parse_number(job.get("restart_cnt")) or 0,
        submitted_at=values.parse_time(time.get("submission")),
        started_at=values.parse_time(time.get("start")),
        ended_at=values.parse_time(time.get("end")),
        log_files=values.log_paths(
            (job.get("stdout_expanded"), job.get("stderr_expanded")),
            job.get("working_directory"),
            {"j": raw_id, "x": name, "u": user},
        ),
        steps=steps,
        source="sacct",
    )
    return Attempt(record, raw_id)


def _told_exit_code(state: str, value: Any) -> tuple[int | None, int | None]:
    """Return the exit code, unless it is the 0 that Slurm 22.05 prints for every failure."""
    if state in LIVE_STATES:
        return None, None
    code, signal = values.parse_exit_code(value)
    if state in {"FAILED", "NODE_FAIL"} and code == 0 and signal is None:
        return None, None
    return code, signal


def _json_step(step: Any) -> StepRecord:
    step = values.as_dict(step)
    head, nodes = values.as_dict(step.get("step")), values.as_dict(step.get("nodes"))
    tres = values.as_dict(values.as_dict(step.get("tres")).get("requested"))
    state, _ = values.parse_state(step.get("state"))
    code, signal = _told_exit_code(state, step.get("exit_code"))
    return StepRecord(
        # "batch" or 0 in 22.05, "12.batch" or "12.0" since 23.02
        step_id=str(head.get("id", head.get("name", ""))).rpartition(".")[2],
        state=state,
        exit_code=code,
        signal=signal,
        # "requested.max" is where Slurm puts the usage of the task that used most.
        max_rss_bytes=values.find_tres(tres.get("max"), "mem"),
        nodes=values.expand_nodes(nodes.get("range")),
    )


def _json_memory(job: dict[str, Any]) -> int | None:
    required, tres = values.as_dict(job.get("required")), values.as_dict(job.get("tres"))
    per_node = values.parse_bytes(required.get("memory_per_node"))
    if per_node:
        return per_node * values.MIB
    for kind in ("allocated", "requested"):
        memory = values.find_tres(tres.get(kind), "mem")
        if memory:
            nodes = values.find_tres(tres.get(kind), "node") or 1
            return memory * values.MIB // nodes
    return None


def _exit_of_row(state: str, row: dict[str, str]) -> tuple[int | None, int | None]:
    return (None, None) if state in LIVE_STATES else values.parse_exit_text(row["ExitCode"])


def _waiting_reason(reason: Any, state: str, nodes: tuple[str, ...]) -> str:
    """Return why the job waits; of a job that ran it would be why it once waited."""
    return "" if nodes and state not in LIVE_STATES else values.parse_text(reason)


def _table_step(row: dict[str, str], step_id: str) -> StepRecord:
    state, _ = values.parse_state(row["State"])
    code, signal = _exit_of_row(state, row)
    return StepRecord(
        step_id=step_id,
        state=state,
        exit_code=code,
        signal=signal,
        max_rss_bytes=values.parse_size(row["MaxRSS"], default_unit=""),
        nodes=values.expand_nodes(row["NodeList"]),
    )


def _table_attempt(row: dict[str, str], steps: list[StepRecord]) -> Attempt:
    state, by = values.parse_state(row["State"])
    code, signal = _exit_of_row(state, row)
    limit = values.parse_number(row["TimelimitRaw"])
    allocated = values.parse_tres_text(row["AllocTRES"])
    requested = values.parse_tres_text(row["ReqTRES"])
    nodes = values.expand_nodes(row["NodeList"])
    peak = values.parse_size(row["MaxRSS"], default_unit="") or 0
    record = JobRecord(
        job_id=row["JobID"],
        name=row["JobName"].strip(),
        state=state,
        exit_code=code,
        signal=signal,
        elapsed_s=values.parse_number(row["ElapsedRaw"]),
        time_limit_s=limit * 60 if limit else None,
        max_rss_bytes=max([peak, *(step.max_rss_bytes or 0 for step in steps)]) or None,
        requested_memory_bytes=values.node_memory(allocated, values.parse_number(row["AllocNodes"]))
        or values.node_memory(requested)
        or values.parse_size(row["ReqMem"], cpus=values.parse_number(requested.get("cpu"))),
        nodes=nodes,
        reason=_waiting_reason(row["Reason"], state, nodes),
        partition=row["Partition"],
        account=row["Account"],
        user=row["User"],
        cancelled_by=by,
        submitted_at=values.parse_time(row["Submit"]),
        started_at=values.parse_time(row["Start"]),
        ended_at=values.parse_time(row["End"]),
        steps=tuple(steps),
        source="sacct",
    )
    return Attempt(record, row["JobIDRaw"])


def has_unknown_exit(record: JobRecord) -> bool:
    """Whether the job failed and its exit code was not told."""
    return record.state in FAILED_STATES and record.exit_code is None
