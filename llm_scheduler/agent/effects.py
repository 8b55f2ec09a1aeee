"""Changes are carried out here: one at a time, once, and to the end.

Whoever carries out a change holds the lock of the folder. Before the change it is
written down as being made, in the transaction that decides it; afterwards it is marked
as done. So whoever gets the lock and finds a change in the making knows that the
process which made it died, and looks at what the targets are like to learn how far it
came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from llm_scheduler.agent.approval_table import ApprovalTable, Call, Row
from llm_scheduler.agent.audit import AuditLog
from llm_scheduler.agent.contents import Contents
from llm_scheduler.agent.file_lock import FileLock
from llm_scheduler.agent.journal import By, Entry, Journal, PlanKeeper
from llm_scheduler.agent.places import AgentFolder
from llm_scheduler.agent.policy import Policy
from llm_scheduler.errors import ChangedSince, LLMSchedulerError, StoreError, ToolError
from llm_scheduler.tools.change import PlannedChange, State

Stage = Literal["before", "after", "between", "other"]
"""What the targets are like: as before the change, as after it, some of both, neither."""


class Executor(Protocol):
    """Plans changes and carries them out; it decides nothing."""

    def plan(self, tool: str, arguments: Mapping[str, Any]) -> PlannedChange:
        """Say what a call would change; raises `ToolError` where it can't be done."""
        ...

    def states_now(self, change: PlannedChange) -> tuple[State, ...]:
        """Return what the targets are like now, in the order of the change."""
        ...

    def apply(self, change: PlannedChange) -> None:
        """Carry it out; raises `ChangedSince` before anything is changed."""
        ...

    def finish(self, change: PlannedChange) -> None:
        """Complete a change in the middle of which a process died."""
        ...

    def can_apply(self, change: PlannedChange) -> bool:
        """Whether this process can carry it out."""
        ...


class Effects:
    """Carries out what is decided.

    Parameters
    ----------
    folder
        Where all is kept.
    executor
        Does it.
    policy
        The limits, for what has to be planned anew.
    on_step
        Called with the name of each step; for tests that kill the process there.

    """

    def __init__(
        self,
        folder: AgentFolder,
        executor: Executor,
        policy: Policy,
        on_step: Callable[[str], object] | None = None,
    ) -> None:
        self.database = folder.database
        self.journal = Journal(folder.database)
        self.approvals = ApprovalTable(folder.database)
        self.audit = AuditLog(folder.audit_file, folder.database)
        self.plans = PlanKeeper(Contents(folder.contents))
        self._executor = executor
        self._policy = policy
        self._lock = FileLock(folder.lock_file)
        self.step: Callable[[str], object] = on_step or (lambda _name: None)

    @contextmanager
    def locked(self, *, settle: bool = True) -> Iterator[None]:
        """Keep everybody else from carrying out anything; what a crash left is settled first."""
        with self._lock.hold():
            self.step("locked")
            if settle:
                self.settle()
            try:
                yield
            finally:
                self.audit.flush()
                self.step("audited")

    def begin(self, row: Row, by: By, plan: bytes) -> int:
        """Write down that an approval is about to be carried out, and return the change's number.

        For the transaction of the decision, under the lock.
        """
        self.approvals.set_status(row.number, "approved", by=by)
        return self.journal.begin(
            row.number, thread_id=row.thread_id, turn_id=row.turn_id, by=by, plan=plan
        )

    def carry_out(self, number: int, change: PlannedChange) -> Exception | None:
        """Make a change that is begun, and note the outcome; under the lock.

        Returns
        -------
        Why it was not made; ``None`` when it is done.

        Raises
        ------
        StoreError
            The outcome can't be written down; that is made up for later.

        """
        self.step("begun")
        entry = self.journal.get(number)
        if not self._policy.permits(entry.by):  # the user has switched the mode since
            why = "The mode was changed before this was carried out."
            self._drop(entry, "pending", why)
            return ToolError(why)
        problem: Exception | None = None
        try:
            self._executor.apply(change)
        except Exception as exc:  # noqa: BLE001 - whatever it was, the row must be settled
            problem = exc
        self.step("applied")
        if problem is None:
            self._complete(entry)
        elif not self._settle(entry, change, problem):
            raise StoreError(
                f"{change.summary} could not be completed ({explain(problem)}); that is made up "
                "for when it can be."
            ) from problem
        return problem

    def settle(self) -> list[int]:
        """Settle what is in the making: nobody else can be at it while the lock is ours.

        Returns
        -------
        The numbers of the approvals concerned.

        """
        settled = []
        for entry in self.journal.in_the_making():
            try:
                change = self.plans.unpack(entry.plan)
            except StoreError as exc:
                self._drop(entry, "failed", f"The program ended in the middle. {exc}")
                continue
            if self._executor.can_apply(change) and self._settle(entry, change, None):
                settled.append(entry.approval)
        return settled

    def _settle(self, entry: Entry, change: PlannedChange, problem: Exception | None) -> bool:
        """Find out how far a change came, and complete it or take it back.

        Parameters
        ----------
        entry
            The change.
        change
            Its plan.
        problem
            Why it could not be carried out; ``None`` when the process died.

        Returns
        -------
        Whether that could be done now; else it is tried again.

        """
        try:
            stage = find_stage(change, self._executor.states_now(change))
            if stage == "between" and not isinstance(problem, ChangedSince):
                self._executor.finish(change)
                stage = "after"
        except ChangedSince as exc:
            problem, stage = problem or exc, "other"
        except (LLMSchedulerError, OSError):
            if not isinstance(problem, ToolError):
                return False
            stage = "other"  # it was refused before anything was changed
        if isinstance(problem, ChangedSince):
            self._void(entry, str(problem))
        elif stage == "after":
            self._complete(entry)
        elif problem is not None:
            self._drop(entry, "failed", explain(problem))
        elif stage == "before":
            self._drop(entry, "pending", "The program ended before this was carried out.")
        else:
            names = ", ".join(change.targets)
            self._void(entry, f"The program ended in the middle, and since then changed: {names}.")
        return True

    def _complete(self, entry: Entry) -> None:
        with self.database.transaction():
            self.journal.complete(entry)
            if entry.by != "undo":
                self.approvals.set_status(entry.approval, "done", change=entry.number)
            self.note("done", entry, undoes=f"ch-{entry.undoes}" if entry.undoes else None)
            self.step("noting")
        self.step("noted")

    def _drop(self, entry: Entry, status: Literal["failed", "pending"], message: str) -> None:
        with self.database.transaction():
            self.journal.drop(entry.number)
            if entry.by != "undo":
                self.approvals.set_status(entry.approval, status, message=message)
            self.note("failed" if status == "failed" else "not done", entry)

    def _void(self, entry: Entry, why: str) -> None:
        """Note that a change can't be made as shown, and propose it anew against what is there."""
        if entry.by == "undo":
            self._drop(entry, "failed", why)
            return
        row = self.approvals.get(entry.approval)
        call = row.as_call()
        plan: bytes | None = None
        try:
            change = self._executor.plan(call.tool, call.arguments)
            self._policy.check_size(change)
            plan = self.plans.pack(change)
        except (ToolError, OSError) as exc:
            why = f"{why} It can't be made any more: {explain(exc)}"
        with self.database.transaction():
            newer = self.replace(row, call, plan, why)
            self.note("void", entry, replaced_by=f"ap-{newer}" if newer else None)
            self.journal.drop(entry.number)
            self.step("voiding")
        self.step("voided")

    def replace(self, row: Row, call: Call, plan: bytes | None, why: str) -> int | None:
        """Make an approval void, and put a pending one with this plan in its place.

        For a transaction.

        Returns
        -------
        The number of the new one.

        """
        newer = None
        if plan is not None:
            newer = self.approvals.add(call, plan, signature=row.signature)
        self.approvals.set_status(row.number, "void", message=why, replaced_by=newer)
        return newer

    def note(self, event: str, entry: Entry, **facts: str | None) -> None:
        """Queue a line of the audit about a change."""
        change = entry.as_change()
        self.audit.queue(
            event,
            approval=change.approval_id,
            change=change.id,
            thread=change.thread_id,
            turn=change.turn_id,
            tool=change.tool,
            targets=change.targets,
            mode=self._policy.mode,
            **({"by": change.by} | facts),
        )

    def note_row(
        self, event: str, row: Row, *, by: str = "", scope: str = "", replaced_by: str = ""
    ) -> None:
        """Queue a line of the audit about a proposal or a decision."""
        approval = row.as_approval()
        self.audit.queue(
            event,
            approval=approval.id,
            thread=approval.thread_id,
            turn=approval.turn_id,
            tool=approval.tool,
            targets=approval.targets,
            by=by,
            scope=scope,
            replaced_by=replaced_by,
            mode=self._policy.mode,
        )


def find_stage(change: PlannedChange, now: tuple[State, ...]) -> Stage:
    """Tell how far a change came from what its targets are like now."""
    if now == change.before:
        return "before"
    if now == change.after:
        return "after"
    states = zip(now, change.before, change.after, strict=True)
    return "between" if all(x in (before, after) for x, before, after in states) else "other"


def explain(problem: Exception) -> str:
    """Say in words what went wrong."""
    if isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename else ""
        return f"{where}{problem.strerror}."
    return str(problem) or type(problem).__name__
