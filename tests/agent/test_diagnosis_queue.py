"""The newest group first, a bounded number at a time, and a problem is told once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.diagnosis_queue import DiagnosisQueue
from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from tests.agent.failed_jobs import KnownRun, make_failure


class WrittenDiagnoser:
    """Answers when the test lets it."""

    def __init__(self, at_once: int = 1, problem: str = "") -> None:
        self.settings = LLMSettings(model="x", diagnoses_at_once=at_once)
        self.last_problem = ""
        self.asked: list[str] = []
        self.go = asyncio.Semaphore(0)
        self.problem = problem
        self.n_cancelled = 0

    async def diagnose(self, group_key: str, failure: Failure, run: Any) -> Diagnosis | None:
        self.asked.append(f"{group_key}{failure.job_id}")
        try:
            await self.go.acquire()
        except asyncio.CancelledError:
            self.n_cancelled += 1
            raise
        self.last_problem = self.problem
        return None if self.problem else failure.diagnosis

    def let(self, n: int = 1000) -> None:
        for _ in range(n):
            self.go.release()


class Told:
    """What the queue called back with."""

    def __init__(self) -> None:
        self.diagnosed: list[str] = []
        self.problems: list[str] = []

    def note(self, failure: Failure, _: Diagnosis) -> None:
        self.diagnosed.append(str(failure.job_id))


async def let_run(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.fixture
def told() -> Told:
    return Told()


def make_queue(diagnoser: WrittenDiagnoser, told: Told, folder: Path) -> DiagnosisQueue:
    return DiagnosisQueue(
        diagnoser,  # type: ignore[arg-type] - stands in for it
        KnownRun(folder),
        on_diagnosis=told.note,
        on_problem=told.problems.append,
    )


async def test_newest_groups_first(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser()
    queue = make_queue(diagnoser, told, tmp_path)
    failure = make_failure(tmp_path, "1")
    for key in ("a", "b", "c"):
        queue.add(key, failure)
        await let_run()
    assert queue.n_pending == 3
    diagnoser.let()
    await queue.settled()
    assert diagnoser.asked == ["a1", "c1", "b1"]
    assert queue.n_pending == 0


async def test_members_of_a_group_come_one_after_the_other(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser(at_once=2)
    queue = make_queue(diagnoser, told, tmp_path)
    failures = [make_failure(tmp_path, str(i)) for i in range(3)]
    queue.add("a", failures[0])
    await let_run()
    for failure in (*failures, failures[1]):
        queue.add("a", failure)
    queue.add("b", failures[0])
    await let_run()
    assert diagnoser.asked == ["a0", "b0"]
    diagnoser.let()
    await queue.settled()
    assert diagnoser.asked == ["a0", "b0", "a0", "a1", "a2"]


async def test_a_problem_is_told_once(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser(problem="The budget is used up.")
    diagnoser.let()
    queue = make_queue(diagnoser, told, tmp_path)
    failure = make_failure(tmp_path)
    for key in ("a", "b", "c"):
        queue.add(key, failure)
    await queue.settled()
    assert told.problems == ["The budget is used up."]
    diagnoser.problem = ""
    queue.add("d", failure)
    await queue.settled()
    diagnoser.problem = "The budget is used up."
    queue.add("e", failure)
    await queue.settled()
    assert len(told.problems) == 2  # in between it went well


async def test_cancel(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser()
    queue = make_queue(diagnoser, told, tmp_path)
    for key in ("a", "b"):
        queue.add(key, make_failure(tmp_path))
    await let_run()
    queue.cancel()
    await queue.settled()
    assert (len(diagnoser.asked), diagnoser.n_cancelled) == (1, 1)
    queue.add("c", make_failure(tmp_path))
    await queue.settled()
    assert len(diagnoser.asked) == 1
    assert told.diagnosed == []


async def test_from_another_thread(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser()
    diagnoser.let()
    queue = make_queue(diagnoser, told, tmp_path)
    failure = make_failure(tmp_path)
    thread = threading.Thread(target=queue.add, args=("a", failure))
    thread.start()
    thread.join()
    await queue.settled()
    assert told.diagnosed == ["17"]


async def test_a_subscriber_that_fails_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    diagnoser = WrittenDiagnoser()
    diagnoser.let()
    seen: list[str] = []

    def fail(failure: Failure, _: Diagnosis) -> None:
        seen.append(str(failure.job_id))
        raise ValueError("a panel that is gone")

    queue = DiagnosisQueue(diagnoser, KnownRun(tmp_path), on_diagnosis=fail)  # type: ignore[arg-type] - stands in
    for i in range(3):
        queue.add("a", make_failure(tmp_path, str(i)))
    await queue.settled()
    assert seen == ["0", "1", "2"]
    assert "a panel that is gone" in caplog.text
