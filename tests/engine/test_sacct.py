"""``sacct``: the JSON of two versions, the table, and what each gets wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_scheduler.engine import sacct
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CommandMissing, SchedulerError

MIB = 1024**2


def read(samples: Path, name: str) -> dict[str, JobRecord]:
    return sacct.parse_sacct_json((samples / name).read_text())


def test_22_05(samples: Path) -> None:
    jobs = read(samples, "sacct-22.05.json")
    assert len(jobs) == 22
    timeout = jobs["1"]
    assert (timeout.state, timeout.signal) == ("TIMEOUT", 15)
    assert (timeout.elapsed_s, timeout.time_limit_s) == (87, 60)
    assert timeout.requested_memory_bytes == 256 * MIB
    assert timeout.max_rss_bytes == 401408
    assert timeout.nodes == ("n1",)
    assert timeout.started_at == datetime.fromtimestamp(1795202847, UTC)
    assert timeout.name == "tl.sh"
    assert timeout.source == "sacct"
    assert (jobs["20"].state, jobs["20"].exit_code, jobs["20"].signal) == ("OUT_OF_MEMORY", 0, 125)


def test_22_05_does_not_tell_exit_codes_of_failures(samples: Path) -> None:
    job = read(samples, "sacct-22.05.json")["9"]
    assert (job.state, job.exit_code, job.signal) == ("FAILED", None, None)
    assert sacct.has_unknown_exit(job)


def test_a_completed_job_keeps_its_killed_step(samples: Path) -> None:
    job = read(samples, "sacct-22.05.json")["21"]
    assert job.state == "COMPLETED"
    assert {step.step_id: step.state for step in job.steps} == {
        "batch": "COMPLETED",
        "0": "OUT_OF_MEMORY",
    }
    assert not job.is_failed


def test_who_cancelled_is_told(samples: Path) -> None:
    jobs = read(samples, "sacct-22.05.json")
    assert (jobs["22"].state, jobs["22"].cancelled_by) == ("CANCELLED", "root")
    assert jobs["6"].nodes == ()


def test_24_11(samples: Path) -> None:
    jobs = read(samples, "sacct-24.11.json")
    oom, failed, done = jobs["1"], jobs["2"], jobs["3"]
    assert (oom.state, oom.exit_code, oom.signal) == ("OUT_OF_MEMORY", 0, 125)
    assert oom.requested_memory_bytes == 60 * MIB
    assert oom.log_files == ("/tmp/m.1.out",)
    assert oom.steps[0].step_id == "batch"
    assert oom.steps[0].state == "OUT_OF_MEMORY"
    assert (failed.state, failed.exit_code, failed.signal) == ("FAILED", 3, None)
    assert failed.requested_memory_bytes == 256 * MIB
    assert (done.state, done.exit_code, done.reason) == ("COMPLETED", 0, "")


def test_arrays_het_jobs_and_requeued_ones(samples: Path) -> None:
    text = (samples / "sacct-22.05-arrays.json").read_text()
    jobs = sacct.parse_sacct_json(text)
    assert {"5_1", "5_2", "5_3", "12+0", "12+1"} <= set(jobs)
    assert jobs["11"].nodes == ("n3", "n4")
    assert jobs["11"].requested_memory_bytes == 200 * MIB
    # Requeued: the last attempt counts, the earlier one is kept when asked for.
    assert (jobs["9"].state, jobs["9"].restarts, jobs["9"].exit_code) == ("PENDING", 1, None)
    attempts = [a.record.state for a in sacct.parse_sacct_attempts(text) if a.raw_id == "9"]
    assert attempts == ["REQUEUED", "PENDING"]
    assert {a.raw_id for a in sacct.parse_sacct_attempts(text) if a.record.job_id == "5_2"} == {
        "16"
    }


def test_the_table_agrees_with_the_json(samples: Path) -> None:
    table = sacct.parse_sacct_table((samples / "sacct-22.05-table.txt").read_text())
    from_json = read(samples, "sacct-22.05-arrays.json")
    assert set(table) == set(from_json)
    told_otherwise = {"exit_code", "signal", "cancelled_by", "steps"}
    del from_json["9"]  # it went on between the two
    for job_id, record in from_json.items():
        row = table[job_id]
        for field in set(JobRecord.model_fields) - told_otherwise:
            assert getattr(row, field) == getattr(record, field), (job_id, field)
        assert [s.step_id for s in row.steps] == [s.step_id for s in record.steps]


def test_the_table_tells_exit_codes(samples: Path) -> None:
    table = sacct.parse_sacct_table((samples / "sacct-22.05-table.txt").read_text())
    assert (table["1"].exit_code, table["1"].name) == (1, "na me=x|y")
    assert (table["3"].exit_code, table["3"].signal) == (0, 11)
    assert (table["8"].state, table["8"].cancelled_by) == ("CANCELLED", "0")
    assert table["7"].steps[1].state == "OUT_OF_MEMORY"


def test_a_line_break_in_a_name_does_no_harm() -> None:
    row = dict.fromkeys(sacct.TABLE_FIELDS, "")
    row |= {"JobID": "5", "JobIDRaw": "5", "State": "FAILED", "ExitCode": "1:0"}
    line = sacct.TABLE_SEPARATOR.join(row.values())
    found = sacct.parse_sacct_table(f"{line}first\n6|COMPLETED\n{line.replace('5', '7')}\n")
    assert set(found) == {"5", "7"}
    assert found["5"].name == "first"


def test_memory_for_each_processor() -> None:
    row = dict.fromkeys(sacct.TABLE_FIELDS, "")
    row |= {"JobID": "5", "State": "FAILED", "ReqMem": "2Gc", "ReqTRES": "cpu=4,node=1"}
    text = sacct.TABLE_SEPARATOR.join(row.values())
    assert sacct.parse_sacct_table(text)["5"].requested_memory_bytes == 8 * 1024 * MIB


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", '{"errors": [{"error": "down"}]}'])
def test_what_is_no_answer_is_an_error(text: str) -> None:
    with pytest.raises(SchedulerError, match="sacct --json"):
        sacct.parse_sacct_json(text)


def test_strange_values_are_left_out() -> None:
    job = {
        "job_id": 1,
        "state": {"current": None},
        "time": [],
        "steps": [None, {"step": 3, "tres": {"requested": {"max": ["x", {"type": "mem"}]}}}],
        "nodes": 7,
        "exit_code": "x",
        "name": None,
    }
    record = sacct.parse_sacct_json(json.dumps({"jobs": [job, {}, None]}))["1"]
    assert (record.state, record.exit_code, record.max_rss_bytes) == ("UNKNOWN", None, None)


def test_many_ids_are_asked_for_in_few_calls(programs, samples: Path) -> None:
    programs.add_sample("sacct", "sacct-24.11.json")
    ids = [str(number) for number in range(1, 1001)]
    sacct.read_sacct(ids, as_json=True)
    calls = programs.calls("sacct")
    assert len(calls) == 3
    asked = [call.split(" -j ")[1].split()[0].split(",") for call in calls]
    assert [job_id for part in asked for job_id in part] == ids


def test_the_users_formats_do_not_disturb(programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_TIME_FORMAT", "%s")
    monkeypatch.setenv("SACCT_FORMAT", "JobID")
    programs.add(
        "sacct",
        """printf '{"jobs": [], "x": "%s%s"}' "$SLURM_TIME_FORMAT$SACCT_FORMAT"
[ -z "$SLURM_TIME_FORMAT$SACCT_FORMAT" ]""",
    )
    assert sacct.read_sacct(["1"], as_json=True) == []


def test_a_bounded_range_of_dates_is_tried_again(programs) -> None:
    programs.add(
        "sacct",
        """case "$*" in
*now-30days*) printf '{"jobs": []}' ;;
*) echo "sacct: error: Too wide of a date range in query" >&2; exit 1 ;;
esac""",
    )
    assert sacct.read_sacct(["1"], as_json=True) == []
    assert len(programs.calls("sacct")) == 2


def test_sacct_missing(programs) -> None:
    with pytest.raises(CommandMissing):
        sacct.read_sacct(["1"], as_json=True)
