"""Proposes what the rules can state exactly as the fix of a group of failures."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from uuid import uuid4

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.rule_fixes import ProposedFix, find_fixes
from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import ToolError
from llm_scheduler.tools.run_view import RunView


class ExactFixes:
    """Fixes that need no model.

    Parameters
    ----------
    desk
        Where they are proposed.
    run
        What is looked at to find them.

    """

    def __init__(self, desk: ApprovalDesk, run: RunView) -> None:
        self._desk = desk
        self._run = run
        self._session = uuid4().hex[:8]
        """The limits of a turn hold for what is proposed in one session."""

    def propose(self, group: FailureGroup, failures: Sequence[Failure]) -> list[Approval]:
        """Propose the fixes of a group; each is proposed once.

        Learners that are held back are started again after all else, and only where
        everything before it was allowed or is still to be decided.
        """
        members = _last_ones(failures, group)
        found = find_fixes(members, self._run, bad_node=group.bad_node or "")
        if not found.fixes:
            return []
        thread_id = thread_for_group(group.key)
        approvals = [self._propose(fix, thread_id) for fix in found.fixes]
        if not any(approvals):
            return []
        approvals += [self._propose(fix, thread_id) for fix in found.restarts]
        return [approval for approval in approvals if approval is not None]

    def _propose(self, fix: ProposedFix, thread_id: str) -> Approval | None:
        # The same fix of the same group is the same call, also in another session.
        text = f"{fix.tool} {sorted(fix.arguments.items())}"
        call_id = f"rules-{sha256(text.encode()).hexdigest()[:12]}"
        try:
            return self._desk.propose(
                thread_id=thread_id,
                turn_id=f"rules-{self._session}-{thread_id}",
                call_id=call_id,
                tool=fix.tool,
                arguments=fix.arguments,
                reason=fix.reason,
                must_ask=not fix.is_certain,
            )
        except ToolError:
            return None  # it is not possible any more, or read-only


def _last_ones(failures: Sequence[Failure], group: FailureGroup) -> list[Failure]:
    """Return the members of a group that are the last failures of their learners."""
    last = {learner: failure for failure in failures for learner in failure.learners}
    members = {failure.attempt: failure for failure in last.values()}
    return [
        failure
        for failure in members.values()
        if failure.diagnosis is not None and group_key(failure.diagnosis) == group.key
    ]
