"""`PlannedChange`: what a write tool would change, as a value that can be shown and kept.

A change is the state of each thing it touches before and after. Applying it puts the
second in the place of the first, and nothing else; its inverse swaps the two. Nothing
here looks at a disk or a run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from llm_scheduler.tools.diffs import Side, diff_files, diff_lines
from llm_scheduler.tools.visible import show_name

ChangeKind = Literal["edit", "create", "move", "delete", "make_directory", "resources", "restart"]

Bytes = Annotated[
    bytes,
    BeforeValidator(lambda x: base64.b64decode(x) if isinstance(x, str) else x),
    PlainSerializer(lambda x: base64.b64encode(x).decode(), when_used="json"),
]
"""Any bytes; base64 in JSON."""


class State(BaseModel):
    """What one thing is like: a file, a folder, or what a learner's next job asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    """Absolute, resolved path; for runs ``learner:FILE``, and for a start of its job
    ``learner:FILE#start``."""
    what: Literal["absent", "file", "directory", "learner"]
    content: Bytes = b""
    """Of a file, whole; of a learner, its resources, or whether it is held, as JSON with
    sorted keys."""
    mode: int = 0o644
    """Permission bits of a file or folder."""


class PlannedChange(BaseModel):
    """What will change, exactly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    """Name of the tool that was called."""
    kind: ChangeKind
    summary: str
    """One line in the imperative, for example ``Edit model.py (1 line)``."""
    diff: str
    """The whole change: a unified diff against what is there now, or, for a run, the
    resources before and after as one. Control characters are shown as escapes."""
    risk: str
    """What could go wrong, a sentence."""
    before: tuple[State, ...]
    after: tuple[State, ...]
    """The same targets in the same order as `before`."""

    @property
    def targets(self) -> tuple[str, ...]:
        """What is touched."""
        return tuple(state.target for state in self.before)

    @property
    def n_bytes(self) -> int:
        """Size of what is written."""
        return sum(len(state.content) for state in self.after)

    @property
    def is_about_run(self) -> bool:
        """Whether it changes jobs rather than files; the run's own process carries it out."""
        return self.kind in ("resources", "restart")


_INVERSE: dict[ChangeKind, ChangeKind] = {
    "edit": "edit",
    "create": "delete",
    "delete": "create",
    "move": "move",
    "make_directory": "delete",
    "resources": "resources",
    "restart": "restart",
}
_UNDO = "Undo: "


def invert(change: PlannedChange) -> PlannedChange:
    """Return the change that undoes another one.

    That of a restart can be applied until its job is submitted.
    """
    kind = _INVERSE[change.kind]
    if change.kind == "delete" and change.after[-1].what == "directory":
        kind = "make_directory"
    is_redo = change.summary.startswith(_UNDO)
    summary = change.summary.removeprefix(_UNDO) if is_redo else _UNDO + change.summary
    # What was made last goes first: a folder is empty only then.
    before, after = change.after[::-1], change.before[::-1]
    return PlannedChange(
        tool=change.tool,
        kind=kind,
        summary=summary,
        diff=diff_states(before, after),
        risk="What was done since in the belief that the change holds is not undone.",
        before=before,
        after=after,
    )


def diff_states(before: Sequence[State], after: Sequence[State]) -> str:
    """Return the unified diff of what is touched, whole."""
    gone = [old for old, new in zip(before, after, strict=True) if new.what == "absent"]
    made = [new for old, new in zip(before, after, strict=True) if old.what == "absent"]
    if len(before) == 2 and len(gone) == len(made) == 1 and gone[0].content == made[0].content:
        return f"rename from {show_name(gone[0].target)}\nrename to {show_name(made[0].target)}\n"
    return "".join(
        _diff_state(old, new) for old, new in zip(before, after, strict=True) if old != new
    )


def _diff_state(old: State, new: State) -> str:
    target = show_name(old.target)
    if "learner" in (old.what, new.what):
        return diff_lines(old.target, _resource_lines(old), _resource_lines(new))
    if "directory" in (old.what, new.what):
        return f"{'+' if new.what == 'directory' else '-'} folder {target}/\n"
    sides = [
        Side(state.target, state.content if state.what == "file" else None) for state in (old, new)
    ]
    diff = diff_files(*sides)
    if old.what == new.what and old.mode != new.mode:
        diff = f"old mode {old.mode:o}\nnew mode {new.mode:o}\n{diff}"
    return diff


def _resource_lines(state: State) -> list[str]:
    if not state.content:
        return []
    return [f"{name}: {value}" for name, value in sorted(json.loads(state.content).items())]
