"""One conversation in a terminal: turns, the decisions that they wait for, and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from llm_scheduler.agent.events import ApprovalSettled, ApprovalWanted, Done, Event, Usage
from llm_scheduler.agent.words import read_decision
from llm_scheduler.cli.chat_decisions import LATER, WORDS, ask_decision, edit_arguments
from llm_scheduler.cli.chat_input import Input
from llm_scheduler.cli.chat_view import View, approval_view
from llm_scheduler.errors import LLMSchedulerError, UsageError

if TYPE_CHECKING:
    from llm_scheduler.agent.approval import Approval, Decision, Scope
    from llm_scheduler.managers.assistant import Assistant

T = TypeVar("T")


class ChatSession:
    """What a person does with an `Assistant`, turn by turn.

    Parameters
    ----------
    assistant
        The agent of the run.
    view
        Shows what happens.
    entry
        Where lines and keys come from.
    thread_id
        The conversation to begin with.

    """

    def __init__(self, assistant: Assistant, view: View, entry: Input, *, thread_id: str) -> None:
        self.assistant = assistant
        self.view = view
        self.entry = entry
        self.thread_id = thread_id
        self.last_message = ""
        self.leaving = False
        """Whether the person wants to leave."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.money: float | None = None
        self._settled: set[tuple[str, str]] = set()
        self._on_screen: set[str] = set()
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """End the event loop."""
        self._runner.close()

    # -- turns -------------------------------------------------------------------------

    def send(self, message: str) -> str:
        """Send a message, show the answer, ask for decisions; return how it ended."""
        decided = self._read_decision(message)
        if decided is not None:
            return decided
        self.last_message = message
        return self._settle(self.wait_for(self._follow(message)))

    def resume(self) -> str:
        """Follow the turn that goes on after decisions."""
        return self._settle(self.wait_for(self._follow(None)))

    def fix(self, job: str) -> str:
        """Ask for what makes a job pass, in the thread of its group."""
        self.thread_id = self.assistant.thread_for(job)
        return self._settle(self.wait_for(self._fix(job)))

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; Ctrl-C cancels the turn or other work, a second one leaves."""
        return self._runner.run(self._guard(work))

    async def _follow(self, message: str | None) -> str:
        return await self._show_all(self.assistant.stream(message, self.thread_id))

    async def _show_all(self, events: AsyncIterator[Event]) -> str:
        status = "finished"
        try:
            async for event in events:
                self._count(event)
                self._show(event)
                if isinstance(event, Done):
                    status = event.status
        finally:
            self.view.pause()
        return status

    async def _fix(self, job: str) -> str:
        """Show what happens in the thread while the fix is looked for."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def arrive(event: Event) -> None:
            if event.thread_id == self.thread_id:
                with suppress(RuntimeError):  # the loop is closed already
                    loop.call_soon_threadsafe(queue.put_nowait, event)

        async def events() -> AsyncIterator[Event]:
            while (event := await queue.get()) is not None:
                yield event

        leave = self.assistant.subscribe(arrive)
        task = asyncio.ensure_future(self.assistant.fix(job))
        task.add_done_callback(lambda _: loop.call_soon(queue.put_nowait, None))
        try:
            told = await self._show_all(events())
            result = await task
        finally:
            leave()
            task.cancel()
        if told == "finished" and result.status == "waiting":
            # What the rules know is not said by a turn.
            for approval in result.approvals:
                self.show_change(approval)
        return result.status

    async def _guard(self, work: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)
        interrupts = 0

        def interrupt() -> None:
            nonlocal interrupts
            interrupts += 1
            if interrupts == 1 and self.assistant.cancel(self.thread_id):
                self.view.say("Cancelling; Ctrl-C again leaves.", "yellow")
                return
            # Work that is no turn ends by itself; only who insists wants to leave.
            self.leaving = interrupts > 1
            task.cancel()

        with _on_interrupt(loop, interrupt):
            try:
                return await task
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

    def _show(self, event: Event) -> None:
        if isinstance(event, ApprovalSettled):
            # Both the events and the answer to a decision tell it.
            told = (event.approval.id, event.approval.status)
            if told in self._settled:
                return
            self._settled.add(told)
        if isinstance(event, ApprovalWanted):
            self._on_screen.add(event.approval.id)
        self.view.show_event(event)

    def _count(self, event: Event) -> None:
        if isinstance(event, Usage):
            self.input_tokens += event.input_tokens
            self.output_tokens += event.output_tokens
            if event.money is not None:
                self.money = (self.money or 0.0) + event.money

    # -- decisions ---------------------------------------------------------------------

    def pending(self) -> list[Approval]:
        """Return the changes of this thread that wait for a decision."""
        return self.assistant.pending(self.thread_id)

    def show_change(self, approval: Approval) -> None:
        """Show a proposed change, whole."""
        self._on_screen.add(approval.id)
        self.view.show(approval_view(approval))

    def show_unseen(self, approvals: Sequence[Approval]) -> bool:
        """Show those of these changes that this session has not shown; says whether there were."""
        unseen = [approval for approval in approvals if approval.id not in self._on_screen]
        for approval in unseen:
            self.show_change(approval)
        return bool(unseen)

    def decide(
        self,
        approval: Approval,
        decision: Decision,
        *,
        message: str = "",
        scope: Scope = "call",
        arguments: dict[str, Any] | None = None,
    ) -> None:
        """Decide one change and say what came of it."""
        settled = self.wait_for(
            self.assistant.decide(
                approval.id, decision, message=message, arguments=arguments, scope=scope
            )
        )
        event = ApprovalSettled(
            thread_id=settled.thread_id, turn_id=settled.turn_id, approval=settled
        )
        self._show(event)
        self.view.pause()
        replaced = [a for a in self.pending() if a.id == settled.replaced_by]
        for new in replaced:
            self.show_change(new)

    def ask_for_decisions(self) -> bool:
        """Ask for each pending change by key; says whether all are decided."""
        later: set[str] = set()
        while waiting := [a for a in self.pending() if a.id not in later]:
            approval = waiting[0]
            self.show_unseen([approval])
            try:
                answer = ask_decision(self.entry, approval)
                if answer.word == LATER:
                    later.add(approval.id)
                elif answer.word == "undo":
                    self.undo_last()
                else:
                    self.apply_word(approval, answer.word, answer.message)
            except LLMSchedulerError as error:
                self.view.say(str(error), "red")
                if approval.id not in {a.id for a in self.pending()}:
                    continue
                later.add(approval.id)
        return not later

    def apply_word(self, approval: Approval, word: str, message: str = "") -> None:
        """Carry out a decision in a word: approve, reject, edit, turn or kind."""
        if word == "edit":
            arguments = edit_arguments(
                self.entry,
                self.view,
                approval,
                lambda edited: self.assistant.desk.preview(approval.id, edited),
            )
            if arguments is None:
                self.view.say("Nothing was changed; it is still to be decided.")
                return
            self.decide(approval, "edit", arguments=arguments)
            return
        if word not in WORDS:
            raise UsageError(f"{word!r} is no decision; there are: {', '.join(WORDS)}.")
        decision, scope = WORDS[word]
        self.decide(approval, decision, message=message, scope=scope)

    def undo_last(self) -> None:
        """Undo the last change that is not undone yet."""
        made = [c for c in self.assistant.changes() if c.by != "undo" and not c.undone_by]
        if not made:
            raise UsageError("There is no change to undo.")
        self.undo([made[-1].id])

    def undo(self, change_ids: Sequence[str]) -> None:
        """Undo changes by their ids."""
        for change_id in change_ids:
            change = self.assistant.undo(change_id)
            self.view.say(f"✓ {change.id} {change.summary}", "green")

    def _read_decision(self, message: str) -> str | None:
        """Decide what is pending when the message is nothing but a decision."""
        word = read_decision(message)
        waiting = self.pending() if word else []
        if word is None or not waiting:
            return None
        is_new = self.show_unseen(waiting)
        if len(waiting) > 1:
            names = ", ".join(a.id for a in waiting)
            ways = f"/{word} {waiting[0].id} or /{word} all"
            self.view.say(f"{len(waiting)} changes wait: {names}. Say {ways}.")
            return "waiting"
        if is_new:  # of another session: nobody says yes to what is not on the screen
            self.view.say(f"This change was not shown here before; say it again to {word} it.")
            return "waiting"
        self.decide(waiting[0], word)
        return self.after_decision()

    def after_decision(self) -> str:
        """Go on with the turn when nothing is left to decide."""
        return "waiting" if self.pending() else self.resume()

    def _settle(self, status: str) -> str:
        """Ask for decisions as long as a turn waits for them and there are keys to ask by."""
        while status == "waiting" and not self.leaving:
            waiting = self.pending()
            if not self.entry.has_keys:
                names = ", ".join(a.id for a in waiting)
                self.view.say(f"To be decided: {names}. /approve, /reject or /edit it.", "bold")
                return status
            if waiting and not self.ask_for_decisions():
                return status
            status = self.wait_for(self._follow(None))
        return status


@contextmanager
def _on_interrupt(loop: asyncio.AbstractEventLoop, call: Any) -> Iterator[None]:
    try:
        loop.add_signal_handler(signal.SIGINT, call)
    except (ValueError, RuntimeError, NotImplementedError):  # not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
