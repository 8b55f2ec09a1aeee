"""One answer of a model: its stream read, and made into a message that a thread can keep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call

from llm_scheduler.agent.history import MALFORMED, new_call_id, plain_name
from llm_scheduler.agent.key_hiding import hide_in
from llm_scheduler.agent.model_choice import hide
from llm_scheduler.agent.partial_json import bounded_parsing
from llm_scheduler.agent.retries import bounded_stream, output_bound
from llm_scheduler.agent.untraced import untraced
from llm_scheduler.agent.untrusted import make_writable
from llm_scheduler.agent.usage import text_of
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError
from llm_scheduler.logs.redaction import REDACTED
from llm_scheduler.tools.hidden_keys import HeldBack

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

MAX_ANSWER_CHARS = 200_000
MAX_CALLS = 20
"""Tool calls in one answer; more are not made."""
_MAX_ARGUMENT_CHARS = 2_000_000
_MAX_QUOTED = 500
_MAX_PLACES = 500
_MAX_DEPTH = 50
_PLAIN_ID = re.compile(r"[\w.:|-]{1,64}", re.ASCII)


async def read_answer(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    settings: LLMSettings,
    say: Callable[[str, str], None],
    keys: Collection[str] = (),
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
    keys
        Taken out of what the model says, as it is shown, kept and sent again.

    Raises
    ------
    ModelError
        It went silent, took too long, or answered nothing that can be used.

    """
    with bounded_parsing(), untraced():
        return await _read_answer(model, messages, settings, say, keys)


async def _read_answer(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    settings: LLMSettings,
    say: Callable[[str, str], None],
    keys: Collection[str],
) -> AIMessage:
    message_id = f"answer-{uuid4().hex[:12]}"
    parts: list[str] = []
    rest: list[AIMessageChunk] = []
    places: set[Any] = set()
    n_chars, is_cut = 0, False
    held = HeldBack(keys, REDACTED)

    def tell(text: str) -> None:
        if text:
            parts.append(text)
            say(message_id, text)

    bound: dict[str, Any] = dict(output_bound(model))
    stream: Any = bounded_stream(
        model.astream(list(messages), **bound), settings, max_chars=_MAX_ARGUMENT_CHARS
    )
    async with aclosing(stream) as chunks:
        async for chunk in chunks:
            text = make_writable(text_of(chunk))[: MAX_ANSWER_CHARS - n_chars]
            if text:
                n_chars += len(text)
                tell(held.push(text))
            if _says_more(chunk):
                rest.append(_without_text(chunk))
                n_chars += sum(len(c.get("args") or "") for c in rest[-1].tool_call_chunks)
                places.update(c.get("index") for c in rest[-1].tool_call_chunks)
            # Pieces are joined by their places, which takes quadratic time for many.
            if n_chars >= MAX_ANSWER_CHARS or len(places) > _MAX_PLACES:
                is_cut = True
                break
    if not is_cut:  # else it may be a part of a key
        tell(held.rest())
    whole = add_ai_message_chunks(rest[0], *rest[1:]) if rest else AIMessageChunk(content="")
    if is_cut and whole.tool_call_chunks and not parts:
        raise ModelError("The model wrote a tool call without end; it was cut off.", kind="answer")
    return _as_message(whole, "".join(parts), message_id, keys, is_cut=is_cut)


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
    return isinstance(chunk, AIMessage) and bool(
        chunk.tool_calls
        or chunk.invalid_tool_calls
        or (isinstance(chunk, AIMessageChunk) and chunk.tool_call_chunks)
        or chunk.usage_metadata
        or chunk.response_metadata
        or chunk.additional_kwargs
    )


def _without_text(chunk: AIMessage) -> AIMessageChunk:
    # Pieces are joined pairwise, which takes quadratic time for a long text.
    if isinstance(chunk, AIMessageChunk):
        return chunk.model_copy(update={"content": ""}) if chunk.content else chunk
    return AIMessageChunk(  # of a client that does not stream
        content="",
        tool_calls=chunk.tool_calls,
        invalid_tool_calls=chunk.invalid_tool_calls,
        usage_metadata=chunk.usage_metadata,
        response_metadata=chunk.response_metadata,
        additional_kwargs=chunk.additional_kwargs,
    )


def _calls_in(whole: AIMessageChunk, keys: Collection[str]) -> list[ToolCall]:
    """Return the tool calls of an answer; what is not whole is malformed, never guessed."""
    calls = []
    for chunk in whole.tool_call_chunks:
        raw = str(chunk["args"] or "")
        try:
            arguments = json.loads(raw, strict=False) if raw.strip() else {}
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict) or _is_deep(arguments):
            arguments = {MALFORMED: hide(raw, keys)[:_MAX_QUOTED]}
        name = plain_name(hide(str(chunk["name"] or ""), keys))
        call_id = hide(str(chunk["id"] or ""), keys)
        calls.append(tool_call(name=name, args=hide_in(arguments, keys), id=call_id))
    return calls


def _is_deep(value: Any, n_left: int = _MAX_DEPTH) -> bool:
    """Whether a value is nested so deeply that a thread could not keep it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return n_left == 0 or any(_is_deep(each, n_left - 1) for each in inner)


def _as_message(
    whole: AIMessageChunk, text: str, message_id: str, keys: Collection[str], *, is_cut: bool
) -> AIMessage:
    calls = _calls_in(whole, keys)
    if not text.strip() and not calls:
        refusal = whole.additional_kwargs.get("refusal")
        text = hide(refusal, keys) if isinstance(refusal, str) else text
    kept = {
        key: hide(value, keys)
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
