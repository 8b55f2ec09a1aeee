"""A conversation as one file that needs nothing else, runs nothing and loads nothing."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from llm_scheduler.tools.visible import show_text
from llm_scheduler.widgets.messages import ApprovalView, Item, ToolCallView

_WHO = {"user": "You", "assistant": "Assistant", "notice": "Note", "error": "Problem"}
_LINKS = ("http://", "https://", "mailto:")
_KINDS = {"+": "add", "-": "del", "@": "hunk", "\\": "hunk"}
_STATUS = {
    "pending": "waits for a decision",
    "approved": "approved, not carried out yet",
    "done": "done",
    "rejected": "rejected",
    "void": "void: the file had changed",
    "failed": "failed",
}


def export_html(
    title: str, run: str, items: Sequence[Item], approvals: Mapping[str, ApprovalView]
) -> str:
    """Return a page with a conversation.

    Parameters
    ----------
    title
        Of the conversation.
    run
        Name of the run.
    items, approvals
        What it holds.

    """
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "".join(_item(item, approvals) for item in items)
    css = files("llm_scheduler.widgets").joinpath("static", "export.css").read_text("utf-8")
    # The policy holds even if something below were wrong: no code, nothing from elsewhere.
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_text(title)}</title><style>{css}</style></head><body>"
        f"<header><h1>{_text(title)}</h1><p>Run {_text(run)}, written {written}</p></header>"
        f"<main>{body or '<p>Nothing was said.</p>'}</main></body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(_visible(text), quote=True)


def _visible(text: str) -> str:
    """Return a text without what hides or turns text around."""
    return show_text(text.replace("\r\n", "\n"))


def _item(item: Item, approvals: Mapping[str, ApprovalView]) -> str:
    if item.role == "assistant":
        text = render_markdown(item.text)
    else:
        text = f'<div class="plain">{_text(item.text)}</div>' if item.text else ""
    calls = "".join(_call(call) for call in item.calls)
    cards = "".join(_card(approvals[name]) for name in item.approvals if name in approvals)
    end = "<p><em>You stopped this answer.</em></p>" if item.is_stopped else ""
    at = f" <time>{_text(item.at[:16].replace('T', ' '))}</time>" if item.at else ""
    return (
        f'<section class="{item.role}"><h2>{_WHO[item.role]}{at}</h2>{text}{calls}{cards}{end}'
        "</section>"
    )


def _call(call: ToolCallView) -> str:
    arguments = json.dumps(call.arguments, indent=1, ensure_ascii=False, default=str)
    return (
        f"<details><summary>{_text(call.tool)}: {_text(call.summary or call.status)}</summary>"
        f"<pre>{_text(arguments)}</pre><pre>{_text(call.output)}</pre></details>"
    )


def _card(view: ApprovalView) -> str:
    kind, state = ("undone", "undone") if view.undone else (view.status, _STATUS[view.status])
    rows = [
        f"<dt>{name}</dt><dd>{_text(text)}</dd>"
        for name, text in (
            ("Reason", view.reason), ("Risk", view.risk), ("Said", view.message),
        )
        if text
    ]  # fmt: skip
    return (
        f'<div class="card"><p><strong>{_text(view.summary)}</strong> '
        f'<span class="state {kind}">{state}</span></p>'
        f"{'<dl>' + ''.join(rows) + '</dl>' if rows else ''}{_diff(view.diff)}</div>"
    )


def _diff(diff: str) -> str:
    """Return a diff, each line an element that reaches from edge to edge."""
    lines = []
    is_head = True
    # Only line feeds end a line of a diff; others are shown as what they are.
    for line in diff.removesuffix("\n").split("\n") if diff else ():
        is_head = is_head and not line.startswith("@@")
        kind = "file" if is_head else _KINDS.get(line[:1], "same")
        lines.append(f'<span class="{kind}">{_text(line) or " "}</span>')
    return f'<pre class="diff"><code>{"".join(lines)}</code></pre>' if lines else ""


# -- Markdown ----------------------------------------------------------------------------


def render_markdown(text: str) -> str:
    """Return Markdown as HTML without pictures, raw HTML, or links that are not of the web."""
    rendered: str = _markdown().render(_visible(text))
    return rendered


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False})
    parser.validateLink = lambda url: url.strip().lower().startswith(_LINKS)  # type: ignore[method-assign]
    # A picture is fetched when the page is opened, and tells somebody so.
    parser.disable("image")
    parser.add_render_rule("link_open", _link_open)
    return parser


def _link_open(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    tokens[index].attrSet("target", "_blank")
    opened: str = renderer.renderToken(tokens, index, options, env)
    return opened
