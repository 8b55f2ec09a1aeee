"""A live run as tools see and change it, from another thread than the run's own."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from pathlib import Path

import adaptive
import pytest

import llm_scheduler
from llm_scheduler.engine import resource_overrides
from llm_scheduler.errors import ChangedSince, ToolError
from llm_scheduler.managers import run_facts
from llm_scheduler.managers.run_facts import RunFacts
from llm_scheduler.managers.store_facts import StoreFacts
from llm_scheduler.tools import run_changes
from llm_scheduler.tools.change import invert
from tests.managers.script_jobs import (
    HANG,
    KEY_ERROR,
    LIMIT_S,
    NAME_ERROR,
    ScriptScheduler,
    make_run,
    stop,
    until,
)

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")

EAT = f"exec {sys.executable} -c 'x = bytearray(150 << 20); print(len(x))'\n"


@pytest.fixture
async def runs(tmp_path):
    """Make runs of scripts that are ended after the test."""
    made = []

    def make(scripts, *, memory=None, **kwargs):
        scheduler = ScriptScheduler(
            scripts,
            root=tmp_path / "jobs",
            log_folder=tmp_path / "logs",
            batch_folder=tmp_path / "batch_scripts",
        )
        scheduler.memory = (memory,) * len(scripts)
        made.append(make_run(tmp_path, scripts, scheduler=scheduler, **kwargs))
        return made[-1]

    yield make
    for run in made:
        await stop(run)


async def until_failed(run, n):
    await until(lambda: len(run.llm_manager.failures()) >= n)
    await run.llm_manager.settled(LIMIT_S)


def in_thread(function, *args, **kwargs):
    return asyncio.to_thread(functools.partial(function, *args, **kwargs))


async def change(facts, tool, **arguments):
    plan = await in_thread(run_changes.plan_run_change, facts, tool, arguments)
    await in_thread(run_changes.apply, facts, plan)
    return plan


def memories(run, index):
    return [
        (f.record.requested_memory_bytes or 0) >> 20
        for f in run.llm_manager.failures()
        if f.job_name.endswith(f"-{index}")
    ]


GREEDY = """\
def greedy(x):
    block = bytearray(700 * 1024**2)
    while not GO.exists():  # the memory is looked at now and then only
        time.sleep(0.05)
    return len(block) * 0 + x**2
"""


async def test_more_memory_lets_a_job_pass(tmp_path, monkeypatch):
    go = tmp_path / "go"
    head = f"import pathlib, time; GO = pathlib.Path({str(go)!r})\n"
    (tmp_path / "greedy_model.py").write_text(GREEDY + head)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    from greedy_model import greedy  # type: ignore[import-not-found]  # written above

    name = str(tmp_path / "learner.pickle")
    run = llm_scheduler.local_run(
        [adaptive.Learner1D(greedy, bounds=(-1, 1))],
        [name],
        name="greedy",
        folder=tmp_path / "run",
        memory="600MB",
        max_cores=2,
        executor_type="sequential",
        max_restarts=0,
        goal=lambda learner: learner.npoints >= 3,
        job_manager_interval=0.5,
        save_interval=1,
        llm="offline",
        quiet=True,
    )
    try:
        run.start()
        await run.finished(LIMIT_S)
        assert [row.state for row in run.snapshot()] == ["held"]
        facts = RunFacts(run)
        info = await in_thread(facts.learner, name)
        assert (Path(info.file).name, info.line, info.by_value) == ("greedy_model.py", 1, False)
        assert "bytearray(700" in info.source
        plan = await change(facts, "set_resources", learners=[name], memory="2GB")
        assert "-memory: 600MB\n+memory: 2GB\n" in plan.diff
        go.touch()
        await change(facts, "restart_learners", learners=[name])
        await run.finished(LIMIT_S)
        assert [row.state for row in run.snapshot()] == ["done"]
        record = run.scheduler.records()[run.job_manager.last[0].job_id]
        assert record.requested_memory_bytes == 2 << 30
    finally:
        await stop(run)


async def test_what_was_set_holds_in_the_next_session(runs):
    run = runs([EAT, EAT], memory="100MB")
    facts = RunFacts(run)
    run.start()
    await until_failed(run, 2)
    await change(facts, "set_resources", learners=["learner 0"], memory="0.3GB")
    assert facts.resources(run.fnames[0])["memory"] == "308MB"
    assert facts.resources(run.fnames[1])["memory"] == "100MB"
    await stop(run)

    again = runs([EAT, EAT], memory="100MB", job_name="run")
    again.start()
    await until_failed(again, 4)
    assert memories(again, 0) == [100, 308]
    assert memories(again, 1) == [100, 100]
    await stop(again)

    # Who raises the memory of the whole run means this learner, too.
    raised = runs([EAT, EAT], memory="1GB", job_name="run")
    assert RunFacts(raised).resources(raised.fnames[0])["memory"] == "1GB"


async def test_undoing_gives_the_memory_back(runs):
    run = runs([EAT], memory="100MB")
    facts = RunFacts(run)
    plan = await change(facts, "set_resources", learners=["learner 0"], memory="300MB", time="1h")
    assert run_changes.states_now(facts, plan) == plan.after
    await in_thread(run_changes.apply, facts, invert(plan))
    assert run_changes.states_now(facts, plan) == plan.before
    assert facts.resources(run.fnames[0]) == {
        "memory": "100MB",
        "time": "",
        "exclude": "",
        "cores": "1",
    }
    assert run.llm_manager.store.resources() == {}


async def test_a_change_that_was_shown_is_void_when_somebody_was_faster(runs):
    run = runs([HANG])
    facts = RunFacts(run)
    ask = functools.partial(run_changes.plan_run_change, facts, "set_resources")
    first = ask({"learners": ["learner 0"], "memory": "1GB"})
    second = ask({"learners": ["learner 0"], "memory": "2GB"})
    run_changes.apply(facts, first)
    with pytest.raises(ChangedSince, match="asks for something else now"):
        run_changes.apply(facts, second)
    assert facts.resources(run.fnames[0])["memory"] == "1GB"


async def test_a_crash_in_the_middle_is_completed(runs):
    run = runs([HANG, HANG, HANG])
    facts = RunFacts(run)
    plan = run_changes.plan_run_change(
        facts, "set_resources", {"learners": [str(f) for f in run.fnames], "memory": "1GB"}
    )
    facts.set_resources(run.fnames[1], {"memory": "1GB"})
    run_changes.finish(facts, plan)
    assert [facts.resources(fname)["memory"] for fname in run.fnames] == ["1GB"] * 3
    facts.set_resources(run.fnames[2], {"memory": "5GB"})
    with pytest.raises(ChangedSince):
        run_changes.finish(facts, plan)


async def test_only_what_was_asked_for_is_restarted(runs):
    run = runs([NAME_ERROR, KEY_ERROR])
    facts = RunFacts(run)
    run.start()
    await run.finished(LIMIT_S)
    plan = await change(facts, "restart_learners", learners=["learner 1"])
    assert "-state: held\n+state: released\n" in plan.diff
    await until_failed(run, 3)
    await run.finished(LIMIT_S)
    assert [f.job_name for f in run.llm_manager.failures()][2:] == ["run-1"]
    assert [job.state for job in facts.jobs()] == ["held", "held"]
    attempts = await in_thread(facts.attempts, run.fnames[1])
    assert [(a.job_id, a.outcome, a.state) for a in attempts] == [
        (attempts[0].job_id, "failed", "FAILED"),
        (facts.jobs()[1].job_id, "failed", "FAILED"),
    ]


async def test_a_restart_is_undone_until_its_job_is_submitted(runs):
    run = runs([KEY_ERROR, HANG])
    facts = RunFacts(run)
    run.start()
    await until_failed(run, 1)
    # Nothing is held back while jobs are being submitted.
    await until(lambda: len(run.job_manager.last) == 2 and run.job_manager.starter.task.done())
    plan = run_changes.plan_run_change(facts, "restart_learners", {"learners": ["learner 0"]})
    # In the run's own loop, so that nothing is submitted in between.
    run_changes.apply(facts, plan)
    assert run_changes.states_now(facts, plan) == plan.after
    assert "-state: released\n+state: held\n" in invert(plan).diff
    run_changes.apply(facts, invert(plan))
    assert facts.jobs()[0].state == "held"
    assert run_changes.states_now(facts, plan) == plan.before

    await in_thread(run_changes.apply, facts, plan)
    await until_failed(run, 2)
    with pytest.raises(ChangedSince, match="can't be undone once its job was submitted"):
        await in_thread(run_changes.apply, facts, invert(plan))
    with pytest.raises(ChangedSince):  # one decision starts one job
        await in_thread(run_changes.apply, facts, plan)


async def test_a_busy_notebook_is_said_and_nothing_happens_later(runs, monkeypatch):
    run = runs([KEY_ERROR, HANG])
    facts = RunFacts(run)
    run.start()
    await until_failed(run, 1)
    plan = run_changes.plan_run_change(facts, "restart_learners", {"learners": ["learner 0"]})
    monkeypatch.setattr(run_facts, "PATIENCE_S", 0.05)
    said = []

    def ask():
        try:
            run_changes.apply(facts, plan)
        except ToolError as exc:
            said.append(str(exc))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(LIMIT_S)  # the loop stands still, as under a cell that computes
    await asyncio.sleep(0)
    assert "nothing was changed" in said[0]
    assert facts.jobs()[0].state == "held"


async def test_a_run_that_is_not_started_can_not_be_restarted(runs):
    facts = RunFacts(runs([HANG]))
    with pytest.raises(ToolError, match="not going on"):
        facts.restart([facts.jobs()[0].fname])
    with pytest.raises(ToolError, match="no learner 'x'"):
        facts.restart(["x"])


async def test_the_same_facts_from_another_shell(runs, tmp_path):
    run = runs([NAME_ERROR, EAT, HANG], memory="100MB")
    facts, other = RunFacts(run), StoreFacts(run.llm_manager.store)
    run.start()
    await until_failed(run, 2)
    await until(lambda: other.resources(run.fnames[0])["memory"])
    # Both are to have seen the third job start.
    await until(lambda: facts.jobs()[2].state == other.jobs()[2].state == "running")
    assert not other.can_control
    assert (other.name, other.folder) == (facts.name, facts.folder) == ("run", tmp_path)
    assert [f.attempt for f in other.failures()] == [f.attempt for f in facts.failures()]
    assert [g.key for g in other.groups()] == [g.key for g in facts.groups()]
    assert other.logs() == facts.logs()
    for mine, theirs in zip(facts.jobs(), other.jobs(), strict=True):
        assert (mine.fname, mine.state, mine.job_id) == (theirs.fname, theirs.state, theirs.job_id)
        assert facts.resources(mine.fname) == other.resources(mine.fname)
        assert facts.attempts(mine.fname) == other.attempts(mine.fname)
        assert facts.job_script(mine.job_id) == other.job_script(mine.job_id)
        about = other.learner(mine.fname)
        assert (about.kind, about.bounds) == ("Learner1D", "(-1.0, 1.0)")
        assert facts.learner(mine.fname).by_value is about.by_value is False
    assert [(q.name, q.state, q.is_ours) for q in other.queue()] == [("run-2", "RUNNING", True)]
    assert [(q.name, q.is_ours) for q in facts.queue()] == [("run-2", True)]
    assert "of memory" in other.partitions()[0]

    # It is planned there, decided there, and carried out here.
    arguments = {"learners": ["learner 1"], "memory": "300MB"}
    plan = run_changes.plan_run_change(other, "set_resources", arguments)
    with pytest.raises(ToolError, match="Only the process that runs the jobs"):
        run_changes.apply(other, plan)
    run_changes.apply(facts, plan)
    assert other.resources(run.fnames[1])["memory"] == "300MB"
    again = run_changes.plan_run_change(other, "restart_learners", {"learners": ["learner 1"]})
    await in_thread(run_changes.apply, facts, again)
    await until_failed(run, 3)
    assert memories(run, 1) == [100, 300]


def test_another_shell_needs_no_more_than_the_file(tmp_path):
    from llm_scheduler.managers.failure_store import FailureStore

    store = FailureStore(tmp_path / "odd.failures.sqlite")
    (tmp_path / "odd.db.json").write_text('{"data": [{"fname": ["a.pickle", "b.pickle"]}]}')
    facts = StoreFacts(store)
    (job,) = facts.jobs()
    assert (job.fname, job.state, job.job_id) == ("a.pickle", "waiting", None)
    assert facts.groups() == facts.failures() == []
    assert facts.success_logs() == ()
    with pytest.raises(ToolError, match="no learner 'c'"):
        facts.resources("c")
    with pytest.raises(ToolError, match="'7' is not one of this run"):
        facts.job_script("7")
    store.write_description({"learners": "odd"})
    with pytest.raises(ToolError, match="can't be read"):
        facts.resources("a.pickle")
    store.close()


def test_reading_goes_on_when_the_run_changes_something():
    answers = iter([RuntimeError("dictionary changed size during iteration")] * 3 + [7])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert run_facts._read(ask) == 7
    with pytest.raises(RuntimeError, match="else"):
        run_facts._read(lambda: (_ for _ in ()).throw(RuntimeError("something else")))


def test_overrides_that_make_no_sense_are_left_out():
    from llm_scheduler.managers.run_description import read_override

    assert read_override({"memory": "--wrap=evil"}, {}) == resource_overrides.ResourceOverride()
    assert read_override({"color": "red"}, {}) == resource_overrides.ResourceOverride()
    assert read_override(None, {}) == resource_overrides.ResourceOverride()
