"""`ApprovalDesk`: every change passes it, and it alone decides what happens.

The database decides, not the graph and not the model: a proposal is a row, a decision
is one transaction that only the first one wins, and the effect follows under a lock,
once. Nothing that a model writes reaches the mode, the limits or a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from llm_scheduler.agent.approval import Approval, Change, Decision, Scope
from llm_scheduler.agent.approval_table import Call, Row
from llm_scheduler.agent.decider import Decider
from llm_scheduler.agent.effects import Effects, Executor
from llm_scheduler.agent.places import AgentFolder
from llm_scheduler.agent.policy import Policy
from llm_scheduler.agent.proposer import Proposer
from llm_scheduler.agent.undo import Undoer
from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.errors import StoreError, UsageError
from llm_scheduler.tools.change import PlannedChange, State

__all__ = ["ApprovalDesk", "ChangeDetails", "Executor"]

MAX_MESSAGE_CHARS = 10_000
"""Longest reason or message that is kept."""


@dataclass(frozen=True, slots=True)
class ChangeDetails:
    """One change of the journal with all that it touched."""

    change: Change
    before: tuple[State, ...]
    after: tuple[State, ...]


class ApprovalDesk:
    """Proposals, decisions, the journal and undo of one run.

    Every method may be called from any thread and takes as long as the change does.

    Parameters
    ----------
    folder
        Where all is kept; other processes may use it too.
    executor
        Plans changes and carries them out.
    settings
        The mode at the beginning, and the limits.
    on_step
        Called with the name of each step; for tests that kill the process there.

    """

    def __init__(
        self,
        folder: AgentFolder,
        executor: Executor,
        settings: LLMSettings,
        *,
        on_step: Callable[[str], object] | None = None,
    ) -> None:
        self._policy = Policy(settings)
        self._effects = Effects(folder, executor, self._policy, on_step)
        self._table = self._effects.approvals
        max_chars = 4 * settings.max_change_bytes
        self._proposer = Proposer(self._effects, executor, self._policy, max_chars)
        self._decider = Decider(self._effects, executor, self._policy)
        self._undoer = Undoer(self._effects, executor)

    @property
    def mode(self) -> Mode:
        """The mode of this session; a new one holds at once, for running turns and all threads.

        A change whose effect has begun is completed.
        """
        return self._policy.mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        old, self._policy.mode = self._policy.mode, mode
        if mode != old:
            # Holding everything back must work also where nothing can be written.
            with suppress(StoreError):
                self._effects.audit.queue("mode", mode=mode, by="user")
            if old == "yolo":
                with suppress(StoreError):
                    self._decider.take_back_yolo()
            self._effects.audit.flush()

    # -- proposals ----------------------------------------------------------------

    def propose(
        self,
        *,
        thread_id: str,
        turn_id: str,
        call_id: str,
        tool: str,
        arguments: Mapping[str, Any],
        reason: str = "",
        must_ask: bool = False,
        replaces: Sequence[str] = (),
    ) -> Approval:
        """Plan a change, and carry it out where that is allowed without a question.

        The same call again returns what became of it.

        Parameters
        ----------
        thread_id, turn_id, call_id
            Whose call it is.
        tool, arguments
            What is called.
        reason
            In the words of whoever proposes it.
        must_ask
            Never carry it out without a question, whatever the mode and the rules are.
        replaces
            Ids of approvals that this one does too; they are void where they still wait.

        Raises
        ------
        ToolError
            It can't be made, the mode is read-only, there are too many changes in this
            turn, or the user has rejected it.
        StoreError
            It can't be written down.

        """
        call = Call(
            thread_id=_clean(thread_id),
            turn_id=_clean(turn_id),
            call_id=_clean(call_id),
            tool=_clean(tool),
            arguments=dict(arguments),
            reason=_clean(reason),
            must_ask=must_ask,
            replaces=tuple(replaces),
        )
        return self._settled(self._proposer.propose(call))

    def _settled(self, row: Row) -> Approval:
        """Return an approval, and wait first while somebody is carrying it out."""
        if row.status == "approved":
            with self._effects.locked():
                row = self._table.get(row.number)
        return row.as_approval()

    # -- questions ----------------------------------------------------------------

    def get(self, approval_id: str) -> Approval:
        """Return an approval as it is now.

        Raises
        ------
        UsageError
            There is none of this id.

        """
        return self._table.get(approval_id).as_approval()

    def for_call(self, thread_id: str, call_id: str) -> Approval | None:
        """Return the newest approval of a tool call."""
        row = self._table.of_call(_clean(thread_id), _clean(call_id))
        return row.as_approval() if row is not None else None

    def pending(self, thread_id: str | None = None) -> list[Approval]:
        """Return what waits for a decision, the oldest first."""
        return [row.as_approval() for row in self._table.with_status("pending", thread_id)]

    def approved(self, thread_id: str | None = None) -> list[Approval]:
        """Return what is approved and waits for the run's own process, the oldest first."""
        return [row.as_approval() for row in self._table.with_status("approved", thread_id)]

    def with_call_prefix(self, thread_id: str, prefix: str) -> list[Approval]:
        """Return what was proposed by calls whose ids begin like this, the oldest first."""
        rows = self._table.with_call_prefix(_clean(thread_id), prefix)
        return [row.as_approval() for row in rows]

    def preview(self, approval_id: str, arguments: Mapping[str, Any]) -> PlannedChange:
        """Return what an edit with these arguments would make of what is there now.

        Raises
        ------
        UsageError
            There is no such approval.
        ToolError
            It can't be carried out.

        """
        return self._decider.plan_edit(self._table.get(approval_id), arguments)[1]

    # -- decisions ----------------------------------------------------------------

    def decide(
        self,
        approval_id: str,
        decision: Decision,
        *,
        message: str = "",
        arguments: Mapping[str, Any] | None = None,
        scope: Scope = "call",
    ) -> Approval:
        """Decide about a pending change, and carry it out; the first decision is final.

        Parameters
        ----------
        approval_id
            For example ``"ap-7"``.
        decision
            ``"edit"`` approves what the user made of it. Where that touches what was not
            shown, or what has changed since, it is void and a new one shows the edit.
        message
            The user's words to the model.
        arguments
            For ``"edit"``: of the tool, in the place of what the model wrote.
        scope
            ``"turn"`` decides all that is and will be proposed in this turn, ``"kind"``
            what this tool will change in the same folder until the session ends. Deleting
            is always asked for.

        What waits for the run's own process can still be rejected.

        Returns
        -------
        What became of it: ``done``, ``rejected``, ``void`` or ``failed``; ``approved`` where
        only the run's own process can carry it out; ``pending`` if the mode became read-only
        meanwhile; what it was when it is decided already.

        Raises
        ------
        UsageError
            There is no such approval, a value makes no sense, or the mode is read-only.
        ToolError
            What the user wrote can't be carried out; it is still pending.
        StoreError
            The decision or the outcome can't be written down.

        """
        _check_choice("decision", decision, get_args(Decision))
        _check_choice("scope", scope, get_args(Scope))
        if (decision == "edit") != (arguments is not None):
            raise UsageError("Give `arguments` with 'edit', and only with it.")
        row = self._table.get(approval_id)
        message = _clean(message)
        if decision == "reject":
            self._decider.reject(row, message, scope)
        else:
            with self._effects.locked():
                if self.mode == "read-only":
                    raise UsageError("The mode is read-only; set it to 'approve' first.")
                self._decider.approve(row.number, message, arguments, scope)
        return self._settled(self._table.get(row.number))

    def carry_out_approved(self) -> list[Approval]:
        """Carry out what was approved in a process that could not; the run's own calls this.

        What only YOLO mode has approved there has to be asked for unless YOLO is on here.

        Returns
        -------
        Those that are settled now.

        """
        if self.mode == "read-only" or not self._table.with_status("approved"):
            return []
        with self._effects.locked():
            settled = self._decider.carry_out_approved()
        rows = [self._table.get(number) for number in settled]
        return [row.as_approval() for row in rows if row.status != "pending"]

    def recover(self) -> list[Approval]:
        """Settle what a process that died has left, and remove what nobody needs any more.

        A change in the making is done if all is as after it and pending again if all is as
        before it; one that is half made is completed.

        Returns
        -------
        The approvals concerned.

        """
        with self._effects.locked(settle=False):
            settled = self._effects.settle()
            plans = [*self._table.open_plans(), *self._effects.journal.plans()]
            self._effects.plans.remove_unused(plans)
        return [self._table.get(number).as_approval() for number in settled]

    # -- the journal --------------------------------------------------------------

    def changes(self, thread_id: str | None = None, turn_id: str | None = None) -> list[Change]:
        """Return the changes that were made, the oldest first."""
        return [entry.as_change() for entry in self._effects.journal.done(thread_id, turn_id)]

    def undos(self, thread_id: str) -> list[Change]:
        """Return the changes of a thread that undid another one, the oldest first."""
        return [entry.as_change() for entry in self._effects.journal.undos(thread_id)]

    def show(self, change_id: str) -> ChangeDetails:
        """Return a change with what was there before and after.

        Raises
        ------
        UsageError
            There is none of this id.
        StoreError
            A content is gone or damaged.

        """
        entry = self._undoer.find(change_id)
        change = self._effects.plans.unpack(entry.plan)
        return ChangeDetails(entry.as_change(), change.before, change.after)

    def undo(self, change_id: str) -> Change:
        """Undo a change, also one that undid another; returns the change that does it.

        Raises
        ------
        UsageError
            There is none of this id, it is undone already, or not in this process.
        ChangedSince
            Something has changed since; the text says what.
        ToolError
            It is of a kind that can't be undone.

        """
        return self._undoer.undo(change_id)

    def undo_turn(self, turn_id: str) -> list[Change]:
        """Undo all changes of a turn, the last first, or none of them; errors as of `undo`."""
        return self._undoer.undo_turn(turn_id)


def _clean(text: str) -> str:
    """Bound a text of the model or the user, without what no database can hold."""
    return str(text)[:MAX_MESSAGE_CHARS].encode("utf-8", "replace").decode()


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name}={value!r} is unknown; available: {', '.join(choices)}.")
