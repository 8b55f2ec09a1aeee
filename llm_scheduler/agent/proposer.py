"""Proposals: planned, written down once, and carried out where nobody has to be asked."""

from __future__ import annotations

from llm_scheduler.agent.approval_table import Call, Row
from llm_scheduler.agent.effects import Effects, Executor
from llm_scheduler.agent.policy import Policy, is_deletion
from llm_scheduler.errors import ToolError
from llm_scheduler.tools.change import PlannedChange, State


class Proposer:
    """Writes down what is proposed, and lets happen what is allowed without a question.

    Parameters
    ----------
    effects
        Carries out.
    executor
        Plans the changes.
    policy
        Judges them.
    max_chars
        Longest arguments of a call.

    """

    def __init__(
        self, effects: Effects, executor: Executor, policy: Policy, max_chars: int
    ) -> None:
        self._effects = effects
        self._table = effects.approvals
        self._executor = executor
        self._policy = policy
        self._max_chars = max_chars

    def propose(self, call: Call) -> Row:
        """Plan a change and write it down, or find what became of the same call.

        Raises
        ------
        ToolError
            It can't be made or is not allowed, or the user has rejected it.

        """
        if self._find(call) is None:
            self._policy.check_writable()
            if sum(len(str(value)) for value in call.arguments.values()) > self._max_chars:
                raise ToolError("The arguments are too long. Make a smaller change.")
            change = self._executor.plan(call.tool, call.arguments)
            with self._effects.locked():
                # Two that propose the same at the same time are one.
                if self._find(call) is None:
                    self._propose(call, change)
        row = self._find(call)
        assert row is not None
        return row

    def _find(self, call: Call) -> Row | None:
        return self._table.of_call(call.thread_id, call.call_id, call.signature)

    def _propose(self, call: Call, change: PlannedChange) -> None:
        effects, policy = self._effects, self._policy
        tally = self._table.tally(call.thread_id, call.turn_id)
        policy.check_proposal(change)
        verdict = policy.judge(change, call.thread_id, call.turn_id, tally)
        can_apply = self._executor.can_apply(change)
        if verdict != "ask" and can_apply and self._executor.states_now(change) != change.before:
            # Another call of this turn has changed it since this one was planned.
            change = self._executor.plan(call.tool, call.arguments)
            policy.check_proposal(change)
        plan = effects.plans.pack(change)
        words = self._table.was_rejected(call, plan)
        if words is not None:
            said = f" The user said: {words}" if words else ""
            raise ToolError(
                f"The user has rejected this change already.{said} Do not propose it again."
            )
        must_ask = call.must_ask or self._table.is_refused(call, plan)
        if tally.targets.intersection(change.targets):
            must_ask = must_ask or is_deletion(self._since_turn_began(call, change))
        effects.step("packed")
        begun = None
        with effects.database.transaction():
            # Once more: packing takes a while, and the user may have switched the mode since.
            policy.check_writable()
            verdict = policy.judge(change, call.thread_id, call.turn_id, tally, must_ask=must_ask)
            row = self._enter(call, plan)
            if verdict != "ask":
                effects.note_row("approve", row, by=verdict)
                if can_apply:
                    begun = effects.begin(row, verdict, plan)
                else:
                    self._table.set_status(row.number, "approved", by=verdict)
            effects.step("proposing")
        effects.step("proposed")
        if begun is not None:
            effects.carry_out(begun, change)

    def _since_turn_began(self, call: Call, change: PlannedChange) -> PlannedChange:
        """Return a change as if it was made on what was there before the turn's earlier ones.

        Who must ask to delete a file could otherwise take it away in small pieces.
        """
        firsts: dict[str, State] = {}
        for entry in self._effects.journal.done(call.thread_id, call.turn_id):
            made = self._effects.plans.unpack(entry.plan)
            for state in made.before:
                firsts.setdefault(state.target, state)
            if made.kind == "move":
                old, new = made.before
                firsts[new.target] = firsts[old.target]
        before = tuple(firsts.get(state.target, state) for state in change.before)
        return change.model_copy(update={"before": before})

    def _enter(self, call: Call, plan: bytes) -> Row:
        """Write down a proposal; for a transaction."""
        row = self._table.get(self._table.add(call, plan))
        self._effects.note_row("proposed", row)
        # One card for one change: else each would have to be decided.
        replaced = [self._table.get(approval_id) for approval_id in call.replaces]
        for earlier in {x.number: x for x in (*self._table.same_pending(row), *replaced)}.values():
            if earlier.status != "pending":
                continue
            told = f"It was proposed again as ap-{row.number}."
            self._table.set_status(earlier.number, "void", message=told, replaced_by=row.number)
            self._effects.note_row("void", earlier, replaced_by=f"ap-{row.number}")
        return row
