"""What may happen without a question: the mode, the limits, and what the user allowed before.

Nothing here is within reach of the model: it decides neither the mode nor a rule, and
a text that it writes is never looked at.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

from llm_scheduler.agent.approval import Scope
from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.errors import ToolError, TooManyChanges, UsageError
from llm_scheduler.tools.change import PlannedChange

Verdict = Literal["ask", "rule", "yolo"]
"""Ask the user, or carry it out: an earlier decision or the mode allows it."""

_KEPT_SHARE = 10
"""A change that keeps less than one in so many lines, or bytes, of a file deletes it."""
_MIN_LINES = 10
"""In a file of fewer lines, a few new ones can mean anything."""

READ_ONLY = (
    "The mode is read-only: nothing may be changed. Say in words what should be changed and why."
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was proposed and changed in one turn."""

    n_changes: int
    """Proposed ones, whatever became of them."""
    targets: frozenset[str]
    """The files of those that were carried out or will be."""


@dataclass(frozen=True, slots=True)
class _TurnRule:
    """A decision for all of a turn."""

    allows: bool
    n_targets: int
    """How many there were when it was made: it allows for so many more and no more."""


class Policy:
    """The mode, and the rules of this process's session.

    Parameters
    ----------
    settings
        The mode at the beginning, and the limits.

    """

    def __init__(self, settings: LLMSettings) -> None:
        self._settings = settings
        self._mode: Mode = settings.mode
        self._turns: dict[tuple[str, str], _TurnRule] = {}
        self._kinds: dict[tuple[str, tuple[str, ...]], bool] = {}
        self._lock = threading.Lock()

    @property
    def mode(self) -> Mode:
        """The mode now."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in get_args(Mode):
            raise UsageError(f"Mode {mode!r} is unknown; available: {', '.join(get_args(Mode))}.")
        self._mode = mode

    def check_proposal(self, change: PlannedChange) -> None:
        """Check that a change may be proposed at all.

        Raises
        ------
        ToolError
            It may not; the text says so to the model.

        """
        self.check_writable()
        self.check_size(change)

    def check_size(self, change: PlannedChange) -> None:
        """Check that a change does something, and not too much.

        Raises
        ------
        ToolError
            It does nothing, or is too large.

        """
        if change.before == change.after:
            raise ToolError("This changes nothing: everything is as the call asks for already.")
        limit = self._settings.max_change_bytes
        for states, what in ((change.after, "writes"), (change.before, "replaces")):
            n_bytes = sum(len(state.content) for state in states)
            if n_bytes > limit:
                raise ToolError(
                    f"This {what} {n_bytes:,} bytes, and a change may have {limit:,} "
                    "(setting max_change_bytes). Make a smaller change."
                )

    def check_writable(self) -> None:
        """Check that the mode lets anything be changed.

        Raises
        ------
        ToolError
            It is read-only.

        """
        if self._mode == "read-only":
            raise ToolError(READ_ONLY)

    def permits(self, by: str) -> bool:
        """Whether what was allowed a moment ago, by whom `Change.by` says, still may happen."""
        if by == "undo":  # holding back what puts things right would help nobody
            return True
        return self._mode == "yolo" if by == "yolo" else self._mode != "read-only"

    def judge(
        self,
        change: PlannedChange,
        thread_id: str,
        turn_id: str,
        tally: Tally,
        *,
        must_ask: bool = False,
    ) -> Verdict:
        """Say whether a change is asked for.

        Parameters
        ----------
        change
            What is proposed.
        thread_id, turn_id
            Where.
        tally
            What was proposed and changed there before.
        must_ask
            Whether nothing but the user's word allows it.

        Raises
        ------
        ToolError
            The user has rejected such changes, or there are too many in this turn.

        """
        limit = self._settings.changes_per_turn
        if tally.n_changes >= limit:
            raise TooManyChanges(
                f"{limit} changes were proposed in this turn, which is the limit. Stop here, and "
                "tell the user what is done and what is left."
            )
        with self._lock:
            turn = self._turns.get((thread_id, turn_id))
            kind = self._kinds.get(_kind_of(change))
        if (turn is not None and not turn.allows) or kind is False:
            which = "changes of this kind" if kind is False else "all changes of this turn"
            raise ToolError(f"The user has rejected {which}. Do not propose them; explain instead.")
        if must_ask or is_deletion(change):
            return "ask"
        allowed = self._settings.files_per_turn + (turn.n_targets if turn else 0)
        files = {state.target for state in change.before if state.what != "learner"}
        if len(tally.targets | files) > allowed:
            return "ask"
        if turn is not None or kind:
            return "rule"
        return "yolo" if self._mode == "yolo" else "ask"

    def remember(
        self,
        change: PlannedChange,
        thread_id: str,
        turn_id: str,
        scope: Scope,
        *,
        allows: bool,
        n_targets: int,
    ) -> None:
        """Keep a decision for all of a turn, or for this kind of change in this folder.

        Deleting is never allowed beyond the one call.

        Parameters
        ----------
        change
            The one that was decided.
        thread_id, turn_id
            Where it was proposed.
        scope
            How far the decision reaches.
        allows
            Whether it was approved.
        n_targets
            How many files this turn has changed so far; the turn may go on from there.

        """
        with self._lock:
            if scope == "turn":
                self._turns[thread_id, turn_id] = _TurnRule(allows, n_targets)
            elif scope == "kind" and not (allows and is_deletion(change)):
                self._kinds[_kind_of(change)] = allows


def is_deletion(change: PlannedChange) -> bool:
    """Whether content goes away for good: a file is deleted, emptied, or nearly so."""
    if change.kind == "delete":
        return True
    return any(
        before.what == after.what == "file" and _is_emptied(before.content, after.content)
        for before, after in zip(change.before, change.after, strict=True)
    )


def _is_emptied(before: bytes, after: bytes) -> bool:
    """Whether next to nothing of a content is kept: a blank in its place is a deletion too."""
    if before == after or not before:
        return False
    # Blanks count for nothing, wherever they are.
    old, new = (
        Counter(b"".join(line.split()) for line in text.splitlines() if line.strip())
        for text in (before, after)
    )
    old_size, new_size = (sum(len(line) * n for line, n in x.items()) for x in (old, new))
    if not new or new_size * _KEPT_SHARE < old_size:
        return True
    n_lines = old.total()
    return n_lines >= _MIN_LINES and (old & new).total() * _KEPT_SHARE < n_lines


def _kind_of(change: PlannedChange) -> tuple[str, tuple[str, ...]]:
    """Return the tool and the folders, in the order in which the change names them."""
    folders = (
        str(PurePosixPath(target.removeprefix("learner:")).parent) for target in change.targets
    )
    return change.tool, tuple(dict.fromkeys(folders))
