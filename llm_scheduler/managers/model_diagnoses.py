"""`ModelDiagnoses`: asks the model about groups of failures, on a thread of its own.

A model that hangs, fails or floods can therefore not delay the loop that runs the jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llm_scheduler.agent.loop import AgentLoop
from llm_scheduler.errors import ModelError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.budget import Budget
    from llm_scheduler.agent.database import AgentDatabase
    from llm_scheduler.agent.diagnosing import ModelDiagnoser
    from llm_scheduler.agent.diagnosis_queue import DiagnosisQueue
    from llm_scheduler.config import LLMSettings
    from llm_scheduler.diagnosis.groups import Failure
    from llm_scheduler.diagnosis.models import Diagnosis
    from llm_scheduler.tools.run_view import RunView


class ModelDiagnoses:
    """The queue of groups about which the model is asked; every method is thread-safe.

    Parameters
    ----------
    settings
        The model and the limits.
    database
        Where diagnoses are kept.
    budget
        Counts every call.
    run
        Whose failures these are.
    on_diagnosis
        Called on the queue's thread with each failure and its diagnosis.
    on_problem
        Called on the queue's thread with a sentence when the rules go on alone, and with
        an empty one when they do no more.
    on_notice
        Called there with a sentence when something is tried again.

    """

    def __init__(
        self,
        settings: LLMSettings,
        database: AgentDatabase,
        budget: Budget,
        run: RunView,
        *,
        on_diagnosis: Callable[[Failure, Diagnosis], Any],
        on_problem: Callable[[str], Any],
        on_notice: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._budget = budget
        self._run = run
        self._on_diagnosis = on_diagnosis
        self._on_problem = on_problem
        self._on_notice = on_notice
        self._loop = AgentLoop("llm-scheduler-diagnoses")
        self._queue: DiagnosisQueue | None = None
        self._diagnoser: ModelDiagnoser | None = None
        self._n_added = 0
        self._n_ended = 0

    @property
    def n_pending(self) -> int:
        """Groups that wait or are under way."""
        queued = self._queue.n_pending if self._queue is not None else 0
        return queued + (self._n_added - self._n_ended)

    def add(
        self, groups: Mapping[str, Sequence[Failure]], known_only: Collection[str] = ()
    ) -> None:
        """Queue failures by the keys of their groups; the last group comes first.

        About the groups in `known_only` the model is not asked: their failures get what
        it said before, if it did.
        """
        self._n_added += 1
        try:
            self._loop.submit(self._add(groups, known_only))
        except UsageError:  # the run has ended
            self._n_ended += 1

    async def ask_again(self, group_key: str, failure: Failure) -> Diagnosis | None:
        """Ask about a group whatever was said before; ``None`` where nothing is proven.

        Raises
        ------
        ModelError
            The model could not be asked.

        """
        return await self._loop.call(self._ask_again(group_key, failure))

    async def look_up(self, group_key: str, failure: Failure) -> Diagnosis | None:
        """Return what the model said about a group, as it is for one of its members."""
        return await self._loop.call(self._look_up(group_key, failure))

    def close(self) -> None:
        """End what is under way; what was found stays."""
        if self._queue is not None:
            self._queue.cancel()  # else the end of one begins the next
        self._loop.close()

    async def _add(
        self, groups: Mapping[str, Sequence[Failure]], known_only: Collection[str]
    ) -> None:
        try:
            queue = self._queue or self._make_queue()
            for key, failures in groups.items():
                queue.add(key, *failures, ask=key not in known_only)
            await asyncio.sleep(0)  # till it has taken them in, and counts them
        finally:
            self._n_ended += 1

    async def _look_up(self, group_key: str, failure: Failure) -> Diagnosis | None:
        diagnoser = self._open_diagnoser()
        return await diagnoser.diagnose(group_key, failure, self._run, ask=False)

    def _open_diagnoser(self) -> ModelDiagnoser:
        if self._diagnoser is None:
            self._make_queue()
        assert self._diagnoser is not None
        return self._diagnoser

    async def _ask_again(self, group_key: str, failure: Failure) -> Diagnosis | None:
        diagnoser = self._open_diagnoser()
        diagnosis = await diagnoser.diagnose(group_key, failure, self._run, again=True)
        if diagnosis is None and not diagnoser.could_ask:
            raise ModelError(diagnoser.last_problem)
        assert self._queue is not None
        self._queue.note_answer()
        return diagnosis

    def _make_queue(self) -> DiagnosisQueue:
        # Here, as it loads LangChain in the end; and the queue belongs to this loop.
        from llm_scheduler.agent.diagnosing import ModelDiagnoser
        from llm_scheduler.agent.diagnosis_queue import DiagnosisQueue

        diagnoser = self._diagnoser = ModelDiagnoser(
            self._settings, self._database, budget=self._budget, on_notice=self._on_notice
        )
        self._loop.at_close(diagnoser.close)
        self._queue = DiagnosisQueue(
            diagnoser, self._run, on_diagnosis=self._on_diagnosis, on_problem=self._on_problem
        )
        return self._queue
