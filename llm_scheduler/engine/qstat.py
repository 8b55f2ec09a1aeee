"""Job records from PBS: ``qstat -f`` as JSON and as text, in Slurm's state names.

PBS prints broken JSON in several versions: numbers with leading zeros, quotes and
backslashes of environment variables, a missing brace with several jobs. What can't be
parsed is read line by line, and the environment is skipped.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from llm_scheduler.engine import pbs_values as values
from llm_scheduler.engine.commands import CompletedCommand, run_command
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandMissing, CommandTimedOut, SchedulerError

IDS_PER_CALL = 200

_JOB_KEY = re.compile(r"^\d+(\[\d*\])?(\.|$)")
_KEY_LINE = re.compile(r'^(\s*)"((?:[^"\\]|\\.)+)":\s*(.*?),?\s*$')
_TEXT_JOB = re.compile(r"^Job Id: (\S+)")
_GROUPS = ("resources_used", "Resource_List")
_UNKNOWN_JOB = ("unknown job", "job has finished")


def parse_qstat_json(text: str) -> dict[str, JobRecord]:
    """Read ``qstat -f -F json``, also where PBS printed it broken.

    Raises
    ------
    SchedulerError
        If no job can be made out in a text that is not empty.
    """
    return {job_id: make_record(job_id, job) for job_id, job in read_json_jobs(text).items()}


def parse_qstat_text(text: str) -> dict[str, JobRecord]:
    """Read ``qstat -f`` as OpenPBS and Torque print it."""
    return {job_id: make_record(job_id, job) for job_id, job in read_text_jobs(text).items()}


def read_json_jobs(text: str) -> dict[str, dict[str, Any]]:
    """Return the attributes of each job in ``qstat -f -F json``."""
    body = text[max(text.find("{"), 0) :]
    if not body.strip():
        return {}
    with contextlib.suppress(ValueError):
        jobs = json.loads(body, strict=False).get("Jobs", {})
        return {job_id: job for job_id, job in jobs.items() if isinstance(job, dict)}
    found = _read_lines(body)
    if not found and '"job_state"' in body:
        raise SchedulerError("qstat printed JSON that can't be read.")
    return found


def read_text_jobs(text: str) -> dict[str, dict[str, Any]]:
    """Return the attributes of each job in ``qstat -f``."""
    jobs: dict[str, dict[str, Any]] = {}
    job: dict[str, Any] = {}
    # Long values go on in lines that begin with a tab.
    for line in text.replace("\n\t", "").split("\n"):
        found = _TEXT_JOB.match(line)
        if found:
            job = jobs[found[1]] = {}
            continue
        key, equals, value = line.strip().partition(" = ")
        if not equals:
            continue
        group, dot, name = key.partition(".")
        if dot and group in _GROUPS:
            job.setdefault(group, {})[name] = value
        else:
            # Torque spells it exit_status
            job.setdefault("Exit_status" if key == "exit_status" else key, value)
    return jobs


def read_qstat(job_ids: Sequence[str], *, timeout_s: float = 60) -> list[JobRecord]:
    """Ask PBS for these jobs, also finished ones, some hundreds with each call.

    Raises
    ------
    SchedulerError
        If qstat is missing or the server does not answer.
    """
    records: list[JobRecord] = []
    for start in range(0, len(job_ids), IDS_PER_CALL):
        ids = list(job_ids[start : start + IDS_PER_CALL])
        found = _read_chunk(ids, timeout_s)
        records += [make_record(job_id, job) for job_id, job in found.items()]
    return records


def read_own_jobs(*, timeout_s: float = 60) -> dict[str, dict[str, Any]]:
    """Return the attributes of all jobs that are not finished, whosever they are."""
    done = run_command(["qstat", "-f", "-F", "json"], timeout_s=timeout_s)
    if done.returncode == 0:
        with contextlib.suppress(SchedulerError):
            return read_json_jobs(done.stdout)
    done = run_command(["qstat", "-f"], timeout_s=timeout_s)
    if done.returncode != 0:
        raise _failed(done)
    return read_text_jobs(done.stdout)


def _read_chunk(ids: list[str], timeout_s: float) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    problem: SchedulerError | None = None
    # A build of OpenPBS prints only the first of several jobs as JSON, and Torque knows
    # neither JSON nor -x: the jobs that are still missing are asked for in another way.
    for options in (["-x", "-f", "-F", "json"], ["-x", "-f"], ["-f"]):
        known = {job_id.partition(".")[0] for job_id in found}
        missing = [job_id for job_id in ids if job_id.partition(".")[0] not in known]
        if not missing:
            break
        try:
            done = run_command(["qstat", *options, *missing], timeout_s=timeout_s)
            found.update(_parse_answer(done, as_json="json" in options))
        except (CommandMissing, CommandTimedOut):
            raise
        except SchedulerError as exc:
            problem = exc
            continue
        problem = None
    if problem is not None and not found:
        raise problem
    return found


def _parse_answer(done: CompletedCommand, *, as_json: bool) -> dict[str, dict[str, Any]]:
    # With one unknown job among the ids the exit code is not 0, and the others are printed.
    jobs = read_json_jobs(done.stdout) if as_json else read_text_jobs(done.stdout)
    if not jobs and done.returncode != 0:
        complaint = done.stderr.lower()
        if not any(words in complaint for words in _UNKNOWN_JOB):
            raise _failed(done)
    return jobs


def _failed(done: CompletedCommand) -> SchedulerError:
    return SchedulerError(
        f"qstat failed: {done.first_error or f'exit code {done.returncode}'}",
        returncode=done.returncode,
        stderr=done.stderr,
    )


def _read_lines(text: str) -> dict[str, dict[str, Any]]:
    """Read PBS's JSON by its lines: it has one key on each, indented by depth."""
    jobs: dict[str, dict[str, Any]] = {}
    job: dict[str, Any] = {}
    target: dict[str, Any] | None = None
    job_depth = key_depth = 0
    for line in text.split("\n"):
        if line.strip() in {"}", "},"} and len(line) - len(line.lstrip()) == key_depth:
            target = job
            continue
        found = _KEY_LINE.match(line)
        if not found:
            continue
        depth, key, value = len(found[1]), found[2], found[3]
        if value == "{" and _JOB_KEY.match(key):
            job = target = jobs.setdefault(key, {})
            job_depth, key_depth = depth, 0
        elif jobs and depth > job_depth and target is not None:
            key_depth = key_depth or depth
            if value == "{" and depth == key_depth:
                # Of the groups only these are wanted; the environment is skipped.
                target = job.setdefault(key, {}) if key in _GROUPS else None
            elif target is not job or depth == key_depth:
                target.setdefault(key, _plain(value))
    return jobs


def _plain(value: str) -> str:
    """Take the quotes off a JSON value that may be broken."""
    with contextlib.suppress(ValueError):
        return str(json.loads(value))
    return value.strip('"')


def make_record(job_id: str, job: dict[str, Any]) -> JobRecord:
    """Return the record of a job from its attributes in PBS."""
    used, asked = (values.as_group(job.get(name)) for name in _GROUPS)
    facts = values.Ending(
        letter=str(job.get("job_state", "")),
        exit_status=values.parse_int(job.get("Exit_status")),
        comment=str(job.get("comment", "")),
        substate=values.parse_int(job.get("substate")),
        walltime_s=values.parse_walltime(used.get("walltime")),
        limit_s=values.parse_walltime(asked.get("walltime")),
        used_bytes=values.parse_size(used.get("mem")),
        asked_bytes=values.parse_size(asked.get("mem")),
    )
    state, code, signal, reason = values.judge(facts)
    count = max(values.parse_int(asked.get("nodect")) or 1, 1)
    runs = values.parse_int(job.get("run_count")) or 0
    return JobRecord(
        job_id=job_id,
        name=str(job.get("Job_Name", "")),
        state=state,
        exit_code=code,
        signal=signal,
        elapsed_s=facts.walltime_s,
        time_limit_s=facts.limit_s,
        # PBS adds up all nodes, so for several nodes the peak of one is not known.
        max_rss_bytes=facts.used_bytes if count == 1 else None,
        requested_memory_bytes=facts.asked_bytes // count if facts.asked_bytes else None,
        nodes=values.parse_hosts(job.get("exec_host")),
        reason=reason,
        partition=str(job.get("queue", "")),
        account=str(job.get("project", job.get("Account_Name", ""))),
        user=str(job.get("Job_Owner", "")).partition("@")[0],
        restarts=max(runs - 1, 0),
        submitted_at=_time(job.get("ctime")),
        started_at=_time(job.get("stime", job.get("start_time"))),
        ended_at=_time(job.get("obittime", job.get("comp_time"))),
        log_files=_log_files(job),
        source="qstat",
    )


def _log_files(job: dict[str, Any]) -> tuple[str, ...]:
    if str(job.get("Keep_Files", "n")) not in {"n", ""}:
        return ()  # kept in the home folder under another name
    paths = []
    for key in ("Output_Path", "Error_Path"):
        path = str(job.get(key, "")).partition(":")[2]
        if path.startswith("/") and not path.endswith("/"):
            paths.append(path)
    return tuple(dict.fromkeys(paths))


def _time(value: Any) -> datetime | None:
    """Read ``Wed Nov 18 10:00:00 2026`` in this machine's time zone."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        # Not %a and %b of strptime alone: they follow the process's locale, and PBS's don't.
        _, month, day, clock, year = str(value).split()
        number = values.MONTHS.index(month) + 1
        local = datetime.fromisoformat(f"{int(year):04d}-{number:02d}-{int(day):02d}T{clock}")
        return local.astimezone(UTC)
    seconds = values.parse_int(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and 0 < seconds < 1 << 32 else None
