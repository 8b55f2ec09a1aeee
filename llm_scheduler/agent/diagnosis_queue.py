"""Which group the model is asked about next: the newest, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from llm_scheduler.agent.diagnosing import ModelDiagnoser
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.tools.run_view import RunView

log = logging.getLogger(__name__)


class DiagnosisQueue:
    """Failures that wait for the model's diagnosis.

    Made in the event loop of the diagnoser; `add` and `cancel` may be called from any
    thread.

    Parameters
    ----------
    diagnoser
        Asks the model.
    run
        Whose failures these are.
    on_diagnosis
        Called in the loop with each failure and its diagnosis.
    on_problem
        Called in the loop with a sentence when the rules go on alone; once for as long
        as the reason stays the same.

    """

    def __init__(
        self,
        diagnoser: ModelDiagnoser,
        run: RunView,
        *,
        on_diagnosis: Callable[[Failure, Diagnosis], Any],
        on_problem: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self._diagnoser = diagnoser
        self._run = run
        self._on_diagnosis = on_diagnosis
        self._on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, dict[str, Failure]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._told = ""
        self._is_cancelled = False

    @property
    def n_pending(self) -> int:
        """Groups that wait or are under way."""
        return len(self._waiting.keys() | self._under_way.keys())

    def add(self, group_key: str, failure: Failure) -> None:
        """Queue a failure that the rules have diagnosed."""
        self._loop.call_soon_threadsafe(self._add, group_key, failure)

    def cancel(self) -> None:
        """Drop what waits and end what is under way."""
        self._loop.call_soon_threadsafe(self._cancel)

    async def settled(self) -> None:
        """Wait until nothing is pending."""
        await asyncio.sleep(0)  # what was just added is taken in first
        await self._is_idle.wait()

    def _add(self, group_key: str, failure: Failure) -> None:
        if self._is_cancelled:
            return
        self._waiting.setdefault(group_key, {})[failure.attempt] = failure
        self._is_idle.clear()
        self._begin()

    def _cancel(self) -> None:
        self._is_cancelled = True
        self._waiting.clear()
        for task in self._under_way.values():
            task.cancel()
        if not self._under_way:
            self._is_idle.set()

    def _begin(self) -> None:
        """Start the newest groups, as many as may be under way."""
        at_once = self._diagnoser.settings.diagnoses_at_once
        for group_key in list(reversed(self._waiting)):
            if len(self._under_way) >= at_once:
                break
            if group_key not in self._under_way:
                members = self._waiting.pop(group_key)
                task = self._loop.create_task(self._work(group_key, members))
                self._under_way[group_key] = task
        if not self._under_way and not self._waiting:
            self._is_idle.set()

    async def _work(self, group_key: str, members: dict[str, Failure]) -> None:
        try:
            for failure in members.values():
                await self._diagnose(group_key, failure)
        finally:
            self._under_way.pop(group_key, None)
            if not self._loop.is_closed():
                self._begin()

    async def _diagnose(self, group_key: str, failure: Failure) -> None:
        try:
            diagnosis = await self._diagnoser.diagnose(group_key, failure, self._run)
            problem = self._diagnoser.last_problem
            if diagnosis is not None:
                self._told = ""
                self._on_diagnosis(failure, diagnosis)
            elif problem and problem != self._told:
                self._told = problem
                self._on_problem(problem)
        except Exception:
            # Of a subscriber or of ours: the other failures must not suffer from it.
            log.exception("a failure could not be diagnosed by the model")
