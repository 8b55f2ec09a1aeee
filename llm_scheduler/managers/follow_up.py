"""`FollowUp`: what happens after the rules have explained a failure.

Fixes that the rules can state exactly are proposed, and the model, where there is one,
is asked once for each group. All of it runs beside the job loop and may fail or hang
without harm to it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import LLMSchedulerError, ModelError

if TYPE_CHECKING:
    from llm_scheduler.managers.llm_manager import LLMManager
    from llm_scheduler.managers.model_diagnoses import ModelDiagnoses

log = logging.getLogger(__name__)

GATHER_S = 0.5
"""Failures of one cause come in bursts; so long is waited for more of them."""
CHECK_S = 10.0
"""How often it is looked whether a model that could not be asked can be now."""
KNOWN_GROUPS = 20
"""About so many groups of earlier sessions, the newest, the model is asked at the start."""


class FollowUp:
    """Proposes fixes and asks the model, group by group.

    Parameters
    ----------
    manager
        Whose failures these are.

    """

    def __init__(self, manager: LLMManager) -> None:
        self._manager = manager
        self._wake: asyncio.Event | None = None
        self._seen: set[str] = set()
        """Attempts that were followed up."""
        self._asked: set[str] = set()
        """Attempts about which the model was asked, without an answer so far."""
        self._opening = asyncio.Lock()
        self._is_busy = False
        self._model: ModelDiagnoses | None = None
        self._closing: threading.Thread | None = None
        self._taking: set[asyncio.Task[None]] = set()
        self._arriving: set[str] = set()
        """Attempts whose diagnoses the present queue's thread has handed over."""

    @property
    def n_pending(self) -> int:
        """Groups about which the model is being asked, and whether anything else is left."""
        waits = self._wake is not None and self._wake.is_set()
        asking = self._model.n_pending if self._model is not None else 0
        # After `asking`: what is found is noted here before it is no longer counted there.
        arriving = len(self._arriving) + len(self._taking)
        return asking + arriving + (waits or self._is_busy)

    @property
    def asking(self) -> frozenset[str]:
        """Attempts about whose groups the model is being asked."""
        is_asking = self._model is not None and self._model.n_pending > 0
        return frozenset(self._asked) if is_asking else frozenset()

    def note(self) -> None:
        """Tell that a failure has its diagnosis."""
        if self._wake is not None:
            self._wake.set()

    async def run(self) -> None:
        """Follow up what is explained, for ever."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._opening = asyncio.Lock()  # of the loop that runs this
        try:
            while True:
                await self._wake.wait()
                self._is_busy = True
                self._wake.clear()
                await asyncio.sleep(GATHER_S)
                if not self._manager.n_pending:  # else the last of them wakes this again
                    await self._look()
                self._is_busy = False
                self._manager.notify()
        finally:
            self._is_busy = False
            self.cancel()

    def cancel(self) -> None:
        """Stop asking the model; what is left is asked when the run goes on."""
        model, self._model = self._model, None
        self._arriving = set()
        if model is not None:
            self._seen -= self._asked
            self._asked.clear()
            # In a thread, as it waits for what breaks off.
            self._closing = threading.Thread(target=model.close, daemon=True)
            self._closing.start()

    def close(self) -> None:
        """Wait until nothing of what was asked is under way any more; blocks."""
        self.cancel()
        if self._closing is not None:
            self._closing.join()

    async def check_model(self) -> None:
        """Say at once, not at the first failure, that the model can't be asked.

        That goes away soon after its package is installed or its key is set.
        """
        if not self._manager.settings.has_model:
            return
        told = ""
        while True:
            try:
                await asyncio.to_thread(_make_models, self._manager)
            except LLMSchedulerError as exc:
                told = f"The model can't be asked: {exc}"
                self._manager.set_problem("model", told)
            else:
                if told:  # and not what came up since
                    self._manager.clear_problem("model", told)
                return
            await asyncio.sleep(CHECK_S)

    async def ask_again(self, failure: Failure) -> None:
        """Ask the model about the group of a failure, whatever was said before.

        Raises
        ------
        ModelError
            The model could not be asked.

        """
        assert failure.diagnosis is not None
        key = group_key(failure.diagnosis)
        model = await self._open_model()
        try:
            diagnosis = await model.ask_again(key, failure)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ModelError("The run ended before the model had answered.") from None
        if diagnosis is None:
            return
        await self._manager.take_diagnosis(failure, diagnosis)
        others = _by_group(f for f in self._manager.failures() if f.attempt != failure.attempt)
        if key in others:  # it is in the cache for them
            model.add({key: others[key]})
        self._manager.notify()

    async def _look(self) -> None:
        new = [
            f
            for f in self._manager.failures()
            if f.diagnosis is not None and f.attempt not in self._seen
        ]
        self._seen.update(f.attempt for f in new)
        if not new:
            return
        try:
            if self._manager.settings.has_model:
                await self._ask(new)
            fresh = _by_group(f for f in new if not f.known)
            groups = {group.key: group for group in self._manager.groups()}
            stopped = [
                await asyncio.to_thread(self._propose, groups[key])
                for key in reversed(fresh)
                if key in groups and self._manager.mode != "read-only"
            ]
            self._manager.set_problem("fixes", " ".join(dict.fromkeys(filter(None, stopped))))
        except LLMSchedulerError as exc:
            self._manager.set_problem("chat", f"Fixes can't be proposed: {exc}")
        except Exception:
            log.exception("failures can't be followed up")

    async def _ask(self, new: Sequence[Failure]) -> None:
        """Ask about the groups of failures, the newest first.

        Of those of earlier sessions that the model did not get to, some are asked about
        too, and all get what it said about their group since.
        """
        groups = _by_group(f for f in new if not _is_answered(f))
        old = [key for key, members in groups.items() if all(f.known for f in members)]
        if groups:
            model = await self._open_model()
            self._asked.update(f.attempt for members in groups.values() for f in members)
            model.add(groups, known_only=old[:-KNOWN_GROUPS])

    async def _open_model(self) -> ModelDiagnoses:
        loop = asyncio.get_running_loop()
        async with self._opening:
            if self._model is None:
                self._model = await asyncio.to_thread(self._make_model, loop)
            return self._model

    def _make_model(self, loop: asyncio.AbstractEventLoop) -> ModelDiagnoses:
        # Here, as most of the package is not needed without a model.
        from llm_scheduler.managers.model_diagnoses import ModelDiagnoses

        arriving = self._arriving = set()

        def take(failure: Failure, diagnosis: Diagnosis) -> None:
            arriving.add(failure.attempt)
            loop.call_soon_threadsafe(self._take, failure, diagnosis, arriving)

        def tell(sentence: str) -> None:
            text = sentence
            if sentence and "The rules go on alone" not in sentence:
                text = f"The rules go on alone: {sentence}"
            loop.call_soon_threadsafe(self._manager.set_problem, "model", text)

        assistant = self._manager.assistant
        return ModelDiagnoses(
            assistant.settings,
            assistant.folder.database,
            assistant.budget,
            assistant.run,
            on_diagnosis=take,
            on_problem=tell,
        )

    def _take(self, failure: Failure, diagnosis: Diagnosis, arriving: set[str]) -> None:
        self._asked.discard(failure.attempt)
        task = asyncio.get_running_loop().create_task(
            self._manager.take_diagnosis(failure, diagnosis)
        )
        self._taking.add(task)  # else it may be collected before it is done
        arriving.discard(failure.attempt)

        def done(task: asyncio.Task[None]) -> None:
            self._taking.discard(task)
            self._manager.notify()

        task.add_done_callback(done)

    def _propose(self, group: FailureGroup) -> str:
        # In a thread of its own, where no subscriber is called: `run` does so when all is done.
        return self._manager.assistant.propose_fixes(group).problem


def with_diagnosis(failure: Failure, diagnosis: Diagnosis) -> Failure:
    """Return a failure with a diagnosis of the rules, or with the model's beside it."""
    if diagnosis.source == "rules":
        return failure.model_copy(update={"diagnosis": diagnosis, "rules_diagnosis": None})
    # Here, as most runs have no model.
    from llm_scheduler.agent.judging import join_opinions

    return join_opinions(failure, diagnosis)


def _is_answered(failure: Failure) -> bool:
    """Tell whether the model has said something about a failure."""
    is_by_model = failure.diagnosis is not None and failure.diagnosis.source == "model"
    return is_by_model or failure.rules_diagnosis is not None


def _by_group(failures: Iterable[Failure]) -> dict[str, list[Failure]]:
    """Return failures, which come the earliest first, by group: the newest group last."""
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        if failure.diagnosis is not None:
            key = group_key(failure.diagnosis)
            members = groups.pop(key, [])
            members.append(failure)
            groups[key] = members
    return groups


def _make_models(manager: LLMManager) -> None:
    # Here, as it loads LangChain.
    from llm_scheduler.agent.model_choice import make_models

    make_models(manager.settings)
