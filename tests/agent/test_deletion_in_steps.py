"""What may not be deleted without a question may not be taken away in small pieces either."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.desk_files import MODEL, Bench

LINES = [f"value_{i} = {i * i}\n" for i in range(100)]
OTHERS = [f"# nothing {i}\n" for i in range(100)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path, mode="yolo")
    bench.write(text="".join(LINES))
    return bench


def test_fewer_and_fewer_lines(bench: Bench) -> None:
    kept = bench.propose("write_file", path=MODEL, content="".join(LINES[:15]))
    rest = bench.propose("write_file", path=MODEL, content="".join(LINES[:3]))
    assert (kept.status, rest.status) == ("done", "pending")
    assert bench.read() == "".join(LINES[:15])
    assert bench.desk.decide(rest.id, "approve").status == "done"


def test_other_lines_in_their_place(bench: Bench) -> None:
    for n_others, status in ((50, "done"), (99, "pending")):
        text = "".join(OTHERS[:n_others] + LINES[n_others:])
        assert bench.propose("write_file", path=MODEL, content=text).status == status


def test_under_another_name(bench: Bench) -> None:
    bench.propose("write_file", path=MODEL, content="".join(LINES[:15]))
    assert bench.propose("move_file", path=MODEL, new_path="b.py").status == "done"
    rest = bench.propose("write_file", path="b.py", content="".join(LINES[:3]))
    assert rest.status == "pending"


def test_what_the_turn_has_allowed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write(text="".join(LINES))
    first = bench.propose("write_file", path=MODEL, content="".join(LINES[:15]))
    assert bench.desk.decide(first.id, "approve", scope="turn").status == "done"
    rest = bench.propose("write_file", path=MODEL, content="".join(LINES[:3]))
    assert rest.status == "pending"


def test_small_steps_are_made_at_once(bench: Bench) -> None:
    for i in range(5):
        changed = bench.propose(
            "replace_text", path=MODEL, old_text=LINES[i].strip(), new_text=f"a_{i} = 1"
        )
        assert changed.status == "done"
    new = bench.propose("write_file", path="new.py", content="".join(LINES))
    # What the turn has made itself, it may make anew.
    again = bench.propose("write_file", path="new.py", content="".join(LINES[:20]))
    assert (new.status, again.status) == ("done", "done")


def test_each_turn_is_seen_by_itself(bench: Bench) -> None:
    bench.propose("write_file", path=MODEL, content="".join(LINES[:15]))
    later = bench.propose("write_file", path=MODEL, content="".join(LINES[:3]), turn="t2")
    assert later.status == "done"
