"""What a run gives to its jobs, read off the schedulers."""

from __future__ import annotations

import pytest
from adaptive_scheduler.scheduler import PBS, SLURM

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.engine.resource_requests import read_request


def known(scheduler, index=0):
    return {name: value for name, value in read_request(scheduler, index).items() if value}


def fail():
    raise AssertionError("functions of the user are not called")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {}),
        ({"memory": "4GB"}, {"memory": "4GB"}),
        ({"memory": "4000"}, {"memory": "4000MB"}),
        ({"extra_scheduler": ["--time=10"]}, {"time": "00:10:00"}),
        ({"extra_scheduler": ["--time 1-0:0:0"]}, {"time": "24:00:00"}),
        ({"extra_scheduler": ["-t 30", "-x n2,n1"]}, {"time": "00:30:00", "exclude": "n1,n2"}),
        ({"extra_scheduler": ["-t30", "-p fast"]}, {"time": "00:30:00", "partition": "fast"}),
        ({"extra_scheduler": ["--mem-per-cpu=1G"], "cores": 4}, {"memory": "4GB", "cores": "4"}),
        ({"memory": "1GB", "extra_scheduler": ["--mem=2G"]}, {"memory": "2GB"}),
        ({"extra_scheduler": ["--mem=0", "--time=UNLIMITED", "--exclusive", "junk"]}, {}),
    ],
)
def test_slurm(tmp_path, programs, arguments, expected):
    scheduler = SLURM(**{"cores": 1, **arguments}, batch_folder=tmp_path)
    assert known(scheduler) == {"cores": "1", **expected}


def test_slurm_with_resources_of_each_learner(tmp_path, programs):
    scheduler = SLURM(
        cores=(1, 2, 3),
        memory=("1GB", None, fail),
        extra_scheduler=(["--time=5"], fail, []),
        batch_folder=tmp_path,
    )
    assert known(scheduler, 0) == {"cores": "1", "memory": "1GB", "time": "00:05:00"}
    assert known(scheduler, 1) == {"cores": "2"}
    assert known(scheduler, 2) == {"cores": "3"}
    assert known(scheduler, 9) == {}


def test_pbs(tmp_path, programs):
    scheduler = PBS(
        cores=1,
        cores_per_node=1,
        extra_scheduler=["-l walltime=01:30:00,mem=4gb", "-q fast", "-N x"],
        batch_folder=tmp_path,
    )
    assert known(scheduler) == {
        "cores": "1",
        "memory": "4GB",
        "time": "01:30:00",
        "partition": "fast",
    }


def test_local():
    scheduler = LocalScheduler(cores=1, memory=("1GB", 3 << 30, fail), time=("90", 45, None))
    assert known(scheduler, 0) == {"cores": "1", "memory": "1GB", "time": "01:30:00"}
    assert known(scheduler, 1) == {"cores": "1", "memory": "3GB", "time": "00:00:45"}
    assert known(scheduler, 2) == {"cores": "1"}
