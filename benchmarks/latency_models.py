"""What a model that hangs, or always fails, costs the jobs of a run; part of `latency.py`."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.failing_jobs import (
    CAUSES,
    START_LIMIT,
    Ticks,
    latencies,
    make_script,
    percentile,
)
from benchmarks.figures import report
from llm_scheduler.config import LLMSettings
from llm_scheduler.testing.scripted_model import ScriptedModel, fault, hang, repeat
from tests.managers.script_jobs import make_run, until

N_EARLY = 5
"""Jobs that fail before anything is timed, so that the model is asked."""
N_AT_ONCE = 8


def serve(kind: str) -> None:
    """Be a model that hangs or always fails, until standard input ends; tell each request."""

    def step(request: Any) -> Any:
        print(request.number, flush=True)
        return hang() if kind == "hangs" else fault(500)

    with ScriptedModel() as model:
        model.script(repeat(step))
        print(model.base_url, flush=True)
        sys.stdin.read()
        os._exit(0)  # what hangs is not waited for


class OtherModel:
    """The scripted model in a process of its own, as it must not take from our loop's time."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, __file__, kind]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.base_url = self.process.stdout.readline().strip()
        self.n_requests = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        assert self.process.stdout is not None
        for _ in self.process.stdout:
            self.n_requests += 1

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def flow_script(index: int, gate: Path) -> str:
    """Return a job that fails as soon as the gate is open; the first ones do not wait.

    Every 20 jobs a cause comes that was not there before, so that the model has to be asked.
    """
    name, message = CAUSES[index % len(CAUSES)]
    word = "".join(chr(ord("a") + int(digit)) for digit in str(index // 20))
    wait = "" if index < N_EARLY else f"until [ -e '{gate}' ]; do sleep 0.2; done\n"
    return wait + make_script(index).replace(f"{name}: {message}", f"{name}: {message} {word}")


@dataclass
class Flow:
    """What was measured while jobs flowed; all times in seconds."""

    job_start_s: list[float] = field(default_factory=list)  # one of each run: a start's mean
    to_diagnosis_s: list[float] = field(default_factory=list)  # from exit, of each job
    ticks_s: list[float] = field(default_factory=list)  # of the event loop

    def take(self, other: Flow) -> None:
        """Add what another run measured."""
        self.job_start_s += other.job_start_s
        self.to_diagnosis_s += other.to_diagnosis_s
        self.ticks_s += other.ticks_s

    def figures(self) -> dict[str, float]:
        """Return the figures of all runs together, by name."""
        return {
            "seconds a job start": statistics.median(self.job_start_s),
            "exit to diagnosis, 95 %": percentile(sorted(self.to_diagnosis_s), 0.95),
            "ticks of the loop, 99 %": percentile(sorted(self.ticks_s), 0.99),
        }


def run_with(folder: Path, n: int, model: OtherModel | None) -> Flow:
    """Time jobs that start and fail while a model that was asked hangs or fails."""
    gate = folder / "gate"
    scripts = [flow_script(i, gate) for i in range(n)]
    llm: Any = "offline"
    if model is not None:
        llm = LLMSettings(model="scripted", base_url=model.base_url, api_key="none")
    run = make_run(
        folder, scripts, max_simultaneous_jobs=N_AT_ONCE, job_manager_interval=0.05, llm=llm
    )
    ticks = Ticks()

    async def go() -> Flow:
        explained: dict[str, float] = {}

        def note() -> None:
            for failure in run.llm_manager.failures():
                if failure.diagnosis is not None:
                    explained.setdefault(failure.attempt, time.time())

        run.llm_manager.subscribe(note)
        run.start()
        await until(lambda: len(explained) == N_EARLY, 300)
        await until(lambda: run.job_manager.n_started == N_EARLY + N_AT_ONCE, 300)
        if model is not None:  # from here on it hangs, or has failed
            await until(lambda: model.n_requests, 60)
        early = set(explained)
        with ticks.watch():
            begin = time.perf_counter()
            gate.touch()
            await until(lambda: run.job_manager.n_started == n, 300)
            started_s = time.perf_counter() - begin
            await until(lambda: len(explained) == n, 300)
        found = latencies(run, explained, without=early)
        run.cancel()
        await run.close()
        return Flow([started_s / (n - N_EARLY - N_AT_ONCE)], found, ticks.wall_s)

    try:
        return asyncio.run(go())
    finally:
        run.scheduler.close()


def measure_models(folder: Path, n: int, rounds: int = 9) -> bool:
    """Measure what a model that hangs, or always fails, costs the jobs; rounds take turns.

    Nothing is measured before the model was asked. Runs without a model stand twice: how
    far these two are apart is what the machine alone does.
    """
    kinds = ("none", "none again", "hangs", "fails")
    flows = {kind: Flow() for kind in kinds}
    for i in range(rounds):
        for kind in kinds[i % 4 :] + kinds[: i % 4]:
            inner = folder / f"{i}-{kind.replace(' ', '-')}"
            inner.mkdir()
            model = None if kind.startswith("none") else OtherModel(kind)
            try:
                flows[kind].take(run_with(inner, n, model))
            finally:
                if model is not None:
                    model.close()
    figures = {kind: flow.figures() for kind, flow in flows.items()}
    good = True
    for name, alone in figures["none"].items():
        other = figures["none again"][name]
        print(f"{name}: {alone:.4f} s without a model, again {other:.4f} s")
        for kind in ("hangs", "fails"):
            value = figures[kind][name]
            text = f"a model that {kind}: {name}, without / with"
            ratio = statistics.mean((alone, other)) / value
            good &= report(text, ratio, START_LIMIT, relation=">=", digits=3)
    return good


if __name__ == "__main__":
    serve(sys.argv[1])
