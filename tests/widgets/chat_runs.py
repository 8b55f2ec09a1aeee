"""Runs that the chat panel's tests talk to: real managers on files, and no jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.engine.attempts import Attempt
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.managers.store_facts import StoreFacts
from llm_scheduler.testing.scripted_model import ToolCall, tool
from tests.widgets.examples import diagnosis

SOURCE = "def gap(x):\n    return potental(x)\n"


def edit_of(path: Path, new: str = "potential") -> ToolCall:
    """Return the call with which a model changes the misspelt name in a file."""
    return tool(
        "replace_text",
        path=str(path),
        old_text="potental(x)",
        new_text=f"{new}(x)",
        reason="It is misspelt.",
    )


def make_failure(folder: Path, number: int, *, cause: str = "python-name-error") -> Failure:
    log = folder / f"job-{number}.out"
    log.write_text("starting\nNameError: name 'potental' is not defined\n")
    proof = Evidence(file=str(log), line=2, text="NameError: name 'potental' is not defined")
    return Failure(
        attempt=f"attempt-{number}",
        job_id=str(100 + number),
        job_name=f"run-{number}",
        learners=(str(folder / f"learner-{number}.pickle"),),
        failed_at=datetime(2026, 1, 2, 3, 4, number, tzinfo=UTC),
        nodes=("n1",),
        log_files=(str(log),),
        diagnosis=diagnosis(cause, evidence=(proof,), fingerprint=cause),
    )


def make_store(folder: Path, n_failures: int = 2) -> FailureStore:
    """Write the files of a run whose jobs failed, and the source that they ran."""
    (folder / "physics.py").write_text(SOURCE)
    store = FailureStore(folder / "run.failures.sqlite")
    for number in range(n_failures):
        failure = make_failure(folder, number)
        attempt = Attempt(
            attempt=failure.attempt,
            job_id=failure.job_id,
            job_name=failure.job_name,
            index=number,
            learners=failure.learners,
            log_files=failure.log_files,
            submitted_at=failure.failed_at,
            nodes=failure.nodes,
        )
        store.write_attempts([attempt])
        store.add_failures([failure])
    return store


def make_manager(
    folder: Path,
    *,
    model: Any = None,
    n_failures: int = 2,
    is_joined: bool = True,
    **values: Any,
):
    """A manager of that run, as another shell has it: with all but the jobs themselves."""
    path = folder / "run.failures.sqlite"
    store = FailureStore(path) if path.exists() else make_store(folder, n_failures)
    if model is not None:
        values |= {"model": "scripted", "base_url": model.base_url, "api_key": "none"}
    settings = LLMSettings(roots=(folder,), **values)
    manager = LLMManager(store, settings=settings, state_dir=folder / "state")
    released: list[tuple[str, ...]] = []
    if is_joined:
        manager.join(lambda learners: released.append(tuple(learners)), run=StoreFacts(store))
    manager.released = released  # type: ignore[attr-defined]
    return manager


def close_manager(manager: LLMManager) -> None:
    manager.close_assistant()
    manager.store.close()
