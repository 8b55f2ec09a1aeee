"""`Conversations`: what is in a thread, and how a turn drives the graph through it.

Everything here runs on the agent's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolCall,
    ToolMessage,
)
from langgraph.types import Command

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.checkpoints import PruningSaver, open_saver
from llm_scheduler.agent.context import describe_start
from llm_scheduler.agent.gate import Gate, describe_outcome, is_open
from llm_scheduler.agent.graph import make_graph, read_system_prompt
from llm_scheduler.agent.history import (
    MARK,
    NOT_ANSWERED,
    calls_of,
    mark_of,
    unanswered_calls,
)
from llm_scheduler.agent.history_items import make_items
from llm_scheduler.agent.key_hiding import hide_in_message
from llm_scheduler.agent.known_keys import find_keys
from llm_scheduler.agent.model_calls import Asking, ModelCalls
from llm_scheduler.agent.model_choice import close_models, find_context_tokens, make_models
from llm_scheduler.agent.notes import Notes
from llm_scheduler.agent.rule_answers import RuleAnswers, RuleTalk
from llm_scheduler.agent.summaries import SHORT_OUTPUT
from llm_scheduler.agent.turns import Turn, TurnStatus
from llm_scheduler.agent.untraced import untraced
from llm_scheduler.agent.untrusted import cut_middle
from llm_scheduler.errors import UsageError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import StateSnapshot

    from llm_scheduler.agent.budget import Budget
    from llm_scheduler.agent.desk import ApprovalDesk
    from llm_scheduler.agent.retries import Patience
    from llm_scheduler.agent.threads import HistoryItem
    from llm_scheduler.config import LLMSettings
    from llm_scheduler.tools.run_view import RunView

MOST_CONTEXT_TOKENS = 64_000
"""Used of a model that takes more, unless `context_tokens` is set."""
MOST_KEPT_CHARS = 1_000_000
"""A thread with more is slimmed: every step of a turn writes all of it."""
_KEPT_OUTPUTS = 40
_CHARS_PER_TOKEN = 4
_OUTPUT_SHARE = 5
"""A tool's answer takes at most this fraction of what the model takes in."""
_LEAST_OUTPUT = 1500
_MOST_OUTPUT = 20_000


class Conversations:
    """The threads of a run, with the graph that goes on with them."""

    def __init__(
        self,
        settings: LLMSettings,
        *,
        threads_file: Path,
        desk: ApprovalDesk,
        run: RunView,
        read_tools: Sequence[BaseTool],
        write_tools: Sequence[BaseTool],
        budget: Budget | None,
        models: Sequence[BaseChatModel] | None,
        rules: RuleTalk | None,
        patience: Patience,
    ) -> None:
        self._settings = settings
        self._file = threads_file
        self._desk = desk
        self._run = run
        self._tools = [*read_tools, *write_tools]
        self._models = list(models) if models is not None else None
        self._has_model = settings.has_model or bool(models)
        self._own_models: list[BaseChatModel] = []
        first = self._models[0] if self._models else settings.chat_model
        self._asking = Asking(
            settings,
            [],
            budget,
            _context_of(settings, first),
            read_system_prompt(),
            patience,
            find_keys(settings, [] if first is None else [first]),
        )
        write_names = [tool.name for tool in write_tools]
        size = self._asking.context_tokens * _CHARS_PER_TOKEN // _OUTPUT_SHARE
        most = min(_MOST_OUTPUT, max(_LEAST_OUTPUT, size))
        self._gate = Gate(desk, write_names, most, lambda: self.keys)
        self._calls = ModelCalls(
            self._asking,
            rules=RuleAnswers(rules, run) if rules is not None else None,
            write_tools=write_names,
            get_mode=lambda: desk.mode,
            answer_for=lambda thread_id, call: self._tell_outcome(thread_id, call)[0],
            is_used=lambda thread_id, call_id: desk.for_call(thread_id, call_id) is not None,
            count=self._count_tokens,
        )
        self._notes = Notes(desk)
        self._opening = asyncio.Lock()
        self._saver: PruningSaver | None = None
        self._graph: CompiledStateGraph[Any, Any, Any, Any] | None = None

    @property
    def keys(self) -> Collection[str]:
        """The keys in use, as far as they are known."""
        return self._asking.keys

    # -- opening and closing --------------------------------------------------------

    async def open(self) -> None:
        """Open the file of threads."""
        async with self._opening:
            if self._graph is None:
                self._saver = await open_saver(self._file)
                self._graph = make_graph(self._tools, self._calls, self._gate, self._saver)

    async def close(self) -> None:
        """Close the file and the connections to the model."""
        saver, self._saver, self._graph = self._saver, None, None
        if saver is not None:
            await saver.aclose()
        await close_models(self._own_models)

    async def _open_models(self) -> None:
        """Make the models; raises `ModelError` when that is not possible."""
        async with self._opening:
            if self._asking.models or not self._has_model:
                return
            if self._models is None:
                # In a thread, as it loads the provider's package.
                made = await asyncio.to_thread(make_models, self._settings)
                self._own_models = self._models = made
            self._asking.context_tokens = _context_of(self._settings, self._models[0])
            self._asking.models = self._models
            self._asking.keys = find_keys(self._settings, self._models)

    def _count_tokens(self, thread_id: str, input_tokens: int, output_tokens: int) -> None:
        if self._saver is not None:
            self._saver.count_tokens(thread_id, input_tokens, output_tokens)

    # -- turns ------------------------------------------------------------------------

    async def answer(self, turn: Turn) -> TurnStatus:
        """Answer the message of a turn."""
        snapshot = await self._look(turn.thread_id)
        turn.inputs = await self._make_inputs(turn, snapshot)
        await self._open_models()  # whose keys are not to be kept either
        turn.inputs = [hide_in_message(message, self.keys) for message in turn.inputs]
        return await self._drive(turn, {"messages": turn.inputs})

    async def go_on(self, turn: Turn, *, may_retry: bool) -> TurnStatus:
        """Go on after decisions, or else after a failure or a crash."""
        snapshot = await self._look(turn.thread_id)
        graph_input = await self._find_next(snapshot, turn.thread_id, may_retry=may_retry)
        if graph_input is None:
            if await self._is_waiting(snapshot, turn.thread_id):
                return "waiting"
            turn.text = _last_text(_messages(snapshot))
            return "finished"
        await self._open_models()
        return await self._drive(turn, graph_input)

    async def has_more(self, thread_id: str) -> bool:
        """Whether there is something to go on with after a decision."""
        snapshot = await self._look(thread_id)
        return await self._find_next(snapshot, thread_id, may_retry=False) is not None

    async def _find_next(
        self, snapshot: StateSnapshot, thread_id: str, *, may_retry: bool
    ) -> Any | None:
        """Return what the graph is to be called with; ``None`` when there is nothing to do."""
        if snapshot.interrupts:
            if await self._is_waiting(snapshot, thread_id):
                return None
            return await self._make_resume(snapshot, thread_id)
        messages = _messages(snapshot)
        notes = await asyncio.to_thread(self._notes.decided, messages)
        if notes:
            undone = await asyncio.to_thread(self._notes.undone, thread_id, messages)
            return {"messages": [*notes, *undone]}
        if not may_retry:
            return None
        if snapshot.next:
            return _RESUME
        if messages and "problem" in mark_of(messages[-1]):
            return {"messages": [RemoveMessage(id=str(messages[-1].id))]}
        return None

    async def _make_resume(self, snapshot: StateSnapshot, thread_id: str) -> Command[Any]:
        undone = await asyncio.to_thread(
            self._notes.undone, thread_id, _messages(snapshot), is_aside=True
        )
        return Command(
            # The values are not looked at: the gate asks the desk again.
            resume={entry.id: True for entry in snapshot.interrupts},
            update={"messages": undone} if undone else None,
        )

    async def _drive(self, turn: Turn, graph_input: Any) -> TurnStatus:
        assert self._graph is not None
        while True:
            with untraced():
                result = await self._graph.ainvoke(
                    None if graph_input is _RESUME else graph_input,
                    _config(turn.thread_id),
                    context=turn,
                    # A change must not be proposed for a call that a crash can lose.
                    durability="sync",
                )
            if not result.get("__interrupt__"):
                turn.text = turn.text or _last_text(result.get("messages", ()))
                return "finished"
            snapshot = await self._look(turn.thread_id)
            if await self._is_waiting(snapshot, turn.thread_id):
                return "waiting"
            # Decided while other tools of the same answer were still running.
            graph_input = await self._make_resume(snapshot, turn.thread_id)

    async def _is_waiting(self, snapshot: StateSnapshot, thread_id: str) -> bool:
        """Whether a change that the graph stopped for is not settled."""
        for entry in snapshot.interrupts:
            call_id = entry.value.get("call_id", "") if isinstance(entry.value, dict) else ""
            approval = await asyncio.to_thread(self._desk.for_call, thread_id, call_id)
            if approval is not None and is_open(approval):
                return True
        return False

    # -- what goes into a thread --------------------------------------------------------

    async def _make_inputs(self, turn: Turn, snapshot: StateSnapshot) -> list[BaseMessage]:
        messages = _messages(snapshot)
        inputs: list[BaseMessage] = []
        if not messages and self._has_model:
            start = await asyncio.to_thread(
                describe_start, self._run, turn.thread_id, self._asking.context_tokens
            )
            if start:
                inputs.append(_human(start, context=True))
        inputs += _leftovers(snapshot)
        known = [*messages, *inputs]
        for call in unanswered_calls(known):
            text, approval = await asyncio.to_thread(self._tell_outcome, turn.thread_id, call)
            mark = {"approval": approval.id} if approval is not None and is_open(approval) else {}
            answer = ToolMessage(
                text or NOT_ANSWERED,
                id=uuid4().hex,
                tool_call_id=call["id"] or "",
                name=call["name"],
                status="error",
                additional_kwargs={MARK: mark} if mark else {},
            )
            inputs.append(answer)
        if messages:
            inputs += await asyncio.to_thread(self._notes.all, turn.thread_id, messages)
        inputs.append(_human(turn.message))
        return [*_slim(messages), *inputs]

    def _tell_outcome(self, thread_id: str, call: ToolCall) -> tuple[str, Approval | None]:
        approval = self._desk.for_call(thread_id, call["id"]) if call["id"] else None
        return (describe_outcome(approval) if approval is not None else "", approval)

    async def record(self, turn: Turn, problem: str = "", kind: str = "") -> None:
        """Keep what a turn that was cut short has brought, and why it ended."""
        if self._graph is None:
            return
        snapshot = await self._look(turn.thread_id)
        known = {message.id for message in _messages(snapshot)}
        new = [m for m in turn.inputs if m.id not in known]
        if snapshot.interrupts and not new:
            return  # a write would make the graph forget what it waits for
        new += _leftovers(snapshot)
        if turn.text.strip() and turn.text_id not in known:
            new.append(
                AIMessage(turn.text, id=turn.text_id, additional_kwargs={MARK: {"cut": True}})
            )
        if problem:
            mark = {"problem": kind or "internal"}
            new.append(AIMessage(problem, id=uuid4().hex, additional_kwargs={MARK: mark}))
        if new:
            await self._put(turn.thread_id, new, as_node="model")

    # -- threads -----------------------------------------------------------------------

    async def history(self, thread_id: str) -> list[HistoryItem]:
        """Return the messages of a thread, for people."""
        snapshot = await self._look(thread_id)
        messages = [*_messages(snapshot), *_leftovers(snapshot)]
        find = partial(self._desk.for_call, thread_id)
        return await asyncio.to_thread(make_items, messages, find)

    async def take_back(self, thread_id: str, message_id: str, instead: str) -> set[str]:
        """Remove a message and all after it; returns the ids of the tool calls in them.

        See `Agent.take_back`.
        """
        messages = _messages(await self._look(thread_id))  # leftovers go with their step
        places = [i for i, message in enumerate(messages) if message.id == message_id]
        if not places:
            raise UsageError("This message is not in the conversation any more.")
        if instead and self._has_model:
            kept = [*messages[: places[0]], _human(instead)]
            await asyncio.to_thread(self._calls.check_budget, kept, self._tools)
        gone = messages[places[0] :]
        # As if it came from outside: nothing that was about to happen goes on.
        await self._put(thread_id, [RemoveMessage(id=str(m.id)) for m in gone], as_node="__start__")
        return {str(call["id"]) for message in gone for call in calls_of(message)}

    async def delete(self, thread_id: str) -> None:
        """Remove all messages of a thread."""
        await self.open()
        assert self._saver is not None
        await self._saver.adelete_thread(thread_id)

    async def _put(self, thread_id: str, messages: Sequence[BaseMessage], *, as_node: str) -> None:
        assert self._graph is not None
        values = {"messages": [hide_in_message(message, self.keys) for message in messages]}
        with untraced():
            await self._graph.aupdate_state(_config(thread_id), values, as_node=as_node)

    async def _look(self, thread_id: str) -> StateSnapshot:
        await self.open()
        assert self._graph is not None
        return await self._graph.aget_state(_config(thread_id))


_RESUME = object()
"""Stands for going on where a crash has stopped the graph."""


def _context_of(settings: LLMSettings, model: object) -> int:
    """Return how much is sent at most; what large models could take costs too much."""
    size = find_context_tokens(settings, model)
    return size if settings.context_tokens is not None else min(size, MOST_CONTEXT_TOKENS)


def _config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


def _messages(snapshot: StateSnapshot) -> list[BaseMessage]:
    """Return the messages that are in the thread for good."""
    messages: list[BaseMessage] = list(snapshot.values.get("messages", ()))
    pending = {m.id for m in _leftovers(snapshot)}
    return [m for m in messages if m.id not in pending]


def _leftovers(snapshot: StateSnapshot) -> list[BaseMessage]:
    """Return answers of tools whose step never ended; the next step would lose them."""
    found: list[BaseMessage] = []
    for task in snapshot.tasks:
        result = task.result.get("messages", ()) if isinstance(task.result, dict) else ()
        found += [m for m in result if isinstance(m, BaseMessage)]
    return found


def _slim(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return shorter forms of old tool outputs, where a thread has become very large."""
    if sum(len(m.text) for m in messages) <= MOST_KEPT_CHARS:
        return []
    outputs = [m for m in messages if isinstance(m, ToolMessage)][:-_KEPT_OUTPUTS]
    return [
        m.model_copy(update={"content": cut_middle(m.text, SHORT_OUTPUT)})
        for m in outputs
        if len(m.text) > SHORT_OUTPUT
    ]


def _human(text: str, **mark: Any) -> HumanMessage:
    return HumanMessage(text, id=uuid4().hex, additional_kwargs={MARK: mark} if mark else {})


def _last_text(messages: Sequence[BaseMessage]) -> str:
    return next((m.text for m in reversed(messages) if isinstance(m, AIMessage) and m.text), "")
