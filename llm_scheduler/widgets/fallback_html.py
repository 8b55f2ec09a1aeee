"""What is shown of the chat panel where widgets can't be: readable, and without code."""

from __future__ import annotations

from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.widgets.failure_html import (
    body_html,
    counted,
    header_html,
    meta_html,
    style_html,
)
from llm_scheduler.widgets.markup import escape

MAX_GROUPS = 20


def fallback_html(manager: LLMManager) -> str:
    """Return the failures of a run and how to talk about them without the panel."""
    try:
        groups = manager.groups()
    except LLMSchedulerError as exc:
        return f"<p>The failures can't be read: {escape(str(exc), 1000)}</p>"
    entries = "".join(
        f'<details class="llms-entry"><summary>{escape(group.title, 300)} '
        f'<span class="llms-meta">{meta_html(group, 0)}</span></summary>'
        f'<div class="llms-body">{body_html(group)}</div></details>'
        for group in groups[:MAX_GROUPS]
    )
    n_hidden = len(groups) - MAX_GROUPS
    more = f"<p>{counted(n_hidden, 'more cause')}.</p>" if n_hidden > 0 else ""
    return (
        f'{style_html()}<div class="llms-panel">'
        f'<div class="llms-header">{header_html(groups, manager.n_pending, len(groups))}</div>'
        f"{entries}{more}"
        "<p>The chat panel can't be shown here. It needs JupyterLab, Notebook 7, VS Code or "
        "Colab with the kernel running. Without it: <code>await llm_manager.chat('...')</code>, "
        "or <code>llm-scheduler chat</code> in a terminal.</p></div>"
    )
