"""Undo: one change, a whole turn, after a restart; and not where something has changed since."""

from __future__ import annotations

from contextlib import closing

import pytest

from llm_scheduler.errors import ChangedSince, StoreError, ToolError, UsageError
from llm_scheduler.tools.change import PlannedChange
from tests.agent.conftest import MakeBench
from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(mode="yolo")


def test_an_undo_is_a_change_that_can_be_undone(bench: Bench) -> None:
    bench.propose()
    undone = bench.desk.undo("ch-1")
    assert (undone.id, undone.by) == ("ch-2", "undo")
    assert bench.read() == BEFORE
    assert bench.desk.changes()[0].undone_by == "ch-2"
    redone = bench.desk.undo("ch-2")
    assert bench.read() == AFTER
    assert bench.desk.changes()[1].undone_by == redone.id == "ch-3"
    bench.desk.undo("ch-3")
    assert bench.read() == BEFORE
    assert bench.events()[-2:] == ["undo", "done"]
    assert bench.audit()[-1]["undoes"] == "ch-3"


def test_undo_after_a_restart(bench: Bench) -> None:
    path = bench.work / MODEL
    path.chmod(0o750)
    bench.propose()
    with closing(Bench(bench.path)) as later:
        later.desk.recover()
        later.desk.undo("ch-1")
    assert bench.read() == BEFORE
    assert path.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("write_file", {"path": "new.py", "content": "new\n"}),
        ("write_file", {"path": MODEL, "content": "new\n"}),
        ("move_file", {"path": MODEL, "new_path": "moved.py"}),
        ("delete_file", {"path": MODEL}),
        ("make_directory", {"path": "a/b"}),
    ],
)
def test_each_tool_can_be_undone_and_redone(
    bench: Bench, tool: str, arguments: dict[str, str]
) -> None:
    def look() -> dict[str, str]:
        found = bench.work.rglob("*")
        return {str(x): x.read_text() if x.is_file() else "folder" for x in found}

    before = look()
    approval = bench.propose(tool, **arguments)
    bench.desk.decide(approval.id, "approve")
    after = look()
    assert after != before
    bench.desk.undo("ch-1")
    assert look() == before
    bench.desk.undo("ch-2")
    assert look() == after


def test_a_file_that_changed_since_is_left_alone(bench: Bench) -> None:
    bench.propose()
    bench.write(text="by hand\n")
    with pytest.raises(ChangedSince, match=r"model\.py has changed since") as caught:
        bench.desk.undo("ch-1")
    assert caught.value.path == str(bench.work / MODEL)
    assert bench.read() == "by hand\n"
    assert len(bench.desk.changes()) == 1
    (bench.work / MODEL).unlink()
    with pytest.raises(ChangedSince, match="is not there any more"):
        bench.desk.undo("ch-1")
    bench.write(text=AFTER).chmod(0o600)
    with pytest.raises(ChangedSince, match=r"permissions of .* have changed"):
        bench.desk.undo("ch-1")


def test_a_new_file_in_the_place_of_a_deleted_one_is_left_alone(bench: Bench) -> None:
    bench.desk.decide(bench.propose("delete_file", path=MODEL).id, "approve")
    bench.write(text="new work\n")
    with pytest.raises(ChangedSince, match=r"there is a file .* now"):
        bench.desk.undo("ch-1")
    assert bench.read() == "new work\n"


def test_a_later_change_of_the_same_file_is_named(bench: Bench) -> None:
    bench.propose()
    bench.propose(**(EDIT | {"old_text": "def f", "new_text": "def g"}))
    with pytest.raises(ChangedSince, match="ch-2; undo these first"):
        bench.desk.undo("ch-1")
    bench.desk.undo("ch-2")
    bench.desk.undo("ch-1")
    assert bench.read() == BEFORE


def test_what_is_undone_is_not_undone_again(bench: Bench) -> None:
    bench.propose()
    bench.desk.undo("ch-1")
    with pytest.raises(UsageError, match="undone already, by ch-2"):
        bench.desk.undo("ch-1")
    for unknown in ("ch-9", "ap-1", "", "../x"):
        with pytest.raises(UsageError):
            bench.desk.undo(unknown)
        with pytest.raises(UsageError):
            bench.desk.show(unknown)


def make_turn(bench: Bench) -> None:
    """Make four changes in a turn, two of one file, and one elsewhere."""
    bench.propose()
    bench.propose("write_file", path="b.py", content="b\n")
    bench.propose(**(EDIT | {"old_text": "def f", "new_text": "def g"}))
    bench.propose("move_file", path="b.py", new_path="c.py")
    bench.propose("write_file", path="other.py", content="o\n", turn="t2")


def test_a_turn_is_undone_backwards(bench: Bench) -> None:
    make_turn(bench)
    undone = bench.desk.undo_turn("t1")
    assert [change.id for change in undone] == ["ch-6", "ch-7", "ch-8", "ch-9"]
    assert sorted(path.name for path in bench.work.iterdir()) == [MODEL, "other.py"]
    assert bench.read() == BEFORE
    with pytest.raises(UsageError, match="undone already"):
        bench.desk.undo_turn("t1")
    with pytest.raises(UsageError, match="no change of the turn"):
        bench.desk.undo_turn("t9")


def test_a_turn_is_undone_whole_or_not_at_all(bench: Bench) -> None:
    make_turn(bench)
    bench.write("c.py", "by hand\n")
    with pytest.raises(ChangedSince, match=r"c\.py has changed since"):
        bench.desk.undo_turn("t1")
    assert bench.read("c.py") == "by hand\n"
    assert bench.read() == AFTER.replace("def f", "def g")
    assert len(bench.desk.changes()) == 5


def test_undoing_a_turn_leaves_what_is_undone_and_takes_what_is_redone(bench: Bench) -> None:
    bench.propose()
    bench.propose("write_file", path="b.py", content="b\n")
    bench.desk.undo("ch-1")
    bench.desk.undo("ch-2")
    bench.desk.undo("ch-4")  # b.py is there again
    bench.desk.undo_turn("t1")
    assert bench.read() == BEFORE
    assert not (bench.work / "b.py").exists()


def test_a_damaged_journal_undoes_nothing(bench: Bench) -> None:
    bench.propose()
    for path in bench.folder.contents.iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StoreError, match="part of the journal"):
        bench.desk.undo("ch-1")
    assert bench.read() == AFTER


def test_undo_works_in_read_only_mode(bench: Bench) -> None:
    bench.propose()
    bench.desk.mode = "read-only"
    bench.desk.undo("ch-1")
    assert bench.read() == BEFORE


def test_an_undo_that_fails_is_no_change(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.propose()

    def fail(_change: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(bench.executor, "apply", fail)
    with pytest.raises(ToolError, match="Permission denied"):
        bench.desk.undo("ch-1")
    assert [change.undone_by for change in bench.desk.changes()] == [""]
    monkeypatch.undo()
    bench.desk.undo("ch-1")
    assert bench.read() == BEFORE


def test_a_file_that_changes_during_the_undo_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = bench.propose()
    apply = bench.executor.apply

    def change_first(change: PlannedChange) -> None:
        bench.write(text="by hand\n")
        apply(change)

    monkeypatch.setattr(bench.executor, "apply", change_first)
    with pytest.raises(ChangedSince, match=r"model\.py"):
        bench.desk.undo("ch-1")
    assert bench.read() == "by hand\n"
    assert bench.desk.get(approval.id) == approval
    assert bench.desk.pending() == []
    assert [change.undone_by for change in bench.desk.changes()] == [""]
