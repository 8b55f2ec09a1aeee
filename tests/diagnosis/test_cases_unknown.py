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
}

FIRST = 3


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    text, categories, proof = CASES[name]
    found = diagnose_text(tmp_path, text)
    assert found.category in categories, found
    assert any(proof in line.text for line in found.evidence[:FIRST]), found.evidence
