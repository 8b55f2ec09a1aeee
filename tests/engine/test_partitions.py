"""Partitions as Slurm and PBS list them."""

from __future__ import annotations

import pytest

from llm_scheduler.engine.partitions import parse_queues, parse_sinfo, read_partitions
from llm_scheduler.errors import CommandMissing, SchedulerError

SINFO = """\
long|long|up|infinite|128000|64|10
debug|debug*|up|1:00:00|4000|8|2
long|long|up|infinite|512000+|32|1
old|old|down|2-00:00:00|1000|4|3
an odd line
"""
QUEUES = """\
Queue              Max   Tot Ena Str   Que   Run   Hld   Wat   Trn   Ext Type
---------------- ----- ----- --- --- ----- ----- ----- ----- ----- ----- ----
workq                0     2 yes yes     0     2     0     0     0     0 Exec
closed               0     0  no yes     0     0     0     0     0     0 Exec
"""


def test_rows_of_one_partition_are_joined():
    debug, long, old = parse_sinfo(SINFO)
    assert (debug.name, debug.is_default, debug.time_limit_s) == ("debug", True, 3600)
    assert (long.memory_bytes, long.cores, long.n_nodes) == (512000 << 20, 64, 11)
    assert long.time_limit_s is None
    assert debug.describe() == (
        "debug (default): 2 nodes, up to 8 cores, 3.9 GB a node, at most 1 h"
    )
    assert old.describe().startswith("old: down, 3 nodes")


def test_queues_of_pbs():
    closed, workq = parse_queues(QUEUES)
    assert (closed.name, closed.is_up) == ("closed", False)
    assert workq.describe() == "workq: up"


def test_reading_them(programs):
    programs.add("sinfo", f"printf '%s' '{SINFO}'")
    assert [partition.name for partition in read_partitions("slurm")] == ["debug", "long", "old"]
    assert read_partitions("local") == []


def test_a_scheduler_that_does_not_answer(programs):
    with pytest.raises(CommandMissing):
        read_partitions("slurm")
    programs.add("qstat", "echo 'cannot connect to server' >&2; exit 1")
    with pytest.raises(SchedulerError, match="cannot connect"):
        read_partitions("pbs")
