"""What the rules propose by themselves: once for each failure, and anew for a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.managers import follow_up
from llm_scheduler.managers.assistant import Assistant
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.llm_manager import LLMManager
from tests.agent.failed_programs import ListedRun, failed_program, failure_from
from tests.managers.script_jobs import until

LEARNER = "run/band-0.pickle"
MISSPELT = "length = 3\nprint(lenght)\n"

Open = Callable[..., Assistant]


def out_of_memory(
    folder: Path, job_id: int, gigabytes: int = 2, learner: str = LEARNER, **values: Any
) -> Failure:
    log = folder / "silent.out"
    log.write_text("step 1 of 10\n")
    used = gigabytes << 30
    record = JobRecord(
        job_id=str(job_id), state="OUT_OF_MEMORY", exit_code=0, signal=9,
        requested_memory_bytes=used, max_rss_bytes=used, nodes=("n1",),
    )  # fmt: skip
    failure = failure_from(log, learner, job_id=str(job_id), record=record)
    at = failure.failed_at + timedelta(minutes=job_id)
    return failure.model_copy(update={"failed_at": at} | values)


def fail(run: ListedRun, failure: Failure) -> None:
    run.all_failures.append(failure)
    run.states |= dict.fromkeys(failure.learners, "held")


@pytest.fixture
def run(tmp_path: Path) -> ListedRun:
    return ListedRun(tmp_path)


@pytest.fixture
def open_(run: ListedRun, tmp_path: Path) -> Iterator[Open]:
    """Open sessions of one run."""
    opened: list[Assistant] = []

    def make(**values: Any) -> Assistant:
        state = tmp_path.with_name(f"{tmp_path.name}-state")
        settings = LLMSettings(threads_dir=state, roots=(tmp_path,), **values)
        file = tmp_path / "run.sqlite"
        opened.append(Assistant(settings, state_dir=state, run=run, run_file=file))
        return opened[-1]

    yield make
    for assistant in opened:
        assistant.close()


def propose(assistant: Assistant) -> list[Approval]:
    (group,) = assistant.groups()
    return assistant.propose_fixes(group).approvals


def told(approvals: list[Approval]) -> list[tuple[str, str]]:
    return [(approval.tool, approval.status) for approval in approvals]


DONE = [("set_resources", "done"), ("restart_learners", "done")]
PENDING = [("set_resources", "pending"), ("restart_learners", "pending")]


def test_a_learner_that_fails_again_is_helped_again(run: ListedRun, open_: Open) -> None:
    assistant = open_(mode="yolo")
    for job_id, gigabytes in ((13, 2), (14, 4), (15, 8)):
        fail(run, out_of_memory(run.folder, job_id, gigabytes))
        assert told(propose(assistant)) == DONE
        assert run.asked[LEARNER]["memory"] == f"{2 * gigabytes}GB"
        assert run.states[LEARNER] == "waiting", "it is started again each time"


def test_the_same_is_proposed_once_in_all_sessions(run: ListedRun, open_: Open) -> None:
    fail(run, out_of_memory(run.folder, 13))
    first, second = open_(), open_()
    assert told(propose(first)) == PENDING
    assert [x.id for x in propose(second)] == [x.id for x in propose(first)]
    assert len(first.pending()) == 2
    for approval in first.pending():
        first.desk.decide(approval.id, "approve")
    run.asked.clear()  # whatever came in between
    assert propose(second) == [], "what is settled is not said to be proposed"
    assert len(first.changes()) == 2


def test_a_learner_whose_fix_was_rejected_is_asked_about_when_it_fails_again(
    run: ListedRun, open_: Open
) -> None:
    assistant = open_()
    fail(run, out_of_memory(run.folder, 13))
    for approval in propose(assistant):
        assistant.desk.decide(approval.id, "reject")
    assert propose(assistant) == []
    at = datetime.now(UTC) + timedelta(minutes=1)
    fail(run, out_of_memory(run.folder, 14, failed_at=at))
    assert told(propose(assistant)) == PENDING


def test_one_card_for_one_edit_and_no_nagging(run: ListedRun, open_: Open) -> None:
    assistant = open_()
    failure = failed_program(run.folder, MISSPELT)
    fail(run, failure)
    edit, _ = propose(assistant)
    fail(run, failure.model_copy(update={"attempt": "b", "learners": ("l-2",), "job_id": "8"}))
    again = propose(assistant)
    assert again[0].id == edit.id, "it mends both"
    assert again[1].arguments["learners"] == [failure.learners[0], "l-2"]
    assert assistant.pending() == again, "the restart of one is part of that of both"
    for approval in assistant.pending():
        assistant.desk.decide(approval.id, "reject")
    fail(run, failure.model_copy(update={"attempt": "c", "learners": ("l-3",), "job_id": "9"}))
    assert propose(assistant) == [], "a reject holds for the jobs that failed before it too"


async def test_a_person_can_ask_again_after_an_undo_or_a_reject(
    run: ListedRun, open_: Open
) -> None:
    assistant = open_(mode="yolo")
    fail(run, out_of_memory(run.folder, 13))
    change_id = propose(assistant)[0].change_id
    assistant.undo(change_id)
    assert LEARNER not in run.asked or not run.asked[LEARNER].get("memory")
    run.states[LEARNER] = "held"
    assert propose(assistant) == [], "nobody asked"
    said = await assistant.fix("13")
    assert said.text.count(": done") == 2
    assert run.asked[LEARNER]["memory"] == "4GB"

    assistant.mode = "approve"
    assistant.undo(assistant.changes()[-2].id)
    run.states[LEARNER] = "held"
    for answer in ("reject", "approve"):
        said = await assistant.fix("13")
        assert told(list(said.approvals)) == PENDING
        for approval in said.approvals:
            assistant.desk.decide(approval.id, answer)
    assert run.states[LEARNER] == "waiting"


def test_what_a_person_has_undone_is_asked_for(run: ListedRun, open_: Open) -> None:
    assistant = open_(mode="yolo")
    fail(run, out_of_memory(run.folder, 13))
    assistant.undo(propose(assistant)[0].change_id)
    fail(run, out_of_memory(run.folder, 14))
    assert told(propose(assistant)) == PENDING, "the restart waits for it"


def test_a_session_may_propose_any_number_of_fixes(run: ListedRun, open_: Open) -> None:
    assistant = open_(mode="yolo", changes_per_turn=2)
    for job_id in range(5):
        fail(run, out_of_memory(run.folder, job_id, 2 << job_id))
        assert told(propose(assistant)) == DONE


async def test_what_a_limit_stops_is_told(
    run: ListedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_up, "GATHER_S", 0.0)
    failures = [out_of_memory(tmp_path, i, 2 + i, f"run/band-{i}.pickle") for i in range(3)]
    run.all_failures += failures
    state = tmp_path.with_name(f"{tmp_path.name}-state")
    manager = LLMManager(
        FailureStore(tmp_path / "run.failures.sqlite"),
        settings=LLMSettings(mode="yolo", changes_per_turn=2),
        state_dir=state,
    )
    manager.join(lambda _: None, run=run)
    try:
        await manager.report(failures)
        manager.start()
        await until(lambda: "changes_per_turn" in manager.problem)
        assert len(manager.changes()) == 2
        assert set(run.states.values()) <= {"held"}, "not all is mended yet"
        said = await manager.fix("2")
        assert said.text.count(": done") == 2
        assert set(run.states.values()) == {"waiting"}
    finally:
        manager.cancel()
        manager.close_assistant()
