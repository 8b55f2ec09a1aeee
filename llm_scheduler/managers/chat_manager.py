"""`ChatManager`: what people say to a run, what it proposes, and what they decide."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptive_scheduler._server_support.base_manager import BaseManager

from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.errors import LLMSchedulerError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Change, Decision, Scope
    from llm_scheduler.agent.events import ChatResult, Event
    from llm_scheduler.managers.assistant import Assistant
    from llm_scheduler.tools.run_view import RunView

log = logging.getLogger(__name__)

HOUSEKEEPING_S = 2.0
"""How soon a decision that was made in another shell is carried out here."""


class ChatManager(BaseManager):
    """The part of `LLMManager` that people talk to.

    Parameters
    ----------
    settings
        The model, and what it may do.
    state_dir
        Where conversations are kept.
    run_file
        The run's failures file.

    """

    def __init__(self, settings: LLMSettings, *, state_dir: Path, run_file: Path) -> None:
        super().__init__()
        self.settings = settings
        self._state_dir = state_dir
        self._run_file = run_file
        self._mode: Mode = settings.mode
        self._yolo_since = datetime.now(UTC) if settings.mode == "yolo" else None
        self._run: RunView | None = None
        self._run_number = 1
        self._assistant: Assistant | None = None
        self._assistant_lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._subscribers: list[Callable[[], Any]] = []

    # -- what panels and people use ---------------------------------------------------

    @property
    def mode(self) -> Mode:
        """``"read-only"``, ``"approve"`` or ``"yolo"``; set it at any time.

        It takes effect at once, on running turns too. What is pending stays pending.
        """
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        old, self._mode = self._mode, LLMSettings(mode=mode).mode
        if self._mode != old:
            self._yolo_since = datetime.now(UTC) if self._mode == "yolo" else None
        if self._assistant is not None:
            self._assistant.mode = self._mode

    @property
    def yolo_since(self) -> datetime | None:
        """When YOLO mode was switched on; ``None`` while it is off."""
        return self._yolo_since

    @property
    def has_assistant(self) -> bool:
        """Whether the agent is open: it is made when first needed, and closed with the run."""
        return self._assistant is not None

    @property
    def opened_assistant(self) -> Assistant | None:
        """The agent where it is open; unlike `assistant`, asking does not open it."""
        return self._assistant

    @property
    def assistant(self) -> Assistant:
        """The agent of this run with its desk and tools; made when first needed.

        Raises
        ------
        UsageError
            The manager is not joined to a run.
        StoreError
            The folder for conversations can't be used.

        """
        with self._assistant_lock:
            if self._assistant is None:
                # Here, as it loads a part of the package that many runs never need.
                from llm_scheduler.managers.assistant import Assistant

                if self._run is None:
                    raise UsageError("This manager is not joined to a run; there is none to ask.")
                self._assistant = Assistant(
                    self.settings.model_copy(update={"mode": self._mode}),
                    state_dir=self._state_dir,
                    run=self._run,
                    run_file=self._run_file,
                    run_number=lambda: self._run_number,
                )
                self._problems["chat"] = self._assistant.problem
            return self._assistant

    async def chat(self, message: str, thread_id: str = "chat") -> ChatResult:
        """Ask something, or tell it to do something.

        Parameters
        ----------
        message
            What a person wrote.
        thread_id
            The conversation; see `thread_for` for the one about a failed job.

        Returns
        -------
        The answer, and the changes that wait for a decision.

        """
        assistant = await self._opened()
        return await assistant.chat(message, thread_id)

    async def stream(self, message: str | None, thread_id: str = "chat") -> AsyncIterator[Event]:
        """Ask something, and yield what happens as it happens.

        ``None`` as message follows the turn that goes on after a decision.
        """
        assistant = await self._opened()
        async for event in assistant.stream(message, thread_id):
            yield event

    async def get_history(self, thread_id: str = "chat") -> Sequence[Any]:
        """Return what was said and done in a thread, the oldest first."""
        assistant = await self._opened()
        return await assistant.history(thread_id)

    def pending_approvals(self, thread_id: str | None = None) -> list[Approval]:
        """Return the changes that wait for a decision, in one thread or in all."""
        return self.assistant.pending(thread_id)

    async def decide(
        self,
        approval_id: str,
        decision: Decision,
        *,
        message: str = "",
        arguments: Mapping[str, Any] | None = None,
        scope: Scope = "call",
    ) -> Approval:
        """Decide a proposed change, and carry it out when it is approved.

        Parameters
        ----------
        approval_id
            Which change.
        decision
            ``"approve"``, ``"reject"`` or ``"edit"``, which approves `arguments` in the
            place of the proposed ones.
        message
            For the model, why it was rejected.
        scope
            ``"call"`` for this change, ``"turn"`` for all of this turn, ``"kind"`` for
            this kind of change in this folder until the session ends.

        """
        assistant = await self._opened()
        approval = await assistant.decide(
            approval_id, decision, message=message, arguments=arguments, scope=scope
        )
        self.notify()
        return approval

    async def fix(self, job_id: str) -> ChatResult:
        """Propose what makes a failed job, and all that failed like it, pass."""
        assistant = await self._opened()
        return await assistant.fix(job_id)

    def changes(self, thread_id: str | None = None) -> list[Change]:
        """Return the changes that were made, the oldest first."""
        return self.assistant.changes(thread_id)

    def undo(self, change_id: str) -> Change:
        """Undo a change; refused when what it touched has changed since."""
        return self.assistant.undo(change_id)

    def undo_turn(self, turn_id: str) -> list[Change]:
        """Undo all changes of one turn, the last first."""
        return self.assistant.undo_turn(turn_id)

    def thread_for(self, job_id: str) -> str:
        """Return the thread in which the failure of a job is talked about."""
        return self.assistant.thread_for(job_id)

    def threads(self) -> Sequence[Any]:
        """Return the conversations about this run, the last used first."""
        return self.assistant.threads()

    @property
    def budget_left(self) -> str:
        """What is left of the model's budget, in words; empty without limits."""
        return self.assistant.budget_left() if self.settings.has_model else ""

    def cancel_turn(self, thread_id: str) -> bool:
        """Stop what goes on in a thread; says whether there was something."""
        return self.assistant.cancel(thread_id)

    # -- for the run --------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """What does not work and what to do about it; empty when all is well."""
        return " ".join(text for text in self._problems.values() if text)

    @property
    def problem_topics(self) -> set[str]:
        """Topics of the sentences in `problem`."""
        return {topic for topic, text in self._problems.items() if text}

    def set_problem(self, topic: str, sentence: str) -> None:
        """Show, or with an empty sentence stop showing, that something does not work."""
        if self._problems.get(topic, "") != sentence:
            self._problems[topic] = sentence
            self.notify()

    def clear_problem(self, topic: str, sentence: str) -> None:
        """Stop showing a sentence, unless another one stands in its place by now."""
        if self._problems.get(topic) == sentence:
            self.set_problem(topic, "")

    def subscribe(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Call back after every change; returns what ends that.

        The callback runs in the manager's event loop and must be quick.
        """
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._subscribers.remove(callback)

        return unsubscribe

    def notify(self) -> None:
        """Tell every subscriber that something has changed."""
        for callback in list(self._subscribers):
            try:
                callback()
            except Exception:
                log.exception("a subscriber of the failures failed")

    async def _opened(self) -> Assistant:
        """Return the assistant; opening it reads and writes files."""
        if self._assistant is not None:
            return self._assistant
        assistant = await asyncio.to_thread(lambda: self.assistant)
        if assistant.problem:
            self.notify()
        return assistant

    async def _keep_house(self) -> None:
        """Carry out what was decided in another shell, as only this process can."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._look_elsewhere()
            if self._assistant is None:
                continue
            try:
                done = await self._assistant.carry_out_decisions()
            except LLMSchedulerError as exc:
                self.set_problem("chat", f"Decisions can't be carried out: {exc}")
            except Exception:
                log.exception("approved changes can't be carried out")
            else:
                if done:
                    self.notify()

    async def _look_elsewhere(self) -> None:
        """Take in what other shells have written down."""

    async def carry_out_decisions(self) -> list[Approval]:
        """Carry out now what was decided in another shell; else it takes some seconds."""
        done = await (await self._opened()).carry_out_decisions()
        self.notify()
        return done

    def close_assistant(self) -> None:
        """Stop all turns; what was said and decided stays."""
        with self._assistant_lock:
            assistant, self._assistant = self._assistant, None
        if assistant is not None:
            with suppress(LLMSchedulerError):
                assistant.close()
