"""Proposals and decisions: what is shown is what runs, once, and a reject is final."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.errors import ToolError, UsageError
from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench


def reopened(bench: Bench, **settings: Any) -> contextlib.closing[Bench]:
    """Open another desk on the same folder, as a second kernel does."""
    return contextlib.closing(Bench(bench.path, **settings))


def test_a_proposal_shows_all_and_changes_nothing(bench: Bench) -> None:
    approval = bench.propose()
    assert approval.id == "ap-1"
    assert approval.status == "pending"
    assert approval.tool == "replace_text"
    assert approval.targets == (str(bench.work / MODEL),)
    assert "-    return 1 / x\n" in approval.diff
    assert "+    return 1 / (x + 1e-9)\n" in approval.diff
    assert approval.reason == "Zero."
    assert approval.arguments == EDIT
    assert bench.read() == BEFORE
    assert bench.effects() == []
    assert bench.desk.pending() == bench.desk.pending("chat") == [approval]
    assert bench.desk.pending("other") == []


def test_an_approved_change_is_made_and_journalled(bench: Bench) -> None:
    approval = bench.desk.decide(bench.propose().id, "approve")
    assert approval.status == "done"
    assert approval.change_id == "ch-1"
    assert approval.decided_at is not None
    assert bench.read() == AFTER
    assert bench.desk.pending() == []
    (change,) = bench.desk.changes()
    assert (change.id, change.approval_id, change.by) == ("ch-1", approval.id, "approval")
    assert change.diff == approval.diff
    details = bench.desk.show("ch-1")
    assert [state.content for state in details.before] == [BEFORE.encode()]
    assert [state.content for state in details.after] == [AFTER.encode()]


@pytest.mark.parametrize("second", ["approve", "reject"])
def test_only_the_first_decision_counts(bench: Bench, second: Any) -> None:
    approval = bench.propose()
    first = bench.desk.decide(approval.id, "approve")
    assert bench.desk.decide(approval.id, second, message="too late") == first
    assert bench.effects() == ["apply"]
    assert len(bench.desk.changes()) == 1


def test_a_reject_is_final_in_every_mode(bench: Bench) -> None:
    approval = bench.desk.decide(bench.propose().id, "reject", message="Use a guard.")
    assert (approval.status, approval.message) == ("rejected", "Use a guard.")
    for mode in ("yolo", "approve"):
        bench.desk.mode = mode
        assert bench.desk.decide(approval.id, "approve").status == "rejected"
        again = bench.propose(call_id=approval.call_id)
        assert (again.id, again.status) == (approval.id, "rejected")
    with reopened(bench, mode="yolo") as other:
        assert other.desk.decide(approval.id, "approve").status == "rejected"
    assert bench.effects() == []
    assert bench.read() == BEFORE


@pytest.mark.parametrize("mode", ["approve", "yolo"])
def test_what_was_rejected_is_not_asked_again_in_the_turn(bench: Bench, mode: Any) -> None:
    bench.desk.decide(bench.propose().id, "reject", message="Use a guard.")
    bench.desk.mode = mode
    with pytest.raises(ToolError, match=r"rejected this change already.*Use a guard"):
        bench.propose(**(EDIT | {"reason": "Other words, same change."}))
    with pytest.raises(ToolError, match="rejected this change already"):
        bench.propose("write_file", path=MODEL, content=AFTER)
    assert bench.desk.pending() == []
    assert bench.effects() == []
    bench.desk.mode = "approve"
    assert bench.propose(turn="t2").status == "pending"
    assert bench.propose(**(EDIT | {"new_text": "0"})).status == "pending"


def test_the_same_call_is_one_approval(bench: Bench) -> None:
    first = bench.propose(call_id="c")
    assert bench.propose(call_id="c") == first
    assert bench.propose(call_id="c", turn="t2") == first  # a turn that goes on
    assert bench.propose(call_id="c", thread="other").id != first.id
    done = bench.desk.decide(first.id, "approve")
    assert bench.propose(call_id="c") == done
    assert bench.desk.for_call("chat", "c") == done
    assert bench.effects() == ["apply"]


def test_a_call_id_that_a_model_uses_twice_hides_nothing(bench: Bench) -> None:
    first = bench.propose(call_id="c")
    second = bench.propose(call_id="c", **(EDIT | {"new_text": "2 / x"}))
    assert second.id != first.id
    assert bench.desk.for_call("chat", "c") == second


def test_an_edited_change_is_what_the_user_wrote(bench: Bench) -> None:
    approval = bench.propose()
    mine = {key: EDIT[key] for key in ("path", "old_text")} | {"new_text": "1 / max(x, 1)"}
    done = bench.desk.decide(approval.id, "edit", arguments=mine, message="Like this.")
    assert (done.status, done.message) == ("done", "Like this.")
    assert done.arguments["new_text"] == "1 / max(x, 1)"
    assert "+    return 1 / max(x, 1)" in done.diff
    assert bench.read() == "def f(x):\n    return 1 / max(x, 1)\n"
    assert bench.desk.changes()[0].diff == done.diff
    assert bench.propose(call_id=approval.call_id) == done


def test_an_edit_that_can_not_be_made_leaves_it_pending(bench: Bench) -> None:
    approval = bench.propose()
    with pytest.raises(ToolError):
        bench.desk.decide(approval.id, "edit", arguments=EDIT | {"old_text": "not there"})
    with pytest.raises(ToolError):
        bench.desk.decide(approval.id, "edit", arguments=EDIT | {"path": "../../etc/passwd"})
    assert bench.desk.get(approval.id) == approval
    assert bench.effects() == []


def test_a_reject_in_the_middle_of_an_approval_wins(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = bench.propose()
    plan = bench.executor.plan

    def reject_meanwhile(tool: str, arguments: Any) -> Any:
        with reopened(bench) as other:
            assert other.desk.decide(approval.id, "reject").status == "rejected"
        return plan(tool, arguments)

    monkeypatch.setattr(bench.executor, "plan", reject_meanwhile)
    mine = EDIT | {"new_text": "2 / x"}
    assert bench.desk.decide(approval.id, "edit", arguments=mine).status == "rejected"
    assert bench.desk.get(approval.id).arguments == EDIT
    assert bench.effects() == []
    assert bench.read() == BEFORE


@pytest.mark.parametrize(
    ("decision", "how"),
    [
        ("maybe", {}),
        ("approve", {"scope": "for ever"}),
        ("edit", {}),
        ("approve", {"arguments": EDIT}),
    ],
)
def test_decisions_that_make_no_sense(bench: Bench, decision: Any, how: Any) -> None:
    approval = bench.propose()
    with pytest.raises(UsageError):
        bench.desk.decide(approval.id, decision, **how)
    assert bench.desk.get(approval.id).status == "pending"


@pytest.mark.parametrize("approval_id", ["ap-9", "ch-1", "", "ap-", "ap-1; DROP", "9" * 40, "²"])
def test_unknown_approvals(bench: Bench, approval_id: str) -> None:
    bench.propose()
    with pytest.raises(UsageError):
        bench.desk.decide(approval_id, "approve")
    with pytest.raises(UsageError):
        bench.desk.get(approval_id)


def void(bench: Bench, approval: Approval, text: str) -> Approval:
    """Change the file behind the desk's back and approve then."""
    bench.write(text=text)
    return bench.desk.decide(approval.id, "approve")


def test_a_file_that_changed_voids_the_approval_and_shows_the_new_diff(bench: Bench) -> None:
    approval = bench.propose()
    changed = f"import math\n{BEFORE}"
    old = void(bench, approval, changed)
    assert old.status == "void"
    assert MODEL in old.message
    assert bench.read() == changed
    assert bench.desk.changes() == []
    new = bench.desk.get(old.replaced_by)
    assert new == bench.desk.for_call("chat", approval.call_id)
    assert new.status == "pending"
    assert " import math\n" in new.diff
    assert bench.propose(call_id=approval.call_id) == new
    assert bench.desk.decide(new.id, "approve").status == "done"
    assert bench.read() == f"import math\n{AFTER}"
    assert bench.desk.decide(approval.id, "approve").status == "void"


def test_a_void_change_that_can_not_be_made_any_more_says_so(bench: Bench) -> None:
    old = void(bench, bench.propose(), "something else\n")
    assert (old.status, old.replaced_by) == ("void", "")
    assert "can't be made any more" in old.message
    assert bench.desk.pending() == []
    assert bench.read() == "something else\n"


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("aside"))
    path.parent.symlink_to("/etc")


def add_name(path: Path) -> None:
    os.link(path, path.parent.parent.parent / "outside.py")


def make_private(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize(
    "trap", [make_fifo, make_link, make_folder, link_folder, add_name, make_private, Path.unlink]
)
def test_what_became_of_a_file_after_it_was_shown_is_never_followed(
    bench: Bench, trap: Callable[[Path], None]
) -> None:
    path = bench.write("sub/model.py")
    approval = bench.propose(**(EDIT | {"path": "sub/model.py"}))
    trap(path)
    settled = bench.desk.decide(approval.id, "approve")
    assert settled.status in ("void", "failed")
    assert settled.message
    assert bench.desk.changes() == []
    assert not path.is_file() or path.read_text() == BEFORE or path.is_symlink()
    assert [row.id for row in bench.desk.pending()] == [settled.replaced_by] * bool(
        settled.replaced_by
    )


def test_somebody_else_who_makes_the_same_change_voids_it(bench: Bench) -> None:
    old = void(bench, bench.propose(), AFTER)
    assert old.status == "void"
    assert bench.desk.changes() == []


def test_two_changes_of_one_file(bench: Bench) -> None:
    first = bench.propose()
    second = bench.propose(**(EDIT | {"old_text": "def f", "new_text": "def g"}))
    assert bench.desk.decide(first.id, "approve").status == "done"
    void = bench.desk.decide(second.id, "approve")
    assert void.status == "void"
    assert bench.desk.decide(void.replaced_by, "approve").status == "done"
    assert bench.read() == AFTER.replace("def f", "def g")


def test_odd_texts_are_kept(bench: Bench) -> None:
    odd = "\ud800 \x00 ' \u202e"
    approval = bench.desk.propose(
        thread_id="chat\n",
        turn_id="t",
        call_id=odd,
        tool="replace_text",
        arguments=EDIT | {"reason": odd},
        reason=odd * 10_000,
    )
    assert len(approval.reason) <= 10_000
    assert "\\u0000" in approval.model_dump_json()
    found = bench.desk.for_call("chat\n", odd)
    assert found is not None
    assert found.id == approval.id
    assert bench.desk.decide(approval.id, "reject", message=odd).status == "rejected"
    assert bench.audit()


def test_what_can_not_be_planned_is_no_approval(bench: Bench) -> None:
    for tool, arguments in [
        ("replace_text", EDIT | {"path": "../model.py"}),
        ("replace_text", EDIT | {"new_text": EDIT["old_text"]}),
        ("run_shell", {"command": "true"}),
    ]:
        with pytest.raises(ToolError):
            bench.propose(tool, **arguments)
    assert bench.desk.pending() == []


def test_a_change_that_fails_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    approval = bench.propose()

    def fail(_change: object) -> None:
        raise PermissionError(13, "Permission denied", "model.py")

    monkeypatch.setattr(bench.executor, "apply", fail)
    failed = bench.desk.decide(approval.id, "approve")
    assert failed.status == "failed"
    assert failed.message == "model.py: Permission denied."
    assert bench.desk.changes() == []
    monkeypatch.undo()
    assert bench.desk.decide(approval.id, "approve").status == "failed"
    assert bench.read() == BEFORE


def test_another_process_sees_and_decides(bench: Bench) -> None:
    approval = bench.propose()
    with reopened(bench) as other:
        assert other.desk.pending() == [approval]
        assert other.desk.decide(approval.id, "approve").status == "done"
    assert bench.desk.get(approval.id).status == "done"
    assert bench.desk.decide(approval.id, "approve").status == "done"
    assert bench.effects() == ["apply"]


def test_the_audit_tells_decisions_and_effects_without_contents(bench: Bench) -> None:
    bench.desk.decide(bench.propose().id, "approve")
    bench.desk.decide(bench.propose(**(EDIT | {"old_text": "1e-9", "new_text": "1"})).id, "reject")
    assert bench.events() == ["proposed", "approve", "done", "proposed", "reject"]
    done = bench.audit()[2]
    assert done["approval"] == "ap-1"
    assert done["change"] == "ch-1"
    assert done["targets"] == [str(bench.work / MODEL)]
    assert (done["thread"], done["by"], done["mode"]) == ("chat", "approval", "approve")
    assert [line["n"] for line in bench.audit()] == [1, 2, 3, 4, 5]
    text = bench.folder.audit_file.read_text()
    assert "1e-9" not in text
    assert "Zero." not in text
    assert bench.folder.audit_file.stat().st_mode & 0o777 == 0o600


def test_contents_are_private_and_swept(bench: Bench) -> None:
    approval = bench.propose()
    kept = list(bench.folder.contents.iterdir())
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert bench.folder.contents.stat().st_mode & 0o777 == 0o700
    bench.desk.recover()
    assert len(list(bench.folder.contents.iterdir())) == 2
    bench.desk.decide(approval.id, "reject")
    bench.desk.recover()
    assert list(bench.folder.contents.iterdir()) == []
