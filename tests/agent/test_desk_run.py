"""Changes of a run that are decided where they can't be carried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.errors import UsageError
from llm_scheduler.tools.change import PlannedChange
from tests.agent.conftest import MakeBench
from tests.agent.desk_files import LEARNER, MODEL, Bench


@pytest.fixture
def shell(make_bench: MakeBench) -> Bench:
    """Provide a desk beside the run, as in another terminal."""
    return make_bench(owns_run=False)


@contextmanager
def run_process(shell: Bench) -> Iterator[Bench]:
    """Open the desk of the run's own process."""
    bench = Bench(shell.path)
    yield bench
    bench.close()


def memory(bench: Bench) -> str:
    path = bench.path / "run.json"
    return path.read_text() if path.exists() else ""


def approve(shell: Bench) -> Approval:
    approval = shell.propose("set_resources", memory="8GB")
    assert approval.targets == (LEARNER,)
    return shell.desk.decide(approval.id, "approve")


def test_the_runs_process_carries_out_what_was_approved_elsewhere(shell: Bench) -> None:
    approval = approve(shell)
    assert approval.status == "approved"
    assert shell.desk.carry_out_approved() == []
    assert shell.desk.recover() == []
    assert shell.desk.decide(approval.id, "approve").status == "approved"
    with run_process(shell) as run:
        assert run.desk.recover() == []
        (done,) = run.desk.carry_out_approved()
        assert (done.id, done.status) == (approval.id, "done")
        assert run.desk.carry_out_approved() == []
        assert run.effects() == ["apply"]
    assert memory(shell) == '{"memory": "8GB"}'
    assert shell.desk.get(approval.id).change_id == "ch-1"
    assert shell.events() == ["proposed", "approve", "done"]


def test_a_reject_elsewhere_is_a_reject(shell: Bench) -> None:
    approval = shell.propose("set_resources", memory="8GB")
    shell.desk.decide(approval.id, "reject")
    with run_process(shell) as run:
        assert run.desk.carry_out_approved() == []
        assert run.desk.decide(approval.id, "approve").status == "rejected"
    assert memory(shell) == ""


def test_resources_that_changed_meanwhile_void_it(shell: Bench) -> None:
    approve(shell)
    (shell.path / "run.json").write_text('{"memory": "6GB"}')
    with run_process(shell) as run:
        (void,) = run.desk.carry_out_approved()
        assert void.status == "void"
        assert run.desk.get(void.replaced_by).status == "pending"
    assert memory(shell) == '{"memory": "6GB"}'


def test_one_that_is_damaged_does_not_stop_the_others(shell: Bench) -> None:
    first = approve(shell)
    for path in shell.folder.contents.iterdir():
        path.unlink()
    second = shell.propose("set_resources", memory="16GB")
    shell.desk.decide(second.id, "approve")
    # The second needs what is there now, which the first one needed too.
    (shell.folder.contents / sha256(b'{"memory": "8GB"}').hexdigest()).unlink(missing_ok=True)
    with run_process(shell) as run:
        settled = run.desk.carry_out_approved()
        assert [(x.id, x.status) for x in settled] == [(first.id, "failed"), (second.id, "done")]
        assert "part of the journal" in settled[0].message
    assert memory(shell) == '{"memory": "16GB"}'


def test_nothing_is_carried_out_in_read_only_mode(shell: Bench) -> None:
    approve(shell)
    with run_process(shell) as run:
        run.desk.mode = "read-only"
        assert run.desk.carry_out_approved() == []
        run.desk.mode = "approve"
        assert [x.status for x in run.desk.carry_out_approved()] == ["done"]


def test_yolo_beside_the_run_leaves_it_to_the_run(shell: Bench) -> None:
    shell.desk.mode = "yolo"
    approval = shell.propose("set_resources", memory="8GB")
    assert approval.status == "approved"
    assert shell.propose().status == "done"  # files need no run
    with run_process(shell) as run:
        run.desk.mode = "yolo"
        (done,) = run.desk.carry_out_approved()
        assert done.status == "done"
        assert [change.by for change in run.desk.changes()] == ["yolo", "yolo"]


def test_what_yolo_approved_elsewhere_is_asked_for_where_it_is_off(shell: Bench) -> None:
    shell.desk.mode = "yolo"
    approval = shell.propose("set_resources", memory="8GB")
    with run_process(shell) as run:
        assert run.desk.carry_out_approved() == []
        assert run.effects() == []
        (pending,) = run.desk.pending()
        assert (pending.id, pending.decided_at) == (approval.id, None)
        assert "YOLO mode was off" in pending.message
        done = run.desk.decide(approval.id, "approve")
        assert (done.status, done.message) == ("done", "")
        assert [change.by for change in run.desk.changes()] == ["approval"]


def test_leaving_yolo_takes_back_what_waits_for_the_run(shell: Bench) -> None:
    by_hand = approve(shell)
    shell.desk.mode = "yolo"
    by_yolo = shell.propose("set_resources", memory="16GB")
    assert by_yolo.status == "approved"
    shell.desk.mode = "approve"
    assert [x.id for x in shell.desk.pending()] == [by_yolo.id]
    with run_process(shell) as run:
        run.desk.mode = "yolo"
        (done,) = run.desk.carry_out_approved()
        assert done.id == by_hand.id
    assert memory(shell) == '{"memory": "8GB"}'


def test_what_waits_for_the_run_can_still_be_rejected(shell: Bench) -> None:
    approval = approve(shell)
    rejected = shell.desk.decide(approval.id, "reject", message="No, wait.")
    assert (rejected.status, rejected.message) == ("rejected", "No, wait.")
    with run_process(shell) as run:
        assert run.desk.carry_out_approved() == []
        assert run.desk.decide(approval.id, "approve").status == "rejected"
        again = run.propose("set_resources", memory="16GB")
        assert run.desk.decide(again.id, "approve").status == "done"
        assert run.desk.decide(again.id, "reject").status == "done"
    assert memory(shell) == '{"memory": "16GB"}'


def test_one_that_is_rejected_while_the_run_takes_it_up_is_not_made(
    shell: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = approve(shell)
    with run_process(shell) as run:
        can_apply = run.executor.can_apply

        def reject_just_then(change: PlannedChange) -> bool:
            assert shell.desk.decide(approval.id, "reject").status == "rejected"
            return can_apply(change)

        monkeypatch.setattr(run.executor, "can_apply", reject_just_then)
        assert run.desk.carry_out_approved() == []
        assert run.effects() == []
    assert memory(shell) == ""


def test_an_edit_of_what_changed_elsewhere_is_shown_again(shell: Bench) -> None:
    approval = shell.propose("set_resources", memory="8GB")
    (shell.path / "run.json").write_text('{"memory": "6GB"}')
    void = shell.desk.decide(approval.id, "edit", arguments={"memory": "32GB"})
    assert void.status == "void"
    new = shell.desk.get(void.replaced_by)
    assert (new.status, new.arguments) == ("pending", {"memory": "32GB"})
    assert shell.desk.decide(new.id, "approve").status == "approved"


def test_only_the_runs_process_undoes(shell: Bench) -> None:
    approve(shell)
    with run_process(shell) as run:
        run.desk.carry_out_approved()
        with pytest.raises(UsageError, match="Only the process that runs the jobs"):
            shell.desk.undo("ch-1")
        run.desk.undo("ch-1")
    assert memory(shell) == "{}"
    assert (shell.work / MODEL).exists()
