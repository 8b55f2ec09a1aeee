"""A switch of the mode holds at once, and what only a user may allow is always asked for."""

from __future__ import annotations

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.config import Mode
from llm_scheduler.errors import ToolError
from tests.agent.conftest import MakeBench
from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench


class Switch:
    """Sets the mode when the desk has come to a step."""

    def __init__(self, step: str, mode: Mode) -> None:
        self.bench: Bench | None = None
        self._step = step
        self._mode = mode

    def __call__(self, step: str) -> None:
        if step == self._step and self.bench is not None:
            bench, self.bench = self.bench, None
            bench.desk.mode = self._mode


def propose_or_say(bench: Bench) -> Approval | str:
    try:
        return bench.propose()
    except ToolError as exc:
        return str(exc)


@pytest.mark.parametrize("mode", ["approve", "read-only"])
@pytest.mark.parametrize("step", ["locked", "packed", "proposing", "proposed", "begun"])
def test_a_switch_holds_back_what_was_judged_before(
    make_bench: MakeBench, step: str, mode: Mode
) -> None:
    switch = Switch(step, mode)
    bench = switch.bench = make_bench(mode="yolo", on_step=switch)
    outcome = propose_or_say(bench)
    assert switch.bench is None
    assert bench.desk.mode == mode
    assert bench.effects() == []
    assert bench.read() == BEFORE
    assert bench.desk.changes() == []
    if isinstance(outcome, str):
        assert mode == "read-only"
        assert "read-only" in outcome
        assert bench.desk.pending() == []
        return
    assert outcome.status == "pending"
    bench.desk.mode = "approve"
    assert bench.desk.recover() == []
    done = bench.desk.decide(outcome.id, "approve")
    assert (done.status, done.message) == ("done", "")
    assert bench.read() == AFTER
    assert [change.by for change in bench.desk.changes()] == ["approval"]


@pytest.mark.parametrize("step", ["decided", "begun"])
def test_a_switch_to_read_only_holds_back_what_was_just_approved(
    make_bench: MakeBench, step: str
) -> None:
    switch = Switch(step, "read-only")
    bench = make_bench(on_step=switch)
    first, second = bench.propose(), bench.propose("write_file", path="b.py", content="b\n")
    switch.bench = bench
    settled = bench.desk.decide(first.id, "approve", scope="turn")
    assert settled.status == "pending"
    assert "mode was changed" in settled.message
    assert bench.desk.get(second.id).status == "pending"
    assert bench.effects() == []
    assert bench.desk.changes() == []
    assert "done" not in bench.events()


def test_a_switch_during_the_effect_lets_it_finish(make_bench: MakeBench) -> None:
    switch = Switch("applied", "read-only")
    bench = switch.bench = make_bench(mode="yolo", on_step=switch)
    assert bench.propose().status == "done"
    assert bench.read() == AFTER
    bench.desk.undo("ch-1")
    assert bench.read() == BEFORE


@pytest.mark.parametrize("mode", ["yolo", "approve"])
def test_what_must_be_asked_for_always_is(make_bench: MakeBench, mode: Mode) -> None:
    bench = make_bench(mode=mode)
    shown = bench.propose("write_file", path="b.py", content="b\n", must_ask=True)
    assert shown.status == "pending"
    assert bench.propose(must_ask=True, call_id=shown.call_id).status == "pending"
    for scope in ("turn", "kind"):
        name = f"{scope}.py"
        one = bench.propose("write_file", path=name, content="1\n", must_ask=True)
        # Neither with the others of its turn, nor by a rule that was made before.
        assert bench.desk.decide(one.id, "approve", scope=scope).status == "done"  # type: ignore[arg-type] - a str of the tuple
        assert bench.desk.get(shown.id).status == "pending"
        assert bench.propose("write_file", path=name, content="2\n").status == "done"
        again = bench.propose("write_file", path=name, content="3\n", must_ask=True)
        assert again.status == "pending"
    assert bench.desk.decide(shown.id, "approve").status == "done"


def test_what_must_be_asked_for_stays_so_in_a_new_diff_and_after_a_restart(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    other = bench.propose("write_file", path="b.py", content="b\n")
    approval = bench.propose(must_ask=True)
    bench.write(text=f"import math\n{BEFORE}")
    void = bench.desk.decide(approval.id, "approve")
    assert void.status == "void"
    again = make_bench()
    again.write(text=f"import math\n{BEFORE}")
    assert again.desk.decide(other.id, "approve", scope="turn").status == "done"
    assert again.desk.get(void.replaced_by).status == "pending"


@pytest.mark.parametrize("other_thread", [False, True])
@pytest.mark.parametrize("other_words", [False, True])
def test_what_was_rejected_is_asked_for_in_every_later_turn(
    make_bench: MakeBench, other_words: bool, other_thread: bool
) -> None:
    bench = make_bench()
    bench.desk.decide(bench.propose().id, "reject", message="No.")
    bench.desk.mode = "yolo"
    where = {"turn": "t2", "thread": "other" if other_thread else "chat"}
    call = ("write_file",) if other_words else ()
    given = {"path": MODEL, "content": AFTER} if other_words else EDIT
    again = bench.propose(*call, **where, **given)
    assert again.status == "pending"
    assert bench.read() == BEFORE
    # Another change of the same file is not what was rejected.
    assert bench.propose(**where, **(EDIT | {"old_text": "def f", "new_text": "def g"})).status == (
        "done"
    )


def test_what_was_rejected_and_later_approved_is_free_again(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.desk.decide(bench.propose().id, "reject")
    again = bench.propose(turn="t2")
    bench.desk.mode = "yolo"
    assert bench.desk.decide(again.id, "approve").status == "done"
    bench.desk.undo("ch-1")
    assert bench.propose(turn="t3").status == "done"
    bench.desk.undo("ch-3")
    assert bench.read() == BEFORE
