"""The queue of live jobs, and cancelling some of them."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from llm_scheduler.engine.live_queue import cancel_jobs, read_live_queue
from llm_scheduler.errors import SchedulerError, UsageError


def test_slurm_has_all_live_states(programs) -> None:
    programs.add_sample("squeue", "squeue-22.05.txt")
    jobs = read_live_queue("slurm")
    assert {job_id: job.state for job_id, job in jobs.items()} == {
        "25": "COMPLETING",
        "14": "PENDING",
        "17": "PENDING",
        "10": "PENDING",
        "23": "SUSPENDED",
    }
    assert jobs["10"].reason == "JobHeldUser"
    assert jobs["23"].nodes == ("n1",)
    assert jobs["23"].elapsed_s == 3
    assert f"--user={getpass.getuser()}" in programs.calls()[0]


def test_slurm_that_does_not_answer_is_no_empty_queue(programs) -> None:
    programs.add("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact"):
        read_live_queue("slurm")


def test_pbs_has_the_users_live_jobs(programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "user")
    programs.add_sample("qstat", "qstat-20.json")
    jobs = read_live_queue("pbs")
    assert {job_id: job.state for job_id, job in jobs.items()} == {
        "104.head": "RUNNING",
        "106.head": "PENDING",
        "107.head": "SUSPENDED",
        "108.head": "COMPLETING",
    }


def test_pbs_without_json(programs, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "user")
    torque = samples / "qstat-torque.txt"
    programs.add(
        "qstat",
        f"""case "$*" in
*json*) echo "qstat: invalid option -- 'F'" >&2; exit 2 ;;
*) /bin/cat "{torque}" ;;
esac""",
    )
    assert set(read_live_queue("pbs")) == {"402.head"}


def test_unknown_kind() -> None:
    with pytest.raises(UsageError, match="'lsf' is unknown"):
        read_live_queue("lsf")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'lsf' is unknown"):
        cancel_jobs("lsf", ["1"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "program"), [("slurm", "scancel"), ("pbs", "qdel")])
def test_many_jobs_are_cancelled_with_few_calls(programs, kind: str, program: str) -> None:
    programs.add(program, "")
    ids = [str(number) for number in range(1, 401)]
    cancel_jobs(kind, ids)  # type: ignore[arg-type]
    calls = programs.calls(program)
    assert len(calls) == 2
    assert [part for call in calls for part in call.split()[1:]] == ids


def test_no_jobs_no_call(programs) -> None:
    cancel_jobs("slurm", [])
    assert programs.calls() == []


def test_jobs_that_ended_are_no_error(programs) -> None:
    programs.add(
        "scancel",
        "echo 'scancel: error: Kill job error on job id 1: Invalid job id specified' >&2\n"
        "echo 'scancel: error: Kill job error on job id 2: "
        "Job/step already completing or completed' >&2\nexit 1",
    )
    cancel_jobs("slurm", ["1", "2"])


def test_a_refusal_is_raised_after_all_were_tried(programs) -> None:
    programs.add("scancel", "echo 'scancel: error: Access/permission denied' >&2; exit 1")
    with pytest.raises(SchedulerError, match="permission denied"):
        cancel_jobs("slurm", [str(number) for number in range(1, 401)])
    assert len(programs.calls("scancel")) == 2


def test_an_option_is_no_job_id(programs) -> None:
    with pytest.raises(UsageError, match="'--user=root' is no job id"):
        cancel_jobs("slurm", ["1", "--user=root"])
    assert programs.calls() == []
