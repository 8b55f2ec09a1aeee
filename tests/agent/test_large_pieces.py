"""Answers in pieces of any size: nothing else waits for them, and nothing is guessed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import parse_partial_json
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from llm_scheduler.agent.answers import read_answer
from llm_scheduler.agent.partial_json import bounded_parsing, parse_arguments
from llm_scheduler.config import LLMSettings
from llm_scheduler.testing.scripted_model import (
    RawReply,
    ScriptedModel,
    call_tools,
    raw_tool,
    say,
    tool,
)
from tests.agent.conftest import MakeTalk, SettingsFor
from tests.agent.talking import AFTER, BEFORE, EDIT, Talk, end_of, problem_of

LONGEST_S = 120
"""Without a bound it takes hours."""
FIRST = '{"path": "new.py", "reason": "r", "content": "'


def in_pieces(*pieces: str) -> RawReply:
    """Answer with a call of write_file whose arguments come in these pieces."""
    deltas: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces
    ]
    deltas[0]["role"] = "assistant"
    deltas[0]["tool_calls"][0] |= {"id": "call00001", "type": "function"}
    deltas[0]["tool_calls"][0]["function"]["name"] = "write_file"
    chunks = [json.dumps({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
    body = "".join(f"data: {chunk}\n\n" for chunk in (*chunks, "[DONE]"))
    return RawReply(200, body.encode(), "text/event-stream")


async def test_a_large_piece_from_the_middle_is_read(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(in_pieces(FIRST, "x" * 150_000, '"}'), say("Written."))
    talk = talk_with(model, mode="yolo")
    async with asyncio.timeout(LONGEST_S):
        events = await talk.say("Write it.")
    assert end_of(events).text == "Written."
    assert talk.read("new.py") == "x" * 150_000


@pytest.mark.parametrize("piece", ["x" * 1_000_000, "{" + "]x" * 100_000, '{"a": ' + "y" * 190_000])
async def test_a_piece_of_a_megabyte_ends_in_clear_words(
    model: ScriptedModel, talk_with: MakeTalk, piece: str
) -> None:
    model.script(in_pieces(FIRST, piece, piece), say("All is well."))
    talk = talk_with(model)
    async with asyncio.timeout(LONGEST_S):
        assert "without end" in problem_of(await talk.say("Write it.")).text
        assert end_of(await talk.say("And now?")).text == "All is well."


class Coalescing(BaseChatModel):
    """A model of the user's own that sends one large piece and then nothing."""

    sent: asyncio.Event | None = None

    @property
    def _llm_type(self) -> str:
        return "coalescing"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for piece in (FIRST, "x" * 120_000):
            chunk = {"name": None, "args": piece, "id": None, "index": 0, "type": "tool_call_chunk"}
            yield ChatGenerationChunk(
                message=AIMessageChunk(content="", tool_call_chunks=[chunk])  # type: ignore[list-item]
            )
        await asyncio.Event().wait()


async def test_meanwhile_a_turn_is_cancelled_and_another_thread_decides(tmp_path: Any) -> None:
    settings = LLMSettings(threads_dir=tmp_path / "threads")
    talk = Talk(tmp_path, settings, models=[Coalescing()])
    try:
        talk.write()
        edit = {"tool": "replace_text", "arguments": EDIT, "turn_id": "t", "call_id": "c"}
        approval = talk.desk.propose(thread_id="other", **edit)
        async with asyncio.timeout(LONGEST_S):
            stream = talk.agent.stream("Go.", "chat-1")
            assert (await anext(stream)).type == "turn_started"
            done = await talk.agent.decide(approval.id, "approve")
            assert (done.status, talk.read()) == ("done", AFTER)
            assert talk.agent.cancel("chat-1")
            rest = [event async for event in stream]
        assert end_of(rest).status == "cancelled"
    finally:
        talk.close()


async def test_half_a_call_is_not_made(model: ScriptedModel, talk_with: MakeTalk) -> None:
    half = '{"path": "model.py", "reason": "r", "content": "def f(x):'
    model.script(
        call_tools(raw_tool("write_file", half), tool("list_jobs"), text="I write it."),
        say("It was cut off."),
    )
    talk = talk_with(model, mode="yolo")
    talk.write()
    events = await talk.say("Write it.")
    assert talk.read() == BEFORE, "what the model did not write is not guessed"
    assert talk.looked == ["jobs"]
    answers = [m["content"] for m in model.requests[1].messages if m["role"] == "tool"]
    assert "not valid JSON" in answers[0]
    assert end_of(events).text == "It was cut off."


@pytest.mark.parametrize("depth", [400, 900, 5000])
async def test_deep_arguments_are_refused_in_clear_words(
    model: ScriptedModel, talk_with: MakeTalk, depth: int
) -> None:
    arguments = '{"a": ' + "[" * depth + "]" * depth + "}"
    model.script(call_tools(raw_tool("list_jobs", arguments)), say("I see."))
    talk = talk_with(model)
    assert end_of(await talk.say("Look.")).text == "I see."
    assert "not valid JSON" in model.requests[1].last_text


class Whole(Coalescing):
    """A model that does not stream."""

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        call = {"name": "read_file", "args": {"path": "model.py"}, "id": "call00001"}
        calls = [] if messages[-1].type == "tool" else [call]
        answer = AIMessage("Read." if not calls else "", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    _astream = BaseChatModel._astream


async def test_calls_of_a_model_that_does_not_stream_are_made(tmp_path: Any) -> None:
    talk = Talk(tmp_path, LLMSettings(threads_dir=tmp_path / "threads"), models=[Whole()])
    try:
        talk.write()
        assert end_of(await talk.say("Look.")).text == "Read."
        assert talk.looked == ["model.py"]
    finally:
        talk.close()


async def test_calls_in_very_many_places_are_cut(settings_for: SettingsFor) -> None:
    class Scattered(Coalescing):
        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for i in range(100_000):
                chunk = {"name": "f", "args": "", "id": None, "index": i, "type": "tool_call_chunk"}
                yield ChatGenerationChunk(
                    message=AIMessageChunk(content="", tool_call_chunks=[chunk])  # type: ignore[list-item]
                )

    async with asyncio.timeout(LONGEST_S):
        with pytest.raises(Exception, match="without end"):
            await read_answer(Scattered(), [], LLMSettings(), lambda *_: None)


WHOLE = json.dumps(
    {"path": 'a "b" \\ c', "lines": [1, 2.5, [True, None]], "more": {"x": {}, "y": "\u00e4\n"}}
)


@pytest.mark.parametrize("n_chars", range(1, len(WHOLE) + 1))
def test_beginnings_are_read_as_langchain_reads_them(n_chars: int) -> None:
    begun = WHOLE[:n_chars]
    assert parse_arguments(begun) == parse_partial_json(begun)


@pytest.mark.parametrize("text", ["", "x", "]", "}{", '{"a": 1}}', "{]", "\\"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_arguments(text)


def test_the_parser_of_others_stays_as_it_is() -> None:
    with bounded_parsing():
        assert AIMessageChunk("", tool_call_chunks=[_piece("x" * 200_000)]).invalid_tool_calls
    assert parse_partial_json("[1, 2, ") == [1, 2]
    with pytest.raises((ValueError, OutputParserException)):
        parse_partial_json("x")


def _piece(text: str) -> Any:
    return {"name": "f", "args": text, "id": "a", "index": 0, "type": "tool_call_chunk"}
