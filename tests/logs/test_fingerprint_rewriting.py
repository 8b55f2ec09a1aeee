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
@settings(max_examples=80, deadline=None)
def test_a_rerun_has_the_same_fingerprint(log, seed):
    rewritten = Rewriter(seed).rewrite(log)
    assert fingerprint(rewritten) == fingerprint(log), rewritten


@pytest.fixture(scope="module")
def logs():
    if not INDEX.exists():
        pytest.skip("the labelled logs are not here")
    files = [CORPUS / json.loads(line)["file"] for line in INDEX.read_text().splitlines()]
    return [
        (file, file.read_bytes().decode(errors="replace"), digest_log(file).fingerprint)
        for file in files
    ]


@pytest.mark.parametrize("seed", range(2))
def test_a_rerun_of_a_real_log_has_the_same_fingerprint(logs, tmp_path, seed):
    path = tmp_path / "job.out"
    changed = []
    for file, text, expected in logs:
        path.write_text(Rewriter(seed).rewrite(text))
        if digest_log(path).fingerprint != expected:
            changed.append(file.name)
    assert changed == []


def test_the_size_of_the_digest_does_not_matter(logs):
    for file, _, expected in logs:
        assert digest_log(file, max_chars=300).fingerprint == expected
