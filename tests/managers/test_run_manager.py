"""`RunManager`: what it says of itself, its panel, and what it does when parts are broken."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from adaptive_scheduler._server_support.run_manager import ACTIVE_RUN_MANAGERS
from adaptive_scheduler.widgets import RunManagerInfo

from llm_scheduler.agent.budget import Budget
from llm_scheduler.config import Settings
from llm_scheduler.errors import ConfigError, StoreError, UsageError
from llm_scheduler.managers.assistant import open_assistant
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.widgets.failures import FailuresPanel
from tests.managers.script_jobs import HANG, KEY_ERROR, LIMIT_S, NAME_ERROR, make_run, stop, until

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch) -> Path:
    """Give tests settings and a state folder of their own."""
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LLM_SCHEDULER_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
async def runs(tmp_path):
    """Make runs that are ended after the test."""
    made = []

    def make(scripts, folder=tmp_path, **kwargs):
        made.append(make_run(folder, scripts, **kwargs))
        return made[-1]

    yield make
    for run in made:
        await stop(run)


async def test_the_status_of_a_run_that_fails(runs):
    run = runs([KEY_ERROR])
    assert run.status() == "not yet started"
    assert run.elapsed_time() == 0
    run.start()
    assert run.status() == "running"
    assert await run.finished(LIMIT_S) == "failed"
    assert run.status() == "failed"


async def test_the_status_of_a_run_that_finishes(runs):
    run = runs(["exec sleep 600"])
    run.start()
    await until(lambda: run.job_manager.watch.attempts)
    run.database_manager._stop_requests(run.fnames)
    assert await run.finished(LIMIT_S) == "finished"
    assert run.status() == "finished"


async def test_the_status_of_a_run_that_is_cancelled(runs):
    run = runs([HANG])
    run.start()
    await until(lambda: run.scheduler.queue())
    run.cancel()
    assert await run.finished(LIMIT_S) == "cancelled"
    assert run.status() == "cancelled"
    assert run.elapsed_time() == run.elapsed_time()
    assert run.scheduler.queue() == {}


async def test_a_cancellation_that_comes_with_news_is_not_lost(runs):
    """Else the loop goes on, and starts the jobs again that were cancelled."""
    jobs = runs([HANG]).job_manager
    for n_steps in range(5):
        jobs._wait_s = 60
        paused = asyncio.create_task(jobs._pause())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        jobs.trigger()
        for _ in range(n_steps):
            await asyncio.sleep(0)
        was_done = paused.done()
        paused.cancel()
        await asyncio.wait([paused])
        assert paused.cancelled() or was_done


async def test_a_job_that_is_submitted_while_the_run_is_cancelled_is_cancelled_too(runs):
    submitting, go_on, submitted = (threading.Event() for _ in range(3))
    run = runs([HANG])
    original = run.scheduler.start_job

    def start_job(name, *, index=None):
        submitting.set()
        go_on.wait(LIMIT_S)
        job_id = original(name, index=index)
        submitted.set()
        return job_id

    run.scheduler.start_job = start_job
    run.start()
    await asyncio.to_thread(submitting.wait, LIMIT_S)
    run.cancel()
    go_on.set()
    await asyncio.to_thread(submitted.wait, LIMIT_S)
    await until(lambda: not run.scheduler.queue())
    (record,) = run.scheduler.records().values()
    assert record.state == "CANCELLED"
    again = runs([KEY_ERROR], cleanup_first=False)
    again.start()
    await again.finished(LIMIT_S)
    assert ["KeyError" in f.diagnosis.evidence[0].text for f in failures_of(again)] == [True]


async def test_after_a_cancel_no_further_job_is_submitted(runs):
    submitting, go_on = threading.Event(), threading.Event()
    run = runs([HANG] * 3)
    jobs, start_job = run.job_manager, run.scheduler.start_job
    begun = []

    def start_late(name, *, index=None):
        begun.append(name)
        submitting.set()
        go_on.wait(LIMIT_S)
        return start_job(name, index=index)

    async def judge():
        try:
            await asyncio.Event().wait()
        finally:  # the manager waits for it before it comes to the submissions
            go_on.set()
            await until(lambda: jobs.starter.task.done())

    run.scheduler.start_job = start_late
    run.start()
    await asyncio.to_thread(submitting.wait, LIMIT_S)
    jobs._judging = asyncio.create_task(judge())
    await asyncio.sleep(0)
    run.cancel()
    await until(lambda: jobs.task.done())
    assert begun == ["run-0"]
    await until(lambda: not run.scheduler.queue())
    assert [a.job_name for a in run.llm_manager.store.open_attempts()] == ["run-0"]


async def test_cancelling_before_the_start_is_no_error(runs):
    run = runs([HANG])
    run.cancel()
    assert run.status() == "not yet started"


async def test_finished_gives_up_in_time_and_needs_a_start(runs):
    run = runs([HANG])
    with pytest.raises(UsageError, match=r"call `run_manager\.start\(\)` first"):
        await run.finished()
    with pytest.raises(UsageError, match=r"call `run_manager\.start\(\)` first"):
        run.wait()
    run.start()
    assert await run.finished(0.1) == "running"


async def test_the_text_and_the_data(runs):
    run = runs([NAME_ERROR, HANG])
    for status in ("not yet started", "running"):
        assert status in run.info("text")
        data = run.info("data")
        assert isinstance(data, RunManagerInfo)
        assert data.status == status
        if run.task is None:
            run.start()
    with pytest.raises(ValueError, match="nonsense"):
        run.info("nonsense")


def descriptions(widget) -> list[str]:
    found = [str(getattr(widget, "description", ""))]
    for child in getattr(widget, "children", ()):
        found += descriptions(child)
    return found


async def test_the_box_has_the_engines_panel_and_the_failures(runs):
    run = runs([NAME_ERROR, KEY_ERROR, KEY_ERROR])
    engine, panel = run.info_box().children
    assert "update info" in descriptions(engine)
    assert isinstance(panel, FailuresPanel)
    run.start()
    await run.finished(LIMIT_S)
    await until(lambda: "2 causes, 3 failures" in repr(panel))
    panel.close()


async def test_a_folder_that_can_not_hold_the_failures(runs, tmp_path, state_dir):
    (tmp_path / "run.failures.sqlite").mkdir()
    run = runs([KEY_ERROR])
    assert run.llm_manager.store.path.is_relative_to(state_dir)
    assert str(run.llm_manager.store.path.parent) in run.llm_manager.problem
    assert "can't be used" in run.llm_manager.problem
    run.start()
    await run.finished(LIMIT_S)
    (failure,) = run.llm_manager.failures()
    assert "KeyError" in Path(failure.log_files[0]).read_text()
    await run.close()
    again = runs([KEY_ERROR])
    assert [f.known for f in again.llm_manager.failures()] == [True]


async def test_failures_of_a_newer_version_are_not_hidden(runs, tmp_path):
    store = FailureStore(tmp_path / "run.failures.sqlite")
    store._connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        runs([KEY_ERROR])


async def test_what_is_no_model_is_refused(runs):
    with pytest.raises(ConfigError, match="is no model"):
        runs([KEY_ERROR], llm=7)


async def test_a_model_that_can_not_be_asked_is_told_before_the_first_failure(runs, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run = runs([HANG], llm="openai:x")
    run.start()
    await until(lambda: run.llm_manager.problem)
    assert "OPENAI_API_KEY" in run.llm_manager.problem


async def test_release_of_some_and_of_all(runs):
    run = runs([KEY_ERROR, KEY_ERROR, KEY_ERROR])
    run.release()  # nothing is held
    run.start()
    await run.finished(LIMIT_S)
    assert set(run.database_manager.held) == {0, 1, 2}
    run.scheduler.scripts[:] = [HANG] * 3
    run.release([1])
    await until(lambda: len(run.scheduler.queue()) == 1)
    assert set(run.database_manager.held) == {0, 2}
    run.release(["no such learner"])
    run.release([run.fnames[0]])
    run.release()
    await until(lambda: len(run.scheduler.queue()) == 3)
    assert run.database_manager.held == {}
    assert not any(f.held for f in run.llm_manager.failures())


async def test_the_clean_up_keeps_the_logs_of_failures(runs, tmp_path):
    run = runs([KEY_ERROR])
    run.start()
    await run.finished(LIMIT_S)
    assert list((tmp_path / "logs").glob("*.out"))
    await asyncio.to_thread(run.cleanup, remove_old_logs_folder=True)
    assert not list((tmp_path / "logs").glob("*.out"))
    (failure,) = run.llm_manager.failures()
    assert "KeyError" in Path(failure.log_files[0]).read_text()


async def test_the_clean_up_of_the_next_session_keeps_them_too(runs):
    first = runs([KEY_ERROR])
    first.start()
    await first.finished(LIMIT_S)
    await first.close()
    second = runs([KEY_ERROR], cleanup_first=True)
    (failure,) = second.llm_manager.failures()
    assert "KeyError" in Path(failure.log_files[0]).read_text()


async def test_an_address_that_is_in_use(runs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        run = runs([HANG], url=url)
        run.start()
        assert await run.finished(LIMIT_S) == "failed"
    assert run.status() == "failed"
    assert url in run.llm_manager.problem
    assert "in use" in run.llm_manager.problem
    assert run.scheduler.queue() == {}


async def leave(run) -> None:
    """End a run as if its process had ended: its jobs go on, and nobody cancels them."""
    run.job_manager.task.cancel()
    await run.close()
    ACTIVE_RUN_MANAGERS.clear()


async def test_fewer_learners_than_the_session_before(runs, tmp_path):
    """Jobs of learners that are gone are watched to their end, and block nothing."""
    go = tmp_path / "go"
    first = runs([f"until [ -e {go} ]; do sleep 0.05; done; {KEY_ERROR}"] * 3)
    first.start()
    await until(lambda: len(first.job_manager.watch.attempts) == 3)
    await leave(first)
    second = runs([NAME_ERROR], cleanup_first=False, max_restarts=1)
    second.start()
    # What ended before it was taken up would not count as a failure of this session.
    await until(lambda: len(second.job_manager.watch.attempts) == 3)
    go.touch()
    assert await second.finished(LIMIT_S) == "failed"
    failures = [(f.job_name, "mu" in f.diagnosis.title) for f in failures_of(second)]
    assert sorted(failures) == [
        ("run-0", False),
        ("run-0", True),
        ("run-1", True),
        ("run-2", True),
    ]
    assert second.job_manager.n_started == 1


async def test_a_session_that_ends_while_it_submits(runs):
    """The job is there although nobody noted its id; the next session finds it."""
    submitted, go_on = threading.Event(), threading.Event()
    first = runs([KEY_ERROR])
    original = first.scheduler.start_job

    def start_job(name, *, index=None):
        job_id = original(name, index=index)
        submitted.set()
        go_on.wait(60)
        return job_id

    first.scheduler.start_job = start_job
    first.start()
    await asyncio.to_thread(submitted.wait, 60)
    await leave(first)
    go_on.set()
    second = runs([NAME_ERROR], cleanup_first=False)
    second.start()
    assert await second.finished(LIMIT_S) == "failed"
    assert ["mu" in f.diagnosis.title for f in failures_of(second)].count(True) == 1


def failures_of(run):
    return run.llm_manager.failures()


async def test_each_run_has_a_budget_and_a_restarted_kernel_goes_on_with_it(runs, monkeypatch):
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)  # no day ends in the middle of the test
    monkeypatch.setitem(Budget.__init__.__kwdefaults__, "now", lambda: noon)

    def used(run) -> tuple[int, int]:
        spent = run.llm_manager.assistant.budget.spent()
        return spent.run.calls, spent.day.calls

    first = runs([HANG])
    first.start()
    first.llm_manager.assistant.budget.count(100, 10)
    await until(lambda: first.job_manager.watch.attempts)
    await leave(first)
    second = runs([KEY_ERROR])  # jobs were still running when the kernel died
    assert used(second) == (1, 1)
    second.start()
    assert await second.finished(LIMIT_S) == "failed"
    second.release()  # goes on with the same run
    assert await second.finished(LIMIT_S) == "failed"
    assert used(second) == (1, 1)
    await second.close()
    third = runs([HANG])
    assert used(third) == (0, 1)
    third.llm_manager.assistant.budget.count(100, 10)
    assert "used this run: 1 call, 110 tokens" in third.llm_manager.assistant.budget_used()
    other = open_assistant(third.llm_manager.store.path, Settings.load())
    assert other.budget.spent().run.calls == 1, "another shell counts in the same run"
    other.close()
    third.start()
    third.cancel()
    fourth = runs([HANG])
    assert used(fourth) == (0, 2)


@pytest.mark.parametrize("cleanup_first", [True, False])
async def test_each_run_of_a_cell_has_a_budget_of_its_own_that_a_restart_does_not_renew(
    runs, tmp_path, state_dir, cleanup_first
):
    runs([HANG]).start()
    store = FailureStore(tmp_path / "run.failures.sqlite")
    terminal = open_assistant(store.path, Settings(state_dir=state_dir))
    try:
        terminal.budget.reserve(1)
        assert terminal.budget.spent().run.calls == 1
        again = runs([HANG], cleanup_first=cleanup_first)
        opened = again.llm_manager.assistant  # by a panel that is shown before the start
        again.start()  # the engine ends the first one here at the latest
        assert opened.budget.spent().run.calls == 0
        terminal.budget.reserve(1)  # it was open before
        assert opened.budget.spent().run.calls == 1
        # The kernel dies, and nobody notes an end.
        assert store.begin_run() == store.run_number() == 2
    finally:
        terminal.close()
        store.close()
