"""How soon a failed job is explained, and what that costs the jobs.

    python benchmarks/latency.py [--jobs 40] [--burst 500] [--starts 60] [--no-slurm]
                                 [--only-model]

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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adaptive_scheduler.server_support import RunManager as EngineRunManager

from llm_scheduler.config import LLMSettings
from llm_scheduler.engine.live_queue import read_live_queue
from llm_scheduler.testing.scripted_model import ScriptedModel, fault, hang, repeat
from tests import slurm_cluster
from tests.managers.script_jobs import ScriptScheduler, make_learners, make_run, until
from tests.managers.test_slurm_traps import ScriptSlurm

CAUSES = (
    ("NameError", "name 'spectrun' is not defined"),
    ("KeyError", "'mu'"),
    ("ModuleNotFoundError", "No module named 'kwant'"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'lead.h5'"),
    ("ZeroDivisionError", "division by zero"),
)
LIMIT_S = 1.0
TICK_LIMIT_S = 0.050
START_LIMIT = 0.95
SLURM_INTERVAL_S = 4.0


def make_script(index: int, *, before: str = "") -> str:
    """Return a script that ends with one of five tracebacks and notes the time of its end."""
    name, message = CAUSES[index % len(CAUSES)]
    return (
        f"{before}\n"
        "cat <<'LOG'\n"
        "Traceback (most recent call last):\n"
        f'  File "/home/ann/model.py", line {12 + index % len(CAUSES)}, in energy\n'
        "    return spectrum(x)\n"
        f"{name}: {message}\n"
        "LOG\n"
        'echo "ended at $(date +%s.%N)"\nexit 1\n'
    )


class Ticks:
    """Times every callback that the event loop runs."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []

    @contextmanager
    def watch(self):
        """Time what runs inside."""
        run = asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            begin = time.perf_counter()
            run(handle)
            self.wall_s.append(time.perf_counter() - begin)

        asyncio.events.Handle._run = timed
        try:
            yield self
        finally:
            asyncio.events.Handle._run = run


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


def latencies(run: Any, explained: dict[str, float]) -> list[float]:
    """Seconds from the end of each job, as it noted it itself, to its diagnosis."""
    found = []
    for failure in run.llm_manager.failures():
        text = Path(failure.log_files[0]).read_text()
        ended_at = float(text.rpartition("ended at ")[2])
        found.append(explained[failure.attempt] - ended_at)
    return sorted(found)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of sorted values does not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def report(name: str, value: float, limit: float, unit: str, *, at_most: bool = True) -> bool:
    """Print a figure beside its limit."""
    good = value <= limit if at_most else value >= limit
    sign = "<=" if at_most else ">="
    ratio = value / limit
    verdict = "ok" if good else "NOT REACHED"
    print(f"{name:<58} {value:8.3f} {unit:<2} ({sign} {limit:g}; ratio {ratio:.2f}) {verdict}")
    return good


def measure_local_latency(folder: Path, n: int) -> bool:
    """From exit to diagnosis on the local scheduler, jobs ending one after another."""
    scripts = [make_script(i, before=f"sleep {0.2 * (i % 5):.1f}") for i in range(n)]
    run = make_run(folder, scripts)
    found = latencies(run, asyncio.run(explain_all(run, n)))
    return report(
        f"local: exit to diagnosis, 95 % of {n} jobs", percentile(found, 0.95), LIMIT_S, "s"
    )


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
    return report(name, percentile(found, 0.95), SLURM_INTERVAL_S + LIMIT_S, "s")


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
    good = report(
        f"burst: groups of {n} failures with {len(CAUSES)} causes", len(groups), len(CAUSES), ""
    )
    good &= len(groups) == len(CAUSES)
    return (
        report("burst: longest tick of the event loop", max(ticks.wall_s), TICK_LIMIT_S, "s")
        and good
    )


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
    return report(name, ratio, START_LIMIT, "", at_most=False)


def run_with(folder: Path, n: int, model: ScriptedModel | None) -> dict[str, float]:
    """Start n jobs that fail while some model, or none, is asked about them."""
    scripts = [make_script(i, before=f"sleep {0.2 * (i % 5):.1f}") for i in range(n)]
    llm: Any = "offline"
    if model is not None:
        llm = LLMSettings(model="scripted", base_url=model.base_url, api_key="none")
    run = make_run(folder, scripts, max_simultaneous_jobs=n, llm=llm)
    ticks = Ticks()

    async def go() -> dict[str, float]:
        explained: dict[str, float] = {}

        def note() -> None:
            for failure in run.llm_manager.failures():
                if failure.diagnosis is not None:
                    explained.setdefault(failure.attempt, time.time())

        run.llm_manager.subscribe(note)
        with ticks.watch():
            begin = time.perf_counter()
            run.start()
            await until(lambda: run.job_manager.n_started == n, 300)
            started_s = time.perf_counter() - begin
            await until(lambda: len(explained) == n, 300)
        if model is not None:
            await until(lambda: model.requests, 60)  # else this would measure nothing
        found = latencies(run, explained)
        run.cancel()
        await run.close()
        return {
            "job starts": started_s,
            "exit to diagnosis": percentile(found, 0.95),
            "ticks of the event loop": percentile(sorted(ticks.wall_s), 0.99),
        }

    try:
        return asyncio.run(go())
    finally:
        run.scheduler.close()


def measure_models(folder: Path, n: int, rounds: int = 7) -> bool:
    """Measure what a model that hangs, or always fails, costs the jobs; rounds take turns."""
    kinds = ("none", "hangs", "fails")
    measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for i in range(rounds):
        for kind in kinds[i % 3 :] + kinds[: i % 3]:
            inner = folder / f"{i}-{kind}"
            inner.mkdir()
            if kind == "none":
                measured[kind].append(run_with(inner, n, None))
                continue
            model = ScriptedModel()
            model.script(repeat(hang() if kind == "hangs" else fault(500)))
            try:
                measured[kind].append(run_with(inner, n, model))
            finally:
                model.close()
    good = True
    for name in measured["none"][0]:
        alone, *others = (statistics.median(got[name] for got in measured[k]) for k in kinds)
        for kind, value in zip(kinds[1:], others, strict=True):
            text = f"a model that {kind}: {name}, without / with"
            good &= report(text, alone / value, START_LIMIT, "", at_most=False)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--no-slurm", action="store_true")
    parser.add_argument("--only-model", action="store_true", help="only the part with models")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-")))

        def folder(name: str) -> Path:
            (top / name).mkdir()
            return top / name

        os.environ["LLM_SCHEDULER_STATE_DIR"] = str(folder("state"))
        results.append(measure_models(folder("models"), arguments.jobs))
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
