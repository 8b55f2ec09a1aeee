"""What a conversation begins with: a group's diagnosis, record and digest, or the run."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from llm_scheduler.agent.threads import GROUP_PREFIX, thread_for_group
from llm_scheduler.agent.untrusted import fence, make_safe
from llm_scheduler.logs import digest_log

if TYPE_CHECKING:
    from llm_scheduler.diagnosis.groups import Failure, FailureGroup
    from llm_scheduler.tools.run_view import RunView

log = logging.getLogger(__name__)

MAX_GROUPS = 8
_MAX_EVIDENCE = 5
_SHARE = 4
"""The context takes at most this fraction of what the model takes in, and so many
characters are a token."""


def describe_start(run: RunView, thread_id: str, context_tokens: int) -> str:
    """Return what the model is told before the first message of a thread.

    Reads logs, so it may take a while. The text is redacted, bounded and fenced.
    """
    max_chars = min(12_000, context_tokens * 4 // _SHARE)
    try:
        if thread_id.startswith(GROUP_PREFIX):
            for group in run.groups():
                if thread_for_group(group.key) == thread_id:
                    return _describe_group(run, group, max_chars)
        return _describe_run(run, max_chars)
    except Exception:
        # The conversation can do without: the model has tools to look.
        log.exception("the start of a conversation could not be described")
        return ""


def _describe_run(run: RunView, max_chars: int) -> str:
    states = Counter(job.state for job in run.jobs())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    lines = [f"Run {run.name!r} in {run.folder}.", f"Jobs: {counts or 'none'}."]
    groups = run.groups()
    lines.append(f"Failures: {sum(g.count for g in groups)} in {len(groups)} groups by cause.")
    for group in groups[:MAX_GROUPS]:
        jobs = ", ".join(group.job_ids[:3])
        lines.append(f"- {group.count} x {group.title} [{group.category}]; jobs {jobs or 'none'}")
    return fence(make_safe("\n".join(lines), max_chars), "the run when this conversation began")


def _describe_group(run: RunView, group: FailureGroup, max_chars: int) -> str:
    found = group.representative
    lines = [
        f"Run {run.name!r} in {run.folder}.",
        f"{group.count} jobs failed with one cause; jobs {', '.join(group.job_ids[:10])}.",
        f"Learners: {', '.join(group.learners[:10])}.",
        f"Diagnosis by {found.source}: {found.title} [{found.category}]",
        f"Confidence: {found.confidence:.2f}",
        *(f"Doubt: {doubt}" for doubt in found.doubts[:3]),
        *(f"Proof: {e.file}:{e.line}: {e.text}" for e in found.evidence[:_MAX_EVIDENCE]),
        *(f"Remedy: {remedy.summary}" for remedy in found.remedies[:3]),
    ]
    if group.bad_node:
        lines.append(f"All of them ran on node {group.bad_node}, other jobs elsewhere.")
    failure = _choose_failure(run, group)
    if failure is not None:
        lines += _describe_failure(failure, max_chars // 2)
    return fence(
        make_safe("\n".join(lines), max_chars), "the group of failures this conversation is about"
    )


def _choose_failure(run: RunView, group: FailureGroup) -> Failure | None:
    """Return the failure that the diagnosis is of, else the latest of the group."""
    members = [f for f in run.failures() if f.job_id is not None and f.job_id in group.job_ids]
    same = [f for f in members if f.job_id == group.representative.job_id]
    found = same or members
    return found[-1] if found else None


def _describe_failure(failure: Failure, max_chars: int) -> list[str]:
    lines = []
    if failure.record is not None:
        values = failure.record.model_dump(mode="json", exclude_none=True, exclude={"steps"})
        facts = ", ".join(f"{name}={value}" for name, value in values.items() if value)
        lines.append(f"Record of job {failure.job_id}: {facts}")
    if failure.note:
        lines.append(f"Note: {failure.note}")
    if failure.log_files:
        lines.append(f"Logs: {', '.join(failure.log_files)}")
        digest = digest_log(failure.log_files, max_chars=max_chars)
        lines += [f"Digest of the logs of job {failure.job_id}:", digest.text]
    return lines
