"""Labelled logs written for this project: no step back from how they are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.corpus import measure

FOLDER = Path(__file__).with_name("written_logs")


def read_index(name):
    lines = (FOLDER / name / "index.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module", params=["first", "second"])
def results(request):
    return [measure(FOLDER / request.param, entry) for entry in read_index(request.param)]


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def test_categories(results):
    failed = [r for r in results if r.has_failed]
    wrong = [(r.file, r.category, r.found) for r in failed if not r.is_right]
    assert len(wrong) <= 0.08 * len(failed), wrong


def test_good_jobs_raise_no_alarm(results):
    good = [r for r in results if not r.has_failed]
    alarms = [(r.file, r.found) for r in good if r.found not in {"success", "unknown"}]
    assert alarms == []


def test_proof(results):
    proven = [r for r in results if r.has_proof]
    assert share(r.among_three for r in proven) >= 0.9
    assert share(r.in_digest[4000] for r in proven) >= 0.97
    assert share(r.in_digest[1000] for r in proven) >= 0.9


def test_sure_answers_are_right(results):
    sure = [r for r in results if r.confidence >= 0.9]
    assert len(sure) > 20
    assert share(r.is_right for r in sure) >= 0.95
