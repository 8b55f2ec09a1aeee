"""The local scheduler as the engine uses it, and with the engine itself."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import adaptive
import adaptive_scheduler
import cloudpickle
import pytest

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import SubmissionRefused, UsageError
from tests.engine.local_jobs import LONG_S, MB, has_text, until

OPTIONS = {"--url": "tcp://127.0.0.1:1", "--save-dataframe": None}

SHOW = """#!/bin/sh
printf '%s\\n' "$@"
echo "threads $OMP_NUM_THREADS extra $EXTRA"
"""

Make = Callable[..., LocalScheduler]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make schedulers that are closed with the test, in a folder with a blank in its name."""
    folder = tmp_path / "my project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = []

    def make_scheduler(*args: Any, **kwargs: Any) -> LocalScheduler:
        scheduler = LocalScheduler(*args, **{"max_cores": 2, "log_folder": "logs", **kwargs})
        made.append(scheduler)
        return scheduler

    yield make_scheduler
    for scheduler in made:
        scheduler.close()


@pytest.fixture
def show(tmp_path: Path) -> str:
    """A program in place of Python that prints its arguments and some of its environment."""
    program = tmp_path / "show it"
    program.write_text(SHOW)
    program.chmod(0o755)
    return str(program)


def ended(scheduler: LocalScheduler) -> list[tuple[JobRecord, str]]:
    # Not only those in the queue: a quick one may have left it.
    records = scheduler.runner.wait(list(scheduler.records()), LONG_S)
    assert scheduler.records() == records
    return [(r, Path(r.log_files[0]).read_text()) for r in records.values()]


def start_one(scheduler: LocalScheduler, name: str = "run-0", index: int = 0) -> None:
    options = dict(OPTIONS)
    if scheduler.single_job_script:
        options |= {"--n": scheduler.cores, "--executor-type": scheduler.executor_type}
        scheduler.write_job_script(name.rsplit("-", 1)[0], options)
    scheduler._command_line_options = options
    scheduler.start_job(name, index=index)


def test_job_gets_what_the_launcher_expects(make: Make, show: str) -> None:
    scheduler = make(
        2,
        memory="1GB",
        time="01:00:00",
        python_executable=show,
        num_threads=3,
        extra_env_vars=["EXTRA='a b'"],
        extra_script="echo before",
    )
    start_one(scheduler)
    ((record, log),) = ended(scheduler)
    assert record.state == "COMPLETED"
    assert (record.requested_memory_bytes, record.time_limit_s) == (1024 * MB, 3600)
    assert log.splitlines() == [
        "before",
        str(scheduler.launcher),
        "--log-fname",
        str(scheduler.log_fname("run-0")).replace("${JOB_ID}", record.job_id),
        "--job-id",
        record.job_id,
        "--name",
        "run-0",
        "--url",
        "tcp://127.0.0.1:1",
        "--save-dataframe",
        "--n",
        "2",
        "--executor-type",
        "process-pool",
        "threads 3 extra a b",
    ]


def test_output_is_named_as_the_engine_expects(make: Make, show: str) -> None:
    scheduler = make(python_executable=show)
    start_one(scheduler, "run-7")
    ((record, _),) = ended(scheduler)
    (expected,) = scheduler.output_fnames("run-7")
    assert expected.name == "run-7-${JOB_ID}.out"
    assert Path(record.log_files[0]).name == f"run-7-{record.job_id}.out"
    assert Path(record.log_files[0]).parent.samefile(expected.parent)


def test_resources_by_index(make: Make, show: str) -> None:
    asked = []

    def more_memory() -> str:
        asked.append("memory")
        return "200M"

    scheduler = make(
        (1, lambda: 2),
        memory=("100M", more_memory),
        time=(None, lambda: "2h"),
        python_executable=show,
        extra_script="echo all",
    )
    start_one(scheduler, "run-0", 0)
    start_one(scheduler, "run-1", 1)
    (first, first_log), (second, second_log) = ended(scheduler)
    assert (first.requested_memory_bytes, first.time_limit_s) == (100 * MB, None)
    assert (second.requested_memory_bytes, second.time_limit_s) == (200 * MB, 7200)
    assert "--n\n1\n" in first_log
    assert "--n\n2\n" in second_log
    assert first_log.startswith("all\n")
    assert asked == ["memory"]


def test_index_is_needed_for_resources_by_index(make: Make) -> None:
    with pytest.raises(UsageError, match="`index` must say which learner"):
        make((1, 1)).start_job("run-0")


def test_tuples_of_different_lengths(make: Make) -> None:
    with pytest.raises(UsageError, match="cores has 2, memory has 3"):
        make((1, 1), memory=("1G", "1G", "1G"))


@pytest.mark.parametrize("cores", [0, 3, "2", (1, 5)])
def test_cores_that_the_machine_has_not(make: Make, cores: Any) -> None:
    with pytest.raises(UsageError, match="with max_cores=2"):
        make(cores)


def test_resources_that_make_no_sense(make: Make) -> None:
    with pytest.raises(UsageError, match="'lots' is not an amount of memory"):
        make(memory="lots")
    with pytest.raises(UsageError, match="'soon' is not a duration"):
        make(time=("1h", "soon"))


def test_callable_that_asks_for_too_many_cores_is_refused(make: Make, show: str) -> None:
    scheduler = make((lambda: 9,), python_executable=show)
    with pytest.raises(SubmissionRefused, match="asks for 9 cores"):
        start_one(scheduler)


def test_script_that_is_not_there(make: Make) -> None:
    with pytest.raises(SubmissionRefused, match="Can't read the job script"):
        make().start_job("run-0", index=0)


def test_cancel_by_name(make: Make) -> None:
    scheduler = make()
    script = Path("sleep.batch")
    script.write_text("echo $NAME; sleep 1000 & wait")
    for name in ("a-0", "a-1", "b-0"):
        scheduler.submit_script(name, script)
    scheduler.cancel(["a-0", "b-0", "none"])
    assert [info["job_name"] for info in scheduler.queue().values()] == ["a-1"]
    states = {r.name: r.state for r in scheduler.records().values() if not r.is_live}
    assert states == {"a-0": "CANCELLED", "b-0": "CANCELLED"}
    assert list(scheduler.queue_df().job_name) == ["a-1"]


def test_pickled_scheduler_sees_the_same_jobs(make: Make, monkeypatch, tmp_path: Path) -> None:
    scheduler = make((1, lambda: 1), memory=("1G", lambda: "2G"), keep_running=True)
    script = Path("sleep.batch")
    script.write_text("echo up; sleep 1000")
    job_id = scheduler.submit_script("a-0", script, index=1)
    monkeypatch.chdir(tmp_path)
    other = cloudpickle.loads(cloudpickle.dumps(scheduler))
    assert (other.root, other.keep_running) == (scheduler.root, True)
    assert other.records([job_id])[job_id].requested_memory_bytes == 2048 * MB
    other.cancel(["a-0"])
    # The thread of the one that started the job notices its end a moment later.
    until(lambda: scheduler.queue() == {}, "the empty queue")


def test_modules_beside_the_notebook_are_found(make: Make) -> None:
    Path("beside_the_notebook.py").write_text("print('imported')")
    Path("script.batch").write_text(f"'{sys.executable}' -c 'import beside_the_notebook'")
    scheduler = make()
    scheduler.submit_script("a-0", Path("script.batch"))
    ((record, log),) = ended(scheduler)
    assert (record.state, log) == ("COMPLETED", "imported\n")


LEARNERS = """
def fine(x, offset):
    return x + offset

def bad(x):
    raise ValueError(f"no value at {x}")
"""


@pytest.mark.parametrize("cores", [1, (1, 1, 1)])
async def test_with_the_plain_engine(make: Make, monkeypatch, cores: Any) -> None:
    Path("my_functions.py").write_text(LEARNERS)
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.delitem(sys.modules, "my_functions", raising=False)
    functions = importlib.import_module("my_functions")
    learners = [adaptive.Learner1D(partial(functions.fine, offset=i), (-1, 1)) for i in range(2)]
    learners.append(adaptive.Learner1D(functions.bad, (-1, 1)))
    fnames = [f"data/{i}.pickle" for i in range(3)]
    scheduler = make(cores, memory="2GB", time="10:00", executor_type="sequential")
    run_manager = adaptive_scheduler.RunManager(
        scheduler,
        learners,
        fnames,
        goal=reached_goal,
        job_manager_interval=0.2,
        job_name=f"plain-{type(cores).__name__}",
        quiet=True,
    )
    run_manager.start()
    try:
        await asyncio.wait_for(failure_and_successes(run_manager), LONG_S)
    finally:
        queued = scheduler.queue()
        run_manager.cancel()
    # The engine may be starting the bad one again in a thread at this moment.
    assert not queued.keys() & scheduler.queue().keys()
    run_manager.load_learners()
    assert all(learner.npoints >= 10 for learner in learners[:2])
    failed = run_manager.database_manager.failed[0]
    record = scheduler.records([failed["job_id"]])[failed["job_id"]]
    assert (record.state, record.exit_code) == ("FAILED", 1)
    (log,) = failed["output_logs"]
    assert "ValueError: no value at" in Path(log).read_text()
    await end_all_tasks()


async def end_all_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=LONG_S)


def reached_goal(learner: adaptive.Learner1D) -> bool:
    return learner.npoints >= 10


async def failure_and_successes(run_manager: adaptive_scheduler.RunManager) -> None:
    database = run_manager.database_manager
    # And until the bad one is there again, so that there is something to cancel.
    while database.n_done() < 2 or not database.failed or not run_manager.scheduler.queue():
        await asyncio.sleep(0.05)


def test_jobs_wait_for_cores(make: Make) -> None:
    scheduler = make(2)
    script = Path("sleep.batch")
    script.write_text("echo up; sleep 1000")
    first = scheduler.submit_script("a-0", script, cores=2)
    second = scheduler.submit_script("a-1", script, cores=1)
    log = Path(scheduler.records([first])[first].log_files[0])
    until(lambda: has_text(log), "the first job")
    assert {i: info["state"] for i, info in scheduler.queue().items()} == {
        first: "RUNNING",
        second: "PENDING",
    }
