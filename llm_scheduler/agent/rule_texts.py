"""What the rules and facts say of a run, as short Markdown.

Names, titles and lines come from logs and schedulers: they are shown as code or escaped,
so that markup in them stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis, Evidence
from llm_scheduler.engine.quantities import format_duration
from llm_scheduler.tools.run_view import AttemptInfo, JobInfo, QueueRow
from llm_scheduler.tools.visible import show_name, show_text

MAX_GROUPS = 8
MAX_PROOF = 5
MAX_REMEDIES = 4
MAX_ROWS = 12
MAX_NAMES = 5
_MAX_NAME = 120
_MAX_LINE = 300
_MAX_TITLE = 250
_MAX_EXPLANATION = 1200
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~!])")
_STATES = ("running", "pending", "waiting", "failed", "held", "done")
_LOW = 0.8


def code(text: str, max_chars: int = _MAX_NAME) -> str:
    """Return a name as Markdown code on one line, fit for a cell of a table."""
    shown = cut(show_name(text), max_chars).replace("`", "'").replace("|", "¦")
    return f"`{shown}`" if shown.strip() else "`?`"


def plain(text: str, max_chars: int = _MAX_TITLE) -> str:
    """Return a line of text in which nothing is markup but code between two backticks."""
    pieces = cut(show_name(text), max_chars).split("`")
    if len(pieces) % 2 == 0:  # one backtick has no other
        return _MARKUP.sub(r"\\\1", "`".join(pieces))
    return "".join(
        code(piece, max_chars) if index % 2 else _MARKUP.sub(r"\\\1", piece)
        for index, piece in enumerate(pieces)
    )


def cut(text: str, max_chars: int) -> str:
    """Return a text that is no longer than that; a mark tells that it was."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def fenced(lines: Iterable[str]) -> str:
    """Return lines as a block of code that no line in it can end."""
    body = "\n".join(cut(show_text(line), _MAX_LINE) for line in lines)
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 job``, ``2 jobs``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def some(names: Sequence[str], max_names: int = MAX_NAMES) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(code(name) for name in names[:max_names])
    more = len(names) - max_names
    return f"{shown} and {more} more" if more > 0 else shown


def states_text(jobs: Sequence[JobInfo]) -> str:
    """Count the learners by what their jobs do."""
    counts = {state: sum(job.state == state for job in jobs) for state in _STATES}
    others = len(jobs) - sum(counts.values())
    parts = [f"{n} {state}" for state, n in counts.items() if n]
    parts += [f"{others} in another state"] if others else []
    return ", ".join(parts) or "no learners"


def overview(
    jobs: Sequence[JobInfo], groups: Sequence[FailureGroup], failures: Sequence[Failure]
) -> str:
    """Say what failed, and why, with one entry per cause."""
    states = f"Learners: {states_text(jobs)}."
    n_open = sum(failure.diagnosis is None for failure in failures)
    if not failures:
        return f"**No job has failed so far.** {states}"
    n_grouped = sum(group.count for group in groups)
    lines = [f"**{counted(n_grouped, 'failure')} of {counted(len(groups), 'cause')}.** {states}"]
    if n_open:
        lines[0] += f" {counted(n_open, 'failure')} still being looked at."
    lines.append("")
    for number, group in enumerate(groups[:MAX_GROUPS], start=1):
        lines.append(f"{number}. **{plain(group.title)}** ({group_facts(group)})")
        remedies = group.representative.remedies
        if remedies:
            lines.append(f"   - What to do: {plain(remedies[0].summary)}")
        if group.bad_node:
            lines.append(f"   - All of them happened on node {code(group.bad_node)}.")
    if len(groups) > MAX_GROUPS:
        lines.append(f"\n{counted(len(groups) - MAX_GROUPS, 'more cause')} not shown.")
    example = groups[0].job_ids[0] if groups and groups[0].job_ids else ""
    ask = f" or `job {example}`" if example.isdigit() else ""
    if groups:
        lines.append(f"\nAsk for `cause 1`{ask} to see the proof, or say `fix it`.")
    return "\n".join(lines)


def group_facts(group: FailureGroup) -> str:
    """Return the counts of a group on one line."""
    category = group.category.replace("_", " ")
    parts = [category, counted(group.count, "failure")]
    if group.job_ids:
        parts.append(f"{'job' if len(group.job_ids) == 1 else 'jobs'} {some(group.job_ids)}")
    return ", ".join(parts)


def group_text(group: FailureGroup) -> str:
    """Explain one group: its proof and what to do."""
    parts = [f"**{plain(group.title)}** ({group_facts(group)})"]
    parts.extend(diagnosis_parts(group.representative))
    if group.bad_node:
        parts.append(f"All of them happened on node {code(group.bad_node)}; other jobs ran well.")
    parts.append(f"Learners: {some(group.learners)}.")
    return "\n\n".join(parts)


def diagnosis_parts(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the explanation, the proof, the doubts and the remedies."""
    if diagnosis.explanation.strip():
        yield cut(show_text(diagnosis.explanation.strip()), _MAX_EXPLANATION)
    if diagnosis.evidence:
        shown = diagnosis.evidence[:MAX_PROOF]
        yield f"Proof:\n\n{fenced(_evidence_line(line) for line in shown)}"
    sure = f"{diagnosis.confidence * 100:.0f} % sure"
    by = "by the model" if diagnosis.source == "model" else "by rules"
    doubts = [plain(doubt) for doubt in diagnosis.doubts] if diagnosis.confidence < _LOW else []
    yield f"Diagnosed {by}, {sure}." + (" " + " ".join(doubts[:2]) if doubts else "")
    if diagnosis.remedies:
        remedies = [
            f"{number}. {plain(remedy.summary)}"
            + (f" ({code(remedy.file)}, line {remedy.line})" if remedy.file else "")
            for number, remedy in enumerate(diagnosis.remedies[:MAX_REMEDIES], start=1)
        ]
        yield "What to do:\n\n" + "\n".join(remedies)


def _evidence_line(line: Evidence) -> str:
    place = f"{line.file.rsplit('/', 1)[-1]}:{line.line}" if line.file else "scheduler"
    return f"{place}: {line.text.strip()}"


def job_text(
    job: JobInfo,
    failure: Failure | None,
    resources: dict[str, str],
    attempts: Sequence[AttemptInfo],
) -> str:
    """Say what is known of a learner's job."""
    head = f"**Learner {job.index}** ({code(job.fname)}) is {plain(job.state)}."
    if job.job_id:
        elapsed = f", {format_duration(job.elapsed_s)}" if job.elapsed_s is not None else ""
        nodes = f" on {some(job.nodes)}" if job.nodes else ""
        head += f" Last job: {code(job.job_id)} ({code(job.job_name)}){nodes}{elapsed}."
    parts = [head]
    asked = [f"{name} {code(value)}" for name, value in resources.items() if value]
    if asked:
        parts.append(f"Its next job asks for {', '.join(asked)}.")
    if failure is not None and failure.diagnosis is not None:
        parts.append(f"Last failure (job {code(failure.job_id or 'not accepted')}):")
        parts.append(f"**{plain(failure.diagnosis.title)}**")
        parts.extend(diagnosis_parts(failure.diagnosis))
    elif failure is not None:
        parts.append("Its last failure is still being looked at.")
    if failure is not None and failure.note:
        parts.append(plain(failure.note))
    if len(attempts) > 1:
        lines = [
            f"- {code(attempt.job_id or 'not accepted')}: "
            + plain(attempt.title or attempt.outcome or attempt.state or "under way")
            for attempt in attempts[-MAX_NAMES:]
        ]
        parts.append(f"{counted(len(attempts), 'attempt')}:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def jobs_text(jobs: Sequence[JobInfo]) -> str:
    """Show the learners, those with trouble first."""
    order = {state: i for i, state in enumerate(("failed", "held", "running", "pending"))}
    rows = sorted(jobs, key=lambda job: (order.get(job.state, len(order)), job.index))
    lines = [f"**{counted(len(jobs), 'learner')}**: {states_text(jobs)}.", ""]
    lines += ["| learner | job | state | time | note |", "|---|---|---|---|---|"]
    for job in rows[:MAX_ROWS]:
        elapsed = format_duration(job.elapsed_s) if job.elapsed_s is not None else ""
        job_id = code(job.job_id) if job.job_id else ""
        note = plain(job.note, 100)
        lines.append(f"| {job.index} | {job_id} | {plain(job.state)} | {elapsed} | {note} |")
    if len(rows) > MAX_ROWS:
        lines.append(f"\n{len(rows) - MAX_ROWS} more not shown; ask for `learner N`.")
    return "\n".join(lines)


def queue_text(rows: Sequence[QueueRow], partitions: Sequence[str]) -> str:
    """Show the scheduler's queue, this run's jobs first."""
    ours = [row for row in rows if row.is_ours]
    if not rows:
        lines = ["**The queue holds no job of yours.**"]
    else:
        head = f"**{counted(len(rows), 'job')} of yours in the queue**, {len(ours)} of this run."
        lines = [head, "", "| job | name | state | time | reason |", "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: not row.is_ours)[:MAX_ROWS]:
        elapsed = format_duration(row.elapsed_s) if row.elapsed_s is not None else ""
        cells = (code(row.job_id), code(row.name), plain(row.state), elapsed, plain(row.reason, 80))
        lines.append("| " + " | ".join(cells) + " |")
    if len(rows) > MAX_ROWS:
        lines.append(f"\n{len(rows) - MAX_ROWS} more not shown.")
    if partitions:
        lines.append(f"\n{fenced(partitions[:MAX_ROWS])}")
    return "\n".join(lines)
