"""Checks of the schedulers: whether their programs are there and really answer."""

from __future__ import annotations

import re
import shutil

from llm_scheduler.engine import live_queue, sacct
from llm_scheduler.engine.accounting import describe_sacct_error
from llm_scheduler.engine.commands import run_command
from llm_scheduler.errors import CommandMissing, SchedulerError
from llm_scheduler.managers.doctor.check import Check
from llm_scheduler.managers.doctor.install import find_version

_LIMIT_S = 15.0
_SACCT_LIMIT_S = 20.0
_NO_SLURM = "not installed here"
_NO_CLUSTER = "the programs are installed, but this machine belongs to no cluster"
_UP = re.compile(r"Slurmctld\((\w+)\) at (\S+) is UP")


def check_slurm(name: str) -> Check:
    """Check that Slurm is installed and that its controller answers."""
    if not shutil.which("sbatch"):
        advice = "Only needed to submit from this machine; on a cluster, log in to a node with it."
        return Check(name, "missing", _NO_SLURM, advice)
    version = run_command(["sbatch", "--version"], timeout_s=_LIMIT_S).stdout.strip()
    version = version or "installed"
    try:
        done = run_command(["scontrol", "ping"], timeout_s=_LIMIT_S)
    except SchedulerError as exc:
        return Check(name, "warning", f"{version}; {exc}", "Ask the cluster's support.")
    if _is_without_cluster(done.stderr):
        return Check(name, "missing", _NO_CLUSTER, "If it should: Slurm needs its slurm.conf.")
    found = _UP.search(done.stdout)
    if not found:
        what = (done.stdout.strip() or done.first_error or "no answer").splitlines()[0]
        advice = "No job can be submitted until it is up; ask the cluster's support."
        return Check(name, "warning", f"{version}, but the controller is not up: {what}", advice)
    return Check(name, "ok", f"{version}, controller {found[2]} is up")


def check_squeue(name: str) -> Check:
    """Check that the queue can be read in the way the failure watch reads it."""
    if not shutil.which("squeue"):
        return Check(name, "missing", _NO_SLURM)
    try:
        jobs = live_queue.read_live_queue("slurm", timeout_s=_LIMIT_S)
    except SchedulerError as exc:
        if _is_without_cluster(exc.stderr):
            return Check(name, "missing", _NO_CLUSTER)
        return Check(name, "warning", str(exc), "Jobs can't be watched until squeue works.")
    return Check(name, "ok", f"answers; {_count(len(jobs), 'job')} of yours in the queue")


def check_sacct(name: str) -> Check:
    """Check that sacct gives records: on many clusters it is there and does not work."""
    if not shutil.which("sacct"):
        if not shutil.which("squeue"):
            return Check(name, "missing", _NO_SLURM)
        problem = describe_sacct_error(CommandMissing(""))
        return Check(name, "warning", *_split_sentence(problem))
    try:
        ids = _read_recent_ids()
        how = _find_format(ids[-1]) if ids else ""
    except SchedulerError as exc:
        if _is_without_cluster(exc.stderr):
            return Check(name, "missing", _NO_CLUSTER)
        return Check(name, "warning", *_split_sentence(describe_sacct_error(exc)))
    if not ids:
        return Check(name, "ok", "answers; no job of yours in the last 7 days")
    return Check(name, "ok", f"answers ({how}); {_count(len(ids), 'job')} in the last 7 days")


def _read_recent_ids() -> list[str]:
    argv = ["sacct", "-X", "-n", "-P", "-S", "now-7days", "-o", "JobIDRaw"]
    done = run_command(argv, timeout_s=_SACCT_LIMIT_S)
    if done.returncode != 0:
        raise SchedulerError(f"sacct failed: {done.first_error}", stderr=done.stderr)
    return [line for line in done.stdout.split() if line.isdigit()]


def _find_format(job_id: str) -> str:
    try:
        sacct.read_sacct([job_id], as_json=True, timeout_s=_SACCT_LIMIT_S)
    except SchedulerError:
        sacct.read_sacct([job_id], as_json=False, timeout_s=_SACCT_LIMIT_S)
        return "as a table; no JSON"
    return "JSON"


def check_pbs(name: str) -> Check:
    """Check that PBS is installed and that its server answers."""
    if not shutil.which("qstat") or not shutil.which("qsub"):
        return Check(name, "missing", "not installed here")
    try:
        version = run_command(["qstat", "--version"], timeout_s=_LIMIT_S)
        jobs = live_queue.read_live_queue("pbs", timeout_s=_LIMIT_S)
    except SchedulerError as exc:
        return Check(name, "warning", str(exc), "Ask the cluster's support if PBS is used here.")
    words = (version.stdout.strip() or version.stderr.strip() or "PBS").splitlines()[0]
    return Check(name, "ok", f"{words}; {_count(len(jobs), 'job')} of yours in the queue")


def check_mpi(name: str) -> Check:
    """Check whether MPI programs can be started."""
    bindings = find_version("mpi4py")
    python = f"mpi4py {bindings}" if bindings else "mpi4py not installed"
    program = next((p for p in ("mpirun", "mpiexec", "srun") if shutil.which(p)), None)
    if program is None:
        advice = "Only needed for MPI executors; on a cluster load its module."
        return Check(name, "missing", f"no mpirun, mpiexec or srun; {python}", advice)
    lines = run_command([program, "--version"], timeout_s=_LIMIT_S).stdout.strip().splitlines()
    return Check(name, "ok", f"{lines[0] if lines else program}; {python}")


def _is_without_cluster(stderr: str) -> bool:
    """Whether Slurm's programs found no configuration at all."""
    return "resolve_ctls_from_dns" in stderr or "Could not establish a configuration" in stderr


def _split_sentence(text: str) -> tuple[str, str]:
    """Split what is wrong from what follows of it."""
    first, _, rest = text.partition(". ")
    return first, rest


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
