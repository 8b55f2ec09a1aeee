"""`ModelCalls`: one call of the model in a turn, from the history that fits to the answer.

It takes the place of LangChain's own call, which neither bounds a stream nor survives
malformed tool calls. Without a model, rules answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import (
    AgentState,
    ExtendedModelResponse,
    ModelResponse,
    PrivateStateAttr,
)
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
)
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.types import Command

from llm_scheduler.agent.answers import explain_empty, is_empty, name_calls, read_answer
from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.events import Usage
from llm_scheduler.agent.gate import MAX_SAME_CALLS, most_repeated
from llm_scheduler.agent.history import calls_of, current_turn, repair_history
from llm_scheduler.agent.key_hiding import hide_in_message
from llm_scheduler.agent.retries import PATIENCE, Patience, ask
from llm_scheduler.agent.rule_answers import RuleAnswers
from llm_scheduler.agent.summaries import (
    DROPPED,
    Summary,
    apply_summary,
    count_tokens,
    force_fit,
    older_part,
    shorten_outputs,
    summary_request,
)
from llm_scheduler.agent.turns import Turn, TurnEnded
from llm_scheduler.agent.usage import EXPECTED_OUTPUT_TOKENS, count_usage, estimate_tokens
from llm_scheduler.config import LLMSettings, Mode
from llm_scheduler.errors import BudgetSpent, LLMSchedulerError, ModelError
from llm_scheduler.logs import redact

if TYPE_CHECKING:
    from langchain.agents.middleware.types import ModelRequest
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

_MAX_OUTPUT_TOKENS = 2000
_LEAST_ROOM = 1000
_SAME_CALLS_END = MAX_SAME_CALLS + 2
"""A model that goes on with the same call after it was told so twice is stopped."""


# The same messages are sent again with every call of the model.
_redact = lru_cache(maxsize=500)(redact)


class ConversationState(AgentState[Any]):
    """The state of a thread."""

    summary: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]
    """What stands for the older messages, see `Summary`."""


@dataclass
class Asking:
    """What is needed to ask: which models, and within which limits."""

    settings: LLMSettings
    models: Sequence[BaseChatModel]
    """Empty for rules only."""
    budget: Budget | None
    context_tokens: int
    system_prompt: str
    patience: Patience = PATIENCE
    keys: Collection[str] = ()
    """Of the models; they are taken out of all that is sent."""


class ModelCalls(AgentMiddleware[ConversationState, Any]):
    """Calls the model.

    Parameters
    ----------
    asking
        Models and limits.
    rules
        Answers instead where no model may be asked.
    write_tools
        Names of the tools that are not offered in read-only mode.
    get_mode
        Returns the mode at the moment.
    answer_for
        Says what became of a call that nothing answers.
    is_used
        Whether a call's id stands for a change in a thread already.
    count
        Adds tokens to a thread.

    """

    state_schema = ConversationState

    def __init__(
        self,
        asking: Asking,
        *,
        rules: RuleAnswers | None,
        write_tools: Collection[str],
        get_mode: Callable[[], Mode],
        answer_for: Callable[[str, ToolCall], str],
        is_used: Callable[[str, str], bool],
        count: Callable[[str, int, int], None],
    ) -> None:
        super().__init__()
        self._asking = asking
        self._rules = rules
        self._write_tools = frozenset(write_tools)
        self._get_mode = get_mode
        self._answer_for = answer_for
        self._is_used = is_used
        self._count = count
        self._bound: dict[tuple[int, tuple[str, ...]], Any] = {}
        self._tool_tokens: dict[tuple[str, ...], int] = {}

    def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],  # noqa: ARG002 - LangChain's own call
    ) -> Coroutine[Any, Any, ModelResponse[Any] | ExtendedModelResponse[Any]]:
        """Return the model's next message."""
        # Of an `async def` LangSmith would go to another thread before and after each call.
        return self._answer(request)

    async def _answer(
        self, request: ModelRequest[Any]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        turn = request.runtime.context
        messages = list(request.state["messages"])
        may_change = self._get_mode() != "read-only"
        if self._rules is not None and (not self._asking.models or turn.has_rules_answer):
            answer = await self._rules.answer(turn, messages, may_change=may_change)
            return ModelResponse(result=[answer])
        self._check_turn(messages)
        tools: list[BaseTool] = [
            tool
            for tool in request.tools
            if not isinstance(tool, dict) and (may_change or tool.name not in self._write_tools)
        ]
        before = Summary.from_state(request.state.get("summary"))
        try:
            answer, summary = await self._ask_fitting(turn, messages, tools, before)
            answer = await self._name_calls(turn, messages, answer)
        except BudgetSpent as exc:
            if self._rules is None or len(current_turn(messages)) > 1:
                raise
            turn.notice(f"{exc} The rules answer alone.")
            turn.has_rules_answer = True
            answer = await self._rules.answer(turn, messages, may_change=may_change)
            return ModelResponse(result=[answer])
        response: ModelResponse[Any] = ModelResponse(result=[answer])
        if summary is None or summary == before:
            return response
        return ExtendedModelResponse(response, Command(update={"summary": summary.to_state()}))

    def _check_turn(self, messages: Sequence[BaseMessage]) -> None:
        since = current_turn(messages)
        limit = self._asking.settings.calls_per_turn
        if sum(isinstance(message, AIMessage) for message in since) >= limit:
            raise TurnEnded(
                "limit",
                f"The model was called {limit} times in this turn without coming to an end, so it "
                "was stopped. Say how to go on, or raise calls_per_turn.",
            )
        if most_repeated(messages) >= _SAME_CALLS_END:
            raise TurnEnded(
                "loop",
                "The model made the same tool call over and over, so it was stopped. Put the "
                "question another way.",
            )

    async def _ask_fitting(
        self,
        turn: Turn,
        messages: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        summary: Summary | None,
    ) -> tuple[AIMessage, Summary | None]:
        """Ask; when the server finds it too long after all, ask with less."""
        room = self._room(tools)
        for _ in range(2):
            wire, summary = await self._fit(turn, messages, summary, room)
            try:
                return await self._ask_model(turn, wire, tools), summary
            except ModelError as exc:
                if exc.kind != "context" or room <= _LEAST_ROOM:
                    raise
                room = max(_LEAST_ROOM, min(room, count_tokens(wire)) // 2)
                turn.notice("The conversation is too long for the model; asking with less of it.")
        wire, summary = await self._fit(turn, messages, summary, room)
        return await self._ask_model(turn, wire, tools), summary

    def check_budget(self, messages: Sequence[BaseMessage], tools: Sequence[BaseTool]) -> None:
        """Raise `BudgetSpent` when the model can't be asked to go on with these messages."""
        asking = self._asking
        if asking.budget is None:
            return
        n_messages = min(count_tokens(messages), self._room(tools))  # more is summarised
        n_rest = estimate_tokens(asking.system_prompt) + self._tool_tokens[_names_of(tools)]
        asking.budget.check(n_messages + n_rest + EXPECTED_OUTPUT_TOKENS)

    def _room(self, tools: Sequence[BaseTool]) -> int:
        """Return how many tokens the conversation may take."""
        names = _names_of(tools)
        if names not in self._tool_tokens:
            self._tool_tokens[names] = sum(
                estimate_tokens(json.dumps(convert_to_openai_tool(tool))) for tool in tools
            )
        size = self._asking.context_tokens
        taken = self._tool_tokens[names] + estimate_tokens(self._asking.system_prompt)
        return max(_LEAST_ROOM, size - min(_MAX_OUTPUT_TOKENS, size // 4) - taken)

    async def _fit(
        self, turn: Turn, messages: Sequence[BaseMessage], summary: Summary | None, room: int
    ) -> tuple[list[BaseMessage], Summary | None]:
        """Return what is sent, and the summary that it begins with."""
        wire = shorten_outputs(self._repair(turn, messages, summary), room)
        if count_tokens(wire) <= room:
            return wire, summary
        older = older_part(messages, summary)
        if older and older[-1].id:
            summary = await self._summarise(turn, older, summary, room)
            wire = shorten_outputs(self._repair(turn, messages, summary), room)
        return (wire if count_tokens(wire) <= room else force_fit(wire, room)), summary

    def _repair(
        self, turn: Turn, messages: Sequence[BaseMessage], summary: Summary | None
    ) -> list[BaseMessage]:
        repaired = repair_history(
            apply_summary(messages, summary), lambda call: self._answer_for(turn.thread_id, call)
        )
        return [self._clean(message) for message in repaired]

    def _clean(self, message: BaseMessage) -> BaseMessage:
        """Take secrets out of a message."""
        message = hide_in_message(message, self._asking.keys)
        # Answers of tools are redacted when they are made; what people type is not.
        if isinstance(message, HumanMessage) and (text := _redact(message.text)) != message.text:
            return message.model_copy(update={"content": text})
        return message

    async def _summarise(
        self, turn: Turn, older: Sequence[BaseMessage], summary: Summary | None, room: int
    ) -> Summary:
        turn.notice("The conversation gets long; its older part is summarised.")
        request = summary_request([self._clean(m) for m in older], summary, room)
        upto = str(older[-1].id)
        try:
            answer = await self._call(turn, request, (), lambda *_: None)
            return Summary(answer.text.strip() or DROPPED, upto)
        except BudgetSpent:
            raise
        except LLMSchedulerError as exc:
            turn.notice(f"The older part could not be summarised and is left out: {exc}")
            text = f"{summary.text}\n\n{DROPPED}" if summary is not None else DROPPED
            return Summary(text, upto)

    async def _ask_model(
        self, turn: Turn, wire: Sequence[BaseMessage], tools: Sequence[BaseTool]
    ) -> AIMessage:
        prompt = [SystemMessage(self._asking.system_prompt), *wire]
        answer = await self._call(turn, prompt, tools, turn.say)
        if is_empty(answer):
            turn.notice("The model answered nothing; asking once more.")
            answer = await self._call(turn, prompt, tools, turn.say)
            if is_empty(answer):
                raise explain_empty(answer)
        self._warn(turn, answer)
        return answer

    async def _name_calls(
        self, turn: Turn, messages: Sequence[BaseMessage], answer: AIMessage
    ) -> AIMessage:
        if not answer.tool_calls:
            return answer
        used = {call["id"] for message in messages for call in calls_of(message)}
        writes = [c["id"] for c in answer.tool_calls if c["name"] in self._write_tools and c["id"]]
        for call_id in writes:
            # Of a thread that was deleted, or of an answer that a crash lost.
            if await asyncio.to_thread(self._is_used, turn.thread_id, call_id):
                used.add(call_id)
        return name_calls(answer, used.__contains__)

    def _warn(self, turn: Turn, answer: AIMessage) -> None:
        if answer.response_metadata.get("is_cut"):
            turn.notice("The answer was very long; the rest of it was cut off.")
        elif answer.response_metadata.get("finish_reason") == "length":
            turn.notice("The model ran out of room in the middle of its answer.")
        if n_dropped := answer.response_metadata.get("n_dropped"):
            turn.notice(
                f"The model called too many tools at once; {n_dropped} calls were not made."
            )

    async def _call(
        self,
        turn: Turn,
        prompt: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        say: Callable[[str, str], None],
    ) -> AIMessage:
        asking = self._asking
        n_input = count_tokens(prompt) + self._tool_tokens.get(_names_of(tools), 0)
        answer = await ask(
            asking.models,
            lambda model: read_answer(
                self._bind(model, tools), prompt, asking.settings, say, asking.keys
            ),
            settings=asking.settings,
            budget=asking.budget,
            on_notice=turn.notice,
            input_tokens=n_input,
            patience=asking.patience,
        )
        self._report(turn, *count_usage(answer, n_input))
        return answer

    def _bind(self, model: BaseChatModel, tools: Sequence[BaseTool]) -> Any:
        """Return the model with its tools; made once, as the schemas take a while."""
        if not tools:
            return model
        key = (id(model), _names_of(tools))
        if key not in self._bound:
            self._bound[key] = model.bind_tools(list(tools))
        return self._bound[key]

    def _report(self, turn: Turn, n_input: int, n_output: int) -> None:
        budget = self._asking.budget
        self._count(turn.thread_id, n_input, n_output)
        money = budget.money_of(n_input, n_output) if budget is not None else None
        left = budget.left(as_seen=True) if budget is not None else ""
        turn.publish(
            turn.event(
                Usage,
                input_tokens=n_input,
                output_tokens=n_output,
                money=money,
                budget_left=left,
            )
        )


def _names_of(tools: Sequence[BaseTool]) -> tuple[str, ...]:
    return tuple(tool.name for tool in tools)
