"""`diagnose_log` and the function for worker processes, with logs that can't be read."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from llm_scheduler.diagnosis import diagnose_job, diagnose_log
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import LogError, UsageError

FAILED = JobRecord(job_id="7", state="FAILED", exit_code=1)


@pytest.mark.parametrize("nothing", ["", [], ()])
def test_no_path(nothing):
    with pytest.raises(UsageError, match="No log was given"):
        diagnose_log(nothing)


def test_missing_log(tmp_path):
    path = tmp_path / "none.out"
    with pytest.raises(LogError, match=r"none\.out"):
        diagnose_log(path)
    found = diagnose_log(path, record=FAILED)
    assert found.category == "unknown"
    assert "missing" in found.title
    assert "exit code 1" in found.title
    known = diagnose_log(path, record=JobRecord(job_id="7", state="TIMEOUT"))
    assert known.category == "time_limit"


def test_one_of_two_logs_is_missing(tmp_path):
    log = tmp_path / "a.err"
    log.write_text("ValueError: x\n")
    assert diagnose_log([tmp_path / "a.out", log]).category == "code_error"


def test_fifo_does_not_hang(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(LogError):
        diagnose_log(fifo)


def test_empty_log_without_record(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("")
    found = diagnose_log(log)
    assert found.category == "unknown"
    assert found.confidence < 0.5


def test_job_ids(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("ValueError: x\n")
    assert diagnose_log(log).job_id is None
    assert diagnose_log(log, record=FAILED).job_id == "7"
    assert diagnose_log(log, record=FAILED, job_id="8").job_id == "8"


def test_in_a_worker_process(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("ModuleNotFoundError: No module named 'zarr'\n")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(diagnose_job, [str(log)], FAILED, (), "9").result()
    assert found.category == "missing_module"
    assert found.job_id == "9"
    assert pickle.loads(pickle.dumps(found)) == found
    assert diagnose_job([], None).category == "unknown"


def test_hostile_text_stays_text(tmp_path):
    log = tmp_path / "a.out"
    log.write_text("ModuleNotFoundError: No module named 'x'\n" + "\0\x1b[31m" * 1000 + "\n")
    assert diagnose_log(log).cause == "python-missing-module"
    log.write_text("ValueError: `<img src=x onerror=alert(1)>` {__class__} [[x]]\n")
    found = diagnose_log(log)
    assert "{__class__}" in found.title
    assert "`'<img src=x onerror=alert(1)>' {__class__} [[x]]`" in found.explanation


def test_absurd_numbers(tmp_path):
    log = tmp_path / "a.out"
    log.write_text(f"Job 3 exceeded memory limit ({'9' * 900} > {'8' * 900}), being killed\n")
    assert diagnose_log(log).category == "out_of_memory"
