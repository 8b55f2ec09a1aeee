"""``qstat``: PBS's JSON, its broken JSON, its text, and its codes in Slurm's words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_scheduler.engine import qstat
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandMissing, SchedulerError

MIB = 1024**2
GIB = 1024**3


def read(samples: Path, name: str) -> dict[str, JobRecord]:
    return qstat.parse_qstat_json((samples / name).read_text())


def test_time_limit(samples: Path) -> None:
    job = read(samples, "qstat-20.json")["101.head"]
    assert (job.state, job.exit_code, job.signal) == ("TIMEOUT", None, None)
    assert job.reason == "the walltime limit was exceeded"
    assert (job.elapsed_s, job.time_limit_s) == (603, 600)
    assert (job.max_rss_bytes, job.requested_memory_bytes) == (200 * MIB, GIB)
    assert (job.nodes, job.user, job.name) == (("node1",), "user", "learn-0")
    assert job.log_files == ("/home/user/run/learn-0.o101", "/home/user/run/learn-0.e101")
    assert job.started_at == datetime(2023, 11, 14, 22, 1).astimezone(UTC)
    assert job.source == "qstat"


def test_states(samples: Path) -> None:
    jobs = read(samples, "qstat-20.json")
    assert {job_id.partition(".")[0]: job.state for job_id, job in jobs.items()} == {
        "101": "TIMEOUT",
        "102": "FAILED",
        "103": "CANCELLED",
        "104": "RUNNING",
        "105[2]": "FAILED",
        "106": "PENDING",
        "107": "SUSPENDED",
        "108": "COMPLETING",
        "109": "RUNNING",
    }


def test_several_nodes(samples: Path) -> None:
    job = read(samples, "qstat-20.json")["102.head"]
    assert job.nodes == ("node2", "node3")
    assert job.requested_memory_bytes == GIB
    assert job.max_rss_bytes is None  # a sum over the nodes
    assert (job.exit_code, job.signal, job.restarts) == (0, 9, 2)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"Exit_status": 0}, ("COMPLETED", 0, None)),
        ({"Exit_status": 3}, ("FAILED", 3, None)),
        ({"Exit_status": 137}, ("FAILED", 137, None)),
        ({"Exit_status": 267}, ("FAILED", 0, 11)),
        ({"Exit_status": 271}, ("CANCELLED", 0, 15)),
        ({"Exit_status": 265, "substate": 91}, ("CANCELLED", 0, 9)),
        ({"Exit_status": -1}, ("LAUNCH_FAILED", None, None)),
        ({"Exit_status": -4}, ("NODE_FAIL", None, None)),
        ({"Exit_status": -27}, ("OUT_OF_MEMORY", None, None)),
        ({"Exit_status": -99}, ("FAILED", None, None)),
        ({"Exit_status": "-29"}, ("TIMEOUT", None, None)),
        ({}, ("CANCELLED", None, None)),
        ({"comment": "job held, too many failed attempts to run"}, ("FAILED", None, None)),
        (
            {
                "Exit_status": 271,
                "resources_used": {"walltime": "00:10:01"},
                "Resource_List": {"walltime": "00:10:00"},
            },
            ("TIMEOUT", 0, 15),
        ),
        (
            {
                "Exit_status": -11,
                "resources_used": {"walltime": "601"},
                "Resource_List": {"walltime": "00:10:00"},
            },
            ("TIMEOUT", None, None),
        ),
        (
            {
                "Exit_status": 265,
                "resources_used": {"mem": "1048576kb"},
                "Resource_List": {"mem": "1gb"},
            },
            ("OUT_OF_MEMORY", 0, 9),
        ),
    ],
)
def test_how_a_job_ended(
    attributes: dict[str, object],
    expected: tuple[str, int | None, int | None],
) -> None:
    job = qstat.make_record("1.head", {"job_state": "F", **attributes})
    assert (job.state, job.exit_code, job.signal) == expected


def test_pbs_reasons_are_told_in_words() -> None:
    job = qstat.make_record("1", {"job_state": "F", "Exit_status": -22, "comment": "bad hook"})
    assert job.reason == "a hook of the cluster failed (bad hook)"


def test_broken_json(samples: Path) -> None:
    jobs = read(samples, "qstat-broken.json")
    assert set(jobs) == {"201.head", "202.head"}
    first = jobs["201.head"]
    # The environment holds a job_state of its own; it must not pass for the job's.
    assert (first.name, first.state, first.exit_code) == ("007", "FAILED", 1)
    assert (first.max_rss_bytes, first.requested_memory_bytes) == (5000 * 1024, 10 * GIB)
    assert jobs["202.head"].state == "OUT_OF_MEMORY"


def test_json_with_tabs(samples: Path) -> None:
    job = read(samples, "qstat-23.json")["301.head"]
    assert (job.state, job.exit_code, job.elapsed_s) == ("FAILED", 2, 60)


def test_text_before_the_json(samples: Path) -> None:
    text = "Job ID  Username\n------\n" + (samples / "qstat-20.json").read_text()
    assert "101.head" in qstat.parse_qstat_json(text)


@pytest.mark.parametrize("text", ["", "  \n", "{}", '{"timestamp": 1}'])
def test_no_jobs(text: str) -> None:
    assert qstat.parse_qstat_json(text) == {}


def test_json_that_cannot_be_read_at_all() -> None:
    with pytest.raises(SchedulerError, match="can't be read"):
        qstat.parse_qstat_json('{"Jobs":{"1.a":{"job_state":"F", "X":007}}}')


def test_text(samples: Path) -> None:
    jobs = qstat.parse_qstat_text((samples / "qstat-torque.txt").read_text())
    job = jobs["401.head"]
    assert (job.state, job.exit_code, job.elapsed_s) == ("FAILED", 139, 14)
    assert job.reason == "a long comment that goes on"
    assert job.nodes == ("node1",)
    assert jobs["402.head"].state == "PENDING"


def test_one_call_for_all_jobs(programs, samples: Path) -> None:
    programs.add_sample("qstat", "qstat-20.json")
    found = qstat.read_qstat(["101.head", "102.head", "103"])
    assert len(programs.calls()) == 1
    assert {"101.head", "102.head", "103.head"} <= {record.job_id for record in found}


def test_jobs_missing_in_the_json_are_asked_for_as_text(programs, samples: Path) -> None:
    first, torque = samples / "qstat-23.json", samples / "qstat-torque.txt"
    programs.add(
        "qstat",
        f'case "$*" in *json*) /bin/cat "{first}" ;; *) /bin/cat "{torque}" ;; esac',
    )
    found = qstat.read_qstat(["301.head", "401.head"])
    assert {"301.head", "401.head"} <= {record.job_id for record in found}
    assert programs.calls()[-1] == "qstat -x -f 401.head"


def test_unknown_jobs_are_no_error(programs) -> None:
    programs.add("qstat", "echo 'qstat: Unknown Job Id 5.head' >&2; exit 153")
    assert qstat.read_qstat(["5.head"]) == []


def test_no_server_is_one(programs) -> None:
    programs.add("qstat", "echo 'qstat: cannot connect to server head (errno=15010)' >&2; exit 1")
    with pytest.raises(SchedulerError, match="cannot connect"):
        qstat.read_qstat(["5.head"])


def test_qstat_missing(programs) -> None:
    with pytest.raises(CommandMissing):
        qstat.read_qstat(["5.head"])
