"""Ends of jobs by memory, time, people and nodes."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log
from tests.diagnosis.job_samples import (
    CANCEL,
    EXITED,
    LIMIT,
    MB,
    MPI_ABORT,
    OOM_EVENT,
    TRACEBACK,
    WORK,
    check_case,
    rec,
    step,
)

# name: log, record, category, cause, part of the first evidence
CASES = {
    # memory
    "oom-state": (WORK, rec("OUT_OF_MEMORY", 0, 125), "out_of_memory", "memory-limit", "OUT_OF"),
    "oom-log": (
        WORK + OOM_EVENT,
        rec("OUT_OF_MEMORY", 0, 125),
        "out_of_memory",
        "memory-limit",
        "oom-kill",
    ),
    "oom-24.11": (
        "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch. Some of the step tasks have been OOM Killed.",
        None,
        "out_of_memory",
        "memory-limit",
        "oom_kill",
    ),
    "oom-no-cgroup": (
        "slurmstepd: error: Job 3 exceeded memory limit (154161152 > 104857600), being killed",
        rec("FAILED", 0, 9),
        "out_of_memory",
        "memory-limit",
        "exceeded",
    ),
    "oom-step-completed": (
        WORK + "done\n",
        rec("COMPLETED", 0, steps=(step("OUT_OF_MEMORY", exit_code=0, signal=125),)),
        "out_of_memory",
        "memory-limit",
        "step 0 OUT_OF_MEMORY",
    ),
    "oom-srun-task": (
        "srun: error: n1: task 0: Out Of Memory\n",
        rec("OUT_OF_MEMORY"),
        "out_of_memory",
        "memory-limit",
        "Out Of Memory",
    ),
    "oom-near-limit": (
        WORK,
        rec("FAILED", 137, requested_memory_bytes=800 * MB, max_rss_bytes=790 * MB),
        "out_of_memory",
        "peak-near-limit",
        "exit code 137",
    ),
    "oom-near-limit-killed": (
        WORK + "run.sh: line 3: 4711 Killed   python run.py\n",
        rec("FAILED", 137, requested_memory_bytes=800 * MB, max_rss_bytes=790 * MB),
        "out_of_memory",
        "peak-near-limit",
        "Killed",
    ),
    "oom-pbs": (
        "=>> PBS: job killed: mem 1200000kb exceeded limit 1048576kb\n",
        rec("FAILED", 265),
        "out_of_memory",
        "memory-limit",
        "PBS",
    ),
    "oom-lsf": (
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.\nExited with exit code 137.\n",
        None,
        "out_of_memory",
        "memory-limit",
        "TERM_MEMLIMIT",
    ),
    "oom-pool": (
        "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.\n"
        + OOM_EVENT,
        rec("OUT_OF_MEMORY", 0, 125),
        "out_of_memory",
        "memory-limit",
        "oom-kill",
    ),
    "oom-mpi": (
        "MemoryError\n" + MPI_ABORT + EXITED,
        rec(),
        "out_of_memory",
        "python-memory-error",
        "MemoryError",
    ),
    "oom-bad-alloc": (
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nrun.sh: line 3: 8 Aborted (core dumped) ./a.out\n",
        rec(code=134),
        "out_of_memory",
        "python-memory-error",
        "bad_alloc",
    ),
    "oom-mpi-rank-killed": (
        "mpirun noticed that process rank 1 with PID 0 on node n1 exited on signal 9 (Killed).\n",
        rec(code=137, requested_memory_bytes=100 * MB, max_rss_bytes=99 * MB),
        "out_of_memory",
        "peak-near-limit",
        "signal 9",
    ),
    # time
    "time-state": (WORK, rec("TIMEOUT", 0, 15), "time_limit", "time-limit", "TIMEOUT"),
    "time-log": (
        WORK + LIMIT,
        rec("TIMEOUT", 0, 15),
        "time_limit",
        "time-limit",
        "DUE TO TIME LIMIT",
    ),
    "time-caught-before": (
        TRACEBACK + WORK + LIMIT,
        rec("TIMEOUT", 0, 15),
        "time_limit",
        "time-limit",
        "DUE TO TIME LIMIT",
    ),
    "time-hang-empty": ("", rec("TIMEOUT", 0, 15), "time_limit", "time-limit", "TIMEOUT"),
    "time-rank-died": (
        "[rank 0] start\n" + TRACEBACK + LIMIT,
        rec("TIMEOUT", 0, 15),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
    "time-pbs": (
        "=>> PBS: job killed: walltime 5423 exceeded limit 5400\n",
        None,
        "time_limit",
        "time-limit",
        "walltime",
    ),
    "time-lsf": (
        "TERM_RUNLIMIT: job killed after reaching LSF run time limit.\nExited with exit code 140.\n",
        None,
        "time_limit",
        "time-limit",
        "TERM_RUNLIMIT",
    ),
    "time-killed-at-limit": (
        WORK,
        rec("FAILED", None, 9, elapsed_s=60.2, time_limit_s=60),
        "time_limit",
        "time-limit",
        "1 min of 1 min",
    ),
    "time-sigxcpu": (WORK, rec(code=152), "time_limit", "time-limit-signal", "152"),
    "deadline": (WORK, rec("DEADLINE", 0), "time_limit", "deadline", "DEADLINE"),
    # the scheduler and people
    "cancelled": (
        WORK + CANCEL,
        rec("CANCELLED", 0, 15, cancelled_by="1000"),
        "cancelled",
        "cancelled",
        "CANCELLED",
    ),
    "cancelled-no-record": (WORK + CANCEL, None, "cancelled", "cancelled", "CANCELLED"),
    "cancelled-survived-error": (
        TRACEBACK + WORK + CANCEL,
        rec("CANCELLED", 0, 15),
        "cancelled",
        "cancelled",
        "CANCELLED",
    ),
    "cancelled-after-all-ranks-died": (
        WORK + TRACEBACK + CANCEL,
        rec("CANCELLED", 0, 15),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
    "cancelled-interrupt": (
        WORK
        + CANCEL
        + '\nTraceback (most recent call last):\n  File "/home/u/run.py", line 2, in <module>\n    f()\nKeyboardInterrupt\n',
        rec("CANCELLED", 0, 15),
        "cancelled",
        "cancelled",
        "CANCELLED",
    ),
    "preempted": (WORK, rec("PREEMPTED", 0, 15), "preempted", "preempted", "PREEMPTED"),
    "preempted-log": (
        WORK + CANCEL.replace(" ***", " DUE TO PREEMPTION ***"),
        None,
        "preempted",
        "preempted",
        "PREEMPTION",
    ),
    "node-fail": (
        WORK + "[n1:1] *** An error occurred in MPI_Recv\n",
        rec("NODE_FAIL", 0, nodes=("n4",)),
        "node_failure",
        "node-failure",
        "NODE_FAIL",
    ),
    "boot-fail": ("", rec("BOOT_FAIL", 0), "node_failure", "boot-failure", "BOOT_FAIL"),
    "terminated": (WORK, rec(code=143), "cancelled", "terminated", "143"),
    "slurm-53": ("", rec("FAILED", 0, 53), "file_not_found", "log-folder-missing", "signal 53"),
    "requeued-then-failed": (
        CANCEL.replace(" ***", " DUE TO JOB REQUEUE ***") + "\n" + WORK + TRACEBACK,
        rec(),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name, tmp_path):
    found = check_case(tmp_path, CASES[name])
    category = found.category
    assert 0 < found.confidence <= 0.99
    assert len(found.evidence) <= 6
    assert found.fingerprint
    if category != "success":
        assert found.remedies
    if category == "unknown":
        assert found.confidence < 0.5


def test_memory_is_proposed(tmp_path):
    log = tmp_path / "a.out"
    log.write_text(WORK)
    record = rec(
        "OUT_OF_MEMORY",
        0,
        125,
        requested_memory_bytes=800 * MB,
        max_rss_bytes=812 * MB,
    )
    found = diagnose_log(log, record=record)
    assert found.title == "Out of memory: used 812 MB of 800 MB"
    assert found.remedies[0].resources == {"memory": "1600MB"}
    assert found.remedies[0].summary == "Ask for 1600MB of memory instead of 800 MB"
    unknown = diagnose_log(log, record=rec("OUT_OF_MEMORY", 0, 125))
    assert unknown.title == "Out of memory"
    assert unknown.remedies[0].summary == "Ask for more memory than it had"
    assert unknown.remedies[0].resources == {}


def test_time_is_proposed(tmp_path):
    log = tmp_path / "a.out"
    log.write_text(WORK)
    found = diagnose_log(log, record=rec("TIMEOUT", 0, elapsed_s=3605, time_limit_s=3600))
    assert found.title == "The time limit ended the job: it ran 1 h of 1 h"
    assert found.remedies[0].resources == {"time": "02:00:00"}


def test_several_logs(tmp_path):
    out, err = tmp_path / "a.out", tmp_path / "a.err"
    out.write_text(WORK)
    err.write_text(TRACEBACK)
    found = diagnose_log([out, err], record=rec())
    assert found.cause == "python-value-error"
    assert found.evidence[0].file == str(err)
    assert found.evidence[0].line == 6


def test_limits_that_only_the_log_tells(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("slurmstepd: error: Job 3 exceeded memory limit (154161152 > 104857600)\n")
    found = diagnose_log(log)
    assert found.title == "Out of memory: used 147 MB of 100 MB"
    assert found.remedies[0].resources == {"memory": "200MB"}
    log.write_text("=>> PBS: job killed: walltime 5423 exceeded limit 5400\n")
    assert diagnose_log(log).remedies[0].resources == {"time": "03:00:00"}


def test_exit_codes_without_a_name(tmp_path):
    log = tmp_path / "a.out"
    log.write_text(WORK)
    assert diagnose_log(log, record=rec(code=127)).title == "A command was not found"
    assert "``" not in diagnose_log(log, record=rec(code=126)).explanation
