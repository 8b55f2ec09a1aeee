"""Which learners are meant: by index, file, job name, job id, group, or by their state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import PurePath

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.run_view import JobInfo, RunView
from llm_scheduler.tools.visible import show_name

STUCK_STATES = ("failed", "held")
"""States of learners that do nothing until somebody acts."""
ALL_STUCK = "failed"
_N_NAMED = 5
_NUMBERED = re.compile(r"(?:(job|learner)[ :#]{0,3})?(\d[\w.\[\]]{0,80})")


def find_learner(run: RunView, name: str) -> JobInfo:
    """Return the one learner that a name means.

    Raises
    ------
    ToolError
        There is none, or more than one.
    """
    found = _find(run, run.jobs(), name)
    if len(found) > 1:
        names = ", ".join(show_name(job.fname) for job in found[:_N_NAMED])
        raise ToolError(f"{show_name(name)!r} means {len(found)} learners; name one: {names}.")
    return found[0]


def find_learners(run: RunView, names: Sequence[str]) -> list[JobInfo]:
    """Return all learners that these names mean, in order, each once.

    Raises
    ------
    ToolError
        A name means none, or there are no names.
    """
    if not names:
        raise ToolError(
            "Name at least one learner in learners=[...]: an index, a file, a job id, a group "
            f"of list_groups, or {ALL_STUCK!r} for all that failed or are held."
        )
    jobs = run.jobs()
    found = {job.index: job for name in names for job in _find(run, jobs, str(name))}
    return [found[index] for index in sorted(found)]


def _find(run: RunView, jobs: Sequence[JobInfo], name: str) -> list[JobInfo]:
    name = name.strip().removeprefix("learner:")
    if name == ALL_STUCK:
        found = [job for job in jobs if job.state in STUCK_STATES]
        if not found:
            raise ToolError("No learner has failed or is held at the moment.")
        return found
    found = [job for job in jobs if name in (job.fname, job.job_name)]
    found = found or _of_number(run, jobs, name)
    found = found or [job for job in jobs if PurePath(job.fname).name == name]
    found = found or [job for job in jobs if PurePath(job.fname).stem == name]
    found = found or _of_group(run, jobs, name)
    if not found:
        raise ToolError(_say_unknown(jobs, name))
    return found


def _of_number(run: RunView, jobs: Sequence[JobInfo], name: str) -> list[JobInfo]:
    """Return the learners of a job id or an index; a local run's numbers may be both."""
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return []
    kind, number = found.groups()
    by_index = [job for job in jobs if str(job.index) == number] if kind != "job" else []
    by_job = _of_job(run, jobs, number) if kind != "learner" else []
    if by_index and by_job and by_index != by_job:
        raise ToolError(
            f"{number!r} is the index of a learner and the id of another one's job; write "
            f"'learner {number}' or 'job {number}'."
        )
    return by_job or by_index


def _of_job(run: RunView, jobs: Sequence[JobInfo], job_id: str) -> list[JobInfo]:
    """Return the learners of a job, also of one that was not their last."""
    files = {file for f in run.failures() if f.job_id == job_id for file in f.learners}
    return [job for job in jobs if job.job_id == job_id or job.fname in files]


def _of_group(run: RunView, jobs: Sequence[JobInfo], name: str) -> list[JobInfo]:
    files = {file for group in run.groups() if group.key == name for file in group.learners}
    return [job for job in jobs if job.fname in files]


def _say_unknown(jobs: Iterable[JobInfo], name: str) -> str:
    jobs = list(jobs)
    known = [PurePath(job.fname).name for job in jobs]
    near = get_close_matches(name, known, n=3) or known[:_N_NAMED]
    listed = ", ".join(map(show_name, near)) or "none"
    return (
        f"{show_name(name)[:200]!r} is no learner, job or group of this run, which has {len(jobs)} "
        f"learners ({listed}{', ...' if len(jobs) > len(near) else ''}); see list_jobs."
    )
