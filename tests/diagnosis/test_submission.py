"""Submissions that the scheduler refused, in its own words."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_submission

FAILED = "sbatch: error: Batch job submission failed: "

CASES = [
    (
        "sbatch: error: invalid partition specified: gpuu\n"
        + FAILED
        + "Invalid partition name specified",
        "submit-bad-partition",
    ),
    (FAILED + "Invalid account or account/partition combination specified", "submit-bad-account"),
    (FAILED + "Invalid qos specification", "submit-bad-qos"),
    (
        "sbatch: error: Memory specification can not be satisfied\n"
        + FAILED
        + "Requested node configuration is not available",
        "submit-memory",
    ),
    (FAILED + "Requested time limit is invalid (missing or exceeds some limit)", "submit-time"),
    (FAILED + "Node count specification invalid", "submit-nodes"),
    (FAILED + "More processors requested than permitted", "submit-cpus"),
    (
        "sbatch: error: CPU count per node can not be satisfied\n"
        + FAILED
        + "Requested node configuration is not available",
        "submit-cpus",
    ),
    (FAILED + "Requested node configuration is not available", "submit-node-configuration"),
    (FAILED + "Invalid feature specification", "submit-invalid-feature"),
    (FAILED + "Invalid generic resource (gres) specification", "submit-gpus"),
    (
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
        + FAILED
        + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "submit-limit",
    ),
    (
        "sbatch: error: AssocMaxSubmitJobLimit\n"
        + FAILED
        + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "submit-limit",
    ),
    (
        "sbatch: unrecognized option '--memm=4G'\nTry \"sbatch --help\" for more information",
        "submit-invalid-option",
    ),
    ("sbatch: error: You must specify an account (--account)", "submit-missing-account"),
    (FAILED + "User's group not permitted to use this partition", "submit-partition-access"),
    (FAILED + "Job dependency problem", "submit-dependency"),
    (
        "sbatch: error: This does not look like a batch script.  The first\nsbatch: error: line must start with #! followed by the path to an interpreter.",
        "submit-script",
    ),
    (FAILED + "Unspecified error", "submit-refused"),
    ("qsub: Unknown queue MSG=cannot locate queue", "submit-bad-partition"),
    ("qsub: would exceed queue generic's per-user limit of jobs in 'Q' state", "submit-limit"),
    ("qsub: Job exceeds queue resource limits: walltime", "submit-time"),
    ("qsub: Job violates queue and/or server resource limits", "submit-node-configuration"),
    ("qsub: Invalid Account", "submit-bad-account"),
    ("qsub: Unauthorized Request", "submit-partition-access"),
    ("qsub: illegal -l value", "submit-invalid-option"),
    ("something nobody has seen", "submit-refused"),
    ("", "submit-refused"),
]


@pytest.mark.parametrize(
    ("words", "cause"), CASES, ids=[f"{c}-{i}" for i, (_, c) in enumerate(CASES)]
)
def test_cause(words, cause):
    found = diagnose_submission(words, job_name="run-1")
    assert found.cause == cause, found
    assert found.category == "invalid_submission"
    assert "`run-1`" in found.explanation
    assert found.remedies
    if words:
        assert found.evidence[0].text in words
        assert {item.text for item in found.evidence} == {x.strip() for x in words.splitlines()}


def test_license():
    found = diagnose_submission(FAILED + "Invalid license specification")
    assert found.category == "license_unavailable"


def test_controller():
    found = diagnose_submission(FAILED + "Unable to contact slurm controller (connect failure)")
    assert found.category == "network_error"


def test_name_of_partition_in_title():
    found = diagnose_submission("sbatch: error: invalid partition specified: gpuu")
    assert found.title.endswith("unknown partition or queue gpuu")


def test_same_words_same_fingerprint():
    one = diagnose_submission(FAILED + "Invalid qos specification", job_name="a")
    two = diagnose_submission(FAILED + "Invalid qos specification", job_name="b")
    assert one.fingerprint == two.fingerprint
