"""The job loop: every failure seen once, the engine's traps, what is started again."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from adaptive_scheduler._server_support.common import MaxRestartsReachedError

from llm_scheduler.errors import UsageError
from llm_scheduler.managers.diagnosis_pool import DiagnosisPool
from llm_scheduler.managers.run_manager import RunManager
from tests.managers.script_jobs import HANG, KEY_ERROR, LIMIT_S, NAME_ERROR, make_run, stop, until

# The engine warns whenever a name is used again, also when the other run is over.
pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")


@pytest.fixture
async def runs(tmp_path):
    """Make runs that are ended after the test."""
    made: list[RunManager] = []

    def make(scripts, folder=tmp_path, **kwargs):
        made.append(make_run(folder, scripts, **kwargs))
        return made[-1]

    yield make
    for run in made:
        await stop(run)


def read(paths) -> str:
    return "".join(Path(path).read_text() for path in paths)


async def test_each_failure_is_reported_once_with_its_own_log(runs):
    run = runs(["echo attempt of job $JOB_ID; exit 3"], max_restarts=2)
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    failures = run.llm_manager.failures()
    assert len(failures) == 3
    assert len({f.job_id for f in failures}) == 3
    for failure in failures:
        assert failure.record is not None
        assert failure.record.exit_code == 3
        assert read(failure.log_files).strip() == f"attempt of job {failure.job_id}"


async def test_the_cause_the_proof_and_the_groups(runs):
    run = runs([NAME_ERROR, KEY_ERROR, NAME_ERROR, NAME_ERROR])
    run.start()
    await run.finished(LIMIT_S)
    first, second = run.llm_manager.groups()
    assert (first.count, second.count) == (3, 1)
    assert "spectrum" in first.title
    proof = first.representative.evidence[0]
    assert proof.text.startswith("NameError")
    assert Path(proof.file).read_text().splitlines()[proof.line - 1] == proof.text
    assert set(first.learners) == {f for i in (0, 2, 3) for f in [run.fnames[i]]}
    assert first.first_seen <= first.last_seen


async def test_a_learner_that_is_done_is_no_failure(runs):
    run = runs(["sleep 0.2; exit 0"])
    run.start()
    await until(lambda: run.job_manager.watch.attempts)
    run.database_manager._stop_request(run.fnames[0])
    assert await run.finished(LIMIT_S) == "finished"
    assert run.llm_manager.failures() == []


async def test_a_job_that_ends_well_without_its_learner_is_named(runs):
    run = runs(["echo all is well; exit 0"])
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    (group,) = run.llm_manager.groups()
    assert group.representative.cause == "ended-early"


async def test_the_limit_of_starts_is_not_exceeded(runs):
    """The engine starts one job too many, which runs on, and elapsed_time() raises."""
    run = runs(["exit 1"], max_restarts=None, max_fails_per_job=2)
    run.start()
    await run.finished(LIMIT_S)
    assert run.elapsed_time() > 0
    assert run.job_manager.n_started == 2
    assert run.scheduler.queue() == {}
    assert isinstance(run.job_manager.task.exception(), MaxRestartsReachedError)
    assert run.status() == "failed"
    assert "limit" in run.llm_manager.problem


async def test_elapsed_time_before_and_after(runs):
    run = runs(["exit 1"])
    assert run.elapsed_time() == 0
    run.start()
    await run.finished(LIMIT_S)
    assert run.elapsed_time() == run.elapsed_time() > 0


async def test_what_a_person_cancels_is_held_and_said(runs):
    run = runs([HANG, "exit 1"])
    run.start()
    await until(lambda: any(a.state == "RUNNING" for a in run.job_manager.watch.attempts.values()))
    await asyncio.to_thread(run.scheduler.cancel, ["run-0"])
    assert await run.finished(LIMIT_S) == "failed"
    (cancelled,) = [f for f in run.llm_manager.failures() if f.job_name == "run-0"]
    assert cancelled.diagnosis.category == "cancelled"
    assert cancelled.held
    assert "not started again" in cancelled.note
    assert run.job_manager.n_started == 2


async def test_what_a_person_cancels_is_restarted_when_asked(runs):
    run = runs([HANG], restart_cancelled=True, max_restarts=5)
    run.start()
    await until(lambda: any(a.state == "RUNNING" for a in run.job_manager.watch.attempts.values()))
    await asyncio.to_thread(run.scheduler.cancel, ["run-0"])
    await until(lambda: run.job_manager.n_started == 2)
    assert not run.llm_manager.failures()[0].held


async def test_what_the_manager_cancels_is_no_failure(runs):
    run = runs([HANG, HANG])
    run.start()
    await until(lambda: len(run.scheduler.queue()) == 2)
    run.cancel()
    await until(lambda: not run.scheduler.queue())
    await until(lambda: run.status() == "cancelled")
    await run.close()
    again = runs(["exit 1", "exit 1"])
    again.start()
    await again.finished(LIMIT_S)
    assert [f.diagnosis.category for f in again.llm_manager.failures()].count("cancelled") == 0
    assert len(again.llm_manager.failures()) == 2


async def test_released_learners_start_again_also_after_the_end(runs):
    run = runs(["exit 1"])
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    assert run.llm_manager.failures()[0].held
    run.scheduler.scripts[0] = HANG
    run.llm_manager.release([run.fnames[0]])
    run.llm_manager.release([run.fnames[0]])  # a double click
    # The job is in the queue a moment before the loop has counted it.
    await until(lambda: run.job_manager.n_started)
    assert run.status() == "running"
    assert not run.llm_manager.failures()[0].held
    assert run.job_manager.n_started == 1
    assert len(run.scheduler.queue()) == 1


@pytest.mark.parametrize("how", ["deleted", "moved", "overwritten"])
async def test_logs_stay_readable(runs, how, tmp_path):
    run = runs(["echo precious; exit 1"])
    run.start()
    await run.finished(LIMIT_S)
    (log,) = (tmp_path / "logs").glob("*.out")
    if how == "deleted":
        log.unlink()
    elif how == "moved":
        log.rename(tmp_path / "elsewhere.out")
    else:
        log.write_text("something else\n")
    (failure,) = run.llm_manager.failures()
    assert read(failure.log_files) == "precious\n"


async def test_logs_deleted_while_the_job_runs_are_still_read(runs, tmp_path):
    go = tmp_path / "go"
    run = runs([f"echo precious; until [ -e {go} ]; do sleep 0.05; done; exit 1"])
    run.start()
    kept = tmp_path / "run.failures.logs"
    await until(lambda: any(kept.rglob("*.out")))
    (log,) = (tmp_path / "logs").glob("*.out")
    log.unlink()
    go.touch()
    await run.finished(LIMIT_S)
    (failure,) = run.llm_manager.failures()
    assert read(failure.log_files) == "precious\n"


async def test_of_jobs_that_did_not_fail_one_log_is_kept(runs, tmp_path):
    kept = tmp_path / "run.failures.logs"
    wait = f"while [ ! -e {kept}/succeeded ]; do sleep 0.1; done; exit 3"
    done = tmp_path / "done"
    run = runs([f"echo well; until [ -e {done} ]; do sleep 0.05; done; exit 0", wait])
    run.start()
    await until(lambda: len(run.job_manager.watch.attempts) == 2)
    run.database_manager._stop_request(run.fnames[0])
    done.touch()
    await run.finished(LIMIT_S)
    (success,) = run.llm_manager._rules.find_success()
    assert Path(success).read_text() == "well\n"
    names = [path.parent.name for path in kept.rglob("*.out")]
    assert names.count("succeeded") == 1
    assert len(names) == 2


async def test_what_a_good_job_prints_too_does_not_explain_a_failure(runs, tmp_path):
    noise = "echo 'OSError: [Errno 28] No space left on device: /scratch/cache'\n"
    kept = tmp_path / "run.failures.logs"
    wait = f"while [ ! -e {kept}/succeeded ]; do sleep 0.1; done\n"
    done = tmp_path / "done"
    run = runs(
        [
            f"{noise}until [ -e {done} ]; do sleep 0.05; done; exit 0",
            f"{noise}{wait}exit 3",
        ]
    )
    run.start()
    await until(lambda: len(run.job_manager.watch.attempts) == 2)
    run.database_manager._stop_request(run.fnames[0])
    done.touch()
    await run.finished(LIMIT_S)
    (failure,) = run.llm_manager.failures()
    assert failure.diagnosis.confidence < 0.7
    assert any("also" in doubt or "too" in doubt for doubt in failure.diagnosis.doubts), failure


async def test_without_a_good_job_the_same_words_explain_it(runs):
    run = runs(["echo 'OSError: [Errno 28] No space left on device: /scratch/cache'; exit 3"])
    run.start()
    await run.finished(LIMIT_S)
    (failure,) = run.llm_manager.failures()
    assert failure.diagnosis.category == "disk_full"
    assert failure.diagnosis.confidence > 0.8


HANGING = (sys.executable, "-c", "import sys, time; sys.stdin.readline(); time.sleep(1000)")
RAISING = (sys.executable, "-c", 'for line in open(0): print(\'{"error": "boom"}\', flush=True)')
DYING = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
JUNK = (sys.executable, "-c", "for line in open(0): print('\\x00junk', flush=True)")


@pytest.mark.parametrize(
    "command", [HANGING, RAISING, DYING, JUNK], ids=["hangs", "raises", "dies", "junk"]
)
async def test_a_broken_diagnosis_changes_nothing_about_the_jobs(runs, command):
    run = runs(["exit 1"], max_restarts=1)
    run.llm_manager.pool = DiagnosisPool(command=command, timeout_s=1.0)
    run.start()
    await until(lambda: run.job_manager.task.done())
    assert run.job_manager.n_started == 2
    assert await run.finished(LIMIT_S) == "failed"
    assert {f.diagnosis.cause for f in run.llm_manager.failures()} == {"undiagnosed"}


def lock(store):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


def corrupt(store):
    store.path.write_bytes(b"junk" * 5000)


@pytest.mark.parametrize("spoil", [lock, corrupt, lambda store: store.close()])
async def test_a_broken_store_stops_no_job_and_loses_no_failure(runs, spoil, monkeypatch):
    monkeypatch.setattr("llm_scheduler.managers.failure_store.PAUSE_S", 600.0)
    run = runs([NAME_ERROR, KEY_ERROR])
    other = spoil(run.llm_manager.store)
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    assert len(run.llm_manager.failures()) == 2
    assert len(run.llm_manager.groups()) == 2
    assert "memory only" in run.llm_manager.problem
    if other is not None:
        other.close()


async def test_what_could_not_be_written_is_written_later(runs, monkeypatch):
    monkeypatch.setattr("llm_scheduler.managers.failure_store.PAUSE_S", 0.0)
    run = runs(["exit 1"], max_restarts=None, restart_cancelled=True)
    other = lock(run.llm_manager.store)
    run.start()
    await until(lambda: run.llm_manager.failures())
    other.close()
    await until(lambda: len(run.llm_manager.failures()) >= 2)
    await until(lambda: not run.llm_manager.problem)
    await until(lambda: len(run.llm_manager.store.failures()) >= 2)


async def test_the_engines_way_to_wait_ends_when_all_is_explained(runs):
    run = runs([NAME_ERROR, KEY_ERROR])
    run.start()
    await run.task
    assert len(run.llm_manager.groups()) == 2
    assert run.status() == "failed"


async def test_a_question_after_the_end(runs):
    run = runs([NAME_ERROR])
    run.start()
    await run.finished(LIMIT_S)
    await run.close()
    (failure,) = run.llm_manager.failures()
    assert await run.llm_manager.diagnose_failed_job(failure.job_id) is failure.diagnosis
    undiagnosed = failure.model_copy(update={"diagnosis": None})
    run.llm_manager._failures[failure.attempt] = undiagnosed
    again = await run.llm_manager.diagnose_failed_job(failure.job_id)
    assert again == failure.diagnosis
    with pytest.raises(UsageError, match="not known to have failed"):
        await run.llm_manager.diagnose_failed_job("999")


async def test_known_failures_after_a_restart(runs):
    first = runs([NAME_ERROR, KEY_ERROR])
    first.start()
    await first.finished(LIMIT_S)
    await first.close()
    second = runs([NAME_ERROR, KEY_ERROR])
    assert [f.known for f in second.llm_manager.failures()] == [True, True]
    assert [g.n_known for g in second.llm_manager.groups()] == [1, 1]
    second.start()
    await second.finished(LIMIT_S)
    assert [f.known for f in second.llm_manager.failures()] == [True, True, False, False]
    assert [(g.count, g.n_known) for g in second.llm_manager.groups()] == [(2, 1), (2, 1)]


async def test_a_cell_that_is_run_again_while_jobs_run(runs):
    old = runs([HANG])
    old.start()
    await until(lambda: old.scheduler.queue())
    new = runs([NAME_ERROR])  # cancels the jobs of the old one
    await until(lambda: old.task.done())
    new.start()
    await new.finished(LIMIT_S)
    assert [f.diagnosis.category for f in new.llm_manager.failures()] == ["code_error"]
    assert old.llm_manager.failures() == []


async def test_two_runs_on_one_machine(runs, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    both = [runs([NAME_ERROR], folder=f, job_name=f"run-{f.name}") for f in folders]
    for run in both:
        run.start()
    for run in both:
        await run.finished(LIMIT_S)
        assert len(run.llm_manager.failures()) == 1


async def test_the_kill_manager_keeps_logs_and_never_blocks(runs, tmp_path):
    run = runs(
        [f"echo srun: error: task 0 failed; {HANG}"],
        kill_on_error="srun: error:",
        kill_interval=0.3,
        max_restarts=0,
    )
    threads = []
    cancel = run.scheduler.cancel
    loop_thread = threading.get_ident()

    def noting(*args, **kwargs):
        threads.append(threading.get_ident())
        cancel(*args, **kwargs)

    run.scheduler.cancel = noting
    run.start()
    assert await run.finished(LIMIT_S) == "failed"
    assert threads
    assert loop_thread not in threads
    (failure,) = run.llm_manager.failures()
    assert "srun: error" in read(failure.log_files)
    assert failure.diagnosis.title.startswith("The kill manager cancelled the job")
    assert failure.diagnosis.evidence[0].text == "srun: error: task 0 failed"
    assert failure.diagnosis.evidence[0].line == 1


async def test_snapshot(runs):
    run = runs([NAME_ERROR, HANG])
    assert [row.state for row in run.snapshot()] == ["waiting", "waiting"]
    run.start()
    await until(lambda: [row.state for row in run.snapshot()] == ["held", "running"])
    await until(lambda: "spectrum" in run.snapshot()[0].note)


async def test_the_plain_wait_explains_itself_in_a_notebook(runs):
    run = runs(["exit 1"])
    run.start()
    with pytest.raises(ValueError, match=r"await run_manager\.finished"):
        run.wait()


async def test_a_learner_that_waits_for_a_failed_one_says_so(runs):
    run = runs(["exit 1", "exit 0"], dependencies={1: [0]})
    run.start()
    await run.finished(LIMIT_S)
    waiting = run.snapshot()[1]
    assert (waiting.state, waiting.note) == ("waiting", "waits for learner 0")


async def test_ended_learners_keep_their_job_in_the_table(runs):
    run = runs(["sleep 0.3; exit 0"])
    run.start()
    await until(lambda: run.job_manager.watch.attempts)
    run.database_manager._stop_request(run.fnames[0])
    await run.finished(LIMIT_S)
    (row,) = run.snapshot()
    assert row.state == "done"
    assert row.job_id is not None
    assert row.elapsed_s > 0
