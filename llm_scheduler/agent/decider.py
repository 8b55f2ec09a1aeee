"""Decisions: one transaction each, that only the first one wins, and then the effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_scheduler.agent.approval import Scope
from llm_scheduler.agent.approval_table import Row
from llm_scheduler.agent.effects import Effects, Executor
from llm_scheduler.agent.policy import Policy, is_deletion
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
        """Reject a change, and with it those of its turn that wait too if `scope` says so."""
        # Before, as nobody keeps the contents of what is rejected.
        reaches_on = scope != "call" and row.status == "pending"
        change = self._effects.plans.unpack(row.plan) if reaches_on else None
        # Without the lock: a reject need not wait for a change that is being carried out.
        with self._effects.database.transaction():
            row = self._table.get(row.number)
            if row.status != "pending":
                return
            rows = [row]
            if scope == "turn":
                rows = self._table.with_status("pending", row.thread_id, row.turn_id)
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
        if arguments is None:
            change = self._effects.plans.unpack(plan)
        else:
            if "reason" in call.arguments:  # people need not give one
                arguments = {"reason": call.arguments["reason"], **arguments}
            change = self._executor.plan(call.tool, arguments)
            self._policy.check_size(change)
            plan = self._effects.plans.pack(change)
        begun = None
        with self._effects.database.transaction():
            if self._table.get(number).status != "pending":  # rejected a moment ago
                return
            if arguments is not None:
                self._table.set_plan(number, arguments, call.reason, plan)
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

    def _approve_sibling(self, row: Row) -> None:
        """Carry out what was shown in the same turn; deleting is asked for one by one."""
        change = self._effects.plans.unpack(row.plan)
        if is_deletion(change):
            return
        begun = None
        with self._effects.database.transaction():
            if self._table.get(row.number).status != "pending":
                return
            self._table.set_status(row.number, "approved", by="rule")
            self._effects.note_row("approve", row, by="rule", scope="turn")
            if self._executor.can_apply(change):
                begun = self._effects.begin(row, "rule", row.plan)
        if begun is not None:
            self._effects.carry_out(begun, change)

    def _remember(self, row: Row, change: PlannedChange, scope: Scope, *, allows: bool) -> None:
        targets = self._table.tally(row.thread_id, row.turn_id).targets
        self._policy.remember(
            change, row.thread_id, row.turn_id, scope, allows=allows, n_targets=len(targets)
        )
