"""What the scheduler tells tools, with programs that stand for Slurm's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.errors import ToolError
from llm_scheduler.managers.cluster_facts import ClusterFacts

ROWS = "debug|debug*|up|1:00:00|4000|8|2\nlong|long|up|infinite|8000|8|2\n"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that makes a program; nothing else is on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, text: str, status: int = 0) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\nexit {status}\n")
        path.chmod(0o755)

    return make


def test_limits_of_the_partition_of_a_job(program):
    program("sinfo", ROWS)
    cluster = ClusterFacts("slurm")
    default, long = cluster.limits(""), cluster.limits("long")
    assert (default.memory_bytes, default.time_s) == (4000 << 20, 3600)
    assert (long.memory_bytes, long.time_s, long.where) == (8000 << 20, None, "partition 'long'")
    both = cluster.limits("debug,long")
    assert (both.memory_bytes, both.time_s) == (8000 << 20, None)
    assert cluster.limits("nowhere").memory_bytes is None


def test_partitions_are_asked_for_once_a_minute(program):
    now = [0.0]
    cluster = ClusterFacts("slurm", clock=lambda: now[0])
    program("sinfo", ROWS)
    assert len(cluster.partitions()) == 2
    program("sinfo", ROWS.splitlines()[0])
    now[0] = 59.0
    assert len(cluster.partitions()) == 2
    now[0] = 61.0
    assert len(cluster.partitions()) == 1


def test_a_scheduler_that_does_not_answer(program):
    cluster = ClusterFacts("slurm")
    assert cluster.limits("debug").memory_bytes is None  # it refuses itself what is too much
    with pytest.raises(ToolError, match="can't be run"):
        cluster.partitions()
    program("squeue", "", 1)
    with pytest.raises(ToolError, match="The queue can't be read"):
        cluster.queue(lambda job_id, name: True)
    with pytest.raises(ToolError, match="is not kept"):
        cluster.job_script("7", Path("/nowhere/run.sbatch"))


def test_a_scheduler_that_is_not_known():
    with pytest.raises(ToolError, match="only be seen in its own process"):
        ClusterFacts("").queue(lambda job_id, name: True)
    assert ClusterFacts("").partitions() == []
    assert ClusterFacts("").limits("").settable == ()


def test_this_machine(tmp_path):
    scheduler = LocalScheduler(cores=1, max_cores=3, max_memory="2GB", root=tmp_path)
    cluster = ClusterFacts("local", scheduler)
    assert cluster.limits("").memory_bytes == 2 << 30
    assert cluster.limits("").settable == ("memory", "time")
    assert cluster.partitions() == ["this machine: 3 cores, 2.0 GB of memory"]
    assert cluster.queue(lambda job_id, name: True) == []
