"""Labelled logs of real jobs: what proves the cause is kept and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_scheduler.logs import digest_log, scan_log

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
INDEX = CORPUS / "index.jsonl"

pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="the labelled logs are not here")


@pytest.fixture(scope="module")
def labelled():
    entries = [json.loads(line) for line in INDEX.read_text().splitlines()]
    return [(CORPUS / entry["file"], entry["evidence"]) for entry in entries if entry["evidence"]]


@pytest.fixture(scope="module")
def digests(labelled):
    return [(path.name, proof, digest_log(path)) for path, proof in labelled]


def test_every_proof_is_in_the_scanned_lines(labelled):
    missed = [
        path.name
        for path, proof in labelled
        if not any(proof in line.text for line in scan_log(path).lines)
    ]
    assert missed == []


def test_every_proof_is_in_the_digest(digests):
    assert [name for name, proof, found in digests if proof not in found.text] == []


def test_nearly_every_proof_is_in_a_small_digest(labelled):
    missed = [
        path.name for path, proof in labelled if proof not in digest_log(path, max_chars=1000).text
    ]
    assert len(missed) <= len(labelled) // 20, missed


def test_nearly_every_proof_is_among_the_first_three_lines(digests):
    missed = [
        name
        for name, proof, found in digests
        if not any(proof in line.text for line in found.evidence[:3])
    ]
    assert len(missed) <= len(digests) // 10, missed


def test_lines_are_those_of_the_file(labelled):
    for path, _ in labelled:
        whole = path.read_bytes().decode(errors="replace").split("\n")
        for line in scan_log(path).lines:
            raw = whole[line.number - 1]
            if raw.isprintable() and len(raw) < 2000:
                assert line.text == raw.rstrip()
