"""Accounting and the live queue on a real Slurm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llm_scheduler.engine.accounting import SlurmAccounting
from llm_scheduler.engine.live_queue import cancel_jobs, read_live_queue
from llm_scheduler.engine.records import JobRecord
from tests.slurm_cluster import SlurmCluster, wait_until

pytestmark = pytest.mark.slurm

EATER = "python3 -c 'x = bytearray(800_000_000)'"
ENDED = ("COMPLETED", "FAILED", "OUT_OF_MEMORY", "CANCELLED", "NODE_FAIL", "TIMEOUT")
LIMIT_S = 240.0


def wrap(slurm: SlurmCluster, folder: Path, command: str, *options: str) -> str:
    """Submit a command with its output in the folder."""
    return slurm.submit(f"--output={folder}/%j.out", *options, f"--wrap={command}")


def count_calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs before the real ones on PATH that note each call."""
    log = folder / "calls"
    for name in ("sacct", "squeue", "scontrol"):
        real, path = shutil.which(name), folder / name
        path.write_text(f'#!/bin/sh\necho {name} >>{log}\nexec {real} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return log


def await_sacct(accounting: SlurmAccounting, ids: list[str]) -> dict[str, JobRecord]:
    """Return the records once the database has the steps too."""
    found: dict[str, JobRecord] = {}

    def is_there() -> bool:
        found.update(accounting.records(ids))
        return set(found) == set(ids) and all(r.source == "sacct" for r in found.values())

    wait_until(is_there, "sacct did not have the jobs", LIMIT_S)
    return found


def test_how_jobs_ended(
    slurm: SlurmCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = {
        "one": wrap(slurm, tmp_path, "exit 1", "--job-name=a b|c=d"),
        "killed": wrap(slurm, tmp_path, "exit 137"),
        "segfault": wrap(slurm, tmp_path, "kill -SEGV $$"),
        "memory": wrap(slurm, tmp_path, EATER, "--mem=100M"),
        "step": wrap(slurm, tmp_path, f"srun {EATER}; exit 0", "--mem=100M"),
        "fine": wrap(slurm, tmp_path, "true", "--mem=120M", "--nodes=2"),
    }
    slurm.await_states(jobs.values(), ENDED)
    calls = count_calls(tmp_path, monkeypatch)
    accounting = SlurmAccounting()
    found = await_sacct(accounting, list(jobs.values()))
    assert accounting.problem == ""
    # One call of each for all jobs, however often they had to be asked.
    names = calls.read_text().split()
    assert names.count("squeue") * 2 >= len(names)
    record = {name: found[job_id] for name, job_id in jobs.items()}
    assert (record["one"].state, record["one"].exit_code) == ("FAILED", 1)
    assert record["one"].name == "a b|c=d"
    assert (record["killed"].state, record["killed"].exit_code) == ("FAILED", 137)
    assert (record["segfault"].exit_code, record["segfault"].signal) == (0, 11)
    assert record["fine"].state == "COMPLETED"
    assert len(record["fine"].nodes) == 2
    assert record["fine"].requested_memory_bytes == 120 * 1024**2
    assert record["one"].log_files == (f"{tmp_path}/{jobs['one']}.out",)
    if slurm.mode.startswith("cgroup"):
        assert record["memory"].state == "OUT_OF_MEMORY"
        assert record["step"].state == "COMPLETED"
        assert "OUT_OF_MEMORY" in {step.state for step in record["step"].steps}


def test_cancelled_requeued_and_suspended(slurm: SlurmCluster, tmp_path: Path) -> None:
    cancelled, requeued, suspended = (
        wrap(slurm, tmp_path, "sleep 600", "--requeue") for _ in range(3)
    )
    ids = [cancelled, requeued, suspended]
    try:
        slurm.await_states(ids, ["RUNNING"])
        assert {read_live_queue("slurm")[job_id].state for job_id in ids} == {"RUNNING"}
        cancel_jobs("slurm", [cancelled, "99999999"])
        slurm.run("scontrol", "requeue", requeued)
        slurm.run("scontrol", "suspend", suspended)
        slurm.await_states([cancelled], ["CANCELLED"])
        slurm.await_states([requeued], ["PENDING", "RUNNING"])
        slurm.await_states([suspended], ["SUSPENDED"])
        queue = read_live_queue("slurm")
        assert cancelled not in queue
        assert queue[suspended].state == "SUSPENDED"
        assert queue[requeued].restarts == 1
        found = await_sacct(SlurmAccounting(), ids)
        assert (found[cancelled].state, found[cancelled].is_failed) == ("CANCELLED", True)
        assert found[cancelled].cancelled_by
        assert found[suspended].is_live
        assert found[requeued].is_live
    finally:
        cancel_jobs("slurm", ids)


def test_a_node_that_fails(slurm: SlurmCluster, tmp_path: Path) -> None:
    node = slurm.nodes[-1]
    partitions = slurm.run("sinfo", "-h", "-N", "-n", node, "-o", "%R").stdout.split()
    job_id = wrap(
        slurm, tmp_path, "sleep 600", "--no-requeue", f"-w{node}", f"--partition={partitions[0]}"
    )
    try:
        slurm.await_states([job_id], ["RUNNING"])
        slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        slurm.await_states([job_id], ["NODE_FAIL"])
        found = await_sacct(SlurmAccounting(), [job_id])
        assert found[job_id].state == "NODE_FAIL"
        assert found[job_id].nodes == (node,)
    finally:
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        cancel_jobs("slurm", [job_id])


def test_array_tasks(slurm: SlurmCluster, tmp_path: Path) -> None:
    array = wrap(slurm, tmp_path, "exit $SLURM_ARRAY_TASK_ID", "--array=1-2")
    ids = [f"{array}_1", f"{array}_2"]
    slurm.await_states(ids, ENDED)
    found = await_sacct(SlurmAccounting(), ids)
    assert {job_id: record.exit_code for job_id, record in found.items()} == {ids[0]: 1, ids[1]: 2}
