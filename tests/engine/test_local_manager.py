"""What becomes of local jobs when the program that started them ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_scheduler.engine import process_tree
from llm_scheduler.engine.local_runner import LocalRunner
from tests.engine.local_jobs import (
    DAEMON,
    LONG_S,
    SLEEP,
    has_text,
    is_gone,
    processes_of,
    python,
    until,
)

MANAGER = """
import json, os, sys
from llm_scheduler.engine import local_runner
from llm_scheduler.engine.local_runner import LocalRunner
local_runner.KILL_MARGIN_S = 240.0
folder, keep, jobs = sys.argv[1], sys.argv[2] == "keep", json.loads(sys.argv[3])
runner = LocalRunner(folder, cores=1, keep_running=keep, grace_s=0.5)
for job in jobs:
    job_id = runner.submit(job, name="kept", log_file=folder + "/${JOB_ID}.out")
    print(job_id, flush=True)
"""
WAIT = "sys.stdin.readline()\n"

Manage = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[Manage]:
    """Start a program that submits jobs; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*jobs: list[str], keep: str = "", then: str = WAIT) -> subprocess.Popen[str]:
        manager = subprocess.Popen(
            [sys.executable, "-c", MANAGER + then, str(tmp_path), keep, json.dumps(jobs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(manager)
        return manager

    yield start
    for manager in started:
        manager.kill()
        manager.communicate()


@pytest.fixture
def later(tmp_path: Path) -> Iterator[LocalRunner]:
    """A runner of the same folder in another process than the manager's."""
    runner = LocalRunner(tmp_path, cores=1, grace_s=0.5)
    yield runner
    runner.cancel(runner.queue())
    runner.close()


def test_killed_manager_takes_its_jobs_along(
    manage: Manage, later: LocalRunner, tmp_path: Path
) -> None:
    manager = manage(python(DAEMON + "time.sleep(1000)"), SLEEP)
    until(lambda: has_text(tmp_path / "1.out"), "the first job")
    until(lambda: later.records().keys() == {"1", "2"}, "the second job")
    pids = [int((tmp_path / "1.out").read_text()), *processes_of(later, "1").values()]
    manager.send_signal(signal.SIGKILL)
    manager.wait(LONG_S)
    records = later.wait(["1", "2"], LONG_S)
    assert [(r.state, r.reason) for r in records.values()] == [("CANCELLED", "ManagerDied")] * 2
    assert records["1"].cancelled_by == ""
    until(lambda: all(is_gone(pid) for pid in pids), "the end of all")
    assert "BECAUSE THE PROGRAM THAT STARTED IT ENDED" in (tmp_path / "1.out").read_text()
    assert not (tmp_path / "2.out").exists()
    assert later.queue() == {}


def test_child_of_the_manager_does_not_keep_the_jobs(
    manage: Manage, later: LocalRunner, tmp_path: Path
) -> None:
    then = (
        "sys.stdin.readline()\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True)\n"
        "import time; time.sleep(1000)\n"
    )
    manager = manage(SLEEP, then=then)
    until(lambda: has_text(tmp_path / "1.out"), "the job")
    assert manager.stdin is not None
    assert manager.stdout is not None
    manager.stdin.write("\n")
    manager.stdin.flush()
    manager.stdout.readline()
    child = int(manager.stdout.readline())
    try:
        manager.send_signal(signal.SIGKILL)
        manager.wait(LONG_S)
        assert later.wait("1", LONG_S)["1"].reason == "ManagerDied"
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("keep", ["keep", ""])
def test_manager_killed_while_it_starts_jobs(
    manage: Manage, later: LocalRunner, tmp_path: Path, keep: str
) -> None:
    for attempt in range(5):
        manager = manage(*[python("pass")] * attempt, SLEEP, keep=keep)
        assert manager.stdout is not None
        for _ in range(attempt + 1):
            job_id = manager.stdout.readline().strip()
        manager.send_signal(signal.SIGKILL)
        manager.wait(LONG_S)
        if keep:
            later.cancel(later.queue())
        record = later.wait(job_id, LONG_S)[job_id]
        assert record.state == "CANCELLED"
        raw = later.store.read(job_id)
        assert raw is not None
        until(lambda tag=raw["tag"]: not process_tree.pids_with_tag(tag), "the end of all")


def test_manager_that_ends_by_itself_ends_its_jobs(
    manage: Manage, later: LocalRunner, tmp_path: Path
) -> None:
    manager = manage(SLEEP, SLEEP)
    until(lambda: has_text(tmp_path / "1.out"), "the first job")
    pid = processes_of(later, "1")["job"]
    manager.communicate("\n", timeout=LONG_S)
    assert manager.returncode == 0
    assert is_gone(pid)
    records = later.wait(["1", "2"], LONG_S).values()
    assert [(r.state, r.reason) for r in records] == [("CANCELLED", "ManagerDied")] * 2


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_kept_job_is_seen_and_cancelled_later(
    manage: Manage, later: LocalRunner, tmp_path: Path, how: str
) -> None:
    manager = manage(SLEEP, keep="keep")
    until(lambda: has_text(tmp_path / "1.out"), "the job")
    if how == "kill":
        manager.send_signal(signal.SIGKILL)
    manager.communicate("\n" if how == "exit" else None, timeout=LONG_S)
    pids = processes_of(later, "1")
    assert {i: (q["job_name"], q["state"]) for i, q in later.queue().items()} == {
        "1": ("kept", "RUNNING")
    }
    assert not is_gone(pids["job"])
    assert later.cancel("1") == []
    record = later.record("1")
    assert (record.state, record.reason) == ("CANCELLED", "")
    until(lambda: all(is_gone(pid) for pid in pids.values()), "the end of all")


def test_kept_job_ends_as_usual(manage: Manage, later: LocalRunner, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(go)!r}): "
    manager = manage(python(code + "time.sleep(0.01)\nraise SystemExit(5)"), keep="keep")
    until(lambda: has_text(tmp_path / "1.out"), "the job")
    manager.communicate("\n", timeout=LONG_S)
    go.touch()
    record = later.wait("1", LONG_S)["1"]
    assert (record.state, record.exit_code) == ("FAILED", 5)


def test_kept_job_whose_supervisors_are_killed(
    manage: Manage, later: LocalRunner, tmp_path: Path
) -> None:
    manager = manage(SLEEP, keep="keep")
    until(lambda: has_text(tmp_path / "1.out"), "the job")
    manager.communicate("\n", timeout=LONG_S)
    pids = processes_of(later, "1")
    os.kill(pids["guard"], signal.SIGSTOP)
    os.kill(pids["monitor"], signal.SIGKILL)
    os.kill(pids["guard"], signal.SIGKILL)
    assert later.wait("1", LONG_S)["1"].state == "NODE_FAIL"
    until(lambda: all(is_gone(pid) for pid in pids.values()), "the end of all")


def test_runner_works_in_a_forked_process(
    manage: Manage, later: LocalRunner, tmp_path: Path
) -> None:
    then = (
        "if os.fork() == 0:\n"
        "    job_id = runner.submit(['true'], name='child', log_file=folder + '/child.out')\n"
        "    print(runner.wait(job_id, 240)[job_id].state, flush=True)\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "print(runner.record('1').state, flush=True)\n"
    )
    manager = manage(SLEEP, then=then)
    out, _ = manager.communicate(timeout=LONG_S)
    assert out.split()[:2] == ["1", "COMPLETED"]
    assert out.split()[2] in ("PENDING", "RUNNING")
    assert later.wait("1", LONG_S)["1"].reason == "ManagerDied"
