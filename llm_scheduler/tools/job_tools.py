"""Tools that look at jobs: lists, groups of failures, one job in detail, the queue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated

from langchain_core.tools import BaseTool

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.engine.quantities import format_duration, format_memory
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import ToolError
from llm_scheduler.tools.answers import clean_answer, cut_answer, make_answer
from llm_scheduler.tools.learner_names import find_learner
from llm_scheduler.tools.log_tools import known_logs
from llm_scheduler.tools.making_tools import make_tool
from llm_scheduler.tools.quoted_secrets import hide_quoted
from llm_scheduler.tools.run_view import AttemptInfo, JobInfo, QueueRow, RunView
from llm_scheduler.tools.visible import show_name

MAX_ROWS = 500
_ROW_CHARS = 90
_SCRIPT_SHARE = 3
_MAX_ATTEMPTS = 8
_MAX_NAMED = 6
_MAX_VARIABLES = 30
_EXPORT = re.compile(r"^[ \t]*export[ \t]+(\w+=.*)$", re.MULTILINE)

_Page = Annotated[int, "Page, from 1."]


def job_tools(run: RunView, max_chars: int) -> list[BaseTool]:
    """Return the tools that look at jobs."""
    jobs = _Jobs(run, max_chars)
    tools = (jobs.list_jobs, jobs.list_groups, jobs.job_details, jobs.show_queue)
    return [make_tool(tool) for tool in tools]


class _Jobs:
    """Looks at the jobs of a run; each method is a tool."""

    def __init__(self, run: RunView, max_chars: int) -> None:
        self._run = run
        self._max_chars = max_chars

    def list_jobs(
        self,
        state: Annotated[
            str, "waiting, pending, running, done, failed or held; empty for all."
        ] = "",
        page: _Page = 1,
    ) -> str:
        """List the run's learners with their jobs, and count them by state."""
        jobs = self._run.jobs()
        counts = Counter(job.state for job in jobs)
        if state and state not in counts:
            raise ToolError(f"No job is {state!r}; there are: {_say_counts(counts)}.")
        chosen = [job for job in jobs if not state or job.state == state]
        head = f"run {self._run.name}: {len(jobs)} learners ({_say_counts(counts)})"
        return _paged(head, [_job_row(job) for job in chosen], page, self._max_chars)

    def list_groups(self, page: _Page = 1) -> str:
        """List the failures by cause, the largest group first."""
        groups = self._run.groups()
        if not groups:
            return "Nothing has failed in this run."
        n_failures = sum(group.count for group in groups)
        head = f"{n_failures} failures of {len(groups)} causes"
        return _paged(head, [_group_row(group) for group in groups], page, self._max_chars)

    def job_details(
        self,
        job: Annotated[str, "'job 12', 'learner 3', or the learner's file."],
        script: Annotated[bool, "Whether to show the job's script."] = True,
    ) -> str:
        """Show one job: the scheduler's record, resources, attempts, diagnosis, logs, script."""
        info = find_learner(self._run, job)
        failure = _failure_of(self._run, info, job)
        job_id = failure.job_id if failure else info.job_id
        parts = [
            _job_row(info),
            *_describe_failure(failure),
            f"its next job asks for: {_say_resources(self._run.resources(info.fname))}",
            *_describe_attempts(self._run.attempts(info.fname)),
        ]
        logs = known_logs(self._run.logs(), job_id or "")
        parts += [f"log of job {job_id}: {file}" for file in logs]
        kept = _read_script(self._run, job_id)
        parts += _describe_environment(kept)
        text = make_answer("\n".join(map(show_name, parts)), self._max_chars)
        if script and kept:
            room = min(self._max_chars - len(text), max(self._max_chars // _SCRIPT_SHARE, 500))
            text += _show_script(kept, room)
        return text

    def show_queue(self, page: _Page = 1) -> str:
        """Show your jobs in the scheduler's queue, and the partitions."""
        queue = self._run.queue()
        problem = ""
        partitions: list[str] = []
        try:
            partitions = self._run.partitions()
        except ToolError as exc:
            problem = str(exc)
        ours = sum(row.is_ours for row in queue)
        head = f"{len(queue)} of your jobs are in the queue, {ours} of this run"
        rows = sorted(queue, key=lambda row: (not row.is_ours, row.state, row.job_id))
        lines = [_queue_row(row) for row in rows]
        lines += ["partitions:", *partitions] if partitions else [problem] * bool(problem)
        return _paged(head, lines, page, self._max_chars)


def _paged(head: str, rows: Sequence[str], page: int, max_chars: int) -> str:
    """Return the rows of one page; pages hold as many whole rows as there is room for."""
    room = max_chars - len(head) - 200
    pages: list[list[str]] = [[]]
    left = room
    for row in _clean_rows(rows, max(_ROW_CHARS, room // 2)):
        if pages[-1] and (left < len(row) + 1 or len(pages[-1]) == MAX_ROWS):
            pages.append([])
            left = room
        pages[-1].append(row)
        left -= len(row) + 1
    if not 1 <= page <= len(pages):
        raise ToolError(f"There is no page {page}; there are {len(pages)}.")
    text = make_answer(head, max_chars)
    if len(pages) > 1:
        more = f"; for more: page={page + 1}" if page < len(pages) else ""
        text += f"; page {page} of {len(pages)}{more}"
    return cut_answer("\n".join([text, *pages[page - 1]]), max_chars)


def _clean_rows(rows: Sequence[str], max_chars: int) -> Iterator[str]:
    """Yield rows that may go to the model, all cleaned at once: one by one takes long."""
    lines = iter(clean_answer("\n".join(rows)).split("\n"))
    for row in rows:
        yield cut_answer("\n".join(islice(lines, row.count("\n") + 1)), max_chars)


def _say_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {state}" for state, n in counts.most_common()) or "no jobs"


def _job_row(job: JobInfo) -> str:
    parts = [f"learner {job.index}", job.state, f"job {job.job_id}" if job.job_id else "no job"]
    parts += [format_duration(job.elapsed_s)] if job.elapsed_s is not None else []
    parts += [f"on {_some(job.nodes)}"] if job.nodes else []
    return show_name(" | ".join([*parts, job.fname, *([job.note] if job.note else [])]))


def _group_row(group: FailureGroup) -> str:
    found = group.representative
    sure = f"confidence {found.confidence:.2f}, by {found.source}"
    lines = [
        f"{group.count} x {group.category}: {group.title} ({sure})",
        f"  key: {group.key}",
        f"  jobs: {_some(group.job_ids) or 'none'}; learners: {_some(group.learners)}",
    ]
    if group.bad_node:
        lines.append(f"  all on node {group.bad_node}, while others ran elsewhere")
    lines += [f"  {line.file}:{line.line}: {line.text}" for line in found.evidence[:1]]
    return "\n".join(map(show_name, lines))


def _failure_of(run: RunView, info: JobInfo, asked: str) -> Failure | None:
    """Return the failure of the job that was asked for, else the learner's last one."""
    found = [failure for failure in run.failures() if info.fname in failure.learners]
    number = asked.strip().removeprefix("job").strip(" :#")
    exact = [failure for failure in found if failure.job_id == number]
    return next(iter((exact or found)[-1:]), None)


def _describe_failure(failure: Failure | None) -> list[str]:
    if failure is None:
        return ["it has not failed in this run"]
    lines = [f"failure of job {failure.job_id or '(refused by the scheduler)'}:"]
    lines += _describe_record(failure.record) if failure.record else []
    lines += [f"  {failure.note}"] if failure.note else []
    found = failure.diagnosis
    if found is None:
        return [*lines, "  its diagnosis is under way"]
    lines.append(
        f"  diagnosis ({found.source}, confidence {found.confidence:.2f}): {found.category}: "
        f"{found.title}"
    )
    lines += [f"  doubt: {doubt}" for doubt in found.doubts]
    lines += [f"  proof: {line.file}:{line.line}: {line.text}" for line in found.evidence[:5]]
    lines += [f"  remedy: {remedy.summary}" for remedy in found.remedies[:4]]
    return lines


def _describe_record(record: JobRecord) -> list[str]:
    memory = (record.max_rss_bytes, record.requested_memory_bytes)
    used, asked = (format_memory(value) if value else "unknown" for value in memory)
    times = (record.elapsed_s, record.time_limit_s)
    ran, limit = (format_duration(value) if value is not None else "unknown" for value in times)
    code = f"{'?' if record.exit_code is None else record.exit_code}:{record.signal or 0}"
    lines = [
        f"  state {record.state}, exit {code}, memory {used} of {asked}, time {ran} of {limit}"
    ]
    lines += [f"  nodes: {_some(record.nodes)}"] if record.nodes else []
    lines += [f"  the scheduler's reason: {record.reason}"] if record.reason else []
    bad = [step for step in record.steps if step.state not in ("COMPLETED", "UNKNOWN")]
    return lines + [f"  step {step.step_id}: {step.state}" for step in bad[:_MAX_NAMED]]


def _say_resources(resources: dict[str, str]) -> str:
    known = [f"{name} {value}" for name, value in resources.items() if value]
    return ", ".join(known) or "not known (the scheduler's defaults)"


def _describe_attempts(attempts: Sequence[AttemptInfo]) -> list[str]:
    if len(attempts) < 2:
        return []
    lines = [f"{len(attempts)} attempts, the last ones:"]
    for attempt in attempts[-_MAX_ATTEMPTS:]:
        parts = [f"job {attempt.job_id or '?'}", attempt.outcome or "under way"]
        parts += [attempt.state] if attempt.state else []
        parts += [format_duration(attempt.elapsed_s)] if attempt.elapsed_s is not None else []
        parts += [f"on {_some(attempt.nodes)}"] if attempt.nodes else []
        lines.append("  " + ", ".join([*parts, *([attempt.title] if attempt.title else [])]))
    return lines


def _read_script(run: RunView, job_id: str | None) -> str:
    """Return the script of a job; empty when it is not kept."""
    if job_id:
        with suppress(ToolError):
            return hide_quoted(run.job_script(job_id)).strip()
    return ""


def _describe_environment(script: str) -> list[str]:
    """Return what a script sets for its programs, also where it is too long to be shown."""
    found = _EXPORT.findall(script)
    if not found:
        return []
    more = f" (the first {_MAX_VARIABLES})" if len(found) > _MAX_VARIABLES else ""
    return [f"environment that its script sets{more}:", *(f"  {x}" for x in found[:_MAX_VARIABLES])]


def _show_script(script: str, room: int) -> str:
    head = "\nscript:\n"
    if room <= len(head) + 100:
        return ""
    return head + make_answer(script, room - len(head))


def _queue_row(row: QueueRow) -> str:
    parts = [f"job {row.job_id}", row.state, row.name]
    parts += [row.partition] if row.partition else []
    if row.elapsed_s is not None:
        limit = f" of {format_duration(row.time_limit_s)}" if row.time_limit_s else ""
        parts.append(f"{format_duration(row.elapsed_s)}{limit}")
    parts += [f"on {_some(row.nodes)}"] if row.nodes else []
    parts += [row.reason] if row.reason else []
    return show_name(" | ".join([*parts, *(["this run"] if row.is_ours else [])]))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MAX_NAMED} more" if len(listed) > _MAX_NAMED else ""
    return ", ".join(listed[:_MAX_NAMED]) + more
