"""Modes, limits, and decisions that reach further than one call."""

from __future__ import annotations

from typing import Any

import pytest

from llm_scheduler.agent.policy import Policy, Tally
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ToolError, UsageError
from llm_scheduler.tools.change import PlannedChange, State
from tests.agent.conftest import MakeBench
from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench


def new_file(bench: Bench, name: str, **where: Any) -> str:
    """Propose a new file and return what became of it."""
    return bench.propose("write_file", path=name, content=f"# {name}\n", **where).status


def test_yolo_changes_at_once_and_journals(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo")
    approval = bench.propose()
    assert approval.status == "done"
    assert bench.read() == AFTER
    assert [change.by for change in bench.desk.changes()] == ["yolo"]
    assert bench.audit()[1]["by"] == "yolo"
    assert bench.propose(call_id=approval.call_id) == approval
    assert bench.effects() == ["apply"]


def test_read_only_refuses(make_bench: MakeBench) -> None:
    bench = make_bench(mode="read-only")
    with pytest.raises(ToolError, match="read-only"):
        bench.propose()
    bench.desk.mode = "approve"
    approval = bench.propose()
    bench.desk.mode = "read-only"
    with pytest.raises(UsageError, match="read-only"):
        bench.desk.decide(approval.id, "approve")
    assert bench.desk.get(approval.id).status == "pending"
    assert bench.desk.decide(approval.id, "reject").status == "rejected"
    assert bench.read() == BEFORE


def test_modes_that_do_not_exist(make_bench: MakeBench) -> None:
    bench = make_bench()
    with pytest.raises(UsageError, match="'YOLO' is unknown"):
        bench.desk.mode = "YOLO"  # type: ignore[assignment] - what a user may type
    assert bench.desk.mode == "approve"


def test_switching_to_yolo_leaves_what_is_pending(make_bench: MakeBench) -> None:
    bench = make_bench()
    approval = bench.propose()
    bench.desk.mode = "yolo"
    assert bench.desk.get(approval.id).status == "pending"
    assert bench.propose(call_id=approval.call_id).status == "pending"
    assert new_file(bench, "b.py") == "done"
    assert bench.desk.decide(approval.id, "approve").status == "done"
    bench.desk.mode = "approve"
    assert new_file(bench, "c.py") == "pending"
    assert [x["mode"] for x in bench.audit() if x["event"] == "mode"] == ["yolo", "approve"]


@pytest.mark.parametrize("mode", ["yolo", "approve"])
def test_deleting_always_asks(make_bench: MakeBench, mode: Any) -> None:
    bench = make_bench(mode=mode)
    first = bench.propose("write_file", path="b.py", content="b\n")
    if mode == "approve":
        bench.desk.decide(first.id, "approve", scope="turn")
    assert new_file(bench, "c.py") == "done"
    assert bench.propose("delete_file", path=MODEL).status == "pending"
    assert bench.propose("write_file", path=MODEL, content="").status == "pending"
    assert bench.read() == BEFORE


LONG = "".join(f"x{number} = {number}\n" for number in range(40))


@pytest.mark.parametrize(
    "content",
    [
        "\n",
        " ",
        "\n \t\n",
        "#",
        f"#{' ' * 999}#",
        "# removed\n",
        "x1 = 1\n",
        "".join(f"y{n}\n" for n in range(60)),
    ],
    ids=["line", "blank", "blanks", "hash", "padded", "word", "one line", "other lines"],
)
@pytest.mark.parametrize("allowed_by", ["yolo", "turn", "kind"])
def test_what_keeps_next_to_nothing_of_a_file_deletes_it(
    make_bench: MakeBench, allowed_by: Any, content: str
) -> None:
    bench = make_bench(mode="yolo" if allowed_by == "yolo" else "approve")
    bench.write("long.py", LONG)
    first = bench.propose("write_file", path="b.py", content="b\n")
    if allowed_by != "yolo":
        bench.desk.decide(first.id, "approve", scope=allowed_by)
    assert new_file(bench, "c.py") == "done"
    assert bench.propose("write_file", path="long.py", content=content).status == "pending"
    assert bench.read("long.py") == LONG


def test_replacing_all_of_a_text_deletes_it(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo")
    approval = bench.propose(path=MODEL, old_text=BEFORE.strip(), new_text="")
    assert approval.status == "pending"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, LONG.replace(" = ", "=")[:60] + LONG[60:]),
        (LONG, "\r\n".join(LONG.splitlines())),
        (LONG, "".join(f"    {line}\n" for line in LONG.splitlines())),
        (LONG, LONG[len(LONG) // 2 :]),
        (LONG, LONG * 5),
        ("\n", "x = 1\n"),
        ("limit = 1000\n", "limit = 1\n"),
        (str(list(range(900))), str(list(range(1, 900)))),
    ],
    ids=["edit", "line ends", "indent", "half", "longer", "first text", "short", "one line"],
)
def test_what_keeps_a_part_of_a_file_does_not_delete_it(
    make_bench: MakeBench, before: str, after: str
) -> None:
    bench = make_bench(mode="yolo")
    bench.write("long.py", before)
    assert bench.propose("write_file", path="long.py", content=after).status == "done"


def learners(number: int) -> PlannedChange:
    """Plan more memory for so many learners."""
    targets = [f"learner:/d/{n}.pickle" for n in range(number)]
    before, after = (
        tuple(State(target=target, what="learner", content=content) for target in targets)
        for content in (b"{}", b'{"memory": "8GB"}')
    )
    return PlannedChange(
        tool="set_resources",
        kind="resources",
        summary="Ask for more memory",
        diff="",
        risk="",
        before=before,
        after=after,
    )


@pytest.mark.parametrize("number", [1, 11, 400])
def test_learners_are_no_files(make_bench: MakeBench, number: int) -> None:
    policy = Policy(LLMSettings(mode="yolo"))
    tally = Tally(3, frozenset({"/d/a.py"}))
    assert policy.judge(learners(number), "chat", "t1", tally) == "yolo"
    policy.mode = "approve"
    assert policy.judge(learners(number), "chat", "t1", tally) == "ask"


def test_learners_use_up_no_files_of_the_turn(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo", files_per_turn=1)
    assert bench.propose("set_resources", memory="8GB").status == "done"
    assert new_file(bench, "a.py") == "done"
    assert bench.propose("set_resources", memory="16GB").status == "done"
    assert new_file(bench, "b.py") == "pending"


def test_yolo_asks_after_many_files_and_goes_on_in_the_next_turn(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo", files_per_turn=3)
    statuses = [new_file(bench, f"{number}.py") for number in range(5)]
    assert statuses == ["done", "done", "done", "pending", "pending"]
    again = bench.propose("write_file", path="0.py", content="0\n")
    assert again.status == "done"  # the same file once more
    assert new_file(bench, "6.py", turn="t2") == "done"


def test_a_turn_that_is_approved_goes_on_for_so_many_files_more(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo", files_per_turn=2)
    assert [new_file(bench, f"{n}.py") for n in range(2)] == ["done", "done"]
    wanted = bench.propose("write_file", path="2.py", content="2\n")
    assert wanted.status == "pending"
    assert bench.desk.decide(wanted.id, "approve", scope="turn").status == "done"
    statuses = [new_file(bench, f"{n}.py") for n in range(3, 7)]
    assert statuses == ["done", "done", "pending", "pending"]


@pytest.mark.parametrize("mode", ["yolo", "approve"])
def test_a_turn_has_so_many_changes(make_bench: MakeBench, mode: Any) -> None:
    bench = make_bench(mode=mode, changes_per_turn=3)
    for number in range(3):
        new_file(bench, f"{number}.py")
    with pytest.raises(ToolError, match="3 changes were proposed in this turn"):
        new_file(bench, "3.py")
    assert new_file(bench, "4.py", turn="t2")
    assert new_file(bench, "5.py", thread="other")


@pytest.mark.parametrize("mode", ["yolo", "approve"])
def test_a_change_has_a_size(make_bench: MakeBench, mode: Any) -> None:
    bench = make_bench(mode=mode, max_change_bytes=100)
    with pytest.raises(ToolError, match="max_change_bytes"):
        bench.propose("write_file", path="b.py", content="x" * 101)
    with pytest.raises(ToolError, match="too long"):
        bench.propose("write_file", path="b.py", content="x" * 10_000)
    bench.write("large.py", "x" * 200)
    with pytest.raises(ToolError):
        bench.propose("write_file", path="large.py", content="small\n")
    bench.desk.mode = "approve"
    approval = bench.propose()
    with pytest.raises(ToolError, match="max_change_bytes"):
        bench.desk.decide(approval.id, "edit", arguments=EDIT | {"new_text": "x" * 101})
    assert bench.desk.get(approval.id).status == "pending"


def test_approving_a_turn_approves_what_it_showed_and_what_follows(make_bench: MakeBench) -> None:
    bench = make_bench()
    first, second = bench.propose(), bench.propose("write_file", path="b.py", content="b\n")
    deletion = bench.propose("delete_file", path="model.py")
    elsewhere = bench.propose("write_file", path="c.py", content="c\n", turn="t2")
    bench.desk.decide(first.id, "approve", scope="turn")
    assert bench.desk.get(second.id).status == "done"
    assert bench.desk.get(deletion.id).status == "pending"
    assert bench.desk.get(elsewhere.id).status == "pending"
    assert new_file(bench, "d.py") == "done"
    assert new_file(bench, "d2.py", turn="t2") == "pending"
    assert [change.by for change in bench.desk.changes()] == ["approval", "rule", "rule"]


def test_approving_a_turn_shows_again_what_has_changed(make_bench: MakeBench) -> None:
    bench = make_bench()
    first = bench.propose()
    second = bench.propose(**(EDIT | {"old_text": "def f", "new_text": "def g"}))
    bench.desk.decide(first.id, "approve", scope="turn")
    voided = bench.desk.get(second.id)
    assert voided.status == "void"
    assert bench.desk.get(voided.replaced_by).status == "pending"


def test_rejecting_a_turn_ends_its_changes(make_bench: MakeBench) -> None:
    bench = make_bench()
    first, second = bench.propose(), bench.propose("write_file", path="b.py", content="b\n")
    bench.desk.decide(first.id, "reject", message="Only explain.", scope="turn")
    assert bench.desk.get(second.id).status == "rejected"
    for mode in ("approve", "yolo"):
        bench.desk.mode = mode  # type: ignore[assignment] - a str of the tuple
        with pytest.raises(ToolError, match="all changes of this turn"):
            new_file(bench, "c.py")
    assert new_file(bench, "c.py", turn="t2") == "done"
    assert bench.effects() == ["apply"]


def test_a_kind_is_a_tool_in_a_folder(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.write("sub/deep.py")
    bench.desk.decide(bench.propose().id, "approve", scope="kind")
    assert new_file(bench, "b.py") == "pending"
    assert bench.propose(**(EDIT | {"path": "sub/deep.py"})).status == "pending"
    other = EDIT | {"old_text": "def f", "new_text": "def g"}
    assert bench.propose(thread="other", turn="t7", **other).status == "done"
    again = make_bench()  # a rule ends with the session
    assert again.propose(turn="t8", call_id="later").status == "pending"


def test_a_move_to_another_folder_is_another_kind(make_bench: MakeBench) -> None:
    bench = make_bench()
    for name in ("a.py", "b.py", "c.py", "other/x.py"):
        bench.write(name)
    bench.desk.decide(
        bench.propose("move_file", path="a.py", new_path="a2.py").id, "approve", scope="kind"
    )
    assert bench.propose("move_file", path="b.py", new_path="b2.py").status == "done"
    assert bench.propose("move_file", path="c.py", new_path="other/c.py").status == "pending"
    assert bench.propose("move_file", path="other/x.py", new_path="x.py").status == "pending"


def test_deleting_is_no_kind(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.write("a.py")
    first = bench.propose("delete_file", path="a.py")
    assert bench.desk.decide(first.id, "approve", scope="kind").status == "done"
    assert bench.propose("delete_file", path=MODEL).status == "pending"
    emptied = bench.propose("write_file", path=MODEL, content="")
    assert bench.desk.decide(emptied.id, "approve", scope="kind").status == "done"
    assert new_file(bench, "b.py") == "pending"


def test_rejecting_a_kind(make_bench: MakeBench) -> None:
    bench = make_bench(mode="approve")
    bench.desk.decide(bench.propose().id, "reject", scope="kind")
    bench.desk.mode = "yolo"
    with pytest.raises(ToolError, match="changes of this kind"):
        bench.propose(turn="t2", **(EDIT | {"new_text": "2"}))
    assert new_file(bench, "b.py") == "done"


def test_calls_of_one_turn_on_one_file_follow_each_other_in_yolo(make_bench: MakeBench) -> None:
    bench = make_bench(mode="yolo")
    plan = bench.executor.plan
    first_plan = plan("replace_text", EDIT | {"old_text": "def f", "new_text": "def g"})
    assert bench.propose().status == "done"
    answers = [first_plan]

    def plan_before_the_other(tool: str, arguments: Any) -> Any:
        return answers.pop() if answers else plan(tool, arguments)

    bench.executor.plan = plan_before_the_other  # type: ignore[method-assign] - a race on cue
    second = bench.propose(**(EDIT | {"old_text": "def f", "new_text": "def g"}))
    assert second.status == "done"
    assert bench.read() == AFTER.replace("def f", "def g")


def test_a_switch_in_the_middle_holds_for_the_next_change(make_bench: MakeBench) -> None:
    bench: Bench = make_bench(mode="yolo")

    def switch(tool: str, arguments: Any) -> Any:
        bench.desk.mode = "approve"
        return type(bench.executor).plan(bench.executor, tool, arguments)

    bench.executor.plan = switch  # type: ignore[method-assign] - the user clicks just then
    assert bench.propose().status == "pending"
    assert bench.effects() == []

    def lock(tool: str, arguments: Any) -> Any:
        bench.desk.mode = "read-only"
        return type(bench.executor).plan(bench.executor, tool, arguments)

    bench.executor.plan = lock  # type: ignore[method-assign] - the user clicks just then
    with pytest.raises(ToolError, match="read-only"):
        new_file(bench, "b.py")
