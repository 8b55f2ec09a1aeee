"""Job records from ``scontrol show job``: the substitute where squeue can't be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from llm_scheduler.engine import slurm_values as values
from llm_scheduler.engine.commands import run_command
from llm_scheduler.engine.records import LIVE_STATES, JobRecord
from llm_scheduler.engine.squeue import clean_reason
from llm_scheduler.errors import SchedulerError

MAX_SINGLE_CALLS = 5
"""scontrol takes one job id at a time; for more jobs all jobs are read at once."""

# Values hold spaces and "=", so only the keys that Slurm prints start a new value.
_KEYS = (
    r"JobId|ArrayJobId|ArrayTaskId|ArrayTaskThrottle|HetJobId|HetJobOffset|HetJobIdSet|"
    r"JobName|UserId|GroupId|MCS_label|Priority|Nice|Account|QOS|WCKey|JobState|Reason|"
    r"FailedNode|Dependency|Requeue|Restarts|BatchFlag|Reboot|ExitCode|DerivedExitCode|"
    r"RunTime|TimeLimit|TimeMin|SubmitTime|EligibleTime|AccrueTime|StartTime|EndTime|"
    r"Deadline|SuspendTime|PreemptTime|PreemptEligibleTime|SecsPreSuspend|LastSchedEval|"
    r"Scheduler|Partition|AllocNode:Sid|ReqNodeList|ExcNodeList|NodeList|SchedNodeList|"
    r"BatchHost|NumNodes|NumCPUs|NumTasks|CPUs/Task|ReqB:S:C:T|ReqTRES|AllocTRES|TRES|"
    r"Socks/Node|NtasksPerN:B:S:C|CoreSpec|MinCPUsNode|MinMemoryNode|MinMemoryCPU|"
    r"MinTmpDiskNode|Features|DelayBoot|OverSubscribe|Contiguous|Licenses|LicensesAlloc|"
    r"Network|Command|WorkDir|StdErr|StdIn|StdOut|Comment|AdminComment|SystemComment|"
    r"Power|Switches|TresPerNode|TresPerJob|TresPerTask|MemPerTres|MailUser|MailType|"
    r"Reservation|Cluster|Container|Extra|SubmitLine"
)
_KEY = re.compile(rf"(?:^|\s)({_KEYS})=")
_JOB = re.compile(r"^JobId=(?=\d)", re.MULTILINE)


def parse_scontrol_job(text: str) -> dict[str, JobRecord]:
    """Read ``scontrol show job`` of one or many jobs, with or without ``-o``."""
    return {record.job_id: record for record, _ in parse_jobs(text)}


def parse_jobs(text: str) -> list[tuple[JobRecord, str]]:
    """Read ``scontrol show job``: each record with the job's plain number."""
    starts = [found.start() for found in _JOB.finditer(text)]
    blocks = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return [(_record(fields), fields["JobId"]) for fields in map(_fields, blocks)]


def read_scontrol(job_ids: Sequence[str], *, timeout_s: float = 30) -> list[tuple[JobRecord, str]]:
    """Ask the controller for these jobs, with a bounded number of calls.

    Raises
    ------
    SchedulerError
        If scontrol is missing or the controller does not answer.
    """
    targets = list(job_ids) if len(job_ids) <= MAX_SINGLE_CALLS else [""]
    found: list[tuple[JobRecord, str]] = []
    for target in targets:
        argv = ["scontrol", "--all", "--oneliner", "show", "job", *([target] if target else [])]
        done = run_command(argv, timeout_s=timeout_s, env=values.TIME_FORMAT_ENV)
        if done.returncode != 0 and "nvalid job id" not in done.stderr:
            raise SchedulerError(
                f"scontrol failed: {done.first_error or f'exit code {done.returncode}'}",
                argv=argv,
                returncode=done.returncode,
                stderr=done.stderr,
            )
        found += parse_jobs(done.stdout)
    wanted = set(job_ids)
    return [item for item in found if item[0].job_id in wanted or item[1] in wanted]


def _fields(block: str) -> dict[str, str]:
    found = list(_KEY.finditer(block))
    ends = [item.start() for item in found[1:]] + [len(block)]
    fields: dict[str, str] = {}
    for item, end in zip(found, ends, strict=True):
        # The first one counts: a comment at the end must not replace what came before.
        fields.setdefault(item[1], block[item.end() : end].strip())
    return fields


def _record(fields: dict[str, str]) -> JobRecord:
    def get(key: str) -> str:
        return values.parse_text(fields.get(key, ""))

    state, _ = values.parse_state(get("JobState"))
    live = state in LIVE_STATES
    code, signal = (None, None) if live else values.parse_exit_text(get("ExitCode"))
    tres = values.parse_tres_text(get("AllocTRES") or get("TRES") or get("ReqTRES"))
    nodes = values.parse_number(get("NumNodes").partition("-")[0])
    name, raw_id = get("JobName"), fields["JobId"]
    return JobRecord(
        job_id=_job_id(fields),
        name=name,
        state=state,
        exit_code=code,
        signal=signal,
        elapsed_s=values.parse_duration(get("RunTime")),
        time_limit_s=values.parse_duration(get("TimeLimit")),
        requested_memory_bytes=values.parse_size(get("MinMemoryNode"))
        or values.node_memory(tres, nodes),
        nodes=values.expand_nodes(get("NodeList")),
        reason=clean_reason(get("Reason"), signal),
        partition=get("Partition"),
        account=get("Account"),
        user=get("UserId").partition("(")[0],
        restarts=values.parse_number(get("Restarts")) or 0,
        submitted_at=values.parse_time(get("SubmitTime")),
        started_at=None if state == "PENDING" else values.parse_time(get("StartTime")),
        ended_at=None if live else values.parse_time(get("EndTime")),
        log_files=values.log_paths(
            (get("StdOut"), get("StdErr")), get("WorkDir"), {"j": raw_id, "x": name}
        ),
        source="scontrol",
    )


def _job_id(fields: dict[str, str]) -> str:
    task, offset = fields.get("ArrayTaskId", ""), fields.get("HetJobOffset", "")
    if task and "ArrayJobId" in fields:
        return f"{fields['ArrayJobId']}_{task}"
    if offset and "HetJobId" in fields:
        return f"{fields['HetJobId']}+{offset}"
    return fields["JobId"]
