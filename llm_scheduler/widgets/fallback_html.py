"""What stands in the place of a panel where widgets can't be: readable, and without code.

Such places are a page of ``nbconvert``, a forge that shows notebooks, a terminal. Forges
take styles, classes and scripts out, so the HTML says all by its elements alone. It is
saved in the notebook: secrets are taken out, and folders of this machine left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.logs.redaction import redact
from llm_scheduler.tools.visible import show_text
from llm_scheduler.widgets.failure_html import counted
from llm_scheduler.widgets.markup import escape, render_markdown

if TYPE_CHECKING:
    from llm_scheduler.widgets.failures import FailureSource

_IN_NAME = r"[\w.+@%~-]"
_NO_PATH_BEFORE = rf"(?:(?<!{_IN_NAME})(?<!/)|(?<=://)|(?<=\s-[IL]))"
"""A path begins here: it is not the end of another one."""
_NO_NAME_AFTER = rf"(?!{_IN_NAME}*\w|/)"
"""No other folder's name goes on here; the end of a sentence does."""
MAX_GROUPS = 20
MAX_PROOFS = 4
MAX_REMEDIES = 3
MAX_TITLE_CHARS = 300
MAX_LINE_CHARS = 300
PANEL_HINT = (
    "The panel needs JupyterLab, Notebook 7, VS Code or Colab, with the kernel running. Without "
    "it, ask with `await run_manager.llm_manager.chat('...')`, or with `llm-scheduler chat` in a "
    "terminal."
)


class Row(Protocol):
    """A learner's job, as far as it is counted here."""

    @property
    def state(self) -> str:
        """What the job does."""


def with_fallback(
    found: Any, name: str, manager: FailureSource, rows: Sequence[Row] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a widget shows of itself, with what is shown where it can't be.

    Parameters
    ----------
    found
        What ``_repr_mimebundle_`` of the widget returned.
    name
        Its stable ``repr``, which stands in a notebook for comparisons of outputs.
    manager, rows
        As for `fallback_html`.

    """
    data, metadata = found if isinstance(found, tuple) else (found or {}, {})
    if not has_front_end():
        # Only text is shown there, by a terminal.
        return {"text/plain": fallback_text(manager, rows)}, {}
    text = {"text/plain": name, "text/html": fallback_html(manager, rows)}
    return {**data, **text}, dict(metadata)


def has_front_end() -> bool:
    """Tell whether a kernel runs this, whose outputs a notebook keeps."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is None or getattr(shell, "kernel", None) is not None


# -- as HTML -----------------------------------------------------------------------------


def fallback_html(manager: FailureSource, rows: Sequence[Row] = ()) -> str:
    """Return the failures of a run, and how to talk about them without the panel.

    Parameters
    ----------
    manager
        Whose failures they are.
    rows
        The run's jobs, to be counted; none where they are not known.

    """
    parts = [f"<p>{escape(_head(manager, rows), 1000)}</p>"]
    groups, problem = _read(manager)
    if problem:
        parts.append(f"<p>{escape(problem, 1000)}</p>")
    parts += [_group_html(group, is_open=not i) for i, group in enumerate(groups[:MAX_GROUPS])]
    if len(groups) > MAX_GROUPS:
        parts.append(f"<p>And {counted(len(groups) - MAX_GROUPS, 'more cause')}.</p>")
    parts.append(render_markdown(PANEL_HINT))
    return f"<div>{''.join(parts)}</div>"


def _group_html(group: FailureGroup, *, is_open: bool) -> str:
    found = group.representative
    title = f"<strong>{_inline_html(group.title)}</strong>"
    parts = [
        f"<details{' open' if is_open else ''}><summary>{title} ({_facts(group)})</summary>",
        _proofs_html(found.evidence),
        render_markdown(_safe(found.explanation)),
    ]
    if found.remedies:
        items = (
            f"<li>{_inline_html(remedy.summary)}</li>" for remedy in found.remedies[:MAX_REMEDIES]
        )
        parts.append(f"<p><strong>What to do</strong></p><ol>{''.join(items)}</ol>")
    return "".join(parts) + "</details>"


def _inline_html(text: str) -> str:
    """Return one line of Markdown; what is a list or a heading there is just text here."""
    rendered = render_markdown(_cut(_one_line(text), MAX_TITLE_CHARS))
    is_paragraph = rendered.startswith("<p>") and rendered.count("<p>") == 1
    return (
        rendered.removeprefix("<p>").removesuffix("</p>")
        if is_paragraph
        else escape(_one_line(text), MAX_TITLE_CHARS)
    )


def _proofs_html(evidence: Sequence[Evidence]) -> str:
    rows = "".join(
        f"<tr><td>{escape(_place(line), 120)}</td>"
        f"<td><code>{escape(_one_line(line.text), MAX_LINE_CHARS)}</code></td></tr>"
        for line in evidence[:MAX_PROOFS]
    )
    head = "<thead><tr><th>Where</th><th>What proves it</th></tr></thead>"
    return f"<table>{head}<tbody>{rows}</tbody></table>" if rows else ""


# -- as text -----------------------------------------------------------------------------


def fallback_text(manager: FailureSource, rows: Sequence[Row] = ()) -> str:
    """Return the same for a terminal."""
    lines = [_head(manager, rows)]
    groups, problem = _read(manager)
    if problem:
        lines.append(_one_line(problem))
    for number, group in enumerate(groups[:MAX_GROUPS], 1):
        lines += ["", f"{number}. {_cut(_one_line(group.title), MAX_TITLE_CHARS)}"]
        lines.append(f"   {_facts(group)}")
        lines += [
            f"   {_place(line)}: {_cut(_one_line(line.text), MAX_LINE_CHARS)}"
            for line in group.representative.evidence[:MAX_PROOFS]
        ]
        for remedy in group.representative.remedies[:1]:
            lines.append(f"   To do: {_cut(_one_line(remedy.summary), MAX_TITLE_CHARS)}")
    if len(groups) > MAX_GROUPS:
        lines += ["", f"And {counted(len(groups) - MAX_GROUPS, 'more cause')}."]
    lines += ["", PANEL_HINT]
    return "\n".join(show_text(line) for line in lines)


# -- both --------------------------------------------------------------------------------


def _read(manager: FailureSource) -> tuple[list[FailureGroup], str]:
    """Return the groups of failures, and what does not work."""
    try:
        return manager.groups(), manager.problem
    except LLMSchedulerError as exc:
        return [], f"The failures can't be read: {exc}"


def _head(manager: FailureSource, rows: Sequence[Row]) -> str:
    groups, _ = _read(manager)
    n_failures = sum(group.count for group in groups)
    parts = [
        f"{counted(n_failures, 'failure')} with {counted(len(groups), 'cause')}"
        if n_failures
        else "No failures so far"
    ]
    if manager.n_pending:
        parts.append(f"{counted(manager.n_pending, 'diagnosis', 'diagnoses')} under way")
    if rows:
        states: Mapping[str, int] = Counter(row.state for row in rows)
        parts.insert(0, "Jobs: " + ", ".join(f"{n} {state}" for state, n in states.items()))
    return ". ".join(parts) + "."


def _facts(group: FailureGroup) -> str:
    """Return category, counts and nodes; no times, which differ in each run."""
    parts = [group.category.replace("_", " "), counted(group.count, "failure")]
    if group.learners:
        parts.append(counted(len(group.learners), "learner"))
    if group.bad_node:
        parts.append(f"all on node {escape(group.bad_node, 80)}")
    return ", ".join(parts)


def _place(line: Evidence) -> str:
    name = line.file.rstrip("/").rpartition("/")[2]
    return f"{_one_line(name)}:{line.line}" if name else "the scheduler's record"


def _safe(text: str) -> str:
    text = redact(text.replace("\r\n", "\n"))
    # A notebook is passed on; where it lay on somebody's disk is nobody's business.
    home = Path.home()
    for folder, inside, itself in (
        (Path.cwd(), "", "."), (home, "~/", "~"), (_resolved(home), "~/", "~"),
    ):  # fmt: skip
        if folder != folder.parent:
            path = _NO_PATH_BEFORE + re.escape(str(folder))
            text = re.sub(rf"{path}/+(?={_IN_NAME})", inside, text)
            text = re.sub(rf"{path}/*{_NO_NAME_AFTER}", itself, text)
    return show_text(text)


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError):  # links that lead round and round
        return folder


def _one_line(text: str) -> str:
    return " ".join(_safe(text).split())


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
