"""The database of failures."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime

import pytest

from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.errors import StoreError
from llm_scheduler.managers import failure_store
from llm_scheduler.managers.failure_store import SCHEMA_VERSION, FailureStore


def make_failure(attempt: str = "a", **kwargs) -> Failure:
    values = {
        "attempt": attempt,
        "job_id": "1",
        "job_name": "run-0",
        "learners": ("l.pickle",),
        "failed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Failure(**(values | kwargs))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "run.failures.sqlite"


def test_a_failure_is_new_once(path):
    store = FailureStore(path)
    assert store.add_failures([make_failure("a"), make_failure("b")]) != []
    assert store.add_failures([make_failure("a")]) == []
    assert [f.attempt for f in store.failures()] == ["a", "b"]
    store.close()


def test_known_in_the_next_session(path):
    first = FailureStore(path)
    first.add_failures([make_failure("a")])
    assert [f.known for f in first.failures()] == [False]
    first.close()
    second = FailureStore(path)
    assert [f.known for f in second.failures()] == [True]
    second.close()


def test_attempts_are_open_until_they_end(path):
    store = FailureStore(path)
    attempts = [Attempt(i, f"run-{i}", (f"{i}.pickle",), attempt=f"a{i}") for i in range(3)]
    store.write_attempts(attempts)
    attempts[0].job_id, attempts[0].log_files = "7", ("/x/run-0-7.out",)
    attempts[0].dropped = True
    store.write_attempts(attempts[:1])
    store.close_attempts([(attempts[1], "finished")])
    store.add_failures([make_failure("a2")])
    (left,) = store.open_attempts()
    assert (left.attempt, left.job_id, left.dropped) == ("a0", "7", True)
    assert left.log_files == ("/x/run-0-7.out",)
    store.close()


def test_nodes_of_all_attempts_are_counted(path):
    store = FailureStore(path)
    for i, node in enumerate(["t1", "t1", "t2"]):
        attempt = Attempt(i, f"run-{i}", ("x",), attempt=f"a{i}", nodes=(node,))
        store.write_attempts([attempt])
    assert store.nodes_used() == {"t1": 2, "t2": 1}
    store.close()


def test_a_newer_schema_is_refused(path):
    FailureStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (SCHEMA_VERSION + 1,))
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        FailureStore(path)


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look at" * 50, b"\x00" * 9000]
)
def test_junk_is_refused(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="can't be used"):
        FailureStore(path)


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can't be used"):
        FailureStore(tmp_path / "file" / "run.sqlite")


def test_two_kernels_write_at_once(path, monkeypatch):
    # On a slow disk each may have to wait for many of the other's turns.
    monkeypatch.setattr(failure_store, "BUSY_TIMEOUT_S", 240.0)
    stores = [FailureStore(path), FailureStore(path)]

    def write(store, prefix):
        for i in range(50):
            store.add_failures([make_failure(f"{prefix}{i}"), make_failure(f"both{i}")])

    threads = [
        threading.Thread(target=write, args=(s, p)) for s, p in zip(stores, "xy", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores[0].failures()) == 150
    for store in stores:
        store.close()


def test_forgotten_failures_are_gone(path):
    store = FailureStore(path)
    store.add_failures([make_failure("a"), make_failure("b")])
    store.remove_failures(["a"])
    assert [f.attempt for f in store.failures()] == ["b"]
    store.close()


def test_what_others_have_written_is_noticed_once(path):
    ours, others = FailureStore(path), FailureStore(path)
    ours.add_failures([make_failure("a")])
    ours.changed_elsewhere()  # at the first call nobody knows
    assert ours.changed_elsewhere() == []
    ours.update_failures([make_failure("a", note="ours")])
    assert ours.changed_elsewhere() == []
    others.update_failures([make_failure("a", note="theirs")])
    assert [f.note for f in ours.changed_elsewhere()] == ["theirs"]
    assert ours.changed_elsewhere() == []
    ours.close()
    with pytest.raises(StoreError):
        ours.changed_elsewhere()
    others.close()


def test_runs_of_one_name_are_counted_when_they_have_ended(path):
    store = FailureStore(path)
    assert (store.run_number(), store.begin_run(), store.begin_run()) == (1, 1, 1)
    store.mark_run(has_ended=True)
    assert store.run_number() == 1
    store.mark_run(has_ended=False)  # learners were released
    assert store.begin_run() == 1
    store.mark_run(has_ended=True)
    assert (store.begin_run(), store.begin_run()) == (2, 2)
    store.close()


def test_the_end_of_an_earlier_run_is_not_that_of_the_present_one(path):
    store = FailureStore(path)
    earlier = store.begin_run()
    store.mark_run(has_ended=True, number=earlier)
    present = store.begin_run()
    store.mark_run(has_ended=True, number=earlier)  # its clean-up took a while
    assert store.begin_run() == present == 2
    store.mark_run(has_ended=True, number=present)
    store.mark_run(has_ended=False, number=earlier)
    assert store.begin_run() == 3
    store.close()


def test_single_fields_are_revised_and_the_others_stay(path):
    ours, others = FailureStore(path), FailureStore(path)
    ours.add_failures([make_failure("a", held=True), make_failure("b", held=True)])
    (read, _) = others.failures()
    ours.revise_failures({"a": {"held": False}})
    others.revise_failures({read.attempt: {"note": "theirs"}, "not there": {"note": "x"}})
    assert [(f.held, f.note) for f in ours.failures()] == [(False, "theirs"), (True, "")]
    ours.close()
    others.close()


def test_what_could_not_be_read_is_still_seen_later(path, monkeypatch):
    ours, others = FailureStore(path), FailureStore(path)
    ours.add_failures([make_failure("a")])
    ours.changed_elsewhere()
    others.update_failures([make_failure("a", note="theirs")])
    with monkeypatch.context() as patch:
        patch.setattr(ours, "_paused_until", float("inf"))
        with pytest.raises(StoreError):
            ours.changed_elsewhere()
    assert [f.note for f in ours.changed_elsewhere()] == ["theirs"]
    ours.close()
    others.close()
