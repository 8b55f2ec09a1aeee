"""``scontrol show job``: values with spaces, one job or all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.engine import scontrol
from llm_scheduler.errors import SchedulerError

MIB = 1024**2


def test_one_job(samples: Path) -> None:
    job = scontrol.parse_scontrol_job((samples / "scontrol-22.05.txt").read_text())["4"]
    assert (job.state, job.exit_code, job.signal) == ("FAILED", 3, None)
    assert job.reason == "NonZeroExitCode"
    assert job.log_files == ("/home/user/run/o 4.txt",)
    assert job.requested_memory_bytes == 300 * MIB
    assert job.time_limit_s == 600
    assert (job.user, job.account, job.partition) == ("root", "root", "debug")
    assert job.source == "scontrol"


def test_all_jobs(samples: Path) -> None:
    jobs = scontrol.parse_scontrol_job((samples / "scontrol-22.05-oneline.txt").read_text())
    assert {"1", "5_2", "12+0", "12+1", "17"} <= set(jobs)
    assert jobs["1"].name == "na me=x|y"
    assert (jobs["2"].exit_code, jobs["3"].signal, jobs["3"].reason) == (137, 11, "")
    assert (jobs["11"].nodes, jobs["11"].requested_memory_bytes) == (("n3", "n4"), 200 * MIB)
    assert (jobs["6"].state, jobs["6"].signal) == ("OUT_OF_MEMORY", 125)
    assert jobs["10"].started_at is None
    assert jobs["9"].restarts == 1


def test_values_with_equal_signs_and_spaces() -> None:
    text = (
        "JobId=7 JobName=a b=c UserId=me(5) GroupId=g(5) JobState=FAILED Reason=None "
        "ExitCode=0:9 NodeList=n1 WorkDir=/a b/c=d StdOut=/a b/c=d/x y.out "
        "Comment=JobState=COMPLETED\n"
    )
    job = scontrol.parse_scontrol_job(text)["7"]
    assert (job.name, job.state, job.signal, job.reason) == ("a b=c", "FAILED", 9, "")
    assert job.log_files == ("/a b/c=d/x y.out",)


def test_few_jobs_are_asked_for_one_by_one_and_many_at_once(programs, samples: Path) -> None:
    programs.add_sample("scontrol", "scontrol-22.05-oneline.txt")
    found = scontrol.read_scontrol(["1"])
    assert [record.job_id for record, _ in found] == ["1"]
    assert programs.calls()[-1].endswith("show job 1")
    ids = [str(number) for number in range(1, 200)]
    found = scontrol.read_scontrol(ids)
    assert len(programs.calls()) == 2
    assert len(found) == 17


def test_a_job_that_is_forgotten_is_no_error(programs) -> None:
    programs.add("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert scontrol.read_scontrol(["1"]) == []


def test_no_controller(programs) -> None:
    programs.add("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact"):
        scontrol.read_scontrol(["1"])
