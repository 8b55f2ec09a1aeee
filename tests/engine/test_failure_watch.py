"""Seeing what left the queue, and deciding what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from llm_scheduler.engine.attempts import GRACE_S, Attempt, Verdict
from llm_scheduler.engine.failure_watch import FailureWatch
from llm_scheduler.engine.live_queue import LiveJob
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.engine.records import JobRecord


class FakeAccounting:
    """Knows the states that it is told, and counts the questions."""

    name = "fake"
    problem = ""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.calls: list[list[str]] = []
        self.when_asked = lambda: None

    def records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        self.calls.append(list(job_ids))
        self.when_asked()
        return {
            job_id: JobRecord(job_id=job_id, state=self.states[job_id])
            for job_id in job_ids
            if job_id in self.states
        }


class Watched:
    """A watch with a clock that only the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 100.0
        self.accounting = FakeAccounting()
        self.watch = FailureWatch(
            LogKeeper(folder / "kept"),
            self.accounting,
            clock=lambda: self.now_s,
        )
        self.done: set[int] = set()

    def add(self, index: int, job_id: str | None = None, **kwargs) -> Attempt:
        attempt = Attempt(index, f"run-{index}", (f"{index}.pickle",), job_id=job_id, **kwargs)
        self.watch.add(attempt)
        return attempt

    def see(self, *jobs: LiveJob, after_s: float = 1.0):
        self.now_s += after_s
        return self.watch.see({job.job_id: job for job in jobs}, asked_at=self.now_s)

    async def decide(self):
        return await self.watch.decide(self.done.__contains__)


@pytest.fixture
def watched(tmp_path) -> Watched:
    return Watched(tmp_path)


def job(job_id: str = "1", state: str = "RUNNING", **kwargs) -> LiveJob:
    return LiveJob(job_id=job_id, state=state, **kwargs)


async def test_many_jobs_that_are_gone_cost_one_question(watched):
    attempts = [watched.add(i, str(i)) for i in range(500)]
    watched.accounting.states = {str(i): "FAILED" for i in range(500)}
    assert watched.see().changed
    decisions = await watched.decide()
    assert [d.attempt for d in decisions] == attempts
    assert {d.verdict for d in decisions} == {Verdict.FAILED}
    assert decisions[7].record.job_id == "7"
    assert len(watched.accounting.calls) == 1
    assert watched.watch.attempts == {}
    assert await watched.decide() == []
    assert len(watched.accounting.calls) == 1


async def test_a_job_in_the_queue_is_not_asked_about(watched):
    watched.add(0, "1")
    watched.see(job())
    assert await watched.decide() == []
    assert watched.accounting.calls == []


async def test_what_was_submitted_since_the_queue_was_asked_is_not_missing(watched):
    asked_at = watched.now_s
    watched.now_s += 1
    attempt = watched.add(0, "1")
    assert not watched.watch.see({}, asked_at=asked_at).changed
    assert attempt.gone_at is None
    assert watched.see().changed
    assert attempt.gone_at is not None


async def test_a_job_that_comes_back_is_live_again(watched):
    attempt = watched.add(0, "1")
    watched.see(job())
    watched.see()
    assert watched.watch.undecided == [attempt]
    watched.see(job())
    assert watched.watch.undecided == []
    watched.accounting.states["1"] = "FAILED"
    assert await watched.decide() == []


async def test_a_job_that_comes_back_while_accounting_answers(watched):
    attempt = watched.add(0, "1")
    watched.see()
    watched.accounting.states["1"] = "FAILED"
    watched.accounting.when_asked = lambda: watched.see(job())
    assert await watched.decide() == []
    assert watched.watch.attempts == {attempt.attempt: attempt}


async def test_a_job_without_id_is_found_by_its_name(watched):
    attempt = watched.add(0)
    watched.see(job("9", "PENDING", name="run-0"))
    assert (attempt.state, attempt.gone_at) == ("PENDING", None)
    assert watched.see(job("9", "RUNNING", name="another")).changed
    assert attempt.gone_at is not None
    watched.now_s += GRACE_S
    (decision,) = await watched.decide()
    assert (decision.verdict, decision.record) == (Verdict.FAILED, None)
    assert watched.accounting.calls == []


async def test_a_name_does_not_stand_for_another_job_id(watched):
    attempt = watched.add(0, "1")
    watched.see(job("2", name="run-0"))
    assert attempt.gone_at is not None


@pytest.mark.parametrize("state", ["PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"])
def test_a_requeued_job_is_told_once(watched, state):
    attempt = watched.add(0, "1")
    assert watched.see(job(state="PENDING")).requeued == ()
    assert watched.see(job()).requeued == ()
    assert watched.see(job(state=state)).requeued == (attempt,)
    assert watched.see(job(state="PENDING")).requeued == ()
    assert watched.see(job()).requeued == ()
    assert watched.see(job(state="PENDING")).requeued == (attempt,)


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED", "COMPLETING", "CONFIGURING"])
async def test_a_job_that_only_pauses_stays(watched, state):
    attempt = watched.add(0, "1")
    watched.see(job())
    seen = watched.see(job(state=state))
    assert seen.changed
    assert seen.requeued == ()
    assert not watched.see(job(state=state)).changed
    assert watched.see(job()).requeued == ()
    assert await watched.decide() == []
    assert watched.watch.attempts == {attempt.attempt: attempt}


async def test_undecided_until_the_grace_is_over(watched):
    attempt = watched.add(0, "1")
    watched.see()
    watched.now_s += GRACE_S - 0.5
    assert await watched.decide() == []
    assert watched.watch.undecided == [attempt]
    watched.now_s += 1
    (decision,) = await watched.decide()
    assert decision.verdict is Verdict.FAILED


async def test_being_missed_again_does_not_prolong_the_grace(watched):
    watched.add(0, "1")
    watched.see()
    for _ in range(3):
        assert not watched.see(after_s=GRACE_S / 4).changed
    watched.now_s += GRACE_S / 4
    assert [d.verdict for d in await watched.decide()] == [Verdict.FAILED]


async def test_a_learner_that_is_done_needs_no_accounting(watched):
    watched.add(0, "1")
    watched.done.add(0)
    watched.see()
    assert [d.verdict for d in await watched.decide()] == [Verdict.FINISHED]
    assert watched.accounting.calls == []


async def test_a_leftover_is_asked_about_although_its_learner_is_done(watched):
    attempt = watched.add(0, "1", leftover=True)
    watched.accounting.states["1"] = "FAILED"
    watched.done.add(0)
    watched.see()
    assert watched.watch.busy == set()
    assert watched.watch.find("run-0") is None
    (decision,) = await watched.decide()
    assert (decision.attempt, decision.verdict) == (attempt, Verdict.FAILED)


async def test_dropped_jobs_are_no_failures(watched):
    watched.add(0, "1")
    watched.add(1, "2")
    watched.watch.drop_all()
    watched.accounting.states["1"] = "CANCELLED"
    watched.see()
    assert {d.verdict for d in await watched.decide()} == {Verdict.DROPPED}


async def test_nodes_and_names_are_noted(watched):
    attempt = watched.add(3, "1")
    watched.see(job(nodes=("n1", "n2")))
    watched.see(job(nodes=()))
    assert attempt.nodes == ("n1", "n2")
    assert watched.watch.busy == {3}
    assert watched.watch.find("run-3") is attempt


async def test_logs_are_kept_of_failures_and_of_one_success(watched, tmp_path):
    logs = []
    for i, state in enumerate(["FAILED", "CANCELLED", "COMPLETED"]):
        logs.append(tmp_path / f"run-{i}.out")
        logs[i].write_text(f"{i}\n")
        watched.add(i, str(i), log_files=(str(logs[i]),))
        watched.accounting.states[str(i)] = state
    watched.done.add(2)
    watched.see(*(job(str(i)) for i in range(3)))
    await watched.watch.follow_logs()
    assert len(list((tmp_path / "kept").rglob("*.out"))) == 3
    for log in logs:
        log.unlink()
    watched.see()
    failed, cancelled, finished = await watched.decide()
    assert [Path(file).read_text() for file in failed.log_files] == ["0\n"]
    assert [Path(file).read_text() for file in cancelled.log_files] == ["1\n"]
    assert finished.log_files == ()
    kept = sorted(path.name for path in (tmp_path / "kept").rglob("*.out"))
    assert kept == ["run-0.out", "run-1.out", "run-2.out"]
    assert (tmp_path / "kept" / "succeeded" / "run-2.out").is_file()


async def test_logs_of_waiting_jobs_are_not_looked_for(watched, tmp_path):
    log = tmp_path / "run-0.out"
    log.write_text("of the job before\n")
    watched.add(0, "1", log_files=(str(log),))
    watched.see(job(state="PENDING"))
    await watched.watch.follow_logs()
    assert not (tmp_path / "kept").exists()
