"""`Gate`: what stands between a tool call of the model and what it does.

Tools that look are run, and whatever goes wrong becomes an answer to the model. Tools
that change something never run: their call is proposed to the desk, which alone decides.
If the user has to be asked the graph is interrupted; when it goes on the desk is asked
again, and what the graph was resumed with is not looked at.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import BaseMessage, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt
from pydantic import BaseModel, ValidationError

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.events import ApprovalSettled, ApprovalWanted, ToolFinished, ToolStarted
from llm_scheduler.agent.history import MALFORMED, calls_of, current_turn
from llm_scheduler.agent.rule_answers import must_ask
from llm_scheduler.agent.turns import Turn
from llm_scheduler.agent.untrusted import cut_middle, make_safe
from llm_scheduler.errors import LLMSchedulerError, ToolError
from llm_scheduler.logs.redaction import redact
from llm_scheduler.tools.hidden_keys import hiding_keys

if TYPE_CHECKING:
    from langchain.agents.middleware.types import ToolCallRequest
    from langchain_core.tools import BaseTool
    from langgraph.types import Command

log = logging.getLogger(__name__)

MAX_SAME_CALLS = 3
"""So often the same call with the same arguments is carried out in one turn."""
_MAX_SUMMARY = 120
_MAX_ERRORS = 5


class Desk(Protocol):
    """What the gate needs of the `ApprovalDesk`."""

    def propose(
        self,
        *,
        thread_id: str,
        turn_id: str,
        call_id: str,
        tool: str,
        arguments: Mapping[str, Any],
        reason: str = "",
        must_ask: bool = False,
    ) -> Approval:
        """Plan a change and carry it out or leave it pending, as the mode has it."""

    def for_call(self, thread_id: str, call_id: str) -> Approval | None:
        """Return the newest approval of a tool call."""


class Gate(AgentMiddleware[Any, Any]):
    """Runs the tools that look and proposes the changes.

    Parameters
    ----------
    desk
        Decides about changes.
    write_tools
        Names of the tools that change something.
    max_output_chars
        Longest answer of a tool.
    get_keys
        Returns the keys that no answer may hold.

    """

    def __init__(
        self,
        desk: Desk,
        write_tools: Collection[str],
        max_output_chars: int,
        get_keys: Callable[[], Collection[str]] = tuple,
    ) -> None:
        super().__init__()
        self._desk = desk
        self._write_tools = frozenset(write_tools)
        self._max_chars = max_output_chars
        self._get_keys = get_keys
        self._known: tuple[str, ...] = ()

    def set_tools(self, tools: Sequence[BaseTool]) -> None:
        """Name the tools there are, for models that ask for others."""
        self._known = tuple(sorted(tool.name for tool in tools))

    def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> Coroutine[Any, Any, ToolMessage | Command[Any]]:
        """Answer one tool call."""
        # Of an `async def` LangSmith would go to another thread before and after each call.
        return self._answer(request, handler)

    async def _answer(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        turn: Any = request.runtime.context
        call = request.tool_call
        call_id, name, arguments = str(call["id"]), call["name"], call["args"]
        is_write = request.tool is not None and name in self._write_tools
        approval: Approval | None = None
        try:
            if is_write:
                approval = await self._change(turn, request)
                ok, text = approval.status == "done", describe_outcome(approval, arguments)
            else:
                self._announce(turn, request)
                self._check(request)
                with hiding_keys(self._get_keys()):
                    ok, text = _read_result(await handler(request))
        except GraphBubbleUp:
            raise
        except LLMSchedulerError as exc:
            ok, text = False, str(exc)
        except Exception as exc:
            log.debug("tool %s failed", name, exc_info=True)
            ok, text = False, f"The tool failed: {type(exc).__name__}: {exc}"
        hint, keys = "; ask for less at once", self._get_keys()
        text = make_safe(text, self._max_chars, hint, keys) or "(no output)"
        summary = approval.summary if approval is not None and ok else _first_line(text)
        turn.publish(
            turn.event(
                ToolFinished, call_id=call_id, tool=name, ok=ok, summary=summary, output=text
            )
        )
        return ToolMessage(
            text, tool_call_id=call_id, name=name, status="success" if ok else "error"
        )

    async def _recall(self, turn: Turn, call_id: str) -> Approval | None:
        return await asyncio.to_thread(self._desk.for_call, turn.thread_id, call_id)

    def _check(self, request: ToolCallRequest) -> None:
        """Raise `ToolError` for a call that need not be tried."""
        call, tool = request.tool_call, request.tool
        if tool is None:
            raise ToolError(
                f"There is no tool {call['name']!r}. There are: {', '.join(self._known)}."
            )
        if MALFORMED in call["args"]:
            raise ToolError(
                f"The arguments are not valid JSON. Call it again as {describe_call(tool)}."
            )
        check_arguments(tool, call["args"])
        times = count_same(request.state["messages"], call["name"], call["args"], call["id"])
        if times > MAX_SAME_CALLS:
            raise ToolError(
                f"You have made this same call {times} times in this turn, and nothing is new. "
                "Do not make it again: do something else, or answer with what you know."
            )

    def _announce(self, turn: Turn, request: ToolCallRequest) -> None:
        call = request.tool_call
        arguments = {key: value for key, value in call["args"].items() if key != MALFORMED}
        turn.publish(
            turn.event(ToolStarted, call_id=str(call["id"]), tool=call["name"], arguments=arguments)
        )

    async def _change(self, turn: Turn, request: ToolCallRequest) -> Approval:
        """Propose a change, and come back when it is settled."""
        call_id = str(request.tool_call["id"])
        async with turn.proposals:
            approval = await self._recall(turn, call_id)
            if approval is None:
                self._announce(turn, request)
                self._check(request)
                approval = await self._propose(turn, request)
        while is_open(approval):
            # Raises until the graph is resumed; the answer is in the database.
            interrupt({"approval": approval.id, "call_id": call_id})
            approval = await self._recall(turn, call_id) or approval
        return approval

    async def _propose(self, turn: Turn, request: ToolCallRequest) -> Approval:
        call = request.tool_call
        approval = await asyncio.to_thread(
            self._desk.propose,
            thread_id=turn.thread_id,
            turn_id=turn.turn_id,
            call_id=str(call["id"]),
            tool=call["name"],
            arguments=call["args"],
            reason=str(call["args"].get("reason") or ""),
            must_ask=must_ask(request.state["messages"], str(call["id"])),
        )
        kind = ApprovalWanted if is_open(approval) else ApprovalSettled
        turn.publish(turn.event(kind, approval=approval))
        return approval


def is_open(approval: Approval) -> bool:
    """Whether it is not known yet what becomes of a change."""
    return approval.status in ("pending", "approved")


def describe_outcome(approval: Approval, asked: Mapping[str, Any] | None = None) -> str:
    """Tell the model what became of a change.

    Parameters
    ----------
    approval
        As it is now.
    asked
        The arguments of the call, where the user may have changed them.

    """
    said = f" The user says: {approval.message}" if approval.message else ""
    match approval.status:
        case "done":
            edited = ""
            if asked is not None and dict(asked) != approval.arguments:
                # People see the diff as it is; what goes to the model is redacted.
                diff = redact(approval.diff)
                edited = f" The user changed it before; what was made is:\n{diff}"
            return (
                f"Done: {approval.summary}. It is change {approval.change_id} in the journal."
                f"{said}{edited}"
            )
        case "rejected":
            return (
                f"The user rejected this change; nothing was changed.{said} Do not try it again; "
                "take the user's words into account, or explain what else could be done."
            )
        case "pending":
            return "The user has not decided about this change yet; nothing is changed so far."
        case "approved":
            return (
                "The user approved this change; the process that runs the jobs has still to "
                "carry it out."
            )
        case _:
            why = approval.message or "no reason is known"
            return f"The change was not made: {why}"


def count_same(
    messages: Sequence[BaseMessage], name: str, arguments: Mapping[str, Any], call_id: str | None
) -> int:
    """Count the calls of this turn that are the same, this one included, none after it."""
    key, times = _call_key(name, arguments), 0
    for message in current_turn(messages):
        for call in calls_of(message):
            times += _call_key(call["name"], call["args"]) == key
            if call_id and call["id"] == call_id:
                return times
    return times + 1


def most_repeated(messages: Sequence[BaseMessage]) -> int:
    """Return how often the most frequent call of this turn was made."""
    counts: dict[str, int] = {}
    for message in current_turn(messages):
        for call in calls_of(message):
            key = _call_key(call["name"], call["args"])
            counts[key] = counts.get(key, 0) + 1
    return max(counts.values(), default=0)


def _call_key(name: str, arguments: Mapping[str, Any]) -> str:
    # The reason is the model's own words: the call is the same with another one.
    plain = {key: value for key, value in arguments.items() if key != "reason"}
    return f"{name} {json.dumps(plain, sort_keys=True, default=str)}"


def check_arguments(tool: BaseTool, arguments: Mapping[str, Any]) -> None:
    """Raise `ToolError`, with the right form of the call, where arguments don't fit."""
    schema = tool.tool_call_schema
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return
    try:
        schema.model_validate(dict(arguments))
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'arguments'}: {error['msg']}"
            for error in exc.errors()[:_MAX_ERRORS]
        )
        raise ToolError(
            f"The arguments do not fit: {problems}. Call it as {describe_call(tool)}."
        ) from exc


def describe_call(tool: BaseTool) -> str:
    """Show how a tool is called, for example ``read_file(path: string, first_line?: integer)``."""
    schema = tool.tool_call_schema
    fields = (
        schema.model_json_schema()
        if isinstance(schema, type) and issubclass(schema, BaseModel)
        else cast("dict[str, Any]", schema)
    )
    required = set(fields.get("required", ()))
    parts = [
        f"{name}{'' if name in required else '?'}: {_type_name(field)}"
        for name, field in fields.get("properties", {}).items()
    ]
    return f"{tool.name}({', '.join(parts)})"


def _type_name(field: Mapping[str, Any]) -> str:
    if "type" in field:
        return str(field["type"])
    return " or ".join(str(option.get("type", "value")) for option in field.get("anyOf", ({},)))


def _read_result(result: ToolMessage | Command[Any]) -> tuple[bool, str]:
    if isinstance(result, ToolMessage):
        return result.status != "error", result.text
    return True, str(result)


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return (
        cut_middle(line, _MAX_SUMMARY) if len(line) <= _MAX_SUMMARY else f"{line[:_MAX_SUMMARY]}..."
    )
