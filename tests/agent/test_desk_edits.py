"""Edits of a proposed change: what the user could see is made, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_scheduler.errors import ToolError
from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench

HOURS = "# the user worked here for two hours\n"
MINE = EDIT | {"new_text": "1 / max(x, 1)"}


@pytest.mark.parametrize(
    ("tool", "proposed", "edited", "made"),
    [
        ("write_file", {"content": "new = 1\n"}, {"content": "new = 2\n"}, "new = 2\n"),
        (
            "replace_text",
            {key: EDIT[key] for key in ("old_text", "new_text")},
            {key: MINE[key] for key in ("old_text", "new_text")},
            HOURS + BEFORE.replace("1 / x", "1 / max(x, 1)"),
        ),
    ],
)
def test_an_edit_never_overwrites_what_was_written_since(
    bench: Bench, tool: str, proposed: dict[str, str], edited: dict[str, str], made: str
) -> None:
    approval = bench.propose(tool, path=MODEL, **proposed)
    bench.write(text=HOURS + BEFORE)
    mine = {"path": MODEL, **edited}
    void = bench.desk.decide(approval.id, "edit", arguments=mine, message="So.", scope="turn")
    assert void.status == "void"
    assert MODEL in void.message
    assert "has changed since" in void.message
    assert bench.read() == HOURS + BEFORE
    assert bench.effects() == []
    (new,) = bench.desk.pending()
    assert new.id == void.replaced_by
    assert new == bench.desk.for_call("chat", approval.call_id)
    assert new.arguments == {"reason": "So it works.", **mine}
    assert HOURS in new.diff
    # It was not approved, so neither was the turn.
    assert bench.propose("write_file", path="b.py", content="b\n").status == "pending"
    assert bench.desk.decide(new.id, "approve").status == "done"
    assert bench.read() == made
    assert bench.audit()[1] | {"event": "void", "replaced_by": new.id} == bench.audit()[1]


def test_an_edit_of_another_file_is_shown_before_it_is_made(bench: Bench) -> None:
    bench.write("other.py", "precious\n")
    approval = bench.propose("write_file", path=MODEL, content="new = 1\n")
    mine = {"path": "other.py", "content": "x\n"}
    void = bench.desk.decide(approval.id, "edit", arguments=mine)
    assert void.status == "void"
    assert "other.py" in void.message
    assert bench.effects() == []
    new = bench.desk.get(void.replaced_by)
    assert new.targets == (str(bench.work / "other.py"),)
    assert "-precious\n" in new.diff
    assert bench.desk.decide(new.id, "approve").status == "done"
    assert (bench.read(), bench.read("other.py")) == (BEFORE, "x\n")


def test_an_edit_that_loses_a_race_with_a_reject_makes_nothing_new(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = bench.propose()
    bench.write(text=HOURS + BEFORE)
    pack = bench.desk._effects.plans.pack

    def reject_meanwhile(change: Any) -> bytes:
        assert bench.desk.decide(approval.id, "reject").status == "rejected"
        return pack(change)

    monkeypatch.setattr(bench.desk._effects.plans, "pack", reject_meanwhile)
    assert bench.desk.decide(approval.id, "edit", arguments=MINE).status == "rejected"
    assert bench.desk.pending() == []


def write_more(bench: Bench) -> None:
    bench.write(text=HOURS + BEFORE)


def leave(bench: Bench) -> None:
    """Change nothing."""


@pytest.mark.parametrize("happens", [leave, write_more])
def test_a_preview_is_what_the_edit_would_make_of_the_file_now(
    bench: Bench, happens: Callable[[Bench], None]
) -> None:
    approval = bench.propose()
    happens(bench)
    before = bench.read()
    change = bench.desk.preview(approval.id, {key: MINE[key] for key in MINE if key != "reason"})
    assert [state.content.decode() for state in change.before] == [before]
    assert "+    return 1 / max(x, 1)" in change.diff
    assert bench.read() == before
    assert bench.desk.pending() == [approval]
    assert bench.events() == ["proposed"]


def test_a_preview_of_what_can_not_be_made_says_why(bench: Bench) -> None:
    approval = bench.propose()
    with pytest.raises(ToolError, match="does not occur"):
        bench.desk.preview(approval.id, EDIT | {"old_text": "not there"})
    with pytest.raises(ToolError, match=r"nothing|same"):
        bench.desk.preview(approval.id, {"path": MODEL, "old_text": "1 / x", "new_text": "1 / x"})
    assert bench.desk.decide(approval.id, "approve").status == "done"
    assert bench.read() == AFTER
