"""A real Slurm with accounting and four nodes on this machine, for as long as tests need it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.slurm_daemons import SlurmStartError, make_env, make_path, wait_until

DAEMONS = Path(__file__).with_name("slurm_daemons.py")
PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "sacct",
    "sacctmgr",
)


def find_why_not() -> str:
    """Say why Slurm can't be started here; empty when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "starting Slurm needs Linux and root"
    missing = [name for name in PROGRAMS if shutil.which(name, path=make_path()) is None]
    if missing:
        return f"not installed: {', '.join(missing)}; run .ci/system-packages"
    return ""


@dataclass
class SlurmCluster:
    """A running Slurm; `env` is what its commands need."""

    conf: Path
    nodes: tuple[str, ...]
    mode: str
    """``cgroup/v1``, ``cgroup/v2`` or ``linuxproc``: who kills for memory."""
    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> SlurmCluster:
        """Start the supervisor and wait until jobs can be submitted."""
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, DAEMONS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
            line = process.stdout.readline()
            if not line:
                process.communicate()
                errors.seek(0)
                raise SlurmStartError(errors.read())
        ready = json.loads(line)
        return cls(Path(ready["conf"]), tuple(ready["nodes"]), ready["mode"], process)

    def stop(self) -> None:
        """Stop everything and wait until it is gone."""
        self.process.stdin.close()
        self.process.wait(600)
        self.process.stdout.close()

    @property
    def env(self) -> dict[str, str]:
        """Environment in which Slurm's commands talk to this cluster."""
        return make_env(self.conf)

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=300)
        if check and done.returncode:
            raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stderr}")
        return done

    def submit(self, *args: str | Path) -> str:
        """Submit with ``sbatch``; return the job's id."""
        return self.run("sbatch", "--parsable", *map(str, args)).stdout.strip().split(";")[0]

    def states(self, job_ids: Iterable[str] = ()) -> dict[str, str]:
        """States of jobs as the controller knows them."""
        wanted = set(job_ids)
        table = self.run("squeue", "--noheader", "--states=all", "--format=%i %T").stdout
        rows = (line.split() for line in table.splitlines())
        return {row[0]: row[1] for row in rows if not wanted or row[0] in wanted}

    def await_states(
        self, job_ids: Iterable[str], states: Iterable[str], timeout_s: float = 300.0
    ) -> dict[str, str]:
        """Wait until each job is in one of `states`; return the states."""
        wanted, accepted, seen = set(job_ids), set(states), {}

        def are_there() -> bool:
            seen.update(self.states(wanted))
            return all(seen.get(job_id) in accepted for job_id in wanted)

        try:
            wait_until(are_there, f"jobs were not in {sorted(accepted)}", timeout_s)
        except SlurmStartError as exc:
            late = {
                job_id: seen.get(job_id) for job_id in wanted if seen.get(job_id) not in accepted
            }
            raise TimeoutError(f"{exc}: {late}") from exc
        return seen
