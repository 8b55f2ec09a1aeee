"""The state of a run as the panel shows it: overview, groups, jobs, threads, prompts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.tools.visible import show_name
from llm_scheduler.widgets.messages import (
    DiagnosisView,
    EvidenceLine,
    GroupState,
    GroupView,
    JobState,
    JobView,
    Overview,
    RemedyView,
    ThreadView,
)

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Change
    from llm_scheduler.agent.threads import ThreadInfo
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.tools.run_view import JobInfo

MAX_GROUPS = 500
WHOLE_GROUPS = 100
"""The largest; of the others the panel has all only when somebody looks at them."""
MAX_NAMES = 100
MAX_EVIDENCE = 12
MAX_TEXT_CHARS = 6_000
JOBS_PER_PAGE = 50
MAX_PROMPTS = 4
UNTITLED = "New conversation"
HOW_TO_CONFIGURE = (
    "There is no model, so answers come from the rules alone. To have one, set "
    "LLM_SCHEDULER_MODEL (for example to openai:gpt-4.1) and its key, or pass llm= to the run."
)
_LIVELY: frozenset[str] = frozenset({"running", "pending", "waiting"})
_LOST: frozenset[str] = frozenset({"failed", "held"})


def make_diagnosis(found: Diagnosis, *, is_whole: bool = True) -> DiagnosisView:
    """Return a diagnosis as the panel shows it; else its beginning, for a list of many."""
    most_chars, most_lines = (MAX_TEXT_CHARS, MAX_EVIDENCE) if is_whole else (300, 1)
    return DiagnosisView(
        category=found.category,
        title=show_name(found.title),
        explanation=found.explanation[:most_chars],
        confidence=found.confidence,
        doubts=list(found.doubts[:6]) if is_whole else [],
        source=found.source,
        evidence=[
            EvidenceLine(file=line.file, line=line.line, text=show_name(line.text[:1000]))
            for line in found.evidence[:most_lines]
        ],
        remedies=[
            RemedyView(
                kind=r.kind, summary=show_name(r.summary), details=r.details[:MAX_TEXT_CHARS]
            )
            for r in found.remedies[:8]
        ]
        if is_whole
        else [],
    )


def make_groups(
    groups: Sequence[FailureGroup],
    *,
    jobs: Sequence[JobInfo],
    failures: Sequence[Failure],
    pending: Iterable[Approval],
    changes: Sequence[Change],
    busy: set[str],
    seen: set[str],
    looked_at: Collection[str] = (),
) -> list[GroupView]:
    """Return the groups with what is being done about each.

    Parameters
    ----------
    groups, jobs, failures
        Of the run.
    pending, changes
        What is proposed, and what was changed.
    busy
        Threads in which a turn is under way.
    seen
        Threads that somebody has opened.
    looked_at
        Attempts about whose groups the model is being asked.

    """
    states = {job.fname: job.state for job in jobs}
    proposed = {approval.thread_id for approval in pending}
    changed = {change.thread_id for change in changes if change.by != "undo"}
    held = {
        group_key(failure.diagnosis)
        for failure in failures
        if failure.held and failure.diagnosis is not None
    }
    asked = {
        group_key(failure.diagnosis)
        for failure in failures
        if failure.attempt in looked_at and failure.diagnosis is not None
    }
    views = []
    for place, group in enumerate(groups[:MAX_GROUPS]):
        thread_id = thread_for_group(group.key)
        state = _state_of(
            group,
            {states[name] for name in group.learners if name in states},
            is_proposed=thread_id in proposed,
            is_changed=thread_id in changed,
            is_busy=thread_id in busy or group.key in asked,
            is_held=group.key in held,
            is_seen=thread_id in seen,
        )
        is_whole = place < WHOLE_GROUPS or thread_id in seen
        views.append(_group(group, thread_id, state, is_whole=is_whole))
    return views


def _state_of(
    group: FailureGroup,
    learners: set[str],
    *,
    is_proposed: bool,
    is_changed: bool,
    is_busy: bool,
    is_held: bool,
    is_seen: bool,
) -> GroupState:
    if is_proposed:
        return "fix_proposed"
    if is_busy:
        return "diagnosing"
    if learners and not learners & _LOST and (is_changed or learners == {"done"}):
        return "fixed"
    if is_held:
        return "held"
    is_new = group.n_known < group.count and not is_seen
    return "new" if is_new else "diagnosed"


def _group(group: FailureGroup, thread_id: str, state: GroupState, *, is_whole: bool) -> GroupView:
    n_names = MAX_NAMES if is_whole else 10
    return GroupView(
        key=group.key,
        thread_id=thread_id,
        title=show_name(group.title),
        category=group.category,
        count=group.count,
        state=state,
        n_known=group.n_known,
        learners=list(group.learners[:n_names]),
        job_ids=list(group.job_ids[:n_names]),
        nodes=list(group.nodes[:n_names]),
        bad_node=group.bad_node or "",
        last_seen=group.last_seen.isoformat(),
        diagnosis=make_diagnosis(group.representative, is_whole=is_whole),
    )


# -- jobs --------------------------------------------------------------------------------


def make_jobs(jobs: Sequence[JobInfo], failures: Sequence[Failure]) -> list[JobView]:
    """Return one row per learner."""
    groups: dict[str, str] = {}
    for failure in failures:
        if failure.diagnosis is not None:
            groups.update(dict.fromkeys(failure.learners, group_key(failure.diagnosis)))
    return [
        JobView(
            index=job.index,
            learner=job.fname,
            job_name=job.job_name,
            job_id=job.job_id or "",
            state=_job_state(job.state),
            elapsed_s=job.elapsed_s,
            note=show_name(job.note[:500]),
            group=groups.get(job.fname, ""),
        )
        for job in jobs
    ]


def _job_state(state: str) -> JobState:
    known: dict[str, JobState] = {
        "waiting": "waiting",
        "pending": "pending",
        "running": "running",
        "done": "done",
        "failed": "failed",
        "held": "held",
    }
    return known.get(state, "waiting")


def find_jobs(
    jobs: Sequence[JobView], text: str = "", states: Iterable[JobState] = ()
) -> list[JobView]:
    """Return the jobs with all words of a text in their id, name, learner or note."""
    words, wanted = text.lower().split(), set(states)
    return [
        job
        for job in jobs
        if (not wanted or job.state in wanted)
        and all(
            word in f"{job.job_id}\n{job.job_name}\n{job.learner}\n{job.note}".lower()
            for word in words
        )
    ]


# -- threads -------------------------------------------------------------------------------


def make_threads(
    threads: Iterable[ThreadInfo],
    assistant: Assistant,
    *,
    pending: Iterable[Approval],
    busy: set[str],
    titles: Mapping[str, str],
) -> list[ThreadView]:
    """Return the conversations; a thread of a group without a name is called as the group."""
    waiting = Counter(approval.thread_id for approval in pending)
    return [
        ThreadView(
            id=thread.id,
            title=titles.get(thread.id) or thread.title or UNTITLED,
            kind=thread.kind,
            updated=thread.updated_at.isoformat(),
            tokens=thread.input_tokens + thread.output_tokens,
            money=assistant.budget.money_of(thread.input_tokens, thread.output_tokens),
            is_busy=thread.id in busy,
            n_pending=waiting[thread.id],
        )
        for thread in threads
    ]


# -- the whole -----------------------------------------------------------------------------


def make_overview(
    assistant: Assistant,
    *,
    groups: Sequence[GroupView],
    jobs: Sequence[JobInfo],
    n_failures: int,
    n_groups: int,
    n_pending: int,
    problem: str,
    yolo_changes: int,
    yolo_since: str,
) -> Overview:
    """Return the state of the run and of the panel's settings."""
    model = assistant.model_name
    n_jobs = dict(Counter(job.state for job in jobs))
    return Overview(
        run=assistant.run.name,
        n_jobs=n_jobs,
        n_failures=n_failures,
        n_groups=n_groups,
        n_pending=n_pending,
        problem=problem,
        mode=assistant.mode,
        model=model,
        how_to_configure="" if model else HOW_TO_CONFIGURE,
        budget_left=assistant.budget_left(),
        yolo_changes=yolo_changes,
        yolo_since=yolo_since,
        run_id=sha256(os.fsencode(assistant.run_file.absolute())).hexdigest()[:16],
        asks_anyway=(
            "Still asked for: deleting or emptying files, and what goes beyond "
            f"{assistant.settings.files_per_turn} files in one turn. After "
            f"{assistant.settings.changes_per_turn} changes a turn makes no more."
        ),
        quick_prompts=quick_prompts(groups, n_jobs),
    )


def quick_prompts(groups: Sequence[GroupView], n_jobs: Mapping[str, int]) -> list[str]:
    """Return questions that fit the state, the most useful first."""
    prompts = []
    n_failed = sum(n_jobs.get(state, 0) for state in _LOST)
    if n_failed == 1:
        prompts.append("Why did this job fail?")
    elif n_failed:
        prompts.append(f"Why did these {n_failed:,} jobs fail?")
    elif groups:
        prompts.append("What failed so far, and is it fixed?")
    if any(group.state == "fix_proposed" for group in groups):
        prompts.append("Explain the proposed changes.")
    elif any(group.state in ("new", "diagnosed", "held") for group in groups):
        prompts.append("What can be fixed, and how?")
    bad = next((group.bad_node for group in groups if group.bad_node), "")
    if bad:
        prompts.append(f"What is wrong with node {bad}?")
    if any(n_jobs.get(state) for state in _LIVELY):
        prompts += ["What is running?", "Which points are slow?"]
    else:
        prompts.append("How far did each learner get?")
    return prompts[:MAX_PROMPTS]
