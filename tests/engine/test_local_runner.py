"""Real jobs on this machine: how they end, what is recorded, and that nothing survives."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llm_scheduler.engine.local_runner import LocalRunner
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandTimedOut, SchedulerError, SubmissionRefused, UsageError
from tests.engine.local_jobs import (
    DAEMON,
    IGNORE_TERM,
    LONG_S,
    MB,
    SLEEP,
    has_text,
    is_gone,
    processes_of,
    python,
    until,
)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[LocalRunner]:
    runner = LocalRunner(tmp_path / "state", cores=2, grace_s=0.5)
    yield runner
    runner.close()


@pytest.fixture
def run(runner: LocalRunner, tmp_path: Path) -> Callable[..., tuple[JobRecord, str]]:
    def run_job(argv: list[str], **limits: object) -> tuple[JobRecord, str]:
        log = tmp_path / "logs" / "job.out"
        job_id = runner.submit(argv, name="job", log_file=log, **limits)  # type: ignore[arg-type]
        record = runner.wait(job_id, LONG_S)[job_id]
        return record, log.read_text()

    return run_job


def test_success_is_recorded_in_full(run) -> None:
    record, log = run(python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (record.state, record.exit_code, record.signal) == ("COMPLETED", 0, None)
    assert sorted(log.split()) == ["err", "out"]
    assert record.name == "job"
    assert record.source == "local"
    assert record.nodes == (os.uname().nodename,)
    assert record.elapsed_s is not None
    assert record.elapsed_s > 0
    assert record.max_rss_bytes is not None
    assert record.max_rss_bytes > 0
    assert record.submitted_at is not None
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.submitted_at <= record.started_at <= record.ended_at


def test_exit_code(run) -> None:
    record, _ = run(python("raise SystemExit(3)"))
    assert (record.state, record.exit_code, record.signal) == ("FAILED", 3, None)


def test_signal(run) -> None:
    record, _ = run(python("import os; os.kill(os.getpid(), 11)"))
    assert (record.state, record.exit_code, record.signal) == ("FAILED", 0, signal.SIGSEGV)


def test_program_that_is_not_there(run) -> None:
    record, log = run(["no-such-program"])
    assert (record.state, record.exit_code) == ("FAILED", 127)
    assert "can't start 'no-such-program': No such file or directory" in log


def test_file_that_is_no_program(run, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    record, log = run([str(tmp_path / "data")])
    assert (record.state, record.exit_code) == ("FAILED", 126)
    assert "Permission denied" in log


def test_log_that_can_not_be_written(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    job_id = runner.submit(python("pass"), name="a", log_file=tmp_path / "folder")
    record = runner.wait(job_id, LONG_S)[job_id]
    assert record.state == "FAILED"
    assert "can't write the log file" in record.reason


def test_memory_limit_counts_the_whole_tree(run) -> None:
    code = (
        "import os, time\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0: break\n"
        "x = bytearray(60 * 2**20); print(os.getpid(), flush=True); time.sleep(1000)"
    )
    record, log = run(python(code), memory_bytes=150 * MB)
    assert (record.state, record.signal) == ("OUT_OF_MEMORY", signal.SIGKILL)
    assert record.requested_memory_bytes == 150 * MB
    assert record.max_rss_bytes is not None
    assert 150 * MB < record.max_rss_bytes < 190 * MB
    line = log.splitlines()[-1]
    assert line.startswith("llm_scheduler: error: memory limit exceeded: used 1")
    assert line.endswith(" MB of 150.0 MB; the job was killed")
    assert all(is_gone(int(pid)) for pid in log.splitlines()[:-1])


def test_memory_that_forks_share_counts_once(run) -> None:
    code = (
        "import os, time\n"
        "x = bytearray(60 * 2**20)\n"
        "children = [os.fork() for _ in range(1)]\n"
        "if children[0]: children.append(os.fork())\n"
        "time.sleep(0.5)\n"
        "if all(children): [os.wait() for _ in range(2)]"
    )
    record, _ = run(python(code), memory_bytes=120 * MB)
    assert record.state == "COMPLETED"
    assert record.max_rss_bytes is not None
    assert record.max_rss_bytes < 120 * MB


def test_time_limit_of_a_job_that_ignores_sigterm(run) -> None:
    code = IGNORE_TERM + "import time; print('no newline', end='', flush=True); time.sleep(1000)"
    # Long enough for the program to begin, also where there is much to do.
    record, log = run(python(code), time_limit_s=5)
    assert (record.state, record.signal) == ("TIMEOUT", signal.SIGKILL)
    assert record.time_limit_s == 5
    first, line = log.splitlines()
    assert first == "no newline"
    assert line.startswith("llm_scheduler: error: *** JOB ")
    assert line.endswith(" DUE TO TIME LIMIT ***")


def test_time_limit_leaves_time_to_clean_up(run, runner: LocalRunner) -> None:
    runner.grace_s = LONG_S
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "time.sleep(1000)"
    )
    record, log = run(python(code), time_limit_s=5)
    assert (record.state, record.exit_code) == ("TIMEOUT", 0)
    assert "saved" in log


def test_daemon_does_not_outlive_its_job(run, tmp_path: Path) -> None:
    log_path = tmp_path / "logs" / "job.out"
    code = f"{DAEMON}while not open({str(log_path)!r}).read().endswith(chr(10)): time.sleep(0.01)"
    record, log = run(python(code))
    assert record.state == "COMPLETED"
    assert is_gone(int(log))


def test_cancel_ends_daemons_too(runner: LocalRunner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job_id = runner.submit(python(DAEMON + "time.sleep(1000)"), name="d", log_file=log)
    until(lambda: has_text(log), "the daemon's pid")
    pid = int(log.read_text())
    assert runner.cancel(job_id) == []
    assert is_gone(pid)
    record = runner.record(job_id)
    assert (record.state, record.reason) == ("CANCELLED", "")
    assert record.cancelled_by
    assert "CANCELLED AT" in log.read_text()


def test_cores_bound_the_queue_and_it_is_fifo(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "state", cores=2)
    order = tmp_path / "order"
    code = "import os, sys; open(sys.argv[1], 'a').write(os.environ['NAME'] + ' ')"
    try:
        first = runner.submit(SLEEP, name="first", log_file=tmp_path / "first", cores=1)
        rest = [
            runner.submit([*python(code), str(order)], name=n, log_file=tmp_path / n, cores=2)
            for n in "abc"
        ]
        until(lambda: has_text(tmp_path / "first"), "the first job")
        states = {i: info["state"] for i, info in runner.queue().items()}
        assert states == {first: "RUNNING", **dict.fromkeys(rest, "PENDING")}
        assert [runner.record(i).state for i in rest] == ["PENDING"] * 3
        runner.cancel(first)
        assert {r.state for r in runner.wait(rest, LONG_S).values()} == {"COMPLETED"}
        assert order.read_text() == "a b c "
    finally:
        runner.close()


def test_memory_bounds_the_queue(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "state", cores=8, memory_bytes=300 * MB)
    jobs = [
        runner.submit(SLEEP, name="a", log_file=tmp_path / f"{i}", memory_bytes=140 * MB)
        for i in range(3)
    ]
    until(lambda: has_text(tmp_path / "0") and has_text(tmp_path / "1"), "two jobs")
    assert runner.queue()[jobs[2]]["state"] == "PENDING"
    with pytest.raises(SubmissionRefused, match=r"301\.0 MB of memory.* has 300\.0 MB"):
        runner.submit(SLEEP, name="a", log_file=tmp_path / "x", memory_bytes=301 * MB)
    runner.close()


def test_job_that_never_fits_is_refused(runner: LocalRunner, tmp_path: Path) -> None:
    with pytest.raises(SubmissionRefused, match="asks for 3 cores; the local scheduler has 2"):
        runner.submit(SLEEP, name="a", log_file=tmp_path / "log", cores=3)
    assert runner.queue() == {}


def test_cancel_of_a_waiting_job(runner: LocalRunner, tmp_path: Path) -> None:
    running = runner.submit(SLEEP, name="a", log_file=tmp_path / "a", cores=2)
    waiting = runner.submit(SLEEP, name="b", log_file=tmp_path / "b")
    runner.cancel(waiting)
    assert runner.record(waiting).state == "CANCELLED"
    assert set(runner.queue()) == {running}
    assert not (tmp_path / "b").exists()


def test_cancel_at_once_after_submission(runner: LocalRunner, tmp_path: Path) -> None:
    for i in range(10):
        job_id = runner.submit(SLEEP, name="a", log_file=tmp_path / f"{i}")
        if i % 2:
            until(lambda job_id=job_id: runner.queue()[job_id]["state"] == "RUNNING")
        runner.cancel(job_id)
        assert runner.record(job_id).state == "CANCELLED"


def test_killed_guard(runner: LocalRunner, tmp_path: Path) -> None:
    check_killed_supervisor(runner, tmp_path / "log", "guard")


def test_killed_monitor(runner: LocalRunner, tmp_path: Path) -> None:
    check_killed_supervisor(runner, tmp_path / "log", "monitor")


def check_killed_supervisor(runner: LocalRunner, log: Path, role: str) -> None:
    job_id = runner.submit(python(DAEMON + "time.sleep(1000)"), name="d", log_file=log)
    until(lambda: has_text(log), "the daemon's pid")
    daemon = int(log.read_text())
    pids = processes_of(runner, job_id)
    os.kill(pids[role], signal.SIGKILL)
    record = runner.wait(job_id, LONG_S)[job_id]
    assert (record.state, record.reason) == ("NODE_FAIL", "SupervisorDied")
    until(lambda: all(is_gone(pid) for pid in (daemon, *pids.values())), "the end of all")
    assert "its supervisor was killed" in log.read_text()


def test_guard_and_monitor_killed_at_once(runner: LocalRunner, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = f"import subprocess; subprocess.run({SLEEP!r})"
    job_id = runner.submit(python(child), name="d", log_file=log)
    until(lambda: has_text(log), "the job")
    pids = processes_of(runner, job_id)
    below = psutil.Process(pids["job"]).children(recursive=True)
    assert below
    os.kill(pids["guard"], signal.SIGSTOP)
    os.kill(pids["monitor"], signal.SIGKILL)
    os.kill(pids["guard"], signal.SIGKILL)
    record = runner.wait(job_id, LONG_S)[job_id]
    assert record.state == "NODE_FAIL"
    until(lambda: all(is_gone(p.pid) for p in below), "the end of all")


def test_much_output_is_all_there(run, tmp_path: Path) -> None:
    code = "import os\nblock = b'x' * (2**20 - 1) + b'\\n'\nfor _ in range(100): os.write(1, block)"
    record, log = run(python(code))
    assert record.state == "COMPLETED"
    assert len(log) == 100 * MB


def test_standard_input_is_empty(run) -> None:
    record, log = run(python("import sys; print(repr(sys.stdin.read()))"))
    assert record.state == "COMPLETED"
    assert log == "''\n"


def test_environment_folder_and_signals(run, tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "print(os.getcwd(), os.environ['A'], os.environ['NAME'], 'HOME' in os.environ)\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getsid(0) == os.getpid())\n"
        "print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD))"
    )
    _, log = run(python(code), cwd=tmp_path, env={"A": "b c"})
    assert log.splitlines() == [f"{tmp_path} b c job False", "set() True", "0 0"]


def test_log_name_holds_the_id_and_script_is_kept(runner: LocalRunner, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo hello from $JOB_ID")
    job_id = runner.submit(
        ["bash"],
        name="a",
        log_file=tmp_path / "a-${JOB_ID}.out",
        script=script.read_text(),
    )
    script.unlink()
    runner.wait(job_id, LONG_S)
    assert (tmp_path / f"a-{job_id}.out").read_text() == f"hello from {job_id}\n"


def test_two_runners_share_a_folder(runner: LocalRunner, tmp_path: Path) -> None:
    other = LocalRunner(runner.store.root, cores=2)
    found: list[str] = []

    def submit(which: LocalRunner) -> None:
        found.extend(
            which.submit(python("pass"), name="a", log_file=tmp_path / "${JOB_ID}.out")
            for _ in range(5)
        )

    threads = [threading.Thread(target=submit, args=(r,)) for r in (runner, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20
    assert {r.state for r in runner.wait(found, LONG_S).values()} == {"COMPLETED"}
    running = other.submit(SLEEP, name="a", log_file=tmp_path / "running", cores=2)
    waiting = other.submit(SLEEP, name="b", log_file=tmp_path / "waiting")
    assert set(runner.queue()) == {running, waiting}
    # If it were still pending, the other would start in its place for a moment.
    until(lambda: other.record(running).state == "RUNNING", "the first job to run")
    assert runner.cancel([running, waiting]) == []
    assert {r.state for r in other.records([running, waiting]).values()} == {"CANCELLED"}
    until(lambda: other.queue() == {}, "the empty queue")
    assert not (tmp_path / "waiting").exists()
    other.close()


def test_close_ends_everything_and_takes_no_more(tmp_path: Path) -> None:
    runner = LocalRunner(tmp_path / "state", cores=1)
    jobs = [runner.submit(SLEEP, name="a", log_file=tmp_path / f"{i}") for i in range(2)]
    until(lambda: has_text(tmp_path / "0"), "the first job")
    pid = processes_of(runner, jobs[0])["job"]
    runner.close()
    assert is_gone(pid)
    states = [(r.state, r.reason) for r in runner.records(jobs).values()]
    assert states == [("CANCELLED", "ManagerDied")] * 2
    with pytest.raises(SubmissionRefused, match="was closed"):
        runner.submit(SLEEP, name="a", log_file=tmp_path / "log")


def test_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SchedulerError, match=r"Can't write to the folder .*file/x.*`root=`"):
        LocalRunner(tmp_path / "file" / "x")


def test_log_folder_that_can_not_be_made(runner: LocalRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SubmissionRefused, match=r"Can't write .*file/x'"):
        runner.submit(SLEEP, name="a", log_file=tmp_path / "file" / "x" / "log")


def test_full_disk_does_not_hide_how_a_job_ended(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True).returncode != 0:
        pytest.skip("a small file system can't be mounted here")
    runner = LocalRunner(disk)
    try:
        job_id = runner.submit(["cat", "/dev/zero"], name="a", log_file=disk / "log")
        record = runner.wait(job_id, LONG_S)[job_id]
        assert (record.state, record.exit_code) == ("FAILED", 1)
        assert record.ended_at is not None
        runner.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_thread_ends_when_there_is_nothing_to_do(runner: LocalRunner, tmp_path: Path) -> None:
    for i in range(3):
        runner.wait(runner.submit(python("pass"), name="a", log_file=tmp_path / f"{i}"), LONG_S)
        until(lambda: "llm-scheduler-local-jobs" not in thread_names(), "the thread's end")


def thread_names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_argument_that_can_not_be_passed(run) -> None:
    record, log = run(["echo", "a\0b"])
    assert (record.state, record.exit_code) == ("FAILED", 126)
    assert "can't start 'echo': Invalid argument" in log


def test_environment_that_can_not_be_passed(runner: LocalRunner, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be texts"):
        runner.submit(["true"], name="a", log_file=tmp_path / "a", env={"A": b"x"})
    assert runner.queue() == {}


def test_unknown_job(runner: LocalRunner) -> None:
    with pytest.raises(SchedulerError, match="Job '77' is unknown"):
        runner.record("77")
    assert runner.records(["77", "../..", ""]) == {}
    assert runner.cancel("77") == []


def test_wait_has_a_limit(runner: LocalRunner, tmp_path: Path) -> None:
    job_id = runner.submit(SLEEP, name="a", log_file=tmp_path / "log")
    with pytest.raises(CommandTimedOut, match=r"1 of 1 jobs still live after 0\.05 s"):
        runner.wait([job_id], 0.05)
