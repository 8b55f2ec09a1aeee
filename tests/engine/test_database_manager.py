"""The database of learners, without the engine's traps."""

from __future__ import annotations

import json
from pathlib import Path

import adaptive
import pytest

from llm_scheduler.engine.database_manager import DatabaseManager
from llm_scheduler.engine.local_scheduler import LocalScheduler

# All within an event loop: without one the engine's delayed saves are never awaited.


def make_database(folder: Path, n: int = 3, **kwargs) -> DatabaseManager:
    values = {
        "url": f"ipc://{folder}/s",
        "scheduler": LocalScheduler(root=folder / "jobs", log_folder=folder / "logs"),
        "db_fname": folder / "run.db.json",
        "learners": [adaptive.Learner1D(abs, bounds=(-1, 1)) for _ in range(n)],
        "fnames": [str(folder / f"{i}.pickle") for i in range(n)],
        "with_progress_bar": False,
    }
    database = DatabaseManager(**(values | kwargs))
    database._setup()
    return database


@pytest.fixture
async def database(tmp_path) -> DatabaseManager:
    return make_database(tmp_path)


def row(database: DatabaseManager, index: int = 0) -> dict:
    return database.as_dicts()[index]


def start(database: DatabaseManager, job_id: str, name: str):
    """Ask as a job does when it starts."""
    return database._dispatch(("start", job_id, f"{name}-{job_id}.log", name))


def submit(database: DatabaseManager, index: int) -> None:
    database.mark_submitted(index, f"run-{index}")
    database.set_output_logs(index, [f"/logs/run-{index}.out"])


async def test_before_it_is_set_up_there_is_nothing(tmp_path):
    database = DatabaseManager("ipc://x", None, tmp_path / "d.json", [], [])
    assert database.startable() == []
    assert not database.is_learner_done(0)
    database.mark_failed([0])
    database.mark_requeued(0, "run-0")


async def test_held_learners_are_not_startable(database):
    assert database.startable() == [0, 1, 2]
    database.held[1] = "Somebody cancelled it."
    assert database.startable() == [0, 2]
    del database.held[1]
    assert database.startable() == [0, 1, 2]


async def test_startable_once_what_it_depends_on_is_done(tmp_path):
    database = make_database(tmp_path, dependencies={1: [0], 2: [0, 1]})
    assert database.startable() == [0]
    database._stop_request(database.fnames[0])
    assert database.startable() == [1]
    database._stop_request(database.fnames[1])
    assert database.startable() == [2]


async def test_a_learner_has_one_job_at_a_time(database):
    submit(database, 0)
    assert database.startable() == [1, 2]
    assert start(database, "7", "run-0") == database.fnames[0]
    assert database.startable() == [1, 2]
    database._dispatch(("stop", database.fnames[0]))
    assert database.is_learner_done(0)
    assert database.startable() == [1, 2]


async def test_a_new_attempt_does_not_point_at_the_logs_before(database):
    submit(database, 0)
    start(database, "7", "run-0")
    assert row(database)["log_fname"] == "run-0-7.log"
    assert row(database)["start_time"] is not None
    database.mark_failed([0])
    database.mark_submitted(0, "run-0")
    found = row(database)
    assert (found["log_fname"], found["output_logs"], found["start_time"]) == (None, [], None)
    assert (found["job_id"], found["is_pending"]) == (None, True)
    database.set_output_logs(0, (Path("/logs/new.out"), "/logs/new.err")[1:])
    assert row(database)["output_logs"] == ["/logs/new.err"]


async def test_failed_learners_are_free_again_and_remembered(database):
    for index in (0, 1):
        submit(database, index)
        start(database, str(index), f"run-{index}")
    database.mark_failed([1])
    assert database.startable() == [1, 2]
    (failed,) = database.failed
    assert (failed["job_id"], failed["job_name"]) == ("1", "run-1")
    assert failed["output_logs"]
    database.mark_failed([])
    assert len(database.failed) == 1


async def test_a_requeued_job_asks_again_under_its_id(database):
    submit(database, 0)
    assert start(database, "7", "run-0") == database.fnames[0]
    again = start(database, "7", "run-0")
    assert isinstance(again, Exception)
    assert "already exists" in str(again)
    database.mark_requeued(0, "run-0")
    assert row(database)["is_pending"]
    assert database.startable() == [1, 2]
    assert start(database, "7", "run-0") == database.fnames[0]
    assert not row(database)["is_pending"]


async def test_a_requeued_job_of_a_finished_learner_gets_nothing(database):
    submit(database, 0)
    start(database, "7", "run-0")
    database._stop_request(database.fnames[0])
    database.mark_requeued(0, "run-0")
    assert not row(database)["is_pending"]
    assert isinstance(start(database, "7", "run-0"), Exception)


@pytest.mark.parametrize("queue", [None, {}, {"9": {"job_name": "another"}}])
async def test_update_declares_nothing_failed(database, queue):
    submit(database, 0)
    start(database, "7", "run-0")
    before = database.as_dicts()
    database.update(queue)
    assert database.as_dicts() == before
    assert database.failed == []


async def test_a_running_job_of_an_earlier_session_is_adopted(database):
    database.adopt(0, "run-0", "7")
    assert (row(database)["job_id"], row(database)["is_pending"]) == ("7", False)
    assert database.startable() == [1, 2]


async def test_a_waiting_job_of_an_earlier_session_may_ask_for_its_learner(database):
    database.adopt(0, "run-0", "7", is_waiting=True)
    assert database.startable() == [1, 2]
    assert start(database, "7", "run-0") == database.fnames[0]


async def test_a_finished_learner_is_not_adopted(database):
    database._stop_request(database.fnames[0])
    for is_waiting in (False, True):
        database.adopt(0, "run-0", "7", is_waiting=is_waiting)
        assert row(database)["job_name"] is None
        assert database.is_learner_done(0)


async def test_an_index_of_an_earlier_session_with_more_learners(database):
    assert not database.is_learner_done(17)
    database.mark_failed([17, 0])
    assert len(database.failed) == 1
    database.mark_requeued(17, "run-17")
    assert not database.has_learner(17, ("17.pickle",))


async def test_learners_are_told_by_their_files(tmp_path):
    names = ["a.pickle", Path("b.pickle"), ["c.pickle", Path("d.pickle")]]
    database = DatabaseManager("ipc://x", None, tmp_path / "d.json", [], names)
    files = [database.learner_files(i) for i in range(3)]
    assert files == [("a.pickle",), ("b.pickle",), ("c.pickle", "d.pickle")]
    assert database.has_learner(2, ("c.pickle", "d.pickle"))
    assert not database.has_learner(1, ("a.pickle",))


async def test_an_existing_file_is_read_when_it_is_not_to_be_overwritten(tmp_path):
    first = make_database(tmp_path)
    first._stop_requests([first.fnames[1]])
    first._db.close()
    second = make_database(tmp_path, overwrite_db=False)
    assert second.n_done() == 1
    assert second.is_learner_done(1)
    assert second.startable() == [0, 2]
    assert make_database(tmp_path).n_done() == 0


async def test_jobs_in_an_existing_file_do_not_block_their_learners(tmp_path):
    first = make_database(tmp_path)
    submit(first, 0)
    submit(first, 1)
    start(first, "7", "run-1")
    first._db.close()
    saved = json.loads((tmp_path / "run.db.json").read_text())["data"]
    assert [entry["job_id"] for entry in saved] == [None, "7", None]
    second = make_database(tmp_path, overwrite_db=False)
    assert second.startable() == [0, 1, 2]


async def test_an_existing_file_of_other_learners_is_not_used(tmp_path):
    first = make_database(tmp_path, n=2)
    first._stop_requests([first.fnames[1]])
    first._db.close()
    second = make_database(tmp_path, n=3, overwrite_db=False)
    assert second.startable() == [0, 1, 2]


async def test_starting_again_keeps_what_is_known(database):
    database._stop_requests([database.fnames[0]])
    database._setup()
    assert database.is_learner_done(0)
