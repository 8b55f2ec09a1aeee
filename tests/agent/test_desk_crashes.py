"""Processes that are killed between a decision and its effect, and many that decide at once.

Whatever the point, afterwards a change is either made and in the journal, or pending
with the files as they were: never half, never twice.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.agent.desk_files import AFTER, BEFORE, EDIT, MODEL, Bench, wait_for_no_disk

Run = Callable[..., list[Any]]
KILLED = -signal.SIGKILL

# The steps of the desk, and before each call of the system that changes a file.
STEPS = ["locked", "deciding", "decided", "begun", "applied", "noting", "noted", "audited"]
N_SURE, N_CALLS = 3, 6
"""Each change makes at least the first number of them; those it does not reach do no harm."""

CHANGES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "replace_text": (EDIT, {MODEL: AFTER}),
    "move_file": ({"path": MODEL, "new_path": "moved.py"}, {"moved.py": BEFORE}),
    "make_directory": (
        {"path": "a/b/c"},
        {MODEL: BEFORE, "a": "", "a/b": "", "a/b/c": ""},
    ),
    "delete_file": ({"path": MODEL}, {}),
    "write_file": ({"path": "new.py", "content": AFTER}, {MODEL: BEFORE, "new.py": AFTER}),
}
"""Arguments of each tool, and the files afterwards."""


@pytest.fixture(scope="module")
def processes() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("desk_child.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=120) == 0


@pytest.fixture
def run(processes: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs jobs at once and returns exit codes, or outcomes."""
    wait_for_no_disk(monkeypatch)

    def run_jobs(*jobs: Mapping[str, Any]) -> list[Any]:
        assert processes.stdin is not None
        assert processes.stdout is not None
        outs = [tmp_path / f"out-{number}" for number in range(len(jobs))]
        for out in outs:
            out.unlink(missing_ok=True)
        told = [
            {"folder": str(tmp_path), "out": str(out), **job}
            for job, out in zip(jobs, outs, strict=True)
        ]
        processes.stdin.write(json.dumps(told) + "\n")
        processes.stdin.flush()
        codes = json.loads(processes.stdout.readline())
        return [
            json.loads(out.read_text()) if code == 0 else code
            for code, out in zip(codes, outs, strict=True)
        ]

    return run_jobs


def prepare(folder: Path, tool: str = "replace_text", **arguments: Any) -> str:
    """Propose a change and return the approval's id."""
    with closing(Bench(folder)) as bench:
        bench.write()
        return bench.propose(tool, call_id="c", **arguments).id


def look(folder: Path) -> dict[str, str]:
    """Return the files with their content; a folder has none.

    A partial file that a kill left is removed by the next change in its folder.
    """
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in folder.rglob("*")
        if not path.match(".llm-scheduler-*.tmp")
    }


def check_consistent(bench: Bench, approval_id: str, tool: str = "replace_text") -> str:
    """Check that all agrees with all, and return what became of the change."""
    approval = bench.desk.get(approval_id)
    changes = bench.desk.changes()
    if approval.status == "done":
        assert [(x.id, x.approval_id) for x in changes] == [(approval.change_id, approval_id)]
        assert look(bench.work) == CHANGES[tool][1]
    else:
        assert approval.status == "pending"
        assert changes == []
        assert approval.change_id == ""
        assert look(bench.work) == {MODEL: BEFORE}
    return approval.status


def recover_and_go_on(folder: Path, approval_id: str, tool: str = "replace_text") -> str:
    """Recover in this process, decide again, and check both."""
    with closing(Bench(folder)) as bench:
        bench.desk.recover()
        status = check_consistent(bench, approval_id, tool)
        begun = bench.effects().count("apply")
        assert bench.desk.decide(approval_id, "approve").status == "done"
        check_consistent(bench, approval_id, tool)
        # What was done is not done again; what was not done is done once more at most.
        assert bench.effects().count("apply") == begun + (status == "pending")
        if status == "pending":
            assert not [*bench.work.glob(".*")]
        assert bench.desk.recover() == []
        events = bench.events()
        assert events.count("done") == 1
        assert events.count("proposed") == 1
        numbers = [line["n"] for line in bench.audit()]
        assert len(numbers) == len(set(numbers))
        assert not [path for path in bench.folder.contents.iterdir() if path.suffix]
    return status


@pytest.mark.parametrize("point", STEPS)
def test_killed_between_decision_and_effect(run: Run, tmp_path: Path, point: str) -> None:
    approval_id = prepare(tmp_path)
    job = {"do": "decide", "id": approval_id, "decision": "approve", "die_at": point}
    assert run(job) == [KILLED]
    status = recover_and_go_on(tmp_path, approval_id)
    late = STEPS.index(point) >= STEPS.index("applied")
    assert status == ("done" if late else "pending")


@pytest.mark.parametrize("number", range(1, N_CALLS + 1))
@pytest.mark.parametrize("tool", CHANGES)
def test_killed_in_the_middle_of_the_effect(
    run: Run, tmp_path: Path, tool: str, number: int
) -> None:
    approval_id = prepare(tmp_path, tool, **CHANGES[tool][0])
    job = {"do": "decide", "id": approval_id, "decision": "approve", "die_at": number}
    (outcome,) = run(job)
    assert outcome == KILLED or (outcome == "done" and number > N_SURE)
    status = recover_and_go_on(tmp_path, approval_id, tool)
    assert status == ("pending" if number == 1 else status)
    assert status == ("done" if outcome == "done" else status)


@pytest.mark.parametrize("point", ["locked", "packed", "proposing", "proposed", "begun", "applied"])
@pytest.mark.parametrize("mode", ["approve", "yolo"])
def test_killed_while_proposing(run: Run, tmp_path: Path, mode: str, point: str) -> None:
    with closing(Bench(tmp_path)) as bench:
        bench.write()
    call = {"call_id": "c"}
    job = {"do": "propose", "call": call, "die_at": point, "options": {"mode": mode}}
    (outcome,) = run(job)
    assert outcome == ("pending" if mode == "approve" and point in ("begun", "applied") else KILLED)
    with closing(Bench(tmp_path)) as bench:
        bench.desk.recover()
        approval = bench.propose(**call)  # the graph asks again after a restart
        assert approval.status == ("done" if point == "applied" and mode == "yolo" else "pending")
        assert bench.desk.get("ap-1") == approval
        check_consistent(bench, approval.id)
        with pytest.raises(Exception, match="no approval 'ap-2'"):
            bench.desk.get("ap-2")


@pytest.mark.parametrize("point", ["deciding", "decided"])
def test_killed_while_rejecting(run: Run, tmp_path: Path, point: str) -> None:
    approval_id = prepare(tmp_path)
    job = {"do": "decide", "id": approval_id, "decision": "reject", "die_at": point}
    assert run(job) == [KILLED]
    with closing(Bench(tmp_path)) as bench:
        bench.desk.recover()
        rejected = point == "decided"
        assert bench.desk.get(approval_id).status == ("rejected" if rejected else "pending")
        assert bench.desk.decide(approval_id, "approve").status == (
            "rejected" if rejected else "done"
        )
        assert bench.events().count("reject") == rejected


@pytest.mark.parametrize("point", ["voiding", "voided"])
def test_killed_while_finding_it_void(run: Run, tmp_path: Path, point: str) -> None:
    approval_id = prepare(tmp_path)
    changed = f"import math\n{BEFORE}"
    (tmp_path / "work" / MODEL).write_text(changed)
    job = {"do": "decide", "id": approval_id, "decision": "approve", "die_at": point}
    assert run(job) == [KILLED]
    with closing(Bench(tmp_path)) as bench:
        bench.desk.recover()
        old = bench.desk.get(approval_id)
        assert old.status == "void"
        assert bench.read() == changed
        assert bench.desk.decide(old.replaced_by, "approve").status == "done"
        assert bench.read() == f"import math\n{AFTER}"


@pytest.mark.parametrize("point", ["locked", "packed", "begun", "applied", "noting", "noted"])
def test_killed_while_undoing(run: Run, tmp_path: Path, point: str) -> None:
    with closing(Bench(tmp_path, mode="yolo")) as bench:
        bench.write()
        bench.propose()
    assert run({"do": "undo", "id": "ch-1", "die_at": point}) == [KILLED]
    with closing(Bench(tmp_path)) as bench:
        bench.desk.recover()
        is_undone = point in ("applied", "noting", "noted")
        assert bench.read() == (BEFORE if is_undone else AFTER)
        assert len(bench.desk.changes()) == 1 + is_undone
        assert bool(bench.desk.changes()[0].undone_by) == is_undone
        if not is_undone:
            bench.desk.undo("ch-1")
        assert bench.read() == BEFORE
        assert bench.desk.get("ap-1").status == "done"


def test_a_file_that_changes_after_the_crash_is_left_alone(run: Run, tmp_path: Path) -> None:
    approval_id = prepare(tmp_path)
    job = {"do": "decide", "id": approval_id, "decision": "approve", "die_at": "begun"}
    assert run(job) == [KILLED]
    (tmp_path / "work" / MODEL).write_text("by hand\n")
    with closing(Bench(tmp_path)) as bench:
        (approval,) = bench.desk.recover()
        assert approval.status == "void"
        assert MODEL in approval.message
        assert bench.read() == "by hand\n"
        assert bench.desk.changes() == []


def test_the_next_decision_settles_what_a_crash_left(run: Run, tmp_path: Path) -> None:
    approval_id = prepare(tmp_path)
    job = {"do": "decide", "id": approval_id, "decision": "approve", "die_at": "applied"}
    assert run(job) == [KILLED]
    with closing(Bench(tmp_path)) as bench:  # without `recover`
        assert bench.desk.decide(approval_id, "approve").status == "done"
        check_consistent(bench, approval_id)
        assert bench.effects() == ["apply"]


def test_many_threads_of_two_processes_decide_once(run: Run, tmp_path: Path) -> None:
    approval_id = prepare(tmp_path)
    job = {"do": "decide-many", "id": approval_id, "threads": 25, "decisions": ["approve"]}
    outcomes = run(job, job)
    assert [status for statuses in outcomes for status in statuses] == ["done"] * 50
    with closing(Bench(tmp_path)) as bench:
        check_consistent(bench, approval_id)
        assert bench.effects() == ["apply"]
        assert bench.events() == ["proposed", "approve", "done"]


def test_approving_and_rejecting_at_once_is_one_of_them(run: Run, tmp_path: Path) -> None:
    approval_id = prepare(tmp_path)
    job = {
        "do": "decide-many",
        "id": approval_id,
        "threads": 8,
        "decisions": ["approve", "reject"],
    }
    outcomes = run(job, job)
    statuses = [status for statuses in outcomes for status in statuses]
    with closing(Bench(tmp_path)) as bench:
        final = bench.desk.get(approval_id).status
        assert final in ("done", "rejected")
        assert set(statuses) == {final}
        assert bench.effects() == (["apply"] if final == "done" else [])
        assert bench.read() == (AFTER if final == "done" else BEFORE)
        assert bench.events().count("reject") + bench.events().count("approve") == 1


def test_two_processes_propose_the_same_call_once(run: Run, tmp_path: Path) -> None:
    with closing(Bench(tmp_path)) as bench:
        bench.write()
    job = {"do": "propose", "call": {"call_id": "c"}, "options": {"mode": "yolo"}}
    assert run(*[job] * 6) == ["done"] * 6
    with closing(Bench(tmp_path)) as bench:
        assert len(bench.desk.changes()) == 1
        assert bench.effects() == ["apply"]


@pytest.mark.parametrize(
    ("do", "point"), [("propose", "locked"), ("decide", "locked"), ("decide", "applied")]
)
def test_a_full_disk(run: Run, tmp_path: Path, do: str, point: str) -> None:
    if do == "decide":
        prepare(tmp_path)
    else:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / MODEL).write_text(BEFORE)
    job = {"do": do, "id": "ap-1", "decision": "approve", "call": {"call_id": "c"}}
    (outcome,) = run({**job, "full_at": point, "max_bytes": 1})
    assert outcome.startswith("StoreError: ")
    with closing(Bench(tmp_path)) as bench:
        if do == "propose":
            assert bench.desk.pending() == []
            bench.propose(call_id="c")
        assert bench.effects() == (["apply"] if point == "applied" else [])
        bench.desk.recover()
        status = check_consistent(bench, "ap-1")
        assert status == ("done" if point == "applied" else "pending")
        assert bench.desk.decide("ap-1", "approve").status == "done"
        assert bench.effects() == ["apply"]
        assert bench.events() == ["proposed", "approve", "done"]


def test_a_disk_that_is_too_full_for_the_file(run: Run, tmp_path: Path) -> None:
    large = "x = 1\n" * 100_000
    approval_id = prepare(tmp_path, "write_file", path=MODEL, content=large)
    job = {"do": "decide", "id": approval_id, "decision": "approve"}
    assert run({**job, "full_at": "begun", "max_bytes": 400_000}) == ["failed"]
    with closing(Bench(tmp_path)) as bench:
        assert bench.desk.get(approval_id).message
        assert bench.desk.changes() == []
        assert look(bench.work) == {MODEL: BEFORE}
