"""The tests' own Slurm: it leaves nothing behind, also when the tests are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm_cluster import SlurmCluster
from tests.slurm_daemons import find_processes_with, wait_until

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slurm

KILLED_SESSION = """
import os, signal
from tests.slurm_cluster import SlurmCluster

cluster = SlurmCluster.start()
job = cluster.submit("--mem=50M", "--output=/dev/null", "--wrap=setsid sleep 9000 & sleep 9000")
cluster.await_states([job], ["RUNNING"])
print(cluster.conf, *cluster.nodes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_of_a_killed_session_beside_another(slurm: SlurmCluster) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_SESSION],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    assert done.returncode == -signal.SIGKILL
    conf, *nodes = done.stdout.split()
    assert not set(nodes) & set(slurm.nodes)

    mark = f"SLURM_CONF={conf}".encode()
    wait_until(lambda: not Path(conf).parent.parent.exists(), "the folder was not removed")
    wait_until(lambda: not list(find_processes_with(mark)), "processes were left")
    left = [path for node in nodes for path in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}")]
    assert left == []
    # The cluster beside it goes on.
    assert slurm.run("sinfo", "--noheader").stdout
