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
        self.n_answers = 0
        self.could_ask = True
        self.retry_s: float | None = None
        self.cached: set[str] = set()
        self.not_asked: list[str] = []

    async def diagnose(
        self, group_key: str, failure: Failure, run: Any, *, ask: bool = True
    ) -> Diagnosis | None:
        self.could_ask = True
        if group_key in self.cached:
            return failure.diagnosis
        if not ask:
            self.not_asked.append(f"{group_key}{failure.job_id}")
            return None
        self.asked.append(f"{group_key}{failure.job_id}")
        try:
            await self.go.acquire()
        except asyncio.CancelledError:
            self.n_cancelled += 1
            raise
        self.last_problem = self.problem
        self.could_ask = not self.problem
        self.n_answers += self.could_ask
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
    diagnoser.cached.add("known")
    for key in ("known", "d"):  # what is known needs no budget and tells nothing of it
        queue.add(key, failure)
        await queue.settled()
    assert told.problems == ["The budget is used up."]
    diagnoser.problem = ""
    queue.add("e", failure)
    await queue.settled()
    assert told.problems[1:] == [""]
    diagnoser.problem = "The budget is used up."
    queue.add("f", failure)
    await queue.settled()
    assert told.problems[2:] == ["The budget is used up."]  # in between it went well


async def test_an_answer_that_proves_nothing_is_no_problem(told: Told, tmp_path: Path) -> None:
    class Inventor(WrittenDiagnoser):
        async def diagnose(self, *_: Any, **__: Any) -> Diagnosis | None:
            self.last_problem, self.n_answers = "The model invented all.", self.n_answers + 1
            return None

    queue = make_queue(Inventor(), told, tmp_path)
    queue.add("a", make_failure(tmp_path))
    await queue.settled()
    assert (told.problems, told.diagnosed) == ([""], []), "none stands"


async def test_what_could_not_be_asked_about_is_asked_when_it_can(
    told: Told, tmp_path: Path
) -> None:
    diagnoser = WrittenDiagnoser(problem="The model is down.")
    diagnoser.retry_s = 1000.0
    diagnoser.let()
    queue = make_queue(diagnoser, told, tmp_path)
    for i, key in enumerate("abc"):
        queue.add(key, make_failure(tmp_path, str(i)))
    await queue.settled()
    assert diagnoser.asked == ["c2", "b1", "a0"]
    assert queue.n_pending == 0  # nobody waits for a thousand seconds
    diagnoser.retry_s = 0.0
    queue.add("d", make_failure(tmp_path, "3"))
    await queue.settled()
    diagnoser.problem = ""
    while len(told.diagnosed) < 4:
        await asyncio.sleep(0)
    assert told.diagnosed == ["2", "1", "0", "3"]
    assert told.problems == ["The model is down.", ""]


async def test_groups_added_together_and_groups_that_grow(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser()
    queue = make_queue(diagnoser, told, tmp_path)
    first, second = (make_failure(tmp_path, str(i)) for i in range(2))
    for key in ("old", "middle", "new"):
        queue.add(key, first)
    await let_run()
    assert diagnoser.asked == ["new0"]
    queue.add("old", second)  # it happens again: now this is the newest
    await let_run()
    diagnoser.let()
    await queue.settled()
    assert diagnoser.asked == ["new0", "old0", "old1", "middle0"]


async def test_some_only_get_what_is_known(told: Told, tmp_path: Path) -> None:
    diagnoser = WrittenDiagnoser()
    diagnoser.cached.add("known")
    queue = make_queue(diagnoser, told, tmp_path)
    failures = [make_failure(tmp_path, str(i)) for i in range(2)]
    for key in ("known", "unknown"):
        queue.add(key, *failures, ask=False)
    await queue.settled()
    assert told.diagnosed == ["0", "1"]
    assert (diagnoser.asked, diagnoser.not_asked) == ([], ["unknown0", "unknown1"])
    assert told.problems == []


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
