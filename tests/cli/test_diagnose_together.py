"""Several logs of one job, a successful log to compare with, and doubts that are shown."""

from __future__ import annotations

import json

import pytest

from llm_scheduler.cli.main import main

TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/home/u/run.py", line 8, in main\n'
    '    raise ValueError("negative mass")\n'
    "ValueError: negative mass\n"
)
WORK = "".join(f"block {i} is ready\n" for i in range(30))


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job-7.out").write_text(WORK)
    (tmp_path / "job-7.err").write_text(TRACEBACK)
    (tmp_path / "job-6.err").write_text(TRACEBACK + WORK)
    return tmp_path


def flat(text: str) -> str:
    return " ".join(text.split())


def test_each_log_is_a_job_of_its_own(logs, capsys):
    assert main(["diagnose", "--json", "job-7.out", "job-7.err"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["category"] for item in found] == ["success", "code_error"]
    assert all("logs" not in item for item in found)


def test_logs_together_are_one_job(logs, capsys):
    assert main(["diagnose", "--json", "--together", "job-7.out", "job-7.err"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["category"] == "code_error"
    assert found["log"] == "job-7.out"
    assert found["logs"] == ["job-7.out", "job-7.err"]
    assert found["evidence"][0]["file"] == "job-7.err"
    assert "block 0 is ready" in found["digest"]
    assert "negative mass" in found["digest"]


def test_all_logs_of_the_job_are_named(logs, capsys):
    assert main(["diagnose", "--together", "job-7.out", "job-7.err"]) == 0
    assert "job 7 · job-7.out, job-7.err" in flat(capsys.readouterr().out)


def test_one_of_the_logs_may_be_missing(logs, capsys):
    assert main(["diagnose", "--together", "job-7.err", "job-7.none"]) == 1
    shown = capsys.readouterr()
    assert "Cannot read job-7.none" in shown.err
    assert "negative mass" in shown.out


def test_compare_with_a_good_log(logs, capsys):
    alone, compared = [
        json.loads((main(["diagnose", "--json", "job-7.err", *more]), capsys.readouterr().out)[1])
        for more in ((), ("--compare-with", "job-6.err"))
    ]
    known = "The log of a successful job has this line too."
    assert known in compared["doubts"]
    assert known not in alone["doubts"]
    assert compared["confidence"] < alone["confidence"]


def test_log_to_compare_with_that_is_not_there(logs, capsys):
    assert main(["diagnose", "job-7.err", "--compare-with", "none.out"]) == 1
    assert "Cannot read none.out" in flat(capsys.readouterr().err)


def test_doubts_are_shown(logs, capsys):
    assert main(["diagnose", "job-7.err"]) == 0
    shown = flat(capsys.readouterr().out)
    assert "Why not surer" in shown
    assert "The scheduler's record of the job is not known." in shown
    state = ["--state", "OUT_OF_MEMORY"]
    assert main(["diagnose", "job-7.out", *state]) == 0
    assert "99 % sure" in (sure := flat(capsys.readouterr().out)) or "98 % sure" in sure
    assert "Why not surer" not in sure
