"""What the model's diagnosis of 1,000 failed jobs takes, beside sending their logs.

    python benchmarks/cost.py [--jobs 1000] [--seed 1]

Logs of 5 to 200 kB are made in a temporary folder: 12 causes, each with other numbers,
nodes, paths and noise. Each is diagnosed by the rules and grouped; the model is the
scripted server of `llm_scheduler.testing`, asked over HTTP. The status is 1 when there
are more diagnoses than causes, or one takes 3,000 tokens or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.diagnosing import ModelDiagnoser
from llm_scheduler.agent.diagnosis_queue import DiagnosisQueue
from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.api import diagnose_log
from llm_scheduler.diagnosis.grouping import group_failures, group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.testing.scripted_model import ModelRequest, ScriptedModel, answer, repeat
from llm_scheduler.tools.run_view import AttemptInfo, JobInfo

MAX_PROMPT_TOKENS = 3000
ESTIMATED_CHARS_PER_TOKEN = 4

TRACEBACK = """Traceback (most recent call last):
  File "{home}/run_{job}.py", line 31, in <module>
    main(sys.argv)
  File "{home}/model.py", line {line}, in simulate
    {source}
{error}
"""
SLURM = "slurmstepd-{node}: error: "
CAUSES: dict[str, tuple[str, dict[str, Any]]] = {
    "out of memory": (
        SLURM + "Detected 1 oom-kill event(s) in StepId={job}.batch. Some of your processes may "
        "have been killed by the cgroup out-of-memory handler.\n",
        {"state": "OUT_OF_MEMORY", "exit_code": 0, "signal": 9},
    ),
    "time limit": (
        SLURM + "*** JOB {job} ON {node} CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***\n",
        {"state": "TIMEOUT", "elapsed_s": 7205.0, "time_limit_s": 7200.0},
    ),
    "misspelt name": (
        TRACEBACK.replace("{line}", "48")
        .replace("{source}", "return nmae * 2")
        .replace("{error}", "NameError: name 'nmae' is not defined. Did you mean: 'name'?"),
        {},
    ),
    "singular matrix": (
        TRACEBACK.replace("{line}", "77")
        .replace("{source}", "x = np.linalg.solve(a, b)")
        .replace("{error}", "numpy.linalg.LinAlgError: Singular matrix"),
        {},
    ),
    "no module": (
        TRACEBACK.replace("{line}", "3")
        .replace("{source}", "import kwant")
        .replace("{error}", "ModuleNotFoundError: No module named 'kwant'"),
        {},
    ),
    "no such file": (
        TRACEBACK.replace("{line}", "19")
        .replace("{source}", "grid = np.load(path)")
        .replace(
            "{error}",
            "FileNotFoundError: [Errno 2] No such file or directory: '{home}/grids/{job}.npy'",
        ),
        {},
    ),
    "disk full": (
        TRACEBACK.replace("{line}", "102")
        .replace("{source}", "pickle.dump(result, file)")
        .replace("{error}", "OSError: [Errno 28] No space left on device"),
        {},
    ),
    "segmentation fault": (
        (
            "{node}: /var/spool/slurmd/job{job}/slurm_script: line 14: {pid} Segmentation fault  "
            "    (core dumped) ./solver --in {home}/in_{job}.dat\n"
        ),
        {"exit_code": 139},
    ),
    "shared library": (
        (
            "./solver: error while loading shared libraries: libmkl_rt.so.2: cannot open shared "
            "object file: No such file or directory\n"
        ),
        {"exit_code": 127},
    ),
    "GPU out of memory": (
        TRACEBACK.replace("{line}", "210")
        .replace("{source}", "y = net(batch)")
        .replace(
            "{error}",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {small}.00 GiB. GPU 0 "
            "has a total capacity of 79.15 GiB of which {small}.25 GiB is free.",
        ),
        {},
    ),
    "node failure": (
        SLURM + "*** JOB {job} ON {node} CANCELLED AT 2026-11-20T19:28:54 DUE TO NODE FAILURE, SEE "
        "SLURMCTLD LOG FOR DETAILS ***\n",
        {"state": "NODE_FAIL"},
    ),
    "permission denied": (
        TRACEBACK.replace("{line}", "55")
        .replace("{source}", "out = open(path, 'w')")
        .replace(
            "{error}", "PermissionError: [Errno 13] Permission denied: '/project/out/{job}.h5'"
        ),
        {},
    ),
}


class BenchmarkRun:
    """A run of which only the failures are known."""

    name = "cost"
    can_control = False

    def __init__(self, folder: Path, failures: list[Failure]) -> None:
        self.folder = folder
        self._failures = failures
        self._groups = group_failures(failures)

    def failures(self) -> list[Failure]:
        """Return all."""
        return self._failures

    def groups(self) -> list[FailureGroup]:
        """Return them by cause."""
        return self._groups

    def jobs(self) -> list[JobInfo]:
        """Return none: nothing runs."""
        return []

    def resources(self, _learner: str) -> dict[str, str]:
        """Return what each asked for."""
        return {"memory": "4GB", "time": "02:00:00"}

    def attempts(self, _learner: str) -> list[AttemptInfo]:
        """Return none: each ran once."""
        return []

    def success_logs(self) -> tuple[str, ...]:
        """Return none: no job succeeded."""
        return ()


def make_log(rng: random.Random, ending: str, values: dict[str, Any]) -> str:
    """Return a log of 5 to 200 kB that ends in one way of failing."""
    size = int(5000 * 40 ** rng.random())
    lines = [f"Job {values['job']} on {values['node']} starts in {values['home']}"]
    n_chars = step = 0
    while n_chars < size:
        step += rng.randint(1, 9)
        line = (
            f"2026-11-20 {step // 3600 % 24:02d}:{step // 60 % 60:02d}:{step % 60:02d} "
            f"INFO {rng.choice(('solver', 'io', 'mesh'))} step={step} loss={rng.random():.6f} "
            f"|dx|={rng.random():.3e}"
        )
        if rng.random() < 0.002:
            line = (
                f"{values['home']}/model.py:9: UserWarning: step size {rng.random():.2e} is small"
            )
        lines.append(line)
        n_chars += len(line) + 1
    for name, value in values.items():
        ending = ending.replace(f"{{{name}}}", str(value))
    return "\n".join(lines) + "\n" + ending


def make_failure(folder: Path, rng: random.Random, number: int) -> Failure:
    """Write the log of one job, and diagnose it by the rules."""
    ending, known = list(CAUSES.values())[number % len(CAUSES)]
    values = {
        "job": 410000 + number,
        "node": f"n{rng.randint(1, 200):03d}",
        "home": f"/home/{rng.choice(('ann', 'bo', 'chris'))}/project",
        "pid": rng.randint(2000, 99999),
        "small": rng.randint(1, 9),
    }
    path = folder / f"job-{values['job']}.out"
    path.write_text(make_log(rng, ending, values))
    record = JobRecord(
        job_id=str(values["job"]),
        nodes=(str(values["node"]),),
        requested_memory_bytes=4 << 30,
        **({"state": "FAILED", "exit_code": 1, "elapsed_s": 600.0} | known),
    )
    return Failure(
        attempt=str(number),
        job_id=record.job_id,
        job_name=f"cost-{number}",
        learners=(f"data/learner_{number}.pickle",),
        failed_at=datetime.now(UTC),
        nodes=record.nodes,
        log_files=(str(path),),
        record=record,
        diagnosis=diagnose_log(path, record=record),
    )


def answer_as_rules(request: ModelRequest) -> Any:
    """Answer with the first line that the digest shows, as a model that agrees would."""
    digest = request.last_text.partition("## Digest of the logs\n")[2].splitlines()
    line = next(line for line in digest if "|" in line)
    number, _, text = line.partition("| ")
    finding = request.last_text.partition("## Finding of the rules\n")[2]
    return answer(
        {
            "category": finding.partition(",")[0],
            "title": "As the rules say",
            "explanation": "The quoted line says it.",
            "evidence": [{"file": "", "line": int(number), "text": text}],
            "confidence": 0.9,
            "doubts": [],
            "remedies": [],
        }
    )


def make_counter() -> tuple[str, Callable[[str], int]]:
    """Return how tokens are counted, and what counts them."""
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("o200k_base")
    except Exception:  # noqa: BLE001 - its vocabulary is loaded from the network
        return "characters / 4", lambda text: -(-len(text) // ESTIMATED_CHARS_PER_TOKEN)
    return "tiktoken o200k_base", lambda text: len(encoding.encode(text, disallowed_special=()))


async def diagnose_all(
    folder: Path, failures: list[Failure]
) -> tuple[list[ModelRequest], list[Diagnosis], int]:
    """Let the model diagnose all; returns what it was sent and what came of it."""
    with ScriptedModel() as server:
        server.script(repeat(answer_as_rules))
        settings = LLMSettings(model="scripted", base_url=server.base_url)
        database = AgentDatabase(folder / "agent.sqlite")
        budget = Budget(database, settings, run_id="cost")
        diagnoser = ModelDiagnoser(settings, database, budget=budget)
        made: list[Diagnosis] = []
        problems: list[str] = []
        queue = DiagnosisQueue(
            diagnoser,
            BenchmarkRun(folder, failures),
            on_diagnosis=lambda _, diagnosis: made.append(diagnosis),
            on_problem=problems.append,
        )
        for failure in failures:
            queue.add(group_key(failure.diagnosis), failure)
        await queue.settled()
        await diagnoser.close()
        counted = budget.spent().run.calls
        database.close()
        for problem in problems:
            print("problem:", problem)
        return list(server.requests), made, counted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    how, count = make_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        failures = [make_failure(folder, rng, i) for i in range(options.jobs)]
        rules_s = time.perf_counter() - begin
        groups = group_failures(failures)
        begin = time.perf_counter()
        requests, made, counted = asyncio.run(diagnose_all(folder, failures))
        model_s = time.perf_counter() - begin
        logs = [Path(f.log_files[0]).read_text() for f in failures]
        whole = [count(log) for log in logs]
        n_bytes = sum(map(len, logs))
    sent = [count(_sent(request)) for request in requests]
    n_causes = min(len(CAUSES), options.jobs)
    print(
        f"jobs                     {options.jobs} of {n_causes} causes, "
        f"{n_bytes / 1e6:.1f} MB of logs"
    )
    print(f"groups                   {len(groups)}")
    print(f"rules and logs made in   {rules_s:.1f} s; model diagnoses of all in {model_s:.1f} s")
    print(f"tokens counted with      {how}")
    print(f"model diagnoses          {len(requests)} (limit {n_causes}); budget counted {counted}")
    print(f"jobs with one            {len(made)}, of {len({d.title for d in made})} title(s)")
    print(f"tokens of a prompt       {min(sent)} to {max(sent)} (limit {MAX_PROMPT_TOKENS})")
    print(f"tokens in all            {sum(sent):,}")
    print(
        f"whole logs of every job  {sum(whole):,} tokens: "
        f"{sum(whole) / sum(sent):,.0f} times as many"
    )
    of_groups = sum(whole[: len(groups)])
    print(
        f"one whole log a group    {of_groups:,} tokens: {of_groups / sum(sent):,.1f} times as many"
    )
    is_met = (
        len(requests) <= n_causes
        and max(sent) < MAX_PROMPT_TOKENS
        and len(made) == options.jobs
        and counted == len(requests)
    )
    print("met" if is_met else "MISSED")
    return 0 if is_met else 1


def _sent(request: ModelRequest) -> str:
    """Return all that a model reads of a request: the messages and the form of the answer."""
    texts = [str(message.get("content", "")) for message in request.messages]
    return "\n".join([*texts, json.dumps(request.body.get("response_format", ""))])


if __name__ == "__main__":
    sys.exit(main())
