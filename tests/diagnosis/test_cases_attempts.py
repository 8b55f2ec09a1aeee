"""Logs of several attempts, lost pool workers, threads, and exit codes that mislead."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log
from tests.diagnosis.job_samples import MB, check_case, rec

STAMP = "slurmstepd-t3: error: *** JOB 7 ON t3 CANCELLED AT 2026-11-21T12:26:55 DUE TO "
PREEMPTED = STAMP + "PREEMPTION ***\n"
REQUEUED = STAMP + "JOB REQUEUE ***\n"
FAILING = """Traceback (most recent call last):
  File "/home/u/main.py", line 1, in <module>
    raise ValueError('checkpoint has the wrong shape')
ValueError: checkpoint has the wrong shape
"""
SEGFAULT = """Fatal Python error: Segmentation fault

Current thread 0x00007fae47c3fb80 (most recent call first):
  File "/home/u/physics.py", line 66 in bad_pointer
  File "/usr/lib/python3.11/concurrent/futures/process.py", line 261 in _process_worker

Extension modules: numpy._core._multiarray_umath, numpy.linalg._umath_linalg (total: 2)
"""
BROKEN = """Traceback (most recent call last):
  File "/home/u/env/lib/python3.11/site-packages/adaptive/runner.py", line 251, in _process_futures
    y = fut.result()
        ^^^^^^^^^^^^
concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.
"""
POOL = f"""{BROKEN}
The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/home/u/env/lib/python3.11/site-packages/adaptive_scheduler/_server_support/launcher.py", line 185, in <module>
    main()
  File "/home/u/env/lib/python3.11/site-packages/adaptive/runner.py", line 194, in _do_raise
    raise RuntimeError(
RuntimeError: An error occured while evaluating "learner.function(-1.0)". See the traceback for details.:

{BROKEN}
"""
LOSS = POOL.replace(BROKEN, FAILING.replace("<module>", "loss"))
LOKY = """Traceback (most recent call last):
  File "/home/u/main.py", line 4, in <module>
    pool.map(f, range(9))
joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated. This could be caused by a segmentation fault while calling the function or by an excessive memory usage causing the Operating System to kill the worker.

"""
THREAD = "Exception in thread Thread-1 (beat):\n" + FAILING
MPIRUN = """--------------------------------------------------------------------------
mpirun was unable to launch the specified application as it could not access
or execute an executable:

Executable: ./pw.x
Node: n1

while attempting to start process rank 0.
--------------------------------------------------------------------------
2 total processes failed to start
"""
GARBLED = "[n1:1] [[22142,0],0] ORTE_ERROR_LOG: Data unpack would read past end of buffer in file ../../../orte/util/show_help.c at line 501\n"
LS = "/usr/bin/ls: cannot access 'missing.dat': No such file or directory\nsrun: error: t1: task 0: Exited with exit code 2\n"
NO_ANSWER = FAILING.replace("ValueError: checkpoint has the wrong shape", "TimeoutError: timed out")

# name: log, record, category, cause, part of the first evidence
CASES = {
    "preempted": (PREEMPTED, rec("PREEMPTED", 0), "preempted", "preempted", "PREEMPTION"),
    "preempted-then-fails": (
        PREEMPTED + FAILING,
        rec(),
        "code_error",
        "python-value-error",
        "ValueError: checkpoint",
    ),
    "fails-twice": (
        FAILING + PREEMPTED + FAILING,
        rec(),
        "code_error",
        "python-value-error",
        "ValueError: checkpoint",
    ),
    "preempted-then-out-of-memory": (
        PREEMPTED,
        rec("OUT_OF_MEMORY", 0),
        "out_of_memory",
        "memory-limit",
        "OUT_OF_MEMORY",
    ),
    "ends-itself-when-preempted": (
        PREEMPTED + "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.\n",
        rec(),
        "preempted",
        "preempted",
        "PREEMPTION",
    ),
    "restarted-and-silent": (PREEMPTED, rec(code=3, restarts=1), "unknown", "unknown", "code 3"),
    "restarted-and-no-error": (
        PREEMPTED + "".join(f"step {i}\n" for i in range(5)),
        rec(code=3),
        "unknown",
        "unknown",
        "code 3",
    ),
    "requeued-then-succeeds": (
        REQUEUED + "done\n",
        rec("COMPLETED", 0),
        "success",
        "success",
        None,
    ),
    "failed-then-requeued-then-succeeds": (
        FAILING + REQUEUED,
        rec("COMPLETED", 0),
        "success",
        "success",
        None,
    ),
    "pool-killed": (POOL, rec(), "killed", "pool-worker-lost", "BrokenProcessPool"),
    "pool-killed-no-record": (POOL, None, "killed", "pool-worker-lost", "BrokenProcessPool"),
    "pool-segfault": (SEGFAULT + POOL, rec(), "crash", "segfault", "Fatal Python error"),
    "pool-segfault-others-go-on": (
        SEGFAULT + "".join(f"point {i} done\n" for i in range(9)) + POOL,
        rec(),
        "crash",
        "segfault",
        "Fatal Python error",
    ),
    "pool-memory": (
        POOL,
        rec(max_rss_bytes=395 * MB, requested_memory_bytes=400 * MB),
        "out_of_memory",
        "peak-near-limit",
        "BrokenProcessPool",
    ),
    "loky-killed": (
        LOKY + "The exit codes of the workers are {SIGKILL(-9)}\n",
        rec(),
        "killed",
        "pool-worker-lost",
        "SIGKILL",
    ),
    "loky-crashed": (
        LOKY + "The exit codes of the workers are {SIGSEGV(-11)}\n",
        rec(),
        "crash",
        "segfault",
        "SIGSEGV",
    ),
    "loss-fails": (LOSS, rec(), "code_error", "python-value-error", "ValueError: checkpoint"),
    "thread-only": (THREAD, rec("COMPLETED", 0), "success", "success", None),
    "thread-then-goes-on": (
        THREAD + "simulation finished\n",
        rec("COMPLETED", 0),
        "success",
        "success",
        None,
    ),
    "error-then-goes-on": (
        FAILING + "simulation finished\n",
        rec("COMPLETED", 0),
        "success",
        "success",
        None,
    ),
    "program-cannot-be-launched": (
        MPIRUN,
        rec(code=132),
        "command_not_found",
        "command-not-found",
        "./pw.x",
    ),
    "garbled-ranks": (GARBLED, rec(code=6), "mpi_failure", "mpi-internal-message", "ORTE_ERROR"),
    "tool-of-a-step": (LS, rec(code=2), "file_not_found", "shell-tool-file-missing", "missing.dat"),
    "no-answer": (NO_ANSWER, rec(), "network_error", "connection-timeout", "TimeoutError"),
    "double-free": (
        "free(): double free detected in tcache 2\njob.sh: line 3: 17 Aborted     ./program\n",
        rec(code=134),
        "crash",
        "abort",
        "double free",
    ),
    "code-and-text": (FAILING, rec(code=139), "code_error", "python-value-error", "ValueError"),
    "code-only": ("step 1\n", rec(code=139), "crash", "segfault", "exit code 139"),
    "signal-and-text": (FAILING, rec(code=0, signal=11), "crash", "segfault", "signal 11"),
    "not-a-program": (
        "job.sh: line 18: ./solver: cannot execute binary file: Exec format error\n",
        rec(code=126),
        "configuration_error",
        "exec-format-error",
        "./solver",
    ),
    "no-interpreter": (
        "llm_scheduler: error: can't start '/home/u/job.sh': No such file or directory\n",
        rec(),
        "command_not_found",
        "job-not-started",
        "job.sh",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name, tmp_path):
    check_case(tmp_path, CASES[name])


def test_evidence_quotes_the_log(tmp_path):
    text = "  File \"main.py\", line 2\n    for x in range(3)\n                     ^\nSyntaxError: expected ':'\n"
    log = tmp_path / "job.out"
    for content in (text, FAILING, POOL, SEGFAULT + LOSS):
        log.write_text(content)
        lines = content.splitlines()
        found = diagnose_log(log, record=rec())
        quoted = [item for item in found.evidence if item.line]
        assert quoted
        for item in quoted:
            assert item.text.strip() == lines[item.line - 1].strip()


def fingerprint_of(tmp_path, text):
    log = tmp_path / "job.out"
    log.write_text(text)
    return diagnose_log(log, record=rec()).fingerprint


def in_function(function, error):
    return f'Traceback (most recent call last):\n  File "/home/u/run.py", line 3, in {function}\n    load()\n{error}\n'


@pytest.mark.parametrize(
    ("error", "other"),
    [
        (
            "ModuleNotFoundError: No module named 'lattice'",
            "ModuleNotFoundError: No module named 'grid'",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/a/1/cross_sections.csv'",
            "FileNotFoundError: [Errno 2] No such file or directory: '/a/1/potential.csv'",
        ),
        (
            "ImportError: libfftw3.so.3: cannot open shared object file: No such file or directory",
            "ImportError: libmkl.so: cannot open shared object file: No such file or directory",
        ),
        ("OSError: [Errno 28] No space left on device: '/a/x'", "MemoryError"),
        ("MemoryError: 3 GB", "NameError: name 'y' is not defined"),
    ],
)
def test_what_is_missing_counts_not_who_asked(tmp_path, error, other):
    first = fingerprint_of(tmp_path, in_function("energy", error))
    assert first == fingerprint_of(tmp_path, in_function("density", error.replace("/a/1", "/b/2")))
    assert first != fingerprint_of(tmp_path, in_function("energy", other))


def test_in_code_errors_the_function_counts(tmp_path):
    error = "ValueError: x = 3 is too large"
    first = fingerprint_of(tmp_path, in_function("energy", error))
    assert first == fingerprint_of(tmp_path, in_function("energy", error.replace("3", "4.5")))
    assert first != fingerprint_of(tmp_path, in_function("density", error))
    assert first != fingerprint_of(tmp_path, in_function("energy", error.replace("large", "small")))
    assert first != fingerprint_of(tmp_path, in_function("energy", error.replace("Value", "Type")))


def test_commands_of_the_same_name_are_the_same(tmp_path):
    texts = [
        f"job.sh: line {n}: {path}: No such file or directory\n"
        for n, path in enumerate(("/a/x.dat", "/b/x.dat", "/a/y.dat"))
    ]
    first, second, third = (fingerprint_of(tmp_path, text) for text in texts)
    assert first == second != third
