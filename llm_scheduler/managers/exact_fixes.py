"""Proposes what the rules can state exactly as the fix of a group of failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import uuid4

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.rule_fixes import ProposedFix, find_fixes
from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import ToolError, TooManyChanges
from llm_scheduler.tools.run_view import RunView

_PREFIX = "rules-"
_OPEN = ("pending", "approved")
_STOPPED = (
    "Not all that the rules can fix was proposed: one turn may hold no more changes (setting "
    "changes_per_turn). For the rest ask again: `/fix JOB`."
)


@dataclass(frozen=True)
class ProposedFixes:
    """What became of the fixes of a group."""

    approvals: list[Approval] = field(default_factory=list)
    problem: str = ""
    """Why not all could be proposed, a sentence; empty when nothing stopped it."""


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

    def propose(
        self, group: FailureGroup, failures: Sequence[Failure], *, is_asked: bool = False
    ) -> ProposedFixes:
        """Propose the fixes of a group; each is proposed once for the failures that it mends.

        Learners that are held back are started again after all else, and only where
        everything before it was allowed or is still to be decided.

        Parameters
        ----------
        group, failures
            The group, and all failures of the run, the earliest first.
        is_asked
            Whether a person asks for it: what was decided before is then proposed again.

        """
        members = _last_ones(failures, group)
        found = find_fixes(members, self._run, bad_node=group.bad_node or "")
        if not found.fixes:
            return ProposedFixes()
        round_ = _Round(self._desk, thread_for_group(group.key), members, is_asked=is_asked)
        for fix in found.fixes:
            round_.propose(fix)
            if round_.problem:
                break
        if round_.approvals and not round_.problem:
            for fix in found.restarts:
                round_.propose(fix)
        return ProposedFixes(round_.approvals, round_.problem)


class _Round:
    """One look at a group; the limits of a turn hold for what it proposes."""

    def __init__(
        self, desk: ApprovalDesk, thread_id: str, members: Sequence[Failure], *, is_asked: bool
    ) -> None:
        self._desk = desk
        self._thread_id = thread_id
        self._turn_id = f"{_PREFIX}{uuid4().hex[:8]}-{thread_id}"
        self._members = members
        self._is_asked = is_asked
        self._earlier = desk.with_call_prefix(thread_id, _PREFIX)
        self._undone = {x.approval_id for x in desk.changes(thread_id) if x.undone_by}
        self.approvals: list[Approval] = []
        self.problem = ""
        self._must_ask = False

    def propose(self, fix: ProposedFix) -> None:
        """Propose one fix unless it was before, for the same failures."""
        same = [x for x in self._earlier if _as_text(x.tool, x.arguments) == _text_of(fix)]
        waiting = [approval for approval in same if approval.status in _OPEN]
        if waiting:  # one card for one change
            self.approvals.append(waiting[-1])
            return
        mended = _failures_of(fix, self._members)
        call_id = self._call_id(fix, mended)
        if not call_id or (not self._is_asked and _is_rejected(same, mended)):
            return
        if not self._is_asked and any(approval.id in self._undone for approval in same):
            # What a person has undone is not simply made again; nor is what comes after it.
            self._must_ask = True
        try:
            approval = self._desk.propose(
                thread_id=self._thread_id,
                turn_id=self._turn_id,
                call_id=call_id,
                tool=fix.tool,
                arguments=fix.arguments,
                reason=fix.reason,
                must_ask=self._must_ask or not fix.is_certain,
                replaces=[x.id for x in self._earlier if _is_part_of(x, fix)],
            )
        except TooManyChanges:
            self.problem = _STOPPED
        except ToolError:
            pass  # it is not possible any more, or read-only
        else:
            self.approvals.append(approval)

    def _call_id(self, fix: ProposedFix, mended: Sequence[Failure]) -> str:
        """Return the id of the call; empty where it was decided, and nobody asks again.

        The same fix of the same failures is the same call, also in another session; for a
        learner that failed again it is another one.
        """
        attempts = sorted(failure.attempt for failure in mended)
        text = f"{_text_of(fix)} {attempts}"
        first = f"{_PREFIX}{sha256(text.encode()).hexdigest()[:12]}"
        for number in count():
            call_id = f"{first}-{number}" if number else first
            known = self._desk.for_call(self._thread_id, call_id)
            if known is None or known.status in _OPEN:
                return call_id
            if not self._is_asked:
                break
        return ""


def _is_part_of(approval: Approval, fix: ProposedFix) -> bool:
    """Tell whether a proposal that waits is one for fewer learners: one card will do."""
    learners, others = approval.arguments.get("learners"), fix.arguments.get("learners")
    if approval.status != "pending" or approval.tool != fix.tool or not (learners and others):
        return False
    rest = {name: x for name, x in approval.arguments.items() if name != "learners"}
    return set(learners) < set(others) and _as_text(fix.tool, rest) == _as_text(
        fix.tool, {name: x for name, x in fix.arguments.items() if name != "learners"}
    )


def _failures_of(fix: ProposedFix, members: Sequence[Failure]) -> Sequence[Failure]:
    """Return the failures that a fix mends: those of its learners, or all."""
    learners = fix.arguments.get("learners")
    if learners is None:
        return members
    return [failure for failure in members if not set(learners).isdisjoint(failure.learners)]


def _is_rejected(same: Sequence[Approval], mended: Sequence[Failure]) -> bool:
    """Tell whether the user's last word on a fix was no, and was on one of these failures."""
    last = same[-1] if same else None
    if last is None or last.status != "rejected" or last.decided_at is None:
        return False
    return any(failure.failed_at <= last.decided_at for failure in mended)


def _text_of(fix: ProposedFix) -> str:
    return _as_text(fix.tool, fix.arguments)


def _as_text(tool: str, arguments: dict[str, Any]) -> str:
    """Return a call as text; the reason does not count."""
    counted = {name: value for name, value in arguments.items() if name != "reason"}
    return json.dumps([tool, counted], sort_keys=True, default=str)


def _last_ones(failures: Sequence[Failure], group: FailureGroup) -> list[Failure]:
    """Return the members of a group that are the last failures of their learners."""
    last = {learner: failure for failure in failures for learner in failure.learners}
    members = {failure.attempt: failure for failure in last.values()}
    return [
        failure
        for failure in members.values()
        if failure.diagnosis is not None and group_key(failure.diagnosis) == group.key
    ]
