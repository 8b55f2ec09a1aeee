"""`Agent`: chats about a run, on its own thread and event loop.

Importing this module loads neither LangChain nor LangGraph; the first turn does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from llm_scheduler.agent.approval import Approval, Decision, Scope
from llm_scheduler.agent.asides import Asides
from llm_scheduler.agent.events import (
    ChatResult,
    Done,
    Event,
    Failed,
)
from llm_scheduler.agent.kept_history import read_kept_history
from llm_scheduler.agent.known_keys import find_keys
from llm_scheduler.agent.loop import AgentLoop
from llm_scheduler.agent.model_choice import hide
from llm_scheduler.agent.thread_turns import ThreadTurns
from llm_scheduler.agent.threads import HistoryItem, ThreadInfo, ThreadList, check_thread_id
from llm_scheduler.agent.turns import TurnLocks
from llm_scheduler.agent.untrusted import make_writable
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

    from llm_scheduler.agent.budget import Budget
    from llm_scheduler.agent.conversations import Conversations
    from llm_scheduler.agent.desk import ApprovalDesk
    from llm_scheduler.agent.places import AgentFolder
    from llm_scheduler.agent.retries import Patience
    from llm_scheduler.agent.rule_answers import RuleTalk
    from llm_scheduler.config import LLMSettings
    from llm_scheduler.tools.run_view import RunView

    Tools = Sequence[BaseTool] | Callable[[], Sequence[BaseTool]]

log = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 100_000


class Agent:
    """Answers messages, proposes changes and goes on when they are decided.

    Every method may be used from any thread and any event loop.

    Parameters
    ----------
    settings
        Which model, and the limits.
    folder
        Where conversations are kept.
    desk
        Decides about changes.
    run
        The run that it is all about.
    read_tools, write_tools
        Tools, or functions that make them at the first turn: they load LangChain.
    budget
        Limits on calls, tokens and money.
    models
        Chat models in the order in which they are asked; made from the settings by
        default. They are used on the agent's loop only.
    rules
        Answers without a model, and at the limit of the budget; `RuleChat` by default.
    patience
        How to wait between tries.

    """

    def __init__(
        self,
        settings: LLMSettings,
        folder: AgentFolder,
        *,
        desk: ApprovalDesk,
        run: RunView,
        read_tools: Tools = (),
        write_tools: Tools = (),
        budget: Budget | None = None,
        models: Sequence[BaseChatModel] | None = None,
        rules: RuleTalk | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._desk = desk
        self._run = run
        self._tools = (read_tools, write_tools)
        self._budget = budget
        self._models = models
        self._rules = rules
        self._patience = patience
        self._threads = ThreadList(folder.threads_file)
        self._loop = AgentLoop()
        self._conversations: Conversations | None = None
        self._turns = ThreadTurns(
            desk=desk,
            threads=self._threads,
            asides=Asides(folder.database),
            locks=TurnLocks(folder.path / "locks"),
            open_conversations=self._open,
            publish=self._publish,
        )
        self._watchers: list[Callable[[Event], Any]] = []

    # -- turns ------------------------------------------------------------------------

    @staticmethod
    def check_message(message: str) -> None:
        """Check that something can be said.

        Raises
        ------
        UsageError
            It is empty or too long.

        """
        if not make_writable(message).strip():
            raise UsageError("The message is empty.")
        if len(message) > MAX_MESSAGE_CHARS:
            raise UsageError(
                f"The message has {len(message):,} characters; at most {MAX_MESSAGE_CHARS:,} "
                "are taken. Put the rest into a file in the run's folder."
            )

    async def stream(self, message: str | None, thread_id: str) -> AsyncGenerator[Event, None]:
        """Yield what happens in a turn, from `TurnStarted` to `Done`.

        Parameters
        ----------
        message
            The user's words. ``None`` follows a turn that goes on after a decision, or
            else tries again what a failure or a crash has cut short.
        thread_id
            Names the conversation; a new name begins one.

        Notes
        -----
        The turn goes on when the caller stops looking, and is cancelled when the
        caller's task is.

        Raises
        ------
        UsageError
            The message is empty or too long, or the thread's name is none.

        """
        check_thread_id(thread_id)
        if message is not None:
            self.check_message(message)
        text = hide(make_writable(message), self._keys()) if message is not None else None
        turn = await self._loop.call(self._turns.begin(text, thread_id))
        try:
            async with aclosing(turn.follow()) as events:
                async for event in events:
                    yield event
        except asyncio.CancelledError:
            self._loop.call_soon(self._turns.cancel_turn, turn)
            raise

    async def chat(self, message: str | None, thread_id: str) -> ChatResult:
        """Answer a message and return when the turn ends or waits for a decision."""
        done, problem = None, ""
        async with aclosing(self.stream(message, thread_id)) as events:
            async for event in events:
                if isinstance(event, Failed):
                    problem = event.text
                elif isinstance(event, Done):
                    done = event
        assert done is not None
        return ChatResult(
            text=done.text or problem,
            approvals=tuple(await asyncio.to_thread(self._desk.pending, thread_id)),
            thread_id=thread_id,
            status=done.status,
            problem=problem,
        )

    async def decide(
        self,
        approval_id: str,
        decision: Decision,
        *,
        message: str = "",
        arguments: Mapping[str, Any] | None = None,
        scope: Scope = "call",
    ) -> Approval:
        """Decide about a change; the turn goes on by itself when nothing else waits.

        ``stream(None, thread_id)`` follows it. See `ApprovalDesk.decide`.
        """
        return await self._loop.call(
            self._turns.decide(
                approval_id, decision, message=message, arguments=arguments, scope=scope
            )
        )

    async def go_on(self, approvals: Sequence[Approval]) -> None:
        """Tell watchers of changes that were settled elsewhere, and go on with their threads."""
        await self._loop.call(self._turns.take_up(approvals))

    def cancel(self, thread_id: str) -> bool:
        """Cancel the turns of a thread; says whether there was one."""
        if not self._turns.is_busy(thread_id):
            return False
        self._loop.call_soon(self._turns.cancel_thread, thread_id)
        return True

    def subscribe(self, callback: Callable[[Event], Any]) -> Callable[[], None]:
        """Call back with every event of every thread; returns what ends that.

        The callback runs on the agent's thread and must be quick.
        """
        self._watchers.append(callback)

        def unsubscribe() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return unsubscribe

    # -- threads ----------------------------------------------------------------------

    def threads(self) -> list[ThreadInfo]:
        """Return the conversations, the one used last first."""
        return self._threads.all()

    def rename(self, thread_id: str, title: str, *, may_make: bool = False) -> None:
        """Give a conversation another title; see `ThreadList.rename`."""
        self._threads.rename(thread_id, hide(title, self._keys()), may_make=may_make)

    def begin(self, thread_id: str) -> None:
        """List a conversation in which nothing was said to the model yet."""
        check_thread_id(thread_id)
        if self._threads.get(thread_id) is None:
            self._threads.touch(thread_id, message="", turn_id="")

    async def history(self, thread_id: str) -> list[HistoryItem]:
        """Return the messages of a conversation; empty for one that is new."""
        check_thread_id(thread_id)
        return await self._loop.call(self._read_history(thread_id))

    async def warm_up(self) -> None:
        """Load what a turn needs, which takes seconds; the first turn does so itself."""
        await self._loop.call(self._open())

    async def take_back(self, thread_id: str, message_id: str, *, instead: str = "") -> None:
        """Forget a message and all after it; what was proposed there is rejected.

        Changes that were made stay, and can be undone.

        Parameters
        ----------
        thread_id, message_id
            Of the message.
        instead
            What will be said in its place: nothing is forgotten when the budget has no
            room for a model's answer to it.

        Raises
        ------
        UsageError
            There is no such message.
        BudgetSpent
            The model can't be asked `instead`.

        """
        check_thread_id(thread_id)
        await self._loop.call(self._turns.take_back(thread_id, message_id, instead))

    async def delete(self, thread_id: str) -> None:
        """Forget a conversation; what it proposed and is not decided is rejected."""
        check_thread_id(thread_id)
        await self._loop.call(self._turns.forget(thread_id))

    def close(self) -> None:
        """Cancel all turns and close what is open; takes a few seconds at most."""
        self._loop.close()
        self._threads.close()

    # -- on the loop ---------------------------------------------------------------------

    def _keys(self) -> Collection[str]:
        known = self._conversations
        return known.keys if known is not None else find_keys(self._settings, self._models or ())

    async def _open(self) -> Conversations:
        if self._conversations is None:
            # In a thread, as it takes a second; turns that wait for decisions go on.
            made = await asyncio.to_thread(self._make_conversations)
            if self._conversations is None:
                self._conversations = made
                self._loop.at_close(made.close)
        return self._conversations

    def _make_conversations(self) -> Conversations:
        from llm_scheduler.agent.conversations import Conversations
        from llm_scheduler.agent.retries import PATIENCE
        from llm_scheduler.agent.rule_chat import RuleChat

        rules = self._rules
        if rules is None:
            rules = RuleChat(has_model=self._settings.has_model or bool(self._models))
        read_tools, write_tools = (made() if callable(made) else made for made in self._tools)
        return Conversations(
            self._settings,
            threads_file=self._folder.threads_file,
            desk=self._desk,
            run=self._run,
            read_tools=read_tools,
            write_tools=write_tools,
            budget=self._budget,
            models=self._models,
            rules=rules,
            patience=self._patience or PATIENCE,
        )

    async def _read_history(self, thread_id: str) -> list[HistoryItem]:
        if self._conversations is not None:
            return await self._conversations.history(thread_id)
        # Nothing was said here yet: what is in the file is all.
        return await asyncio.to_thread(
            read_kept_history,
            self._folder.threads_file,
            thread_id,
            lambda call_id: self._desk.for_call(thread_id, call_id),
        )

    def _publish(self, event: Event) -> None:
        for callback in list(self._watchers):
            try:
                callback(event)
            except Exception:
                log.exception("a watcher of the agent failed")
