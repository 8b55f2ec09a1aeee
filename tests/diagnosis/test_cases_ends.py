"""Ends of jobs by signals, in shells and under MPI; success, and nothing known."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import EXITED, MPI_ABORT, TRACEBACK, WORK, check_case, rec

# name: log, record, category, cause, part of the first evidence
CASES = {
    # signals
    "killed-137": (WORK, rec(code=137), "killed", "killed", "137"),
    "killed-signal": (WORK, rec(code=0, signal=9), "killed", "killed", "signal 9"),
    "killed-line": (
        WORK + "run.sh: line 3: 4711 Killed   python run.py\n",
        None,
        "killed",
        "killed",
        "Killed",
    ),
    "killed-pool": (
        'Traceback (most recent call last):\n  File "/home/u/run.py", line 2, in <module>\n    f()\nconcurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.\n',
        rec(),
        "killed",
        "pool-worker-lost",
        "BrokenProcessPool",
    ),
    "loky-segv": (
        'Fatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n  File "/home/u/run.py", line 2 in f\nloky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated. The exit codes of the workers are {SIGSEGV(-11)}\n',
        rec(),
        "crash",
        "segfault",
        "Segmentation",
    ),
    "segfault-139": (WORK, rec(code=139), "crash", "segfault", "139"),
    "segfault-signal": (WORK, rec(code=0, signal=11), "crash", "segfault", "signal 11"),
    "segfault-line": (
        WORK + "run.sh: line 4: 99 Segmentation fault      (core dumped) ./solver\n",
        rec(code=139),
        "crash",
        "segfault",
        "Segmentation",
    ),
    "segfault-srun": (
        "srun: error: n1: task 2: Segmentation fault (core dumped)\n",
        rec(code=139),
        "crash",
        "segfault",
        "Segmentation",
    ),
    "segfault-caught-before": (TRACEBACK + WORK, rec(code=139), "crash", "segfault", "139"),
    "bus": (
        "run.sh: line 3: 812 Bus error               (core dumped) ./a.out\n",
        rec(code=135),
        "crash",
        "bus-error",
        "Bus error",
    ),
    "ill": (WORK, rec(code=132), "crash", "illegal-instruction", "132"),
    "fpe": (WORK, rec(code=136), "crash", "floating-point-signal", "136"),
    "abort": (
        "run.sh: line 3: 812 Aborted                 (core dumped) ./a.out\n",
        rec(code=134),
        "crash",
        "abort",
        "Aborted",
    ),
    "abort-assert": (
        "a.out: solver.c:42: main: Assertion `n > 0' failed.\nrun.sh: line 3: 812 Aborted (core dumped) ./a.out\n",
        rec(code=134),
        "crash",
        "c-assertion",
        "Assertion",
    ),
    # shells and files
    "exit-127": (WORK, rec(code=127), "command_not_found", "command-not-found", "127"),
    "exit-127-line": (
        "run.sh: line 3: gmx: command not found\n",
        rec(code=127),
        "command_not_found",
        "command-not-found",
        "gmx",
    ),
    "exit-127-so": (
        "./a.out: error while loading shared libraries: libnope.so.1: cannot open shared object file: No such file or directory\n",
        rec(code=127),
        "missing_shared_library",
        "missing-shared-library",
        "libnope",
    ),
    "exit-126": (WORK, rec(code=126), "permission_denied", "permission-denied", "126"),
    "exit-126-line": (
        "bash: ./run.sh: Permission denied\n",
        rec(code=126),
        "permission_denied",
        "permission-denied",
        "Permission",
    ),
    "interpreter": (
        "/var/spool/slurmd/job5/slurm_script: ./x.py: /opt/none/python: bad interpreter: No such file or directory\n",
        rec(code=126),
        "command_not_found",
        "bad-interpreter",
        "bad interpreter",
    ),
    "cascade": (
        "run.sh: line 3: prepare_mesh: command not found\n"
        + TRACEBACK.replace(
            "ValueError: negative mass",
            "FileNotFoundError: [Errno 2] No such file or directory: 'mesh.h5'",
        ),
        rec(),
        "command_not_found",
        "command-not-found",
        "prepare_mesh",
    ),
    "weak-command": (
        "slurm_script: line 21: module: command not found\n" + TRACEBACK,
        rec(),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
    "disk": (
        "cp: error writing '/mnt/s/x': No space left on device\n",
        rec(),
        "disk_full",
        "disk-full",
        "No space",
    ),
    "cat-missing": (
        "cat: /data/none.txt: No such file or directory\n",
        rec(),
        "file_not_found",
        "shell-tool-file-missing",
        "/data/none.txt",
    ),
    "c-perror": (
        "fopen: /data/none.bin: No such file or directory\n",
        rec(),
        "file_not_found",
        "shell-file-not-found",
        "none.bin",
    ),
    "shell-syntax": (
        "run.sh: line 9: syntax error near unexpected token `fi'\n",
        rec(code=2),
        "syntax_error",
        "shell-syntax",
        "syntax error",
    ),
    "glibc": (
        "./a.out: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by ./a.out)\n",
        rec(),
        "missing_shared_library",
        "glibc-version",
        "GLIBC_2.38",
    ),
    # MPI
    "mpi-abort": (WORK + MPI_ABORT + EXITED, rec(code=3), "mpi_failure", "mpi-abort", "MPI_ABORT"),
    "mpi-python": (
        TRACEBACK + MPI_ABORT,
        rec(),
        "code_error",
        "python-value-error",
        "negative mass",
    ),
    "mpi-segv": (
        "[n1:77] *** Process received signal ***\n[n1:77] Signal: Segmentation fault (11)\nmpirun noticed that process rank 1 with PID 0 on node n1 exited on signal 11 (Segmentation fault).\n",
        rec(code=139),
        "crash",
        "segfault",
        "Segmentation",
    ),
    "mpi-slots": (
        "There are not enough slots available in the system to satisfy the 64\nslots that were requested by the application:\n",
        rec(),
        "configuration_error",
        "mpi-slots",
        "slots",
    ),
    # success and nothing
    "success": (WORK, rec("COMPLETED", 0), "success", "success", None),
    "success-warnings": (
        WORK + "run.py:3: RuntimeWarning: invalid value encountered in sqrt\n" + WORK,
        rec("COMPLETED", 0),
        "success",
        "success",
        None,
    ),
    "success-alarming": (
        "ERROR:root:could not read cache, retrying\n" + WORK + "All done.\n",
        None,
        "success",
        "success",
        None,
    ),
    "success-caught": (
        TRACEBACK + "falling back to the slow solver\n" + WORK + "calculation finished\n",
        None,
        "success",
        "success",
        None,
    ),
    "success-caught-record": (TRACEBACK + WORK, rec("COMPLETED", 0), "success", "success", None),
    "unknown": (WORK, rec(code=3), "unknown", "unknown", "exit code 3"),
    "unknown-empty": ("", rec(code=1), "unknown", "unknown", "exit code 1"),
    "srun-only": (WORK + EXITED, rec(), "unknown", "step-failed", "Exited"),
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
