"""Other resources for single learners on a real Slurm, and what tools see of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from adaptive_scheduler.scheduler import SLURM

from llm_scheduler.errors import ToolError
from llm_scheduler.managers.run_facts import RunFacts
from llm_scheduler.managers.store_facts import StoreFacts
from llm_scheduler.tools import run_changes
from tests.managers.script_jobs import LIMIT_S, make_run, until

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.filterwarnings("ignore:Cancelling a RunManager"),
]

EAT = "python3 -c 'x = bytearray(150 << 20); print(len(x))'; "
SAY = "scontrol show job $SLURM_JOB_ID | grep -E 'TimeLimit|ExcNodeList|MinMemory'; exit 1\n"


class LimitedSlurm(SLURM):
    """The engine's `SLURM` with limits in the job script, and scripts of the tests."""

    def __init__(self, scripts, **kwargs):
        super().__init__(
            cores=(1,) * len(scripts),
            extra_scheduler=(["--mem-per-cpu=50M", "--time=5"],) * len(scripts),
            **kwargs,
        )
        self.scripts = list(scripts)

    def job_script(self, options, *, index=None):
        head = self.extra_scheduler(index=index)
        return f"#!/usr/bin/env bash\n#SBATCH --ntasks 1\n{head}\n{self.scripts[index]}"


@pytest.fixture
async def run(slurm, tmp_path):
    """Start a run of two learners whose jobs need more memory than they are given."""
    scripts = [EAT + SAY, EAT + SAY]
    scheduler = LimitedSlurm(
        scripts, log_folder=tmp_path / "logs", batch_folder=tmp_path / "batch_scripts"
    )
    made = make_run(
        tmp_path, scripts, scheduler=scheduler, job_name=tmp_path.name, job_manager_interval=2
    )
    made.start()
    yield made
    if made.job_manager.task is not None and not made.job_manager.task.done():
        made.cancel()  # in its own loop, as a cell does
    await made.close()


def plan(facts, tool, **arguments):
    return asyncio.to_thread(run_changes.plan_run_change, facts, tool, arguments)


async def test_resources_of_one_learner(run, slurm):
    await run.finished(LIMIT_S)
    facts = RunFacts(run)
    first = run.fnames[0]
    assert {f.record.state for f in run.llm_manager.failures()} == {"OUT_OF_MEMORY"}
    assert facts.resources(first) == {
        "memory": "50MB",
        "time": "00:05:00",
        "exclude": "",
        "cores": "1",
    }
    other = StoreFacts(run.llm_manager.store)
    await until(lambda: other.resources(first)["time"])
    assert other.resources(first) == facts.resources(first)

    node = slurm.nodes[0]
    change = await plan(
        facts, "set_resources", learners=[first], memory="400MB", time="20", exclude=node
    )
    again = await plan(facts, "restart_learners", learners=["failed"])
    await asyncio.to_thread(run_changes.apply, facts, change)
    await asyncio.to_thread(run_changes.apply, facts, again)
    await until(lambda: len(run.llm_manager.failures()) == 4)
    await run.finished(LIMIT_S)

    logs = await asyncio.to_thread(facts.logs)
    told = {}
    print(
        [
            (f.job_id, f.record.state, f.record.requested_memory_bytes)
            for f in run.llm_manager.failures()
        ],
        logs,
        facts.jobs(),
    )
    for job in facts.jobs():
        (log,) = (file for file in logs[job.job_id] if file.endswith(".out"))
        told[job.index] = Path(log).read_text()
    assert "TimeLimit=00:20:00" in told[0]
    assert f"ExcNodeList={node}" in told[0]
    assert "MinMemoryCPU=400M" in told[0]
    assert "157286400" in told[0]  # there was room
    last = {f.job_name[-1]: f.record for f in run.llm_manager.failures()}
    assert last["0"].state == "FAILED"
    assert last["0"].time_limit_s == 1200
    assert last["0"].requested_memory_bytes == 400 << 20
    assert last["1"].state == "OUT_OF_MEMORY"
    assert last["1"].requested_memory_bytes == 50 << 20


async def test_what_the_cluster_has_not_can_not_be_asked_for(run):
    facts = RunFacts(run)
    with pytest.raises(ToolError, match=r"more than partition 'debug' has: 1 h"):
        await plan(facts, "set_resources", learners=["learner 0"], time="01:01:00")
    with pytest.raises(ToolError, match="more than 16 times the 50MB"):
        await plan(facts, "set_resources", learners=["learner 0"], memory="801MB")
    limits = await asyncio.to_thread(facts.limits, run.fnames[0])
    assert limits.memory_bytes == 4000 << 20


async def test_the_queue_and_the_script(run):
    facts = RunFacts(run)
    assert any("debug (default): 2 nodes" in line for line in facts.partitions())
    await until(lambda: any(job.job_id for job in facts.jobs()))
    job = next(job for job in facts.jobs() if job.job_id)
    script = await asyncio.to_thread(facts.job_script, job.job_id)
    assert "#SBATCH --mem-per-cpu=50M" in script
    assert isinstance(await asyncio.to_thread(facts.queue), list)
