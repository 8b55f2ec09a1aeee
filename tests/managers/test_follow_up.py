"""The model's view beside the rules': which groups it is asked about, in what order, when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.config import LLMSettings, Settings
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.errors import ModelError
from llm_scheduler.managers import chat_manager, follow_up
from llm_scheduler.managers.assistant import open_assistant
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.testing.scripted_model import ScriptedModel, answer, fault, hold, repeat, say
from tests.agent.failed_jobs import LOG, PROOF, TIME, KnownRun, make_answer, make_failure, quote
from tests.managers.script_jobs import LIMIT_S, until

Session = Callable[..., LLMManager]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_up, "GATHER_S", 0.0)


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """Make managers of one run, each a session of its own, asking a scripted model."""
    made: list[LLMManager] = []

    def make(server: ScriptedModel, **values: Any) -> LLMManager:
        given: dict[str, Any] = {
            "model": "scripted",
            "base_url": server.base_url,
            "api_key": "none",
        }
        given |= {"api_key": "none", "mode": "read-only", "max_retries": 0}
        store = FailureStore(tmp_path / "run.failures.sqlite")
        manager = LLMManager(
            store, settings=LLMSettings(**(given | values)), state_dir=tmp_path / "state"
        )
        manager.join(lambda _: None, run=KnownRun(tmp_path))
        made.append(manager)
        return manager

    yield make
    for manager in made:
        end(manager)


def end(manager: LLMManager) -> None:
    if manager.task is not None:
        manager.cancel()
    manager.close_assistant()


def fail(folder: Path, job_id: str, error: str = PROOF, minute: int = 0) -> Failure:
    log = LOG.replace(PROOF, error)
    return make_failure(folder, job_id, log, failed_at=TIME + timedelta(minutes=minute))


def say_what_it_reads(request: Any) -> Any:
    """Answer about any log, quoting its last line."""
    for error in (PROOF, "KeyError: 'mu'", "ZeroDivisionError: division by zero"):
        if error in request.last_text:
            return answer(make_answer(title=f"Model: {error}", evidence=[quote(error, file="")]))
    raise AssertionError(request.last_text)


async def look(manager: LLMManager, *failures: Failure) -> list[tuple[str, str]]:
    """Let failures happen and be followed up; tell who diagnosed which."""
    await manager.report(failures)
    if manager.is_started:
        manager._follow_up.note()
    else:
        manager.start()
    await until(lambda: manager._follow_up._wake is not None)
    assert await manager.followed_up(LIMIT_S)
    await asyncio.sleep(0)  # so that the loop has taken in what it was told before the last of it
    return [(f.job_id or "", f.diagnosis.source if f.diagnosis else "") for f in manager.failures()]


def asked_about(model: ScriptedModel) -> list[str]:
    errors = {PROOF: "name", "KeyError: 'mu'": "key", "division by zero": "zero"}
    return [
        next(word for error, word in errors.items() if error in request.last_text)
        for request in model.requests
    ]


async def test_the_newest_group_first_however_small(session: Session, tmp_path: Path) -> None:
    failures = [
        *(fail(tmp_path, str(i), "ZeroDivisionError: division by zero", 2) for i in range(5)),
        fail(tmp_path, "7", "KeyError: 'mu'", 9),
        fail(tmp_path, "8", PROOF, 1),
        fail(tmp_path, "9", PROOF, 5),
    ]
    with ScriptedModel() as model:
        model.script(*[say_what_it_reads] * 3)
        manager = session(model, diagnoses_at_once=1)
        await look(manager, *failures)
        assert asked_about(model) == ["key", "name", "zero"]
        assert all(f.rules_diagnosis for f in manager.failures())


async def test_what_was_interrupted_is_asked_in_the_next_session(
    session: Session, tmp_path: Path
) -> None:
    with ScriptedModel() as model:
        gate = hold(say("never"))
        model.script(gate, repeat(say_what_it_reads))
        first = session(model, diagnoses_at_once=1)
        failures = [fail(tmp_path, "1"), fail(tmp_path, "2", "KeyError: 'mu'", 3)]
        await first.report(failures)
        first.start()
        await until(gate.reached.is_set)
        end(first)
        assert {f.diagnosis.source for f in first.failures() if f.diagnosis} == {"rules"}
        second = session(model)
        assert await look(second) == [("1", "model"), ("2", "model")]
        assert all(f.known and f.rules_diagnosis for f in second.failures())
        n_asked = len(model.requests)
        assert n_asked == 3
        end(second)
        assert await look(session(model)) == [("1", "model"), ("2", "model")]
        assert len(model.requests) == n_asked


async def test_of_many_old_groups_only_the_newest_are_asked_about(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_up, "KNOWN_GROUPS", 1)
    with ScriptedModel() as model:
        model.script(say_what_it_reads)
        await session(model).report([fail(tmp_path, "1"), fail(tmp_path, "2", "KeyError: 'mu'", 3)])
        assert await look(session(model)) == [("1", "rules"), ("2", "model")]
        assert asked_about(model) == ["key"]


async def test_after_a_rest_the_model_is_asked_about_what_was_passed_over(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_scheduler.agent.diagnosing.FIRST_REST_S", 0.3)
    with ScriptedModel() as model:
        model.script(fault(500), *[say_what_it_reads] * 2)
        manager = session(model, diagnoses_at_once=1)
        failures = [fail(tmp_path, "1"), fail(tmp_path, "2", "KeyError: 'mu'", 3)]
        problems: list[str] = []
        manager.subscribe(lambda: problems.append(manager.problem))
        await look(manager, *failures)
        await until(lambda: all(f.rules_diagnosis for f in manager.failures()))
        assert any(text.startswith("The rules go on alone") for text in problems)
        assert manager.problem == ""


async def test_what_is_known_does_not_hide_that_the_budget_is_spent(
    session: Session, tmp_path: Path
) -> None:
    with ScriptedModel() as model:
        model.script(say_what_it_reads)
        manager = session(model, calls_per_run=1)
        await look(manager, fail(tmp_path, "1"))
        await look(manager, fail(tmp_path, "2", "KeyError: 'mu'"))
        told = manager.problem
        assert told.count("The rules go on alone") == 1
        assert "calls_per_run" in told
        await look(manager, fail(tmp_path, "3"))  # of the group that is known
        assert manager.failures()[-1].rules_diagnosis is not None
        assert manager.problem == told
        assert "0 calls this run" in manager.budget_left


async def test_an_invention_is_no_problem_of_the_run(session: Session, tmp_path: Path) -> None:
    with ScriptedModel() as model:
        model.script(answer(make_answer(evidence=[quote("Killed by a dragon", file="")])))
        manager = session(model)
        assert await look(manager, fail(tmp_path, "1")) == [("1", "rules")]
        assert manager.problem == ""


async def test_rules_that_are_sure_stay_first(session: Session, tmp_path: Path) -> None:
    lie = make_answer(category="disk_full", title="The disk is full", confidence=1.0)
    lie["evidence"] = [quote(PROOF, file="")]
    with ScriptedModel() as model:
        model.script(answer(lie))
        manager = session(model)
        failure = fail(tmp_path, "1")
        assert failure.diagnosis is not None
        assert failure.diagnosis.confidence >= 0.9
        await look(manager, failure)
        (seen,) = manager.failures()
        assert seen.diagnosis is not None
        assert (seen.diagnosis.source, seen.diagnosis.category) == ("rules", "code_error")
        assert "The model says disk_full" in seen.diagnosis.doubts[-1]
        assert seen.rules_diagnosis == failure.diagnosis
        assert FailureStore(tmp_path / "run.failures.sqlite").failures()[0].diagnosis == (
            seen.diagnosis
        )


async def test_a_person_asks_again(session: Session, tmp_path: Path) -> None:
    second_thoughts = answer(make_answer(title="Second thoughts", evidence=[quote(PROOF, file="")]))
    with ScriptedModel() as model:
        model.script(say_what_it_reads, second_thoughts, fault(500))
        manager = session(model)
        failures = [fail(tmp_path, "17"), fail(tmp_path, "18", minute=1)]
        await look(manager, *failures)
        first = await manager.diagnose_failed_job("18")
        assert first.title.startswith("Model: ")
        second = await manager.diagnose_failed_job("18", again=True)
        assert second.title == "Second thoughts"
        assert await manager.followed_up(LIMIT_S)
        await until(lambda: len({f.diagnosis.title for f in manager.failures() if f.diagnosis}) < 2)
        assert [f.rules_diagnosis for f in manager.failures()] == [f.diagnosis for f in failures]
        with pytest.raises(ModelError, match="HTTP 500"):
            await manager.diagnose_failed_job("17", again=True)
        assert await manager.diagnose_failed_job("17") == manager.failures()[0].diagnosis


async def test_without_a_model_again_reads_the_logs_again(session: Session, tmp_path: Path) -> None:
    with ScriptedModel() as model:
        manager = session(model, model=None, base_url=None, api_key=None)
        await look(manager, fail(tmp_path, "17"))
        Path(tmp_path / "job-17.out").write_text(LOG.replace(PROOF, "KeyError: 'mu'"))
        assert "spectrun" in (await manager.diagnose_failed_job("17")).title
        assert "mu" in (await manager.diagnose_failed_job("17", again=True)).title
        assert manager.budget_left == ""


async def test_another_shell_asks_again_and_the_run_takes_it_in(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_manager, "HOUSEKEEPING_S", 0.02)
    second_thoughts = answer(make_answer(title="Second thoughts", evidence=[quote(PROOF, file="")]))
    with ScriptedModel() as model:
        model.script(say_what_it_reads, second_thoughts, fault(500))
        manager = session(model)
        await look(manager, fail(tmp_path, "17"), fail(tmp_path, "18", minute=1))
        settings = Settings(state_dir=tmp_path / "state")
        values = manager.settings.model_dump(exclude_unset=True)
        other = open_assistant(manager.store.path, settings, **values)
        try:
            said = await other.diagnose_again("17")
            assert (said.title, said.job_id) == ("Second thoughts", "17")
            titles = {f.diagnosis.title for f in other.failures() if f.diagnosis}
            assert titles == {"Second thoughts"}, "the other member has it from the cache"
            await until(
                lambda: {f.diagnosis.title for f in manager.failures() if f.diagnosis} == titles
            )
            assert all(f.rules_diagnosis and not f.known for f in manager.failures())
            with pytest.raises(ModelError, match="HTTP 500"):
                await other.diagnose_again("17")
            assert other.diagnosis("17") == said, "it stays where nothing new is said"
        finally:
            other.close()


async def test_what_happened_while_another_shell_asked_is_not_undone(
    session: Session, tmp_path: Path
) -> None:
    second_thoughts = answer(make_answer(title="Second thoughts", evidence=[quote(PROOF, file="")]))
    with ScriptedModel() as model:
        gate = hold(second_thoughts)
        model.script(say_what_it_reads, gate)
        manager = session(model)
        failure = fail(tmp_path, "17").model_copy(update={"held": True, "note": "It is held."})
        await look(manager, failure)
        values = manager.settings.model_dump(exclude_unset=True)
        other = open_assistant(manager.store.path, Settings(state_dir=tmp_path / "state"), **values)
        try:
            asking = asyncio.create_task(other.diagnose_again("17"))
            await until(gate.reached.is_set)
            manager.set_held(set())  # a person starts the learner again
            gate.release()
            await asking
            (seen,) = FailureStore(manager.store.path).failures()
            assert (seen.held, seen.note) == (False, "")
            assert seen.diagnosis is not None
            assert seen.diagnosis.title == "Second thoughts"
            manager.set_held(set())
        finally:
            other.close()


async def test_in_another_shell_without_a_model_rules_read_the_logs_again(
    session: Session, tmp_path: Path
) -> None:
    with ScriptedModel() as model:
        manager = session(model, model=None, base_url=None, api_key=None)
        await look(manager, fail(tmp_path, "17"))
        Path(tmp_path / "job-17.out").write_text(LOG.replace(PROOF, "KeyError: 'mu'"))
        other = open_assistant(manager.store.path, Settings(state_dir=tmp_path / "state"))
        try:
            assert "spectrun" in str(other.diagnosis("17"))
            assert "mu" in (await other.diagnose_again("17")).title
            assert "mu" in str(other.diagnosis("17"))
        finally:
            other.close()


async def test_a_problem_with_the_model_goes_away_when_it_can_be_asked(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_up, "CHECK_S", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ScriptedModel() as model:
        manager = session(model, model="openai:x", base_url=None, api_key=None)
        manager.start()
        manager.warm_up()
        await until(lambda: "OPENAI_API_KEY" in manager.problem)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
        await until(lambda: manager.problem == "")


async def test_the_first_answer_takes_back_what_was_told_before_it(
    session: Session, tmp_path: Path
) -> None:
    with ScriptedModel() as model:
        model.script(say_what_it_reads)
        manager = session(model)
        manager.set_problem("model", "The model can't be asked.")
        await look(manager, fail(tmp_path, "1"))
        await until(lambda: manager.problem == "")
