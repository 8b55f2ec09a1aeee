"""How a failed job differs from those of its run that reached their goal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import TypeVar

from llm_scheduler.agent.diagnosis_prompt import RunFacts
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.texts import say_duration
from llm_scheduler.tools.run_view import JobInfo, RunView

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_ATTEMPTS = 3
_MAX_NODES = 6


def gather_facts(group_key: str, failure: Failure, run: RunView) -> RunFacts:
    """Return what a run tells of a failed job, by looking at files and memory only."""
    jobs = _try(run.jobs) or []
    done = [job for job in jobs if job.state == "done"]
    learner = failure.learners[0] if failure.learners else ""
    asked = (_try(lambda: run.resources(learner)) or {}) if learner else {}
    about = [
        *_describe_learners(failure),
        *_describe_group(group_key, run),
        *_describe_resources(asked),
        *_describe_attempts(failure, learner, run),
    ]
    return RunFacts(tuple(about), tuple(_compare(failure, asked, done, run)))


def _try(look: Callable[[], T]) -> T | None:
    """Return what a look at the run gives; a prompt without it is better than none."""
    try:
        return look()
    except Exception:
        log.exception("a fact of the run can't be read")
        return None


def _describe_learners(failure: Failure) -> Iterator[str]:
    if failure.learners:
        names = ", ".join(PurePath(name).name for name in failure.learners[:3])
        yield f"It worked on {len(failure.learners)} learner(s): {names}."


def _describe_group(group_key: str, run: RunView) -> Iterator[str]:
    group = next((x for x in _try(run.groups) or [] if x.key == group_key), None)
    if group is None or group.count < 2:
        return
    yield f"{group.count} jobs of the run failed in the same way."
    if group.bad_node:
        yield f"All of them on node {group.bad_node}, while other jobs ran elsewhere."


def _describe_resources(asked: dict[str, str]) -> Iterator[str]:
    known = ", ".join(f"{name} {value}" for name, value in asked.items() if value)
    if known:
        yield f"Its next job would ask for: {known}."


def _describe_attempts(failure: Failure, learner: str, run: RunView) -> Iterator[str]:
    attempts = (_try(lambda: run.attempts(learner)) or []) if learner else []
    earlier = [x for x in attempts if x.job_id != failure.job_id and x.outcome]
    for attempt in earlier[-_MAX_ATTEMPTS:]:
        ran = f" after {say_duration(attempt.elapsed_s)}" if attempt.elapsed_s is not None else ""
        where = f" on {', '.join(attempt.nodes[:3])}" if attempt.nodes else ""
        why = f": {attempt.title}" if attempt.title else ""
        yield f"Earlier job of this learner: {attempt.state or attempt.outcome}{ran}{where}{why}"


def _compare(
    failure: Failure, asked: dict[str, str], done: Sequence[JobInfo], run: RunView
) -> Iterator[str]:
    if not done:
        return
    yield f"{len(done)} jobs of the run reached their goal."
    nodes = list(dict.fromkeys(node for job in done for node in job.nodes))
    own = failure.nodes or (failure.record.nodes if failure.record is not None else ())
    if nodes and own and not set(own) & set(nodes):
        more = ", ..." if len(nodes) > _MAX_NODES else ""
        others = ", ".join(nodes[:_MAX_NODES])
        yield f"None of them ran on {', '.join(own[:3])}; they ran on {others}{more}."
    yield from _compare_times(failure, done)
    good = _try(lambda: run.resources(done[0].fname)) or {}
    for name, value in asked.items():
        other = good.get(name, "")
        if value != other and (value or other):
            yield (
                f"{name}: this one asks for {value or 'nothing'}, a successful one for "
                f"{other or 'nothing'}."
            )


def _compare_times(failure: Failure, done: Sequence[JobInfo]) -> Iterator[str]:
    times = sorted(job.elapsed_s for job in done if job.elapsed_s)
    record = failure.record
    if times and record is not None and record.elapsed_s is not None:
        first, last = say_duration(times[0]), say_duration(times[-1])
        others = first if first == last else f"{first} to {last}"
        yield f"It ran for {say_duration(record.elapsed_s)}, successful ones for {others}."
