"""A diagnosis that a person wants made anew, from any shell that has the run's files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_scheduler.config import Settings
from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import UsageError
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.follow_up import with_diagnosis

if TYPE_CHECKING:
    from llm_scheduler.managers.assistant import Assistant


async def diagnose_again(assistant: Assistant, failure: Failure) -> Diagnosis:
    """Ask the model about the group of a failure; without one, read its logs by rules.

    What is found is written down: the process that runs the jobs takes it in.

    Raises
    ------
    UsageError
        The rules have not looked at the failure yet.
    ModelError
        The model could not be asked.
    LogError
        There is no model, and the logs can't be read.

    """
    if failure.diagnosis is None:
        raise UsageError(f"The failure of job {failure.job_id!r} is still being looked at.")
    if assistant.settings.has_model:
        found = await _ask_model(assistant, failure, group_key(failure.diagnosis))
    else:
        found = [with_diagnosis(failure, await asyncio.to_thread(_read_logs, failure))]
    if not found:  # nothing new could be proven
        return failure.diagnosis
    await asyncio.to_thread(_write, assistant, found)
    diagnosis = found[0].diagnosis
    assert diagnosis is not None
    return diagnosis


async def _ask_model(assistant: Assistant, failure: Failure, key: str) -> list[Failure]:
    # Here, as it loads LangChain.
    from llm_scheduler.managers.model_diagnoses import ModelDiagnoses

    model = ModelDiagnoses(
        assistant.settings,
        assistant.folder.database,
        assistant.budget,
        assistant.run,
        on_diagnosis=lambda *_: None,
        on_problem=lambda _: None,
    )
    try:
        diagnosis = await model.ask_again(key, failure)
        if diagnosis is None:
            return []
        found = [with_diagnosis(failure, diagnosis)]
        for other in _others(assistant.failures(), failure, key):
            said = await model.look_up(key, other)
            found += [with_diagnosis(other, said)] if said is not None else []
        return found
    finally:
        await asyncio.to_thread(model.close)


def _others(failures: Sequence[Failure], failure: Failure, key: str) -> list[Failure]:
    return [
        other
        for other in failures
        if other.attempt != failure.attempt
        and other.diagnosis is not None
        and group_key(other.diagnosis) == key
    ]


def _read_logs(failure: Failure) -> Diagnosis:
    from llm_scheduler.diagnosis.api import diagnose_log
    from llm_scheduler.diagnosis.catalog import load_catalog

    return diagnose_log(
        failure.log_files,
        record=failure.record,
        catalog=load_catalog(Settings.load().catalog_dirs),
        job_id=failure.job_id,
    )


def _write(assistant: Assistant, failures: Sequence[Failure]) -> None:
    store = FailureStore(assistant.run_file)
    try:
        # All else may have changed since they were read: the model takes its time.
        fields = ("diagnosis", "rules_diagnosis")
        store.revise_failures({f.attempt: {x: getattr(f, x) for x in fields} for f in failures})
    finally:
        store.close()
