"""Fingerprints of whole logs: the same after a rerun, another for another failure."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.logs import digest_log, fingerprint
from tests.logs.failures import make_failures
from tests.logs.rewriting import Rewriter

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
INDEX = CORPUS / "index.jsonl"
FAILURES = make_failures()


def test_different_failures_have_different_fingerprints():
    names = defaultdict(list)
    for log in FAILURES:
        names[fingerprint(log)].append(log)
    assert len(FAILURES) > 200
    assert [logs for logs in names.values() if len(logs) > 1] == []


@given(st.sampled_from(FAILURES), st.integers(0, 2**32))
@settings(max_examples=80)
def test_a_rerun_has_the_same_fingerprint(log, seed):
    rewritten = Rewriter(seed).rewrite(log)
    assert fingerprint(rewritten) == fingerprint(log), rewritten


TAGS = ("[1,3]<stderr>: ", "[rank11]: ", "7: ")


@pytest.mark.parametrize("tag", TAGS)
def test_a_launcher_may_tag_each_line(tag):
    tracebacks = [log for log in FAILURES if "Traceback" in log]
    assert len(tracebacks) > 100
    for log in tracebacks:
        tagged = "".join(f"{tag}{line}" for line in log.splitlines(keepends=True))
        assert fingerprint(tagged) == fingerprint(log), tagged


@pytest.fixture(scope="module")
def logs():
    if not INDEX.exists():
        pytest.skip("the labelled logs are not here")
    files = [CORPUS / json.loads(line)["file"] for line in INDEX.read_text().splitlines()]
    return [
        (file, file.read_bytes().decode(errors="replace"), digest_log(file).fingerprint)
        for file in files
    ]


def test_a_rerun_of_a_real_log_has_the_same_fingerprint(logs, tmp_path):
    path = tmp_path / "job.out"
    changed, n_rewritten = [], 0
    for seed, (file, text, expected) in enumerate(logs):
        rewritten = Rewriter(seed).rewrite(text)
        n_rewritten += rewritten != text
        path.write_text(rewritten)
        if digest_log(path).fingerprint != expected:
            changed.append(file.name)
    assert changed == []
    assert n_rewritten > len(logs) * 0.8


def test_the_size_of_the_digest_does_not_matter(logs):
    for file, _, expected in logs:
        assert digest_log(file, max_chars=300).fingerprint == expected
