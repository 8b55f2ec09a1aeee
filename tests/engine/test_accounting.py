"""Accounting: one call for many jobs, the fresher word counts, and nothing is raised."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.engine import accounting
from llm_scheduler.engine.records import JobRecord, StepRecord
from llm_scheduler.errors import UsageError

FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
DISABLED = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_one_call_of_each_program_for_all_jobs(programs) -> None:
    programs.add_sample("sacct", "sacct-24.11.json")
    programs.add("squeue", FORGOTTEN)
    slurm = accounting.SlurmAccounting()
    found = slurm.records([str(number) for number in range(1, 301)])
    assert set(found) == {"1", "2", "3"}
    assert len(programs.calls("sacct")) == 1
    assert len(programs.calls("squeue")) == 1
    assert slurm.problem == ""


def test_the_controller_tells_the_exit_code_that_22_05_does_not(programs) -> None:
    programs.add_sample("sacct", "sacct-22.05-arrays.json")
    programs.add_sample("squeue", "squeue-22.05.txt")
    found = accounting.SlurmAccounting().records(["1", "2", "4", "19", "20", "22_1", "24"])
    assert found["19"].exit_code == 137
    assert found["22_1"] == found["24"]
    # Those that the controller forgot are looked up in the table, with one more call.
    assert (found["1"].exit_code, found["4"].exit_code) == (None, None)
    assert len(programs.calls("sacct")) == 2


def test_the_table_tells_the_exit_code_where_the_controller_forgot(programs, samples: Path) -> None:
    json_file, table = samples / "sacct-22.05-arrays.json", samples / "sacct-22.05-table.txt"
    programs.add(
        "sacct",
        f'case "$*" in *--json*) /bin/cat "{json_file}" ;; *) /bin/cat "{table}" ;; esac',
    )
    programs.add("squeue", FORGOTTEN)
    found = accounting.SlurmAccounting().records(["1", "4", "5_2", "7"])
    assert {job_id: record.exit_code for job_id, record in found.items()} == {
        "1": 1,
        "4": 3,
        "5_2": 2,
        "7": 0,
    }
    assert found["4"].steps[0].exit_code == 3
    assert len(programs.calls("sacct")) == 2


def test_sacct_without_json(programs, samples: Path) -> None:
    table = samples / "sacct-22.05-table.txt"
    programs.add(
        "sacct",
        f"""case "$*" in
*--json*) echo "sacct: unrecognized option '--json'" >&2; exit 1 ;;
*) /bin/cat "{table}" ;;
esac""",
    )
    programs.add("squeue", FORGOTTEN)
    slurm = accounting.SlurmAccounting()
    assert slurm.records(["4"])["4"].exit_code == 3
    assert slurm.problem == ""
    slurm.records(["4"])
    assert sum("--json" in call for call in programs.calls("sacct")) == 1


def test_disabled_accounting_is_remembered_and_tried_again(programs) -> None:
    programs.add("sacct", DISABLED)
    programs.add_sample("squeue", "squeue-22.05.txt")
    clock = Clock()
    slurm = accounting.SlurmAccounting(clock=clock)
    assert slurm.records(["19"])["19"].source == "squeue"
    assert "keeps no accounting" in slurm.problem
    slurm.records(["19"])
    assert len(programs.calls("sacct")) == 1
    clock.now_s = accounting.SACCT_RETRY_S + 1
    programs.add_sample("sacct", "sacct-22.05-arrays.json")
    assert slurm.records(["1"])["1"].source == "sacct"
    assert slurm.problem == ""


def test_scontrol_stands_in_for_squeue(programs) -> None:
    programs.add("sacct", DISABLED)
    programs.add("squeue", "echo 'squeue: error: Invalid job format specification' >&2; exit 1")
    programs.add_sample("scontrol", "scontrol-22.05-oneline.txt")
    found = accounting.SlurmAccounting().records([str(number) for number in range(1, 100)])
    assert found["2"].exit_code == 137
    assert found["2"].source == "scontrol"
    assert len(programs.calls("scontrol")) == 1


def test_nothing_is_installed(programs) -> None:
    slurm = accounting.SlurmAccounting()
    assert slurm.records(["1"]) == {}
    assert "sacct is not installed" in slurm.problem
    assert "check `squeue`" in slurm.problem


def test_a_sacct_that_hangs(programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.add("sacct", "exec /bin/sleep 1000")
    programs.add_sample("squeue", "squeue-22.05.txt")
    read_sacct = accounting.sacct.read_sacct
    # Squeue, which is to answer, has all the time.
    monkeypatch.setattr(
        accounting.sacct,
        "read_sacct",
        lambda ids, *, as_json, timeout_s: read_sacct(ids, as_json=as_json, timeout_s=0.5),
    )
    slurm = accounting.SlurmAccounting()
    assert slurm.records(["19"])["19"].exit_code == 137
    assert "did not answer in time" in slurm.problem


def test_a_controller_that_is_down_is_asked_again_later(programs) -> None:
    programs.add_sample("sacct", "sacct-24.11.json")
    programs.add("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    programs.add("scontrol", "exit 1")
    clock = Clock()
    slurm = accounting.SlurmAccounting(clock=clock)
    assert slurm.records(["1"])["1"].state == "OUT_OF_MEMORY"
    assert "could not be asked" in slurm.problem
    slurm.records(["1"])
    assert len(programs.calls("squeue")) == 1
    assert programs.calls("scontrol") == []
    clock.now_s = accounting.CONTROLLER_RETRY_S + 1
    programs.add("squeue", FORGOTTEN)
    slurm.records(["1"])
    assert slurm.problem == ""


@pytest.mark.parametrize("ids", [[], [""], ["None"], ["--all"], [" "]])
def test_no_ids_no_call(programs, ids: list[str]) -> None:
    programs.add("sacct", "exit 1")
    assert accounting.SlurmAccounting().records(ids) == {}
    assert programs.calls() == []


def record(state: str, **more: object) -> JobRecord:
    return JobRecord.model_validate({"job_id": "1", "state": state, **more})


def test_merge_takes_the_end_from_the_controller_and_the_steps_from_sacct() -> None:
    step = StepRecord(step_id="batch", max_rss_bytes=7)
    start = "2026-01-01T00:00:00Z"
    stored = record(
        "RUNNING", started_at=start, steps=(step,), max_rss_bytes=7, elapsed_s=5, source="sacct"
    )
    current = record(
        "FAILED", started_at=start, exit_code=3, ended_at="2026-01-01T00:01:00Z", elapsed_s=60
    )
    merged = accounting.merge_records(stored, current)
    assert (merged.state, merged.exit_code, merged.elapsed_s) == ("FAILED", 3, 60)
    assert (merged.steps, merged.max_rss_bytes) == ((step,), 7)
    assert merged.ended_at is not None


def test_merge_does_not_mix_two_attempts() -> None:
    stored = record("NODE_FAIL", started_at="2026-01-01T00:00:00Z", max_rss_bytes=7, exit_code=1)
    current = record("PENDING", restarts=1)
    assert accounting.merge_records(stored, current) == current


def test_merge_with_one_side() -> None:
    job = record("FAILED")
    assert accounting.merge_records(job, None) == job
    assert accounting.merge_records(None, job) == job


def test_pbs(programs) -> None:
    programs.add_sample("qstat", "qstat-20.json")
    pbs = accounting.make_accounting("pbs")
    found = pbs.records(["101", "102.head", "103.head.example.org", "999"])
    assert {job_id: r.state for job_id, r in found.items()} == {
        "101": "TIMEOUT",
        "102.head": "FAILED",
        "103.head.example.org": "CANCELLED",
    }
    assert pbs.problem == ""


def test_pbs_that_does_not_answer(programs) -> None:
    pbs = accounting.PBSAccounting()
    assert pbs.records(["101"]) == {}
    assert "check `qstat -x`" in pbs.problem


class Keeper:
    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def records(self, job_ids: list[str]) -> dict[str, JobRecord]:
        if self.broken:
            raise OSError("gone")
        return {"1": record("FAILED")}


def test_a_scheduler_with_records_of_its_own() -> None:
    local = accounting.make_accounting(Keeper())
    assert local.name == "local"
    assert set(local.records(["1", "2"])) == {"1"}


def test_a_scheduler_whose_records_break() -> None:
    local = accounting.make_accounting(Keeper(broken=True))
    assert local.records(["1"]) == {}
    assert "gone" in local.problem


def test_engine_schedulers() -> None:
    from adaptive_scheduler.scheduler import PBS, SLURM

    class MySlurm(SLURM):
        pass

    # The engine's constructors ask the cluster, which is not there.
    assert accounting.make_accounting(MySlurm.__new__(MySlurm)).name == "slurm"
    assert accounting.make_accounting(PBS.__new__(PBS)).name == "pbs"
    other = accounting.make_accounting(object())
    assert other.records(["1"]) == {}
    assert "keeps no records" in other.problem


def test_unknown_kind() -> None:
    with pytest.raises(UsageError, match="'lsf' is unknown"):
        accounting.make_accounting("lsf")
