"""Whatever is proposed, decided, undone and switched in whatever order: the desk keeps its word."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llm_scheduler.agent.approval import Approval
from llm_scheduler.errors import ChangedSince, ToolError, UsageError
from tests.agent.desk_files import MODEL, Bench, wait_for_no_disk

MODES = st.sampled_from(["approve", "approve", "yolo", "read-only"])
TEXTS = st.integers(0, 9).map("a = {}\n".format)
FINAL = ("done", "rejected", "void", "failed")


class Histories(RuleBasedStateMachine):
    """One file, several threads, a user, somebody else who writes, and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        wait_for_no_disk(self.patch)
        self.bench = Bench(self.path)
        self.bench.write(text="a = 0\n")
        self.text = "a = 0\n"
        self.calls = 0
        self.known: dict[str, Approval] = {}
        self.asked: dict[str, str] = {}
        """What the call of each asked for, also where the user has edited it."""
        self.rejected_at: dict[str, int] = {}
        self.approved_at: dict[str, int] = {}
        self.n_decisions = 0
        self.n_changes = 0

    def teardown(self) -> None:
        self.bench.close()
        self.patch.undo()
        shutil.rmtree(self.path)

    def note(self, approval: Approval) -> None:
        """Follow what an answer of the desk says about the file."""
        old = self.known.get(approval.id)
        if approval.status == "done" and (old is None or old.status != "done"):
            self.text = str(approval.arguments["content"])
            self.n_changes += 1
        self.known[approval.id] = approval
        self.asked.setdefault(approval.id, str(approval.arguments["content"]))
        if approval.replaced_by:
            self.known[approval.replaced_by] = self.bench.desk.get(approval.replaced_by)
            self.asked.setdefault(approval.replaced_by, self.asked[approval.id])

    def note_decision(self, approval: Approval) -> None:
        """Remember what the user wants and does not want."""
        self.n_decisions += 1
        text = str(approval.arguments["content"])
        if approval.status == "rejected":
            self.rejected_at |= dict.fromkeys((text, self.asked[approval.id]), self.n_decisions)
        elif approval.status == "done":
            self.approved_at[text] = self.n_decisions

    def is_refused(self, text: str) -> bool:
        return self.rejected_at.get(text, 0) > self.approved_at.get(text, 0)

    @rule(text=TEXTS, turn=st.sampled_from(["t1", "t2"]))
    def propose(self, text: str, turn: str) -> None:
        self.calls += 1
        mode = self.bench.desk.mode
        try:
            approval = self.bench.propose(
                "write_file", path=MODEL, content=text, turn=turn, call_id=f"c{self.calls}"
            )
        except ToolError:
            rejected = [
                x
                for x in self.known.values()
                if (x.status, x.turn_id) == ("rejected", turn)
                and text in (x.arguments["content"], self.asked[x.id])
            ]
            assert mode == "read-only" or text == self.text or rejected
            return
        at_once = mode == "yolo" and not self.is_refused(text)
        assert approval.status == ("done" if at_once else "pending")
        for same in [x for x in self.known.values() if x.status == "pending"]:
            if same.arguments["content"] == text:  # one card for one change
                now = self.bench.desk.get(same.id)
                assert (now.status, now.replaced_by) == ("void", approval.id)
                self.known[same.id] = now
        self.note(approval)

    @precondition(lambda self: self.known)
    @rule(
        data=st.data(),
        decision=st.sampled_from(["approve", "approve", "reject", "edit"]),
        text=TEXTS,
    )
    def decide(self, data: st.DataObject, decision: str, text: str) -> None:
        approval_id = data.draw(st.sampled_from(sorted(self.known)))
        arguments = {"path": MODEL, "content": text} if decision == "edit" else None
        old = self.known[approval_id]
        try:
            new = self.bench.desk.decide(approval_id, decision, arguments=arguments)  # type: ignore[arg-type] - a str of the literals
        except UsageError:
            assert self.bench.desk.mode == "read-only"
            return
        except ToolError:
            assert decision == "edit"
            assert text == self.text
            return
        if old.status in FINAL:
            assert new == old
        elif decision == "reject":
            assert new.status == "rejected"
        else:
            assert new.status in ("done", "void")
        self.note(new)
        if old.status not in FINAL:
            self.note_decision(new)

    @precondition(lambda self: self.n_changes)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        changes = [change.id for change in self.bench.desk.changes()]
        details = self.bench.desk.show(data.draw(st.sampled_from(changes)))
        try:
            self.bench.desk.undo(details.change.id)
        except UsageError:
            assert details.change.undone_by
        except ChangedSince:
            assert details.after[0].content.decode() != self.text
        else:
            assert details.after[0].content.decode() == self.text
            self.text = details.before[0].content.decode()
            self.n_changes += 1

    @rule(text=TEXTS)
    def write_by_hand(self, text: str) -> None:
        self.bench.write(text=text)
        self.text = text

    @rule(mode=MODES)
    def switch(self, mode: str) -> None:
        self.bench.desk.mode = mode  # type: ignore[assignment] - a str of the literals

    @precondition(lambda self: self.known)
    @rule(mode=MODES)
    def restart(self, mode: str) -> None:
        self.bench.close()
        self.bench = Bench(self.path, mode=mode)
        assert self.bench.desk.recover() == []

    @invariant()
    def the_file_is_what_was_allowed(self) -> None:
        assert self.bench.read() == self.text

    @invariant()
    def what_is_final_stays(self) -> None:
        for approval_id, approval in self.known.items():
            assert self.bench.desk.get(approval_id).status == approval.status

    @invariant()
    def the_journal_is_whole(self) -> None:
        changes = self.bench.desk.changes()
        assert len(changes) == self.n_changes
        done = [x.approval_id for x in changes if x.by != "undo"]
        assert sorted(done) == sorted(x.id for x in self.known.values() if x.status == "done")


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
