"""Runs all cases on a real Slurm at once and plays the scheduler's part in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.programs.workshop import BuiltCase
from tests.slurm_cluster import SlurmCluster
from tests.slurm_daemons import wait_until

FINAL_STATES = (
    "COMPLETED",
    "FAILED",
    "OUT_OF_MEMORY",
    "TIMEOUT",
    "CANCELLED",
    "PREEMPTED",
    "NODE_FAIL",
)
WAITING_EVENTS = ("time_limit", "cancel", "preempt", "requeue", "node_down")


@dataclass
class SlurmRun:
    """The jobs of one run: ids by name of the case, and the words of refusals."""

    slurm: SlurmCluster
    job_ids: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def submit(self, built: BuiltCase) -> None:
        """Hand one case to ``sbatch``."""
        case = built.case
        options = [
            f"--job-name={case.name}",
            f"--output={built.log}",
            f"--chdir={built.folder}",
            f"--mem={case.memory_mb}M",
            *case.sbatch,
        ]
        done = self.slurm.run("sbatch", "--parsable", *options, str(built.script), check=False)
        if done.returncode:
            self.refusals[case.name] = done.stderr
        else:
            self.job_ids[case.name] = done.stdout.strip()

    def conduct(self, cases: Iterable[BuiltCase]) -> None:
        """Wait for the jobs that something is to happen to, and make it happen."""
        by_event = defaultdict(list)
        for built in cases:
            if built.case.name in self.job_ids:
                by_event[built.case.event].append(built)
        waiting = [built for event in WAITING_EVENTS for built in by_event[event]]
        self.slurm.await_states(self.ids_of(waiting), {"RUNNING"})
        wait_until(lambda: all(_is_ready(built) for built in waiting), "jobs were not ready")
        for job_id in self.ids_of(by_event["time_limit"]):
            # Slurm's limits are whole minutes; the end of a running job can be moved.
            self.slurm.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+2")
        self.slurm.run("scancel", *self.ids_of(by_event["cancel"] + by_event["cancel_pending"]))
        self.slurm.run("scontrol", "requeue", ",".join(self.ids_of(by_event["requeue"])))
        node = self.slurm.nodes[3]
        self.slurm.run("scontrol", "update", f"NodeName={node}", "State=down", "Reason=test")
        self.preempt()

    def ids_of(self, cases: Iterable[BuiltCase]) -> list[str]:
        return [self.job_ids[built.case.name] for built in cases]

    def preempt(self) -> None:
        """Submit a job that needs a whole node on which jobs of lower rank run."""
        self.slurm.run(
            "sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=true"
        )

    def finish(self, timeout_s: float = 300.0) -> None:
        """Wait until all jobs have ended; end those that hang, so that only they fail."""
        try:
            self.slurm.await_states(self.job_ids.values(), FINAL_STATES, timeout_s)
        except TimeoutError:
            self.slurm.run("scancel", *self.job_ids.values())
            self.slurm.await_states(self.job_ids.values(), FINAL_STATES, timeout_s)
        finally:
            # Refused where the node came back by itself.
            node = self.slurm.nodes[3]
            self.slurm.run("scontrol", "update", f"NodeName={node}", "State=resume", check=False)


def _is_ready(built: BuiltCase) -> bool:
    if not built.case.ready:
        return True
    return built.log.exists() and built.case.ready in built.log.read_text(errors="replace")


def run_on_slurm(slurm: SlurmCluster, cases: Mapping[str, BuiltCase]) -> SlurmRun:
    """Submit all cases at once and wait for their ends."""
    run = SlurmRun(slurm)
    for built in cases.values():
        run.submit(built)
    run.conduct(cases.values())
    run.finish()
    return run
