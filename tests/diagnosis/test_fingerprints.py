"""Fingerprints of diagnoses, by which failures are grouped."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from llm_scheduler.diagnosis import diagnose_log
from tests.logs.failures import make_failures
from tests.logs.rewriting import Rewriter

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
INDEX = CORPUS / "index.jsonl"
ONE_WHATEVER_ASKED = {
    "out_of_memory",
    "gpu_out_of_memory",
    "time_limit",
    "disk_full",
    "cancelled",
    "success",
}
"""What ran out, or who ended the job, is the failure, whichever program was told so."""
ABOUT_FILES = {
    "missing_module",
    "missing_shared_library",
    "command_not_found",
    "file_not_found",
    "permission_denied",
    "license_unavailable",
}


@pytest.fixture(scope="module")
def diagnose(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "job.out"

    def diagnose(text):
        path.write_text(text)
        return diagnose_log(path)

    return diagnose


def rewrite(text, found, seed):
    # A missing file is another failure than another missing file.
    return Rewriter(seed, keep_names=found.category in ABOUT_FILES).rewrite(text)


@pytest.fixture(scope="module")
def failures(diagnose):
    return [(log, diagnose(log)) for log in make_failures()]


def test_different_failures_have_different_fingerprints(failures):
    names = defaultdict(list)
    for _, found in failures:
        names[found.fingerprint].append(found)
    shared = [found for found in names.values() if len(found) > 1]
    assert [found for found in shared if len({x.cause for x in found}) > 1] == []
    assert [found for found in shared if found[0].category not in ONE_WHATEVER_ASKED] == []
    assert len(names) > 220


def test_a_rerun_has_the_same_fingerprint(diagnose, failures):
    changed = []
    # Half of them, for the time it takes; which half does not matter.
    for seed, (log, found) in enumerate(failures[::2]):
        rewritten = rewrite(log, found, seed)
        if diagnose(rewritten).fingerprint != found.fingerprint:
            changed.append(rewritten)
    assert changed == []


def test_a_launcher_may_tag_each_line(diagnose, failures):
    tracebacks = [entry for entry in failures if "Traceback" in entry[0]]
    for log, found in tracebacks[::5]:
        tagged = "".join(f"[1,3]<stderr>: {line}" for line in log.splitlines(keepends=True))
        assert diagnose(tagged).fingerprint == found.fingerprint, tagged


def test_a_rerun_of_a_real_log_has_the_same_fingerprint(diagnose):
    if not INDEX.exists():
        pytest.skip("the labelled logs are not here")
    changed = []
    for seed, line in enumerate(INDEX.read_text().splitlines()):
        file = CORPUS / json.loads(line)["file"]
        found = diagnose_log(file)
        text = rewrite(file.read_bytes().decode(errors="replace"), found, seed)
        if diagnose(text).fingerprint != found.fingerprint:
            changed.append(file.name)
    assert changed == []


NAMES = ("cv2", "h5py", "mpi4py", "tf2", "foo1", "a1b", "yaml", "foo2")


@pytest.mark.parametrize(
    "log",
    [
        "/usr/bin/python3: No module named {}",
        "ModuleNotFoundError: No module named '{}'",
        "job.sh: line 3: {}: command not found",
        'Lmod has detected the following error: The following module(s) are unknown: "{}/1.2"',
        "solver: lib{}.so.1: cannot open shared object file: No such file or directory",
    ],
)
def test_each_missing_thing_is_a_failure_of_its_own(diagnose, log):
    assert len({diagnose(f"{log.format(name)}\n").fingerprint for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "job.sh: line 3: python2: command not found",
            "job.sh: line 3: python3: command not found",
        ),
        (
            "x: libcudart.so.11.0: cannot open shared object file: No such file or directory",
            "x: libcudart.so.12: cannot open shared object file: No such file or directory",
        ),
        (
            "Unable to locate a modulefile for 'gcc/12.2.0'",
            "Unable to locate a modulefile for 'intel/12.2.0'",
        ),
        ("License checkout failed: License error -4", "License checkout failed: License error -15"),
        ("urllib.error.HTTPError: HTTP Error 404: x", "urllib.error.HTTPError: HTTP Error 503: x"),
    ],
)
def test_digits_of_names_and_codes_tell_failures_apart(diagnose, one, other):
    assert diagnose(f"{one}\n").fingerprint != diagnose(f"{other}\n").fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "cat: /scratch/run-1/point_17.csv: No such file or directory",
            "cat: /home/ann/x/point_4.csv: No such file or directory",
        ),
        (
            "job.sh: line 3: /home/ann/bin/solver2: command not found",
            "job.sh: line 8: /data/solver2: command not found",
        ),
        (
            "job.sh: line 3: step_12.sh: command not found",
            "job.sh: line 3: step_9.sh: command not found",
        ),
        ("[1,3]<stderr>: Error: mesh is bad", "Error: mesh is bad"),
        ("error: no answer of 10.0.0.1:5432", "error: no answer of [fe80::1%eth0]:77"),
    ],
)
def test_what_changes_from_run_to_run_does_not(diagnose, one, other):
    assert diagnose(f"{one}\n").fingerprint == diagnose(f"{other}\n").fingerprint
