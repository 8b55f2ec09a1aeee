"""The HTML of the failures panel: pure functions from values to text.

Everything that comes from a log, a path or a scheduler goes through `escape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files

from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.diagnosis.models import Evidence, Remedy
from llm_scheduler.widgets.markup import escape, render_markdown

MAX_EVIDENCE = 8
MAX_REMEDIES = 6
MAX_DOUBTS = 4
MAX_NAMES = 6
MAX_LINE_CHARS = 400

_FAMILIES = {
    "resources": {
        "out_of_memory", "gpu_out_of_memory", "time_limit", "disk_full", "license_unavailable",
    },
    "code": {"code_error", "syntax_error", "numerical_error", "crash", "mpi_failure"},
    "environment": {
        "missing_module", "missing_shared_library", "command_not_found", "file_not_found",
        "permission_denied", "configuration_error", "invalid_submission",
    },
    "cluster": {"preempted", "node_failure", "gpu_error", "network_error", "killed"},
}  # fmt: skip


@cache
def style_html() -> str:
    """Return the panel's style sheet as an element."""
    css = files("llm_scheduler.widgets").joinpath("static", "failures.css").read_text("utf-8")
    return f"<style>{css}</style>"


def header_html(groups: Sequence[FailureGroup], n_pending: int, n_shown: int) -> str:
    """Return the line of counts above the entries."""
    n_failures = sum(group.count for group in groups)
    n_known = sum(group.n_known for group in groups)
    if not n_failures and not n_pending:
        return '<span class="llms-calm">No failures so far.</span>'
    parts = [
        f"<strong>{counted(n_failures, 'failure')}</strong>",
        f"<strong>{counted(len(groups), 'cause')}</strong>",
    ]
    if n_known:
        parts.append(f"{n_known} known from an earlier session")
    if n_shown < len(groups):
        parts.append(f"the first {n_shown} causes are shown")
    if n_pending:
        text = f"{counted(n_pending, 'diagnosis', 'diagnoses')} under way"
        parts.append(f'<span class="llms-busy"><i></i>{text}</span>')
    return (
        '<span class="llms-counts">' + "".join(f"<span>{part}</span>" for part in parts) + "</span>"
    )


def problem_html(problem: str) -> str:
    """Return the sentence that says what does not work; empty when all does."""
    return f"<span>{escape(problem, 1000)}</span>" if problem else ""


def meta_html(group: FailureGroup, n_held: int) -> str:
    """Return the line under the title of an entry: category, counts, nodes, times."""
    parts = [
        _badge_html(group.category),
        f'<span class="llms-count">{counted(group.count, "failure")}</span>',
    ]
    if group.learners:
        parts.append(f"<span>{counted(len(group.learners), 'learner')}</span>")
    if group.bad_node:
        parts.append(f'<span class="llms-bad">bad node {escape(group.bad_node, 80)}</span>')
    elif group.nodes:
        parts.append(f"<span>{_nodes_text(group.nodes)}</span>")
    if n_held:
        parts.append(f'<span class="llms-held">{n_held} held</span>')
    if group.n_known:
        parts.append(f"<span>{group.n_known} from an earlier session</span>")
    parts.append(f"<span>{span_text(group.first_seen, group.last_seen)}</span>")
    return "".join(parts)


def body_html(group: FailureGroup) -> str:
    """Return what an opened entry shows: proof, explanation, what to do, who."""
    found = group.representative
    parts = [_evidence_html(found.evidence)]
    if found.explanation.strip():
        parts.append(f'<div class="llms-text">{render_markdown(found.explanation)}</div>')
    parts.append(_doubts_html(found.doubts))
    parts.append(_remedies_html(found.remedies))
    parts.extend(
        f'<div class="llms-note">{escape(note, 500)}</div>' for note in group.notes[:MAX_NAMES]
    )
    parts.append(_who_html(group))
    return "".join(parts)


def _badge_html(category: str) -> str:
    return f'<span class="llms-badge llms-{family(category)}">{category.replace("_", " ")}</span>'


def family(category: str) -> str:
    """Return the family of a category, which gives its badge the colour."""
    for name, members in _FAMILIES.items():
        if category in members:
            return name
    return "other"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 failure``, ``2 failures``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def span_text(first: datetime, last: datetime) -> str:
    """Return when something happened, in local time, as short as it can be said."""
    first, last = first.astimezone(), last.astimezone()
    today = datetime.now(tz=last.tzinfo).date()
    if first.date() == last.date() == today:
        start, end = f"{first:%H:%M:%S}", f"{last:%H:%M:%S}"
    elif first.date() == last.date():
        start, end = f"{first:%Y-%m-%d %H:%M}", f"{last:%H:%M}"
        end = start if start.endswith(end) else end
    else:
        start, end = f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}"
    return start if start == end else f"{start} to {end}"


def _nodes_text(nodes: Sequence[str]) -> str:
    if len(nodes) <= 2:
        return ("node " if len(nodes) == 1 else "nodes ") + escape(", ".join(nodes), 120)
    return counted(len(nodes), "node")


def _evidence_html(evidence: Sequence[Evidence]) -> str:
    if not evidence:
        return ""
    rows = [_proof_html(item) for item in evidence[:MAX_EVIDENCE]]
    return f'<div class="llms-label">Proof</div><div class="llms-proofs">{"".join(rows)}</div>'


def _proof_html(item: Evidence) -> str:
    place = f"{item.file}:{item.line}" if item.file else "the scheduler's record"
    name = f"{_last_part(item.file)}:{item.line}" if item.file else place
    text = escape(item.text.rstrip(), MAX_LINE_CHARS)
    return (
        f'<div class="llms-proof"><span class="llms-place" title="{escape(place, 500)}">'
        f"{escape(name, 120)}</span><code>{text}</code></div>"
    )


def _doubts_html(doubts: Sequence[str]) -> str:
    if not doubts:
        return ""
    items = "".join(f"<li>{_one_line(doubt)}</li>" for doubt in doubts[:MAX_DOUBTS])
    return f'<div class="llms-label">Why not surer</div><ul class="llms-doubts">{items}</ul>'


def _remedies_html(remedies: Sequence[Remedy]) -> str:
    if not remedies:
        return ""
    items = "".join(f"<li>{_remedy_html(remedy)}</li>" for remedy in remedies[:MAX_REMEDIES])
    return f'<div class="llms-label">What to do</div><ul class="llms-remedies">{items}</ul>'


def _remedy_html(remedy: Remedy) -> str:
    parts = [f'<span class="llms-summary">{_one_line(remedy.summary)}</span>']
    if remedy.file:
        place = f"{remedy.file}:{remedy.line}" if remedy.line else remedy.file
        parts.append(f'<div class="llms-where">in <code>{escape(place, 300)}</code></div>')
    if remedy.details.strip():
        parts.append(render_markdown(remedy.details))
    return "".join(parts)


def _one_line(text: str) -> str:
    rendered = render_markdown(" ".join(text.split()))
    is_paragraph = rendered.startswith("<p>") and rendered.count("<p>") == 1
    return rendered.removeprefix("<p>").removesuffix("</p>") if is_paragraph else rendered


def _who_html(group: FailureGroup) -> str:
    rows = []
    for label, names in (
        ("Learners", group.learners),
        ("Jobs", tuple(dict.fromkeys(group.job_ids))),
        ("Nodes", group.nodes),
    ):
        if names:
            shown = ", ".join(_last_part(name) or name for name in names[:MAX_NAMES])
            more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            rows.append(f"<dt>{label}</dt><dd>{escape(shown, 600)}{more}</dd>")
    logs = tuple(dict.fromkeys(item.file for item in group.representative.evidence if item.file))
    if logs:
        paths = "<br>".join(escape(path, 500) for path in logs[:3])
        rows.append(f"<dt>{'Log' if len(logs) == 1 else 'Logs'}</dt><dd><code>{paths}</code></dd>")
    sure = f"{group.representative.confidence:.0%} sure, found by " + (
        "rules" if group.representative.source == "rules" else "the model"
    )
    rows.append(f"<dt>Diagnosis</dt><dd>{sure}</dd>")
    return f'<dl class="llms-who">{"".join(rows)}</dl>'


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
