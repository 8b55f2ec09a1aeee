"""Which group the model is asked about next: the newest, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from llm_scheduler.agent.diagnosing import ModelDiagnoser
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.tools.run_view import RunView

log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    failure: Failure
    ask: bool
    """Whether the model may be asked; else only what it said before is looked up."""


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
        Called in the loop with a sentence when the model can't be asked, once for as long
        as the reason stays the same, and with an empty one when it answers.

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
        self._waiting: dict[str, dict[str, _Wanted]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._passed_over: dict[str, dict[str, _Wanted]] = {}
        """What could not be asked about and can be later."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._told: str | None = None
        """What was told last; ``None`` while others may have told something."""
        self._is_cancelled = False

    @property
    def n_pending(self) -> int:
        """Groups that wait or are under way; without those that could not be asked about."""
        return len(self._waiting.keys() | self._under_way.keys())

    def add(self, group_key: str, *failures: Failure, ask: bool = True) -> None:
        """Queue failures of one group that the rules have diagnosed.

        With ``ask=False`` they only get what the model said about the group before.
        """
        wanted = [_Wanted(failure, ask) for failure in failures]
        self._loop.call_soon_threadsafe(self._add, group_key, wanted)

    def cancel(self) -> None:
        """Drop what waits and end what is under way."""
        self._loop.call_soon_threadsafe(self._cancel)

    async def settled(self) -> None:
        """Wait until nothing is pending."""
        await asyncio.sleep(0)  # what was just added is taken in first
        await self._is_idle.wait()

    def _add(self, group_key: str, wanted: list[_Wanted]) -> None:
        if self._is_cancelled:
            return
        # At the end, as it is the newest now.
        members = self._waiting.pop(group_key, {})
        members |= {item.failure.attempt: item for item in wanted}
        self._waiting[group_key] = members
        self._is_idle.clear()
        self._loop.call_soon(self._begin)  # after the others that are added just now

    def _cancel(self) -> None:
        self._is_cancelled = True
        self._waiting.clear()
        self._passed_over.clear()
        if self._timer is not None:
            self._timer.cancel()
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

    async def _work(self, group_key: str, members: dict[str, _Wanted]) -> None:
        try:
            for wanted in members.values():
                await self._diagnose(group_key, wanted)
        finally:
            self._under_way.pop(group_key, None)
            if not self._loop.is_closed():
                self._begin()

    async def _diagnose(self, group_key: str, wanted: _Wanted) -> None:
        diagnoser = self._diagnoser
        n_answers = diagnoser.n_answers
        try:
            diagnosis = await diagnoser.diagnose(
                group_key, wanted.failure, self._run, ask=wanted.ask
            )
            # Without a diagnosis it returns at once: what it noted is about this call.
            if diagnosis is None and not diagnoser.could_ask:
                self._note_refusal(group_key, wanted)
            elif diagnoser.n_answers > n_answers:
                self.note_answer()
            if diagnosis is not None:
                self._on_diagnosis(wanted.failure, diagnosis)
        except Exception:
            # Of a subscriber or of ours: the other failures must not suffer from it.
            log.exception("a failure could not be diagnosed by the model")

    def note_answer(self) -> None:
        """Note, in the loop, that the model answers: no problem with it stands any more."""
        if self._told != "":
            self._told = ""
            self._on_problem("")

    def _note_refusal(self, group_key: str, wanted: _Wanted) -> None:
        """Tell that the model could not be asked, and note when it may be asked again."""
        problem, retry_s = self._diagnoser.last_problem, self._diagnoser.retry_s
        if retry_s is not None:
            self._passed_over.setdefault(group_key, {})[wanted.failure.attempt] = wanted
            self._wake_in(retry_s)
        if problem != self._told:
            self._told = problem
            self._on_problem(problem)

    def _wake_in(self, seconds: float) -> None:
        when = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._take_up)

    def _take_up(self) -> None:
        """Queue again what was passed over, the newest last as before."""
        self._timer = None
        passed_over, self._passed_over = self._passed_over, {}
        for group_key, members in reversed(passed_over.items()):
            self._add(group_key, list(members.values()))
