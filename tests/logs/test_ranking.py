"""The order of lines does not depend on how they were found."""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.logs import scan_log
from llm_scheduler.logs.pattern_set import PatternSet
from llm_scheduler.logs.ranking import WARNING, rank_lines, score_line
from tests.logs.failures import make_failures

FAILURES = make_failures()
TELLING = [log.splitlines()[-1] for log in FAILURES]
DULL = ["", "step 3 of 100", "loss: 0.1", "loading modules", "-----", "wrote /data/x.h5", "ok"]


@given(st.lists(st.sampled_from(TELLING + DULL * 20), max_size=60))
@settings(max_examples=60)
def test_alarms_of_the_scanner_only_save_time(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("log") / "job.out"
    path.write_text("\n".join(lines))
    text = scan_log(path)
    slow = replace(text, alarms=None)
    assert text.alarms is not None
    assert rank_lines([text]) == rank_lines([slow])


def test_what_lsf_says_of_a_failed_job_tells_more_than_when_it_ended():
    assert score_line("Terminated at Mon Apr  6 01:48:07 2020") == 0
    assert score_line("Exited with exit code 120.") > 0


@pytest.mark.parametrize("line", DULL)
def test_a_dull_line_tells_nothing(line):
    assert score_line(line) == 0


def test_every_failure_has_a_telling_line(tmp_path):
    path = tmp_path / "job.out"
    silent = []
    for log in FAILURES:
        path.write_text(log)
        if not rank_lines([scan_log(path)]):
            silent.append(log.splitlines()[-1])
    assert silent == []


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("srun: error: n1: task 0: Exited with exit code 1", "solver: error: no mesh"),
        ("warning: error estimate is large", "no space left on device"),
        (
            "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED DUE TO TIME LIMIT ***",
            "slurmstepd: error: *** JOB 7 ON n1 CANCELLED DUE TO TIME LIMIT ***",
        ),
        ("[n1:88] [ 2] /lib64/libc.so.6(abort+0x148)[0x2ab0aea5fce8]", "Fatal error: bad input"),
        ("0 errors found", "3 errors found"),
        ("12 passed, 0 failed", "12 passed, 3 failed"),
        ("srun: error: n1: tasks 0-3,5: Terminated", "solver: error: no mesh"),
    ],
)
def test_worth(worse, better):
    assert score_line(worse) < score_line(better)


@pytest.mark.parametrize("name", ["trial", "point", "learner", "worker", "rank"])
@pytest.mark.parametrize("line", ["FATAL: {} {} failed", "{} {} failed", "ERROR: {} {} failed (x)"])
def test_the_first_of_numbered_things_fails_as_the_others_do(name, line):
    assert score_line(line.format(name, 0)) == score_line(line.format(name, 3)) > WARNING


@pytest.mark.parametrize(
    "line",
    [
        "0 failed",
        "passed: 7, 0 failed",
        "7 passed and 0 failed",
        "tests (0 failed)",
        "x | 0 failed",
    ],
)
def test_a_count_of_none_is_no_failure(line):
    assert score_line(line) == score_line(f"ended: {line}") == WARNING


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("File input/output error:", "Cannot rename checkpoint file; maybe the disk is full?"),
        ("     from electrons : error #         1", "     charge is wrong"),
        ("Error in call to target 'data.Speech':", "ValueError(\"Folder 'x' is not there\")"),
        ("Fatal error:", "There is no domain decomposition for 34 ranks"),
    ],
)
def test_the_line_under_a_title_is_the_reason(tmp_path, title, reason):
    path = tmp_path / "job.out"
    path.write_text(f"starting\n{title}\n{reason}\nbye\n")
    ranked = rank_lines([scan_log(path)])
    assert reason in [entry.line.text for entry in ranked[:2]]


SOURCES = (r"err(?:or)?\b", r"^\s*kill", r"(?-i:FATAL)", "no .{0,9}space$")


@given(st.text(st.sampled_from("erokil FATALnospc\u00e9\u017f\n")) | st.text(max_size=80))
def test_pattern_set_is_the_same_without_re2(text):
    fast, slow = PatternSet(SOURCES), PatternSet(SOURCES)
    with patch.dict(sys.modules, {"re2": None}):
        without = sorted(slow.find(text))
    assert sorted(fast.find(text)) == without
