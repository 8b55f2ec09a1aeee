"""Last words of programs that no rule knows."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import STEPS, check_said

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
    "unknown-cap": (
        "reading mesh\nFATAL ERROR:\n   cell 12 has zero volume\nstop\n",
        ("code_error", "numerical_error", "configuration_error"),
        "zero volume",
    ),
    "unknown-fail-end": (
        "zsolve 1.2\nreading input\nzsolve: bad magic in header block 3, giving up\n",
        ("code_error", "configuration_error"),
        "bad magic",
    ),
    "unknown-cannot": (
        "mysolver version 3\nCannot proceed: boundary 4 undefined\n",
        ("configuration_error", "code_error"),
        "boundary 4",
    ),
    "unknown-refuse": (
        "starting\nrefusing to continue without a checkpoint\n",
        ("code_error", "configuration_error"),
        "refusing to continue",
    ),
    "unknown-status": (
        "Job started on n1\nprogram exited with status 2\n",
        ("unknown", "code_error"),
        "exited with status 2",
    ),
    "prog-usage": (
        "mytool: unrecognized option '--fooo'\nTry 'mytool --help' for more information.\n",
        ("configuration_error",),
        "--fooo",
    ),
    "own-assert": (
        "check failed: energy drift 0.3 above 0.1\n",
        ("code_error", "numerical_error"),
        "check failed",
    ),
    "own-bad-value": (
        "reading params.yml\nbad value for dt: -0.1\n",
        ("configuration_error", "code_error"),
        "bad value",
    ),
    "own-nan": (
        "step 100 E=-1.2\nstep 101 E=nan\nNaN detected in energy, stopping.\n",
        ("numerical_error",),
        "NaN detected",
    ),
    "own-converge": (
        "iter 500 res 0.3\nmaximum number of iterations reached without convergence\n",
        ("numerical_error",),
        "without convergence",
    ),
    "own-no-input": (
        "mysim v2\nno input file given\n",
        ("configuration_error", "file_not_found"),
        "no input file",
    ),
    "own-usage": ("usage: mysim INPUT [OUTPUT]\n", ("configuration_error",), "usage:"),
    "own-timeout": (
        "waiting for master at n1:5000\nwaiting for master at n1:5000\ntimed out waiting for master\n",
        ("network_error",),
        "timed out",
    ),
    "own-lock": (
        "could not acquire lock on results.h5 (held by pid 12)\n",
        ("code_error", "configuration_error", "permission_denied"),
        "acquire lock",
    ),
    "own-version": (
        "checkpoint version 3 is newer than this program (2)\ncannot restart\n",
        ("configuration_error", "code_error"),
        "cannot restart",
    ),
    "own-later-1": (
        "2025-01-01 10:00:00 [INFO] loaded 12 tasks\n2025-01-01 10:00:05 [ERROR] task 7: negative depth at node 12\n2025-01-01 10:00:05 [CRITICAL] run stopped\n",
        ("code_error", "numerical_error"),
        "negative depth",
    ),
    "own-later-2": (
        "reading forcing\n !!! input year 2031 outside forcing data\n STOP\n",
        ("code_error", "configuration_error"),
        "outside forcing",
    ),
    "own-later-3": (
        "Simulation started\nSolver failed (code -3)\n",
        ("code_error", "numerical_error"),
        "Solver failed",
    ),
    "own-later-4": (
        "cfg.ini:12: duplicate key 'dt'\n",
        ("configuration_error", "syntax_error", "code_error"),
        "duplicate key",
    ),
    "own-later-5": (
        "E 10:00:00 mesh.cc:44] Check failed: n > 0 (0 vs. 0) \n*** Check failure stack trace: ***\n    @     0x7f1 google::LogMessage::Fail()\n",
        ("crash", "code_error"),
        "Check failed",
    ),
    "own-later-7": (
        "opening port 5000\nbind: Address already in use\n",
        ("network_error",),
        "already in use",
    ),
    "own-later-8": (
        "./solver: line 1: ELF: not found\n./solver: Exec format error\n",
        ("configuration_error", "crash", "code_error", "command_not_found"),
        "Exec format",
    ),
    "own-exploded": (
        STEPS + " The system has exploded at step 30\n",
        ("numerical_error", "code_error"),
        "exploded",
    ),
    "own-workers": (
        "[W] config missing optional key\nfatal: all workers have exited\n",
        ("code_error", "unknown"),
        "all workers have exited",
    ),
    "own-range": (
        STEPS + "ERROR in subroutine radiation: temperature out of range 1234.5\n",
        ("code_error", "numerical_error", "configuration_error"),
        "out of range",
    ),
    "own-empty": (
        "Parameter file /home/u/p.txt is empty\nExiting.\n",
        ("configuration_error", "file_not_found", "code_error"),
        "is empty",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    check_said(tmp_path, CASES[name])
