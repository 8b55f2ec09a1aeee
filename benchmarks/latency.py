"""How soon a failed job is explained, and what that costs the jobs.

    python benchmarks/latency.py [--jobs 40] [--burst 500] [--starts 60] [--no-slurm]
                                 [--only-model] [--flow 200] [--rounds 9]

Every figure is printed beside the limit or the peer it is measured against, in the
same run. Jobs are small shell scripts that die with a Python traceback; on Slurm they
are real jobs of a real cluster, which is brought up when this is run as root where
Slurm is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adaptive_scheduler.server_support import RunManager as EngineRunManager

from benchmarks.failing_jobs import (
    CAUSES,
    START_LIMIT,
    Ticks,
    latencies,
    make_script,
    percentile,
)
from benchmarks.figures import report
from benchmarks.latency_models import measure_models
from llm_scheduler.engine.live_queue import read_live_queue
from tests import slurm_cluster
from tests.managers.script_jobs import ScriptScheduler, make_learners, make_run, until
from tests.managers.test_slurm_traps import ScriptSlurm

LIMIT_S = 1.0
TICK_LIMIT_S = 0.050
SLURM_INTERVAL_S = 4.0


async def explain_all(run: Any, n: int, limit_s: float = 300) -> dict[str, float]:
    """Start a run and note when each failure is explained, by attempt."""
    explained: dict[str, float] = {}

    def note() -> None:
        now = time.time()
        for failure in run.llm_manager.failures():
            if failure.diagnosis is not None:
                explained.setdefault(failure.attempt, now)

    run.llm_manager.subscribe(note)
    run.start()
    await until(lambda: len(explained) >= n, limit_s)
    await run.finished(60)
    await run.close()
    return explained


def measure_local_latency(folder: Path, n: int) -> bool:
    """From exit to diagnosis on the local scheduler, jobs ending one after another."""
    scripts = [make_script(i, before=f"sleep {0.2 * (i % 5):.1f}") for i in range(n)]
    run = make_run(folder, scripts)
    found = latencies(run, asyncio.run(explain_all(run, n)))
    name = f"local: exit to diagnosis, 95 % of {n} jobs"
    return report(name, percentile(found, 0.95), LIMIT_S, "s", digits=3)


def measure_slurm_latency(folder: Path, n: int) -> bool:
    """From exit to diagnosis on Slurm; the limit is one poll of the queue and a second."""
    scripts = [make_script(i, before=f"sleep {i % 12}") for i in range(n)]
    scheduler = ScriptSlurm(scripts, log_folder=folder / "logs", batch_folder=folder / "batch")
    run = make_run(
        folder,
        scripts,
        scheduler=scheduler,
        job_name="latency",
        job_manager_interval=SLURM_INTERVAL_S,
    )
    found = latencies(run, asyncio.run(explain_all(run, n)))
    name = f"Slurm: exit to diagnosis, 95 % of {n} jobs, poll {SLURM_INTERVAL_S:g} s"
    return report(name, percentile(found, 0.95), SLURM_INTERVAL_S + LIMIT_S, "s", digits=3)


class LateScheduler(ScriptScheduler):
    """Tells of no job's end until it may: then all ends are news at once.

    This is what one poll of a cluster's queue shows after a common cause. The jobs'
    processes have ended by then; on a cluster they never were on this machine.
    """

    may_tell = False

    def queue(self, *, me_only: bool = True) -> dict[str, dict[str, Any]]:
        """Return the queue as it was when the last job started."""
        live = super().queue(me_only=me_only)
        if self.may_tell:
            return live
        self.seen = {**getattr(self, "seen", {}), **live}
        return self.seen


def measure_burst(folder: Path, n: int) -> bool:
    """All failures become known at the same moment."""
    scripts = [make_script(i) for i in range(n)]
    scheduler = LateScheduler(
        scripts,
        max_cores=8,
        root=folder / "jobs",
        log_folder=folder / "logs",
        batch_folder=folder / "batch",
    )
    run = make_run(folder, scripts, scheduler=scheduler, max_simultaneous_jobs=n)
    ticks = Ticks()

    async def go() -> float:
        run.start()
        await until(lambda: run.job_manager.n_started == n, 600)
        await until(lambda: not super(LateScheduler, scheduler).queue(), 600)
        with ticks.watch():
            begin = time.perf_counter()
            scheduler.may_tell = True
            llm = run.llm_manager
            await until(lambda: len(llm.failures()) == n and not llm.n_pending, 600)
            took_s = time.perf_counter() - begin
            llm.groups()
        await run.finished(60)
        await run.close()
        return took_s

    took_s = asyncio.run(go())
    groups = run.llm_manager.groups()
    print(f"burst: {n} failures explained in {took_s:.1f} s")
    name = f"burst: groups of {n} failures with {len(CAUSES)} causes"
    good = report(name, len(groups), len(CAUSES), digits=3)
    good &= len(groups) == len(CAUSES)
    name = "burst: longest tick of the event loop"
    return report(name, max(ticks.wall_s), TICK_LIMIT_S, "s", digits=3) and good


def time_starts(folder: Path, n: int, *, ours: bool, slurm: bool) -> float:
    """Seconds until n jobs have been started."""
    scripts = ["sleep 60"] * n
    folders = {"log_folder": folder / "logs", "batch_folder": folder / "batch"}
    scheduler: Any = (
        ScriptSlurm(scripts, **folders)
        if slurm
        else ScriptScheduler(scripts, max_cores=1, root=folder / "jobs", **folders)
    )

    async def go() -> float:
        values = {"job_name": f"starts-{'ours' if ours else 'engine'}", "max_simultaneous_jobs": n}
        if ours:
            run = make_run(folder, scripts, scheduler=scheduler, **values)
        else:
            learners, fnames = make_learners(folder, n)
            run = EngineRunManager(
                scheduler,
                learners,
                fnames,
                url=f"ipc://{folder}/s",
                db_fname=folder / "run.db.json",
                goal=lambda _: False,
                kill_on_error=None,
                quiet=True,
                **values,
            )
        begin = time.perf_counter()
        run.start()
        await until(lambda: run.job_manager.n_started == n, 300)
        took_s = time.perf_counter() - begin
        run.cancel()
        if ours:
            await run.close()
        if slurm:  # the next round must not pay for the end of these jobs
            await until(lambda: not read_live_queue("slurm"), 300)
        return took_s

    try:
        return asyncio.run(go())
    finally:
        if not slurm:
            scheduler.close()


def measure_starts(folder: Path, n: int, *, slurm: bool, rounds: int = 9) -> bool:
    """How fast jobs are started, against the plain engine; rounds take turns."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for i in range(rounds):
        for ours in (True, False) if i % 2 else (False, True):
            inner = folder / f"{i}-{ours}"
            inner.mkdir()
            times[ours].append(time_starts(inner, n, ours=ours, slurm=slurm))
    ratio = statistics.median(times[False]) / statistics.median(times[True])
    where = "Slurm" if slurm else "local"
    name = f"{where}: rate of {n} job starts / plain engine's"
    return report(name, ratio, START_LIMIT, relation=">=", digits=3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--no-slurm", action="store_true")
    parser.add_argument("--only-model", action="store_true", help="only the part with models")
    parser.add_argument("--flow", type=int, default=200, help="jobs of each run with a model")
    parser.add_argument("--rounds", type=int, default=9, help="of the part with models")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-")))

        def folder(name: str) -> Path:
            (top / name).mkdir()
            return top / name

        os.environ["LLM_SCHEDULER_STATE_DIR"] = str(folder("state"))
        results.append(measure_models(folder("models"), arguments.flow, arguments.rounds))
        if arguments.only_model:
            return 0 if all(results) else 1
        results.append(measure_local_latency(folder("local"), arguments.jobs))
        results.append(measure_burst(folder("burst"), arguments.burst))
        results.append(measure_starts(folder("starts"), arguments.starts, slurm=False))
        missing = "--no-slurm" if arguments.no_slurm else slurm_cluster.find_why_not()
        if missing:
            print(f"Slurm: not measured: {missing}")
        else:
            cluster = slurm_cluster.SlurmCluster.start()
            stack.callback(cluster.stop)
            os.environ["SLURM_CONF"] = str(cluster.conf)
            results.append(measure_slurm_latency(folder("slurm"), arguments.jobs))
            results.append(measure_starts(folder("slurm-starts"), arguments.starts, slurm=True))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
