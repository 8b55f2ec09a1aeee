"""The engine's traps on a real Slurm: what is no failure, and what is one."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from adaptive_scheduler.scheduler import SLURM

from llm_scheduler.engine.failure_watch import WAITING_STATES
from tests.managers.script_jobs import HANG, KEY_ERROR, LIMIT_S, NAME_ERROR, make_run, until
from tests.slurm_conf import HOLD_COMPLETING

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.filterwarnings("ignore:Cancelling a RunManager"),
]


class ScriptSlurm(SLURM):
    """The engine's `SLURM` whose job for learner ``i`` runs ``scripts[i]``."""

    def __init__(self, scripts, options=None, **kwargs):
        super().__init__(
            cores=(1,) * len(scripts),
            extra_scheduler=tuple(options or [[] for _ in scripts]),
            **kwargs,
        )
        self.scripts = list(scripts)

    def job_script(self, options, *, index=None):
        return (
            f"#!/usr/bin/env bash\n#SBATCH --ntasks 1\n#SBATCH --mem=50M\n"
            f"{self.extra_scheduler(index=index)}\n{self.scripts[index]}"
        )


@pytest.fixture
async def runs(slurm, tmp_path):
    """Make runs on Slurm that are ended, with their jobs, after the test."""
    made = []

    def make(scripts, options=None, **kwargs):
        scheduler = ScriptSlurm(
            scripts,
            options,
            log_folder=tmp_path / "logs",
            batch_folder=tmp_path / "batch",
        )
        values = {"scheduler": scheduler, "job_name": tmp_path.name, "job_manager_interval": 2}
        made.append(make_run(tmp_path, scripts, **(values | kwargs)))
        return made[-1]

    yield make
    for run in made:
        if run.job_manager.task is not None and not run.job_manager.task.done():
            run.cancel()
        await run.close()


def attempts(run):
    return list(run.job_manager.watch.attempts.values())


async def until_running(run, n=1):
    await until(lambda: sum(a.state == "RUNNING" for a in attempts(run)) >= n)


async def command(slurm, *argv):
    return await asyncio.to_thread(slurm.run, *argv)


async def test_causes_groups_and_records(runs):
    run = runs([NAME_ERROR, KEY_ERROR, NAME_ERROR])
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    first, second = run.llm_manager.groups()
    assert (first.count, second.count) == (2, 1)
    assert first.representative.category == "code_error"
    for failure in run.llm_manager.failures():
        assert failure.record.state == "FAILED"
        assert failure.record.exit_code == 1
        assert len(failure.nodes) == 1
        assert Path(failure.log_files[0]).exists()


async def test_a_refused_submission_quotes_sbatch(runs):
    run = runs([KEY_ERROR, HANG], [["--partition=nowhere"], []])
    run.start()
    await until(lambda: run.llm_manager.failures())
    await run.llm_manager.settled(LIMIT_S)
    (failure,) = run.llm_manager.failures()
    assert failure.job_id is None
    assert failure.held
    assert failure.diagnosis.category == "invalid_submission"
    quoted = " ".join(line.text for line in failure.diagnosis.evidence)
    assert "nvalid partition" in quoted
    await until_running(run)  # the other job is not kept waiting


async def test_a_suspended_job_has_not_failed(runs, slurm):
    run = runs([HANG])
    run.start()
    await until_running(run)
    (attempt,) = attempts(run)
    await command(slurm, "scontrol", "suspend", attempt.job_id)
    await until(lambda: attempt.state == "SUSPENDED")
    assert attempts(run) == [attempt]
    await command(slurm, "scontrol", "resume", attempt.job_id)
    await until(lambda: attempt.state == "RUNNING")
    assert run.llm_manager.failures() == []
    assert run.job_manager.n_started == 1


async def test_a_completing_job_has_not_failed_yet(runs, slurm):
    hold = slurm.conf.with_name(HOLD_COMPLETING)
    hold.touch()
    try:
        run = runs([KEY_ERROR])
        run.start()
        await until(lambda: any(a.state == "COMPLETING" for a in attempts(run)))
        assert run.llm_manager.failures() == []
        # The engine would start a second job for the learner now.
        assert run.database_manager.startable() == []
    finally:
        hold.unlink()
    assert await run.finished(LIMIT_S) == "failed"
    assert len(run.llm_manager.failures()) == 1
    assert run.job_manager.n_started == 1


async def test_a_job_may_go_on_when_its_learner_is_done(runs, tmp_path):
    run = runs([f"touch {tmp_path}/up; sleep 3; exit 1"])
    run.start()
    await until(lambda: (tmp_path / "up").exists())
    run.database_manager._stop_request(run.fnames[0])
    assert await run.finished(LIMIT_S) == "finished"
    assert run.llm_manager.failures() == []


async def test_a_requeued_job_has_not_failed(runs, slurm):
    run = runs([HANG], [["--requeue"]])
    run.start()
    await until_running(run)
    (attempt,) = attempts(run)
    # And held, else it waits for some seconds only, which nobody might see.
    await command(slurm, "scontrol", "requeuehold", attempt.job_id)
    await until(lambda: attempt.state in WAITING_STATES)
    # It waits for its learner again under the same id, instead of being told that the
    # id is taken.
    assert run.database_manager.as_dicts()[0]["is_pending"]
    assert run.llm_manager.failures() == []
    assert run.job_manager.n_started == 1


async def test_what_a_person_cancels_is_held_and_said(runs, slurm):
    run = runs([HANG])
    run.start()
    await until_running(run)
    await command(slurm, "scancel", attempts(run)[0].job_id)
    assert await run.finished(LIMIT_S) == "failed"
    (failure,) = run.llm_manager.failures()
    assert failure.diagnosis.category == "cancelled"
    assert "Somebody cancelled" in failure.note
    assert run.job_manager.n_started == 1


async def test_what_the_manager_cancels_is_no_failure(runs, slurm):
    run = runs([HANG, HANG])
    run.start()
    await until_running(run, 2)
    ids = [a.job_id for a in attempts(run)]
    await command(slurm, "scontrol", "suspend", ids[0])  # the engine would overlook it
    run.cancel()
    states = await asyncio.to_thread(slurm.await_states, ids, {"CANCELLED"})
    assert run.llm_manager.failures() == []
    del states
    again = runs([KEY_ERROR, KEY_ERROR])
    again.start()
    await again.finished(LIMIT_S)
    assert {f.diagnosis.category for f in again.llm_manager.failures()} == {"code_error"}


async def test_a_retry_does_not_point_at_the_logs_before(runs, tmp_path):
    go = tmp_path / "go"
    run = runs(
        [f"if [ -e {go} ]; then sleep 600; fi; touch {go}; echo first; exit 1"], max_restarts=3
    )
    run.start()
    await until(lambda: run.llm_manager.failures())
    await until_running(run)
    (failure,) = run.llm_manager.failures()
    (row,) = run.database_manager.as_dicts()
    assert row["output_logs"] == list(attempts(run)[0].log_files)
    assert row["log_fname"] is None
    assert Path(failure.log_files[0]).read_text() == "first\n"


async def test_the_step_of_a_completed_job_ran_out_of_memory(runs):
    eat = "import mmap; m = mmap.mmap(-1, 200 << 20); [m.write(b'x' * 4096) for _ in range(51200)]"
    run = runs([f'srun --mem=30M python3 -c "{eat}"; exit 0'])
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    (group,) = run.llm_manager.groups()
    assert group.representative.category == "out_of_memory"


async def test_failures_while_the_manager_was_away(runs, slurm):
    run = runs([f"{KEY_ERROR}"])
    run.start()
    await until(lambda: attempts(run) and attempts(run)[0].job_id)
    (attempt,) = attempts(run)
    run.job_manager.task.cancel()  # nobody watches any more
    await run.close()
    await asyncio.to_thread(slurm.await_states, [attempt.job_id], {"FAILED"})
    again = runs([HANG])
    again.start()
    await until(lambda: again.llm_manager.failures())
    await again.llm_manager.settled(LIMIT_S)
    (failure,) = again.llm_manager.failures()
    assert (failure.job_id, failure.known) == (attempt.job_id, False)
    assert failure.diagnosis.category == "code_error", failure
    assert "KeyError" in Path(failure.log_files[0]).read_text()
    await until_running(again)


async def test_a_job_whose_id_was_never_noted(runs, slurm):
    """The manager died between the submission and writing its answer down."""
    run = runs([KEY_ERROR])
    run.start()
    await until(lambda: attempts(run) and attempts(run)[0].job_id)
    (attempt,) = attempts(run)
    await until(lambda: run.job_manager.starter.task.done())
    run.job_manager.task.cancel()
    await run.close()
    with sqlite3.connect(run.llm_manager.store.path) as database:
        database.execute("UPDATE attempts SET job_id = NULL, log_files = '[]', outcome = NULL")
        database.execute("DELETE FROM failures")
    database.close()
    await asyncio.to_thread(slurm.await_states, [attempt.job_id], {"FAILED"})
    again = runs([HANG])  # its clean-up deletes the logs of earlier jobs
    again.start()
    await until(lambda: again.llm_manager.failures())
    await again.llm_manager.settled(LIMIT_S)
    (failure,) = again.llm_manager.failures()
    assert failure.job_id == attempt.job_id
    assert "KeyError" in Path(failure.log_files[0]).read_text()


async def test_one_bad_node_is_called_that(runs):
    """Jobs of one node fail, those of another run on."""
    scripts = [KEY_ERROR] * 5 + [HANG] * 2
    bad, good = ["--partition=fragile"], ["--partition=debug"]
    run = runs(scripts, [bad] * 5 + [good] * 2)
    run.start()
    await until(lambda: len(run.llm_manager.failures()) == 5)
    await until_running(run, 2)
    await run.llm_manager.settled(LIMIT_S)
    await until(lambda: run.llm_manager.groups()[0].bad_node is not None)
    (group,) = run.llm_manager.groups()
    assert (group.bad_node,) == group.nodes
    assert group.count == 5
