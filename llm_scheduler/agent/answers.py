"""One answer of a model: its stream read, and made into a message that a thread can keep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call

from llm_scheduler.agent.history import MALFORMED, calls_of, new_call_id
from llm_scheduler.agent.retries import bounded_stream
from llm_scheduler.agent.untrusted import make_writable
from llm_scheduler.agent.usage import text_of
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

MAX_ANSWER_CHARS = 200_000
MAX_CALLS = 20
"""Tool calls in one answer; more are not made."""
_MAX_ARGUMENT_CHARS = 2_000_000
_MAX_QUOTED = 500
_PLAIN_ID = re.compile(r"[\w.:|-]{1,64}", re.ASCII)


async def read_answer(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    settings: LLMSettings,
    say: Callable[[str, str], None],
) -> AIMessage:
    """Ask a model and read its answer to the end, telling `say` each piece.

    Parameters
    ----------
    model
        With its tools bound.
    messages
        What it is asked.
    settings
        For the limits of time.
    say
        Called with an id, another for each try, and a piece of the text.

    Raises
    ------
    ModelError
        It went silent, took too long, or answered nothing that can be used.

    """
    message_id = f"answer-{uuid4().hex[:12]}"
    parts: list[str] = []
    rest: list[AIMessageChunk] = []
    n_chars, is_cut = 0, False
    stream: Any = bounded_stream(
        model.astream(list(messages)), settings, max_chars=_MAX_ARGUMENT_CHARS
    )
    async with aclosing(stream) as chunks:
        async for chunk in chunks:
            text = make_writable(text_of(chunk))[: MAX_ANSWER_CHARS - n_chars]
            if text:
                n_chars += len(text)
                parts.append(text)
                say(message_id, text)
            if _says_more(chunk):
                rest.append(_without_text(chunk))
                n_chars += sum(len(c.get("args") or "") for c in _call_chunks(chunk))
            if n_chars >= MAX_ANSWER_CHARS:
                is_cut = True
                break
    whole = add_ai_message_chunks(rest[0], *rest[1:]) if rest else AIMessageChunk(content="")
    if is_cut and (whole.tool_calls or whole.invalid_tool_calls) and not parts:
        raise ModelError("The model wrote a tool call without end; it was cut off.", kind="answer")
    return _as_message(whole, "".join(parts), message_id, is_cut=is_cut)


def is_empty(answer: AIMessage) -> bool:
    """Whether an answer says nothing and calls nothing."""
    return not answer.text.strip() and not answer.tool_calls


def explain_empty(answer: AIMessage) -> ModelError:
    """Say why an answer is empty, as far as the server tells."""
    reason = str(answer.response_metadata.get("finish_reason") or "")
    if reason == "content_filter":
        text = "The provider's content filter stopped the answer. Put the question another way."
    elif reason == "length":
        text = "The model used up its room before it said anything. Use one with a longer output."
    else:
        text = "The model answered nothing. Ask again, or put the question another way."
    return ModelError(text, kind="answer")


def name_calls(answer: AIMessage, is_used: Callable[[str], bool]) -> AIMessage:
    """Give every tool call an id of its own.

    Some servers give none, or the same ones in every answer. An id that was used before
    would stand for a change that was decided already.
    """
    seen: set[str] = set()
    calls = []
    for call in answer.tool_calls:
        call_id = call["id"] or ""
        if not _PLAIN_ID.fullmatch(call_id) or call_id in seen or is_used(call_id):
            call_id = new_call_id()
        seen.add(call_id)
        calls.append(tool_call(name=call["name"], args=call["args"], id=call_id))
    return answer.model_copy(update={"tool_calls": calls})


def _says_more(chunk: Any) -> bool:
    return isinstance(chunk, AIMessageChunk) and bool(
        chunk.tool_call_chunks
        or chunk.usage_metadata
        or chunk.response_metadata
        or chunk.additional_kwargs
    )


def _without_text(chunk: AIMessageChunk) -> AIMessageChunk:
    # Pieces are joined pairwise, which takes quadratic time for a long text.
    return chunk.model_copy(update={"content": ""})


def _call_chunks(chunk: AIMessageChunk) -> Sequence[Any]:
    return chunk.tool_call_chunks


def _as_message(whole: AIMessage, text: str, message_id: str, *, is_cut: bool) -> AIMessage:
    calls = calls_of(whole.model_copy(update={"invalid_tool_calls": []}))
    for bad in whole.invalid_tool_calls:
        raw = str(bad.get("args") or "")
        arguments = {MALFORMED: raw[:_MAX_QUOTED]} if raw.strip() else {}
        name = calls_of(AIMessage("", invalid_tool_calls=[bad]))[0]["name"]
        calls.append(tool_call(name=name, args=arguments, id=bad.get("id") or ""))
    if not text.strip() and not calls:
        refusal = whole.additional_kwargs.get("refusal")
        text = refusal if isinstance(refusal, str) else text
    kept = {
        key: value
        for key in ("finish_reason", "model_name", "stop_reason")
        if isinstance(value := whole.response_metadata.get(key), str)
    }
    return AIMessage(
        text,
        id=message_id,
        tool_calls=[_storable(call) for call in calls[:MAX_CALLS]],
        usage_metadata=whole.usage_metadata,
        response_metadata=kept | {"is_cut": is_cut, "n_dropped": max(0, len(calls) - MAX_CALLS)},
    )


def _storable(call: ToolCall) -> ToolCall:
    """Return a call whose arguments can be kept: lone surrogates can't be written."""
    text = json.dumps(call["args"], ensure_ascii=False, default=str)
    clean = make_writable(text)
    return (
        call
        if clean == text
        else tool_call(name=call["name"], args=json.loads(clean), id=call["id"])
    )
