"""Decisions: one transaction each, that only the first one wins, and then the effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_scheduler.agent.approval import Scope
from llm_scheduler.agent.approval_table import Call, Row
from llm_scheduler.agent.effects import Effects, Executor
from llm_scheduler.agent.policy import Policy, is_deletion
from llm_scheduler.errors import StoreError
from llm_scheduler.tools.change import PlannedChange


class Decider:
    """Writes down what the user decides, and lets it happen.

    Parameters
    ----------
    effects
        Carries out.
    executor
        Plans what the user has edited.
    policy
        Remembers decisions that reach further than one call.

    """

    def __init__(self, effects: Effects, executor: Executor, policy: Policy) -> None:
        self._effects = effects
        self._table = effects.approvals
        self._executor = executor
        self._policy = policy

    def reject(self, row: Row, message: str, scope: Scope) -> None:
        """Reject a change, and with it those of its turn that wait too if `scope` says so.

        One that is approved, and waits for the run's own process, can be rejected as well.
        """
        # Before, as nobody keeps the contents of what is rejected.
        reaches_on = scope != "call" and self._is_open(row)
        change = self._effects.plans.unpack(row.plan) if reaches_on else None
        # Without the lock: a reject need not wait for a change that is being carried out.
        with self._effects.database.transaction():
            row = self._table.get(row.number)
            if not self._is_open(row):
                return
            rows = [row]
            if scope == "turn":
                waiting = self._table.with_status("pending", row.thread_id, row.turn_id)
                rows += [other for other in waiting if other.number != row.number]
            for one in rows:
                self._table.set_status(one.number, "rejected", message=message, by="user")
                self._effects.note_row("reject", one, by="user", scope=scope)
            self._effects.step("deciding")
        self._effects.step("decided")
        if change is not None:
            self._remember(row, change, scope, allows=False)
        self._effects.audit.flush()

    def approve(
        self, number: int, message: str, arguments: Mapping[str, Any] | None, scope: Scope
    ) -> None:
        """Approve a change, or what the user made of it, and carry it out; under the lock.

        Raises
        ------
        ToolError
            What the user wrote can't be carried out; it is still pending.

        """
        row = self._table.get(number)
        if row.status != "pending":
            return
        call, plan = row.as_call(), row.plan
        change = shown = self._effects.plans.unpack(plan)
        if arguments is not None:
            call, change = self.plan_edit(row, arguments)
            plan = self._effects.plans.pack(change)
        unseen = _describe_unseen(shown, change) if arguments is not None else ""
        begun = None
        with self._effects.database.transaction():
            if self._table.get(number).status != "pending":  # rejected a moment ago
                return
            if unseen:
                newer = self._effects.replace(row, call, plan, unseen)
                self._effects.note_row("void", row, by="user", replaced_by=f"ap-{newer}")
                return
            if arguments is not None:
                self._table.set_plan(number, call, plan)
            self._table.set_status(number, "approved", message=message, by="approval")
            decision = "approve" if arguments is None else "edit"
            self._effects.note_row(decision, row, by="user", scope=scope)
            if self._executor.can_apply(change):
                begun = self._effects.begin(row, "approval", plan)
            self._effects.step("deciding")
        self._effects.step("decided")
        siblings: list[Row] = []
        if scope != "call":
            self._remember(row, change, scope, allows=True)
        if scope == "turn":  # those that were shown with it, not what may replace one
            siblings = self._table.with_status("pending", row.thread_id, row.turn_id)
        if begun is not None:
            self._effects.carry_out(begun, change)
        for sibling in siblings:
            self._approve_sibling(sibling)

    def plan_edit(self, row: Row, arguments: Mapping[str, Any]) -> tuple[Call, PlannedChange]:
        """Return the call that a user made of another one, and what it changes.

        Raises
        ------
        ToolError
            It can't be carried out.

        """
        call = row.as_call()
        if "reason" in call.arguments:  # people need not give one
            arguments = {"reason": call.arguments["reason"], **arguments}
        change = self._executor.plan(call.tool, arguments)
        self._policy.check_size(change)
        return replace(call, arguments=dict(arguments)), change

    def _approve_sibling(self, row: Row) -> None:
        """Carry out what was shown in the same turn; what must be asked for is, one by one."""
        change = self._effects.plans.unpack(row.plan)
        if is_deletion(change) or row.as_call().must_ask:
            return
        begun = None
        with self._effects.database.transaction():
            if self._table.get(row.number).status != "pending" or not self._policy.permits("rule"):
                return
            self._table.set_status(row.number, "approved", message="", by="rule")
            self._effects.note_row("approve", row, by="rule", scope="turn")
            if self._executor.can_apply(change):
                begun = self._effects.begin(row, "rule", row.plan)
        if begun is not None:
            self._effects.carry_out(begun, change)

    def carry_out_approved(self) -> list[int]:
        """Carry out what was approved where it could not be; under the lock.

        Returns
        -------
        The numbers of the approvals that were taken up.

        """
        taken_up = []
        for row in self._table.with_status("approved"):
            begun = change = None
            problem = ""
            try:
                change = self._effects.plans.unpack(row.plan)
            except StoreError as exc:  # the others must not wait for it for ever
                problem = str(exc)
            if change is not None and not self._executor.can_apply(change):
                continue
            with self._effects.database.transaction():
                row = self._table.get(row.number)  # it may be rejected by now
                if row.status != "approved" or not self._is_open(row):
                    continue
                by = row.by or "approval"
                if change is None:
                    self._table.set_status(row.number, "failed", message=problem)
                    self._effects.note_row("failed", row)
                elif not self._policy.permits(by):
                    self._take_back(row)
                else:
                    begun = self._effects.begin(row, by, row.plan)
            if begun is not None and change is not None:
                self._effects.carry_out(begun, change)
            taken_up.append(row.number)
        return taken_up

    def take_back_yolo(self) -> None:
        """Let the user decide what YOLO mode has approved and nobody has carried out yet."""
        with self._effects.database.transaction():
            for row in self._table.with_status("approved"):
                if row.by == "yolo" and self._is_open(row):
                    self._take_back(row)

    def _take_back(self, row: Row) -> None:
        """Make an approved one pending again; for a transaction."""
        told = "YOLO mode was off before this could be carried out."
        self._table.set_status(row.number, "pending", message=told)
        self._effects.note_row("not done", row)

    def _is_open(self, row: Row) -> bool:
        """Whether it can still be held back: nobody has begun to carry it out."""
        if row.status != "approved":
            return row.status == "pending"
        in_the_making = self._effects.journal.in_the_making()
        return all(entry.approval != row.number for entry in in_the_making)

    def _remember(self, row: Row, change: PlannedChange, scope: Scope, *, allows: bool) -> None:
        targets = self._table.tally(row.thread_id, row.turn_id).targets
        self._policy.remember(
            change, row.thread_id, row.turn_id, scope, allows=allows, n_targets=len(targets)
        )


def _describe_unseen(shown: PlannedChange, edited: PlannedChange) -> str:
    """Say what an edit would change that its user has not seen so; empty if nothing."""
    known = {state.target: state for state in shown.before}
    others = [state.target for state in edited.before if state.target not in known]
    if others:
        return (
            f"The edit changes what was not shown: {', '.join(others)}. Approve it as it is "
            "shown now."
        )
    changed = [state.target for state in edited.before if state != known[state.target]]
    if changed:
        return (
            f"{', '.join(changed)} has changed since this was shown. Nothing was overwritten; "
            "approve the edit as it is shown now."
        )
    return ""
