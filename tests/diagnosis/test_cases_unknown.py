"""Last words of programs that no rule knows."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

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
        " step     0  E = 0.0000  T = 300.00\n step     1  E = -0.1100  T = 300.01\n step     2  E = -0.2200  T = 300.02\n step     3  E = -0.3300  T = 300.03\n step     4  E = -0.4400  T = 300.04\n step     5  E = -0.5500  T = 300.05\n step     6  E = -0.6600  T = 300.06\n step     7  E = -0.7700  T = 300.07\n step     8  E = -0.8800  T = 300.08\n step     9  E = -0.9900  T = 300.09\n step    10  E = -1.1000  T = 300.10\n step    11  E = -1.2100  T = 300.11\n step    12  E = -1.3200  T = 300.12\n step    13  E = -1.4300  T = 300.13\n step    14  E = -1.5400  T = 300.14\n step    15  E = -1.6500  T = 300.15\n step    16  E = -1.7600  T = 300.16\n step    17  E = -1.8700  T = 300.17\n step    18  E = -1.9800  T = 300.18\n step    19  E = -2.0900  T = 300.19\n step    20  E = -2.2000  T = 300.20\n step    21  E = -2.3100  T = 300.21\n step    22  E = -2.4200  T = 300.22\n step    23  E = -2.5300  T = 300.23\n step    24  E = -2.6400  T = 300.24\n step    25  E = -2.7500  T = 300.25\n step    26  E = -2.8600  T = 300.26\n step    27  E = -2.9700  T = 300.27\n step    28  E = -3.0800  T = 300.28\n step    29  E = -3.1900  T = 300.29\n The system has exploded at step 30\n",
        ("numerical_error", "code_error"),
        "exploded",
    ),
    "own-workers": (
        "[W] config missing optional key\nfatal: all workers have exited\n",
        ("code_error", "unknown"),
        "all workers have exited",
    ),
    "own-range": (
        " step     0  E = 0.0000  T = 300.00\n step     1  E = -0.1100  T = 300.01\n step     2  E = -0.2200  T = 300.02\n step     3  E = -0.3300  T = 300.03\n step     4  E = -0.4400  T = 300.04\n step     5  E = -0.5500  T = 300.05\n step     6  E = -0.6600  T = 300.06\n step     7  E = -0.7700  T = 300.07\n step     8  E = -0.8800  T = 300.08\n step     9  E = -0.9900  T = 300.09\n step    10  E = -1.1000  T = 300.10\n step    11  E = -1.2100  T = 300.11\n step    12  E = -1.3200  T = 300.12\n step    13  E = -1.4300  T = 300.13\n step    14  E = -1.5400  T = 300.14\n step    15  E = -1.6500  T = 300.15\n step    16  E = -1.7600  T = 300.16\n step    17  E = -1.8700  T = 300.17\n step    18  E = -1.9800  T = 300.18\n step    19  E = -2.0900  T = 300.19\n step    20  E = -2.2000  T = 300.20\n step    21  E = -2.3100  T = 300.21\n step    22  E = -2.4200  T = 300.22\n step    23  E = -2.5300  T = 300.23\n step    24  E = -2.6400  T = 300.24\n step    25  E = -2.7500  T = 300.25\n step    26  E = -2.8600  T = 300.26\n step    27  E = -2.9700  T = 300.27\n step    28  E = -3.0800  T = 300.28\n step    29  E = -3.1900  T = 300.29\nERROR in subroutine radiation: temperature out of range 1234.5\n",
        ("code_error", "numerical_error", "configuration_error"),
        "out of range",
    ),
    "own-empty": (
        "Parameter file /home/u/p.txt is empty\nExiting.\n",
        ("configuration_error", "file_not_found", "code_error"),
        "is empty",
    ),
}

FIRST = 3


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    text, categories, proof = CASES[name]
    found = diagnose_text(tmp_path, text)
    assert found.category in categories, found
    assert any(proof in line.text for line in found.evidence[:FIRST]), found.evidence
