"""`slurm_run` with real learners on a real Slurm, twice in one folder."""

from __future__ import annotations

from pathlib import Path

import adaptive
import pytest

import llm_scheduler
from tests.managers.script_jobs import LIMIT_S

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.filterwarnings("ignore:Cancelling a RunManager"),
]


def parabola(x):
    return x**2


def misspelt(x):
    return parabolla(x)  # noqa: F821 - the job's failure


def greedy(x):
    block = bytearray(900 * 1024**2)
    return len(block) + x


def make_run(folder: Path, functions):
    learners = [adaptive.Learner1D(function, bounds=(-1, 1)) for function in functions]
    names = [f"{function.__name__}.pickle" for function in functions]
    run = llm_scheduler.slurm_run(
        learners,
        [str(folder / name) for name in names],
        name=folder.name,
        folder=folder,
        partition="debug",
        cores_per_node=1,
        memory="600MB",
        # The learners' functions live in this module, which jobs can't import.
        extra_env_vars=[f"PYTHONPATH={Path(__file__).parents[2]}"],
        goal=lambda learner: learner.npoints >= 5,
        job_manager_interval=2,
        save_interval=1,
        max_restarts=0,
        llm="offline",
        quiet=True,
    )
    return run, learners


@pytest.fixture
async def close_later():
    runs = []
    yield runs.append
    for run in runs:
        if run.status() == "running":
            run.cancel()  # in its own loop, as a cell does
        await run.close()


async def test_causes_and_then_known(slurm, tmp_path, close_later):
    run, learners = make_run(tmp_path, [parabola, misspelt, greedy])
    close_later(run)
    assert isinstance(run, llm_scheduler.RunManager)
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    assert [row.state for row in run.snapshot()] == ["done", "held", "held"]
    learners[0].load(tmp_path / "parabola.pickle")
    assert learners[0].npoints >= 5
    groups = {Path(g.learners[0]).stem: g for g in run.llm_manager.groups()}
    assert set(groups) == {"misspelt", "greedy"}
    assert {name: group.count for name, group in groups.items()} == {"misspelt": 1, "greedy": 1}
    assert groups["misspelt"].category == "code_error"
    assert "parabolla" in groups["misspelt"].title
    assert groups["greedy"].category == "out_of_memory"
    assert all(set(group.nodes) <= set(slurm.nodes) for group in groups.values())
    await run.close()

    again, _ = make_run(tmp_path, [parabola, misspelt, greedy])
    close_later(again)
    assert [f.known for f in again.llm_manager.failures()] == [True, True]
    assert {g.n_known for g in again.llm_manager.groups()} == {1}
    logs = [file for f in again.llm_manager.failures() for file in f.log_files]
    assert len(logs) == 2
    assert all(Path(file).read_text() for file in logs)
