"""Logs that are no text, logs with nothing in them, and jobs that have not ended."""

from __future__ import annotations

import gzip
import random
import sys
from pathlib import Path

import pytest

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.diagnosis.endings import NOT_ENDED
from llm_scheduler.engine.records import LIVE_STATES, JobRecord
from tests.diagnosis.job_samples import diagnose_text

NOISE = random.Random(7).randbytes(300_000)
TRACEBACK = b"""
Traceback (most recent call last):
  File "/home/u/run.py", line 8, in <module>
    main()
NameError: name 'rho' is not defined
"""
OOM_LINES = (
    "llm_scheduler: error: memory limit exceeded: used 431.2 MB of 400.0 MB; the job was killed",
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=20.batch.",
    "slurmstepd: error: Exceeded step memory limit at some point.",
    "slurmstepd: error: Job 20 exceeded memory limit (500000 > 400000), being killed",
)


def write(tmp_path: Path, content: bytes, name: str = "job-3.out") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [NOISE, NOISE[:900], bytes(5000), Path(sys.executable).resolve().read_bytes()],
    ids=["noise", "little-noise", "zeros", "program"],
)
def test_data_is_no_success(tmp_path: Path, content: bytes) -> None:
    found = diagnose_log(write(tmp_path, content))
    assert (found.category, found.evidence) == ("unknown", ())
    assert found.title == "The log is not text, so it can't tell how the job ended"


def test_packed_zeros_are_no_success(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(bytes(20_000_000)), "job-3.out.gz")
    found = diagnose_log(path)
    assert found.category == "unknown"
    assert "not text" in found.title


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_a_log_without_text_is_no_success(tmp_path: Path, content: bytes) -> None:
    found = diagnose_log(write(tmp_path, content))
    assert found.category == "unknown"
    assert "is empty" in found.title


def test_an_error_after_data_counts(tmp_path: Path) -> None:
    assert diagnose_log(write(tmp_path, NOISE + TRACEBACK)).category == "code_error"


def test_a_record_counts_more_than_data(tmp_path: Path) -> None:
    log = write(tmp_path, NOISE)
    done = JobRecord(job_id="3", state="COMPLETED", exit_code=0)
    assert diagnose_log(log, record=done).category == "success"
    failed = diagnose_log(log, record=JobRecord(job_id="3", state="FAILED", exit_code=1))
    assert failed.title == "The job failed (exit code 1), and its log is not text"
    assert [item.line for item in failed.evidence] == [0]


@pytest.mark.parametrize(
    "text",
    [
        "Die Größe der Fläche fällt\n".encode("latin-1") * 30,
        "größe → 3 µm, 完成\n".encode() * 3,
        b"\x1b[32m10%\x1b[0m\r" * 200 + b"\n",
        bytes(400_000) + b"iteration 4 of 4\n",
    ],
    ids=["latin", "utf-8", "colours", "hole"],
)
def test_other_text_is_text(tmp_path: Path, text: bytes) -> None:
    assert diagnose_log(write(tmp_path, text)).category == "success"


@pytest.mark.parametrize("state", sorted(LIVE_STATES))
@pytest.mark.parametrize("content", [b"", b"iteration 3 of 4\n"])
def test_a_live_job_has_not_failed(tmp_path: Path, state: str, content: bytes) -> None:
    found = diagnose_log(write(tmp_path, content), record=JobRecord(job_id="3", state=state))
    assert (found.category, found.cause) == ("unknown", NOT_ENDED)
    assert "failed" not in found.title
    assert state in found.explanation


def test_a_live_job_shows_its_errors(tmp_path: Path) -> None:
    record = JobRecord(job_id="3", state="RUNNING")
    found = diagnose_log(write(tmp_path, TRACEBACK), record=record)
    assert found.category == "code_error"
    assert "NameError" in found.evidence[0].text
    assert "the job is still running" in found.explanation


@pytest.mark.parametrize("line", OOM_LINES)
def test_the_line_comes_before_the_record(tmp_path: Path, line: str) -> None:
    log = write(tmp_path, f"loading\n{line}\n".encode())
    for record in (JobRecord(job_id="3", state="OUT_OF_MEMORY", signal=9), None):
        found = diagnose_log(log, record=record)
        assert found.category == "out_of_memory"
        assert (found.evidence[0].line, found.evidence[0].text) == (2, line)


def test_what_no_rule_knows_shows_the_most_telling_lines(tmp_path):
    text = "".join(f"block {i} is ready\n" for i in range(20))
    text += "slurmstepd: info: nothing\n"
    telling = "zzsolve: could not do what was wanted, flux qxz FATAL\n"
    log = write(tmp_path, (telling + text * 3).encode())
    found = diagnose_log(log, record=JobRecord(job_id="3", state="FAILED", exit_code=3))
    assert found.category == "code_error"
    assert telling.strip() in [item.text for item in found.evidence[:3]]


def test_a_traceback_cut_off_before_its_exception(tmp_path):
    text = 'Traceback (most recent call last):\n  File "/home/ann/run.py", line 7, in main\n    f(0'
    found = diagnose_text(tmp_path, text)
    assert found.category == "code_error"
    assert found.title.startswith("The log ends inside of a traceback")
    assert "class" not in found.explanation
    assert "line 7 of `run.py`" in found.explanation
