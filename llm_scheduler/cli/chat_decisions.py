"""How a person decides a proposed change: by key, in a word, or by editing it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_scheduler.cli.chat_input import Input, edit_text
from llm_scheduler.cli.chat_view import View, diff_view
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Decision, Scope
    from llm_scheduler.tools.change import PlannedChange

LATER = "later"
WORDS: dict[str, tuple[Decision, Scope]] = {
    "approve": ("approve", "call"),
    "reject": ("reject", "call"),
    "turn": ("approve", "turn"),
    "kind": ("approve", "kind"),
}
"""Decisions in a word: the decision, and what it is for."""

_KEYS = {
    "a": "approve",
    "y": "approve",
    "r": "reject",
    "n": "reject",
    "e": "edit",
    "t": "turn",
    "k": "kind",
    "u": "undo",
    "l": LATER,
}
_PROMPT = (
    "[a]pprove  [r]eject  [e]dit  all of this [t]urn  this [k]ind in this folder  "
    "[u]ndo the last change  [l]ater: "
)
_TEXTS = ("new_text", "content", "text")
"""Arguments that hold what would be written."""


@dataclass(frozen=True)
class Answer:
    """What a person decided."""

    word: str
    message: str = ""


def ask_decision(entry: Input, approval: Approval) -> Answer:
    """Ask by key for the decision about a change that is on the screen."""
    key = entry.read_key(f"{approval.id}: {_PROMPT}", "".join(_KEYS))
    word = _KEYS.get(key, LATER)
    if word == "reject":
        why = entry.read_line("Why (for the model; may be empty): ")
        return Answer(word, why.strip()) if why is not None else Answer(LATER)
    return Answer(word)


def edit_arguments(
    entry: Input, view: View, approval: Approval, plan: Callable[[dict[str, Any]], PlannedChange]
) -> dict[str, Any] | None:
    """Let the person change what is proposed; ``None`` when they did not.

    What the edit would make of the files is shown and has to be confirmed: only what was
    on the screen is carried out.

    Parameters
    ----------
    entry, view
        The terminal.
    approval
        What is proposed.
    plan
        Says what a call with these arguments would change now.

    Raises
    ------
    UsageError
        There is no editor, or what it left makes no sense.
    ToolError
        What it left can't be carried out.

    """
    name = next((n for n in _TEXTS if isinstance(approval.arguments.get(n), str)), None)
    if not entry.has_keys:
        raise UsageError("Editing needs a terminal; reject it and say what to change.")
    if name is None:
        before = json.dumps(approval.arguments, indent=2, ensure_ascii=False)
        suffix = ".json"
    else:
        before = approval.arguments[name]
        suffix = Path(approval.targets[-1]).suffix if approval.targets else ""
    after = edit_text(before, suffix=suffix)
    if after == before:
        return None
    arguments = _parse_object(after) if name is None else {**approval.arguments, name: after}
    change = plan(arguments)
    view.say(change.summary, "bold")
    if change.risk:
        view.say(f"Risk: {change.risk}", "yellow")
    view.show(diff_view(change.diff))
    return arguments if entry.read_key("Approve it so? [y]es [n]o: ", "yn") == "y" else None


def _parse_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise UsageError(f"What you wrote is no JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise UsageError("What you wrote is no JSON object.")
    return value
