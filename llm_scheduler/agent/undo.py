"""Undo: the inverse of a change is itself a change, written down and carried out like any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_scheduler.agent.approval import Change
from llm_scheduler.agent.effects import Effects, Executor, explain
from llm_scheduler.agent.journal import Entry, parse_id
from llm_scheduler.errors import ChangedSince, LLMSchedulerError, ToolError, UsageError
from llm_scheduler.tools.change import PlannedChange, State, invert


class Undoer:
    """Undoes changes of the journal.

    Parameters
    ----------
    effects
        Carries out.
    executor
        Looks at what is there.

    """

    def __init__(self, effects: Effects, executor: Executor) -> None:
        self._effects = effects
        self._journal = effects.journal
        self._executor = executor

    def find(self, change_id: str) -> Entry:
        """Return a change that was made.

        Raises
        ------
        UsageError
            There is none.

        """
        entry = self._journal.get(parse_id(change_id, "ch", "change"))
        if not entry.is_done:
            raise UsageError(f"{entry.id} is not carried out yet.")
        return entry

    def undo(self, change_id: str) -> Change:
        """Undo one change."""
        with self._effects.locked():
            entry = self.find(change_id)
            if entry.undone_by is not None:
                raise UsageError(f"{entry.id} is undone already, by ch-{entry.undone_by}.")
            inverse = self._invert(entry)
            self._check(entry, inverse, self._executor.states_now(inverse))
            return self._carry_out(entry, inverse)

    def undo_turn(self, turn_id: str) -> list[Change]:
        """Undo the changes of a turn that are not undone, the last first."""
        with self._effects.locked():
            if not self._journal.done(turn_id=turn_id):
                raise UsageError(f"There is no change of the turn {turn_id!r} in the journal.")
            entries = list(self._in_force(turn_id))
            if not entries:
                raise UsageError(f"All changes of the turn {turn_id!r} are undone already.")
            inverses = [self._invert(entry) for entry in entries]
            self._check_all(entries, inverses)
            return [
                self._carry_out(entry, inverse)
                for entry, inverse in zip(entries, inverses, strict=True)
            ]

    def _in_force(self, turn_id: str) -> Iterator[Entry]:
        """Find what has to be undone for a turn, the last first.

        A change whose undoing was undone is in force through the latter.
        """
        for entry in reversed(self._journal.done(turn_id=turn_id)):
            if entry.by == "undo":
                continue
            last, is_in_force = entry, True
            while last.undone_by is not None:
                last, is_in_force = self._journal.get(last.undone_by), not is_in_force
            if is_in_force:
                yield last

    def _invert(self, entry: Entry) -> PlannedChange:
        inverse = invert(self._effects.plans.unpack(entry.plan))
        if not self._executor.can_apply(inverse):
            raise UsageError(f"Only the process that runs the jobs can undo {entry.id}.")
        return inverse

    def _check_all(self, entries: Sequence[Entry], inverses: Sequence[PlannedChange]) -> None:
        """Check that each can be undone after the ones before it."""
        states: dict[str, State] = {}
        for entry, inverse in zip(entries, inverses, strict=True):
            now = self._executor.states_now(inverse)
            self._check(entry, inverse, [states.get(state.target, state) for state in now])
            states |= {state.target: state for state in inverse.after}

    def _check(self, entry: Entry, inverse: PlannedChange, now: Sequence[State]) -> None:
        for state, expected in zip(now, inverse.before, strict=True):
            if state == expected:
                continue
            message = f"{entry.id} can't be undone: {_difference(expected, state)}"
            later = [
                other.id
                for other in self._journal.done()
                if other.number > entry.number
                and other.undone_by is None
                and expected.target in other.as_change().targets
            ]
            if later:
                message += f" Later changes of it: {', '.join(later)}; undo these first."
            raise ChangedSince(message, path=expected.target)

    def _carry_out(self, entry: Entry, inverse: PlannedChange) -> Change:
        effects = self._effects
        plan = effects.plans.pack(inverse)
        effects.step("packed")
        with effects.database.transaction():
            number = self._journal.begin(
                entry.approval,
                thread_id=entry.thread_id,
                turn_id=entry.turn_id,
                by="undo",
                plan=plan,
                undoes=entry.number,
            )
            effects.note("undo", self._journal.get(number), by="user", undoes=entry.id)
        problem = effects.carry_out(number, inverse)
        if isinstance(problem, LLMSchedulerError):
            raise problem
        if problem is not None:
            raise ToolError(f"{entry.id} can't be undone: {explain(problem)}") from problem
        return self._journal.get(number).as_change()


def _difference(expected: State, now: State) -> str:
    """Say in words how a target differs from what a change had left."""
    if expected.what == now.what == "file" and expected.content == now.content:
        return (
            f"the permissions of {expected.target} have changed since "
            f"(now {now.mode:o}, then {expected.mode:o})."
        )
    if now.what == "absent":
        return f"{expected.target} is not there any more."
    if expected.what == "absent":
        return f"there is a {now.what} {expected.target} now."
    return f"{expected.target} has changed since."
