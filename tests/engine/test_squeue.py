"""``squeue``: the controller's view of many jobs at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.engine import squeue
from llm_scheduler.errors import SchedulerError

MIB = 1024**2


def test_sample(samples: Path) -> None:
    jobs = squeue.parse_squeue((samples / "squeue-22.05.txt").read_text())
    assert len(jobs) == 12
    failed = jobs["18"]
    assert (failed.name, failed.state, failed.exit_code) == ("na me=x|y", "FAILED", 1)
    assert failed.requested_memory_bytes == 256 * MIB
    assert failed.time_limit_s == 600
    assert failed.log_files == ("/home/user/run/slurm-18.out",)
    assert failed.nodes == ("n1",)
    assert failed.source == "squeue"


def test_exit_codes_are_wait_statuses(samples: Path) -> None:
    jobs = squeue.parse_squeue((samples / "squeue-22.05.txt").read_text())
    assert (jobs["19"].exit_code, jobs["19"].signal) == (137, None)
    assert (jobs["21"].state, jobs["21"].signal) == ("OUT_OF_MEMORY", 125)
    # "JobLaunchFailure" is what the controller makes of a segmentation fault.
    assert (jobs["20"].exit_code, jobs["20"].signal, jobs["20"].reason) == (0, 11, "")
    assert jobs["20"].log_files == ("/home/user/run/o segv-20.txt",)


def test_live_jobs_have_no_exit_code_and_no_end(samples: Path) -> None:
    jobs = squeue.parse_squeue((samples / "squeue-22.05.txt").read_text())
    assert (jobs["23"].state, jobs["25"].state) == ("SUSPENDED", "COMPLETING")
    assert jobs["14"].started_at is None  # a forecast only
    for job_id in ("23", "25", "14"):
        assert jobs[job_id].exit_code is None
        assert jobs[job_id].ended_at is None
        assert jobs[job_id].is_live


def test_array_tasks_and_line_breaks_in_names(samples: Path) -> None:
    text = (samples / "squeue-22.05.txt").read_text()
    assert {record.job_id: raw for record, raw in squeue.parse_rows(text)}["22_1"] == "24"
    assert squeue.parse_squeue(text)["17"].name.startswith("line1\nline2=")


@pytest.mark.parametrize("text", ["", "\n", "JOBID STATE\n1 RUNNING\n", "\x1e\x1e", "a\x1fb\x1e"])
def test_other_text_has_no_jobs(text: str) -> None:
    assert squeue.parse_squeue(text) == {}


def test_forgotten_jobs_are_no_error(programs) -> None:
    programs.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert squeue.read_squeue(["1", "2"]) == []
    assert len(programs.calls()) == 1


def test_a_controller_that_is_down_is_one(programs) -> None:
    programs.add("squeue", "echo 'slurm_load_jobs error: Unable to contact controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact"):
        squeue.read_squeue(["1"])
