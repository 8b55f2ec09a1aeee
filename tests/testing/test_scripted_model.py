"""The scripted model, asked over a socket and with the client that the agent uses."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    Step,
    answer,
    call_tools,
    cut,
    empty,
    fault,
    find_closed_port,
    hang,
    hold,
    huge,
    no_body,
    no_choices,
    no_usage,
    not_json,
    raw_tool,
    reasoning,
    repeat,
    say,
    slow,
    stall,
    tool,
    truncated,
    wrong_type,
)

LIMIT_S = 120
HELLO = [{"role": "user", "content": "Why did job 7 fail?"}]


def post(server: ScriptedModel, messages: Any = HELLO, /, **more: Any) -> tuple[int, Any]:
    """Ask without any client in between."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
    try:
        body = json.dumps({"model": "scripted", "messages": messages} | more)
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        text = response.read().decode()
        kind = response.getheader("Content-Type", "")
        return response.status, json.loads(text) if "json" in kind and text else text
    finally:
        connection.close()


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    """Return a function that makes the real client, closed at the end."""
    made: list[ChatOpenAI] = []

    def make(model: ScriptedModel, **values: Any) -> ChatOpenAI:
        given = {"model": "scripted", "api_key": "sk-x", "max_retries": 0, "stream_usage": True}
        chat = ChatOpenAI(base_url=model.base_url, **given | values)
        made.append(chat)
        return chat

    yield make
    for chat in made:
        await chat.root_async_client.close()


async def test_the_clients_get_the_script_in_order(client: Any) -> None:
    with ScriptedModel() as model:
        model.script(
            say("It ran out of memory."),
            call_tools(tool("read_file", path="job.sh"), tool("list_jobs"), text="I look."),
            answer({"cause": "oom"}),
        )
        chat = client(model)
        assert (await chat.ainvoke("why?")).content == "It ran out of memory."
        second = await chat.ainvoke("why?")
        assert second.content == "I look."
        assert [(c["name"], c["args"], c["id"]) for c in second.tool_calls] == [
            ("read_file", {"path": "job.sh"}, "call_1"),
            ("list_jobs", {}, "call_2"),
        ]
        assert json.loads((await chat.ainvoke("why?")).content) == {"cause": "oom"}
    assert [request.last_text for request in model.requests] == ["why?"] * 3
    assert model.n_calls == 3
    assert model.input_tokens == 3


async def test_streams_come_in_pieces_with_usage(client: Any) -> None:
    long = tool("read_file", path="a/long/path/to/the/script/of/the/job.sh")
    with ScriptedModel() as model:
        model.script(call_tools(long, tool("list_jobs"), text="I look at the script of the job."))
        chunks = [chunk async for chunk in client(model).astream("why?")]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.content == "I look at the script of the job."
    assert sum(bool(chunk.content) for chunk in chunks) > 2
    assert [call["name"] for call in whole.tool_calls] == ["read_file", "list_jobs"]
    assert whole.tool_calls[0]["args"] == json.loads(long.arguments)
    assert sum(bool(chunk.tool_call_chunks) for chunk in chunks) > 4
    assert whole.usage_metadata["input_tokens"] == model.input_tokens
    assert whole.usage_metadata["output_tokens"] == model.output_tokens


async def test_usage_can_be_left_out(client: Any) -> None:
    with ScriptedModel() as model:
        model.script(no_usage(say("ok")), no_usage(say("ok")))
        assert (await client(model).ainvoke("x")).usage_metadata is None
        assert [c.usage_metadata async for c in client(model).astream("x")][-1] is None


async def test_structured_output_goes_through_the_rules(client: Any) -> None:
    schema = {
        "title": "Cause",
        "description": "Why the job failed",
        "type": "object",
        "properties": {"cause": {"type": "string"}},
        "required": ["cause"],
        "additionalProperties": False,
    }
    with ScriptedModel() as model:
        model.script(answer({"cause": "oom"}))
        chat = client(model).with_structured_output(schema, method="json_schema", strict=True)
        assert await chat.ainvoke("why?") == {"cause": "oom"}
    assert model.requests[0].format_name == "Cause"


def test_reasoning_and_finish_reason_are_sent() -> None:
    with ScriptedModel() as model:
        model.script(reasoning("hmm", "ok"), truncated("The job"))
        message = post(model)[1]["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("hmm", "ok")
        assert post(model)[1]["choices"][0]["finish_reason"] == "length"


def test_models_are_listed_and_others_unknown() -> None:
    with ScriptedModel(models=["small", "big"]) as model:
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=LIMIT_S)
        connection.request("GET", "/v1/models")
        listed = json.loads(connection.getresponse().read())
        connection.close()
        status, body = post(model)
    assert [entry["id"] for entry in listed["data"]] == ["small", "big"]
    assert (status, body["error"]["code"]) == (404, "model_not_found")


def test_only_the_right_key_is_taken() -> None:
    with ScriptedModel(api_key="sk-right") as model:
        status, body = post(model)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


def test_a_long_conversation_exceeds_the_context() -> None:
    with ScriptedModel(context_tokens=100) as model:
        model.script(say("ok"))
        status, body = post(model, [{"role": "user", "content": "x" * 401}])
        assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
        assert post(model, [{"role": "user", "content": "x" * 400}])[0] == 200


async def test_faults_reach_the_client_as_its_own_errors(client: Any) -> None:
    cases: list[tuple[Step, type[Exception]]] = [
        (fault(429, retry_after=0), openai.RateLimitError),
        (fault(500), openai.InternalServerError),
        (fault(401), openai.AuthenticationError),
        (cut(), openai.APIConnectionError),
        (not_json(), Exception),
        (wrong_type(), Exception),
        (no_choices(), Exception),
        (no_body(), Exception),
    ]
    with ScriptedModel() as model:
        chat = client(model)
        for step, kind in cases:
            model.script(step)
            with pytest.raises(kind):
                await chat.ainvoke("why?")
        model.script(empty(), huge(1000))
        assert (await chat.ainvoke("why?")).content == ""
        assert len((await chat.ainvoke("why?")).content) == 1000


async def test_a_cut_stream_breaks_off(client: Any) -> None:
    with ScriptedModel() as model:
        model.script(cut("The job failed because", after_chars=7))
        got = ""
        with pytest.raises(openai.APIConnectionError):
            async for chunk in client(model).astream("why?"):
                got += chunk.content
    assert got == "The job"
    assert model.requests[0].gone.wait(LIMIT_S)  # the client knows a moment before


@pytest.mark.parametrize("step", [hang(), stall()], ids=["hang", "stall"])
async def test_a_silent_model_runs_into_the_clients_time_limit(client: Any, step: Step) -> None:
    with ScriptedModel() as model:
        model.script(step)
        with pytest.raises(Exception, match=r"(?i)timed? ?out"):
            # Only for the answer: the request has all the time it needs to be sent.
            limits = httpx.Timeout(LIMIT_S, read=0.1)
            async for _ in client(model, timeout=limits).astream("why?"):
                pass
        async with asyncio.timeout(LIMIT_S):
            while model.left_over:  # the server may read what was asked after all that
                await asyncio.sleep(0.005)


async def test_closing_releases_what_hangs(client: Any) -> None:
    model = ScriptedModel()
    gate = hang()
    model.script(gate)
    asked = asyncio.create_task(client(model).ainvoke("why?"))
    assert await asyncio.to_thread(gate.reached.wait, LIMIT_S)
    model.close()
    with pytest.raises(openai.APIConnectionError):
        await asked
    model.check()


async def test_a_gate_stops_the_answer_where_it_says(client: Any) -> None:
    gate = hold(say("The job failed because of memory."), after_chars=7)
    with ScriptedModel() as model:
        model.script(gate)
        stream = client(model).astream("why?")
        got = ""
        async for chunk in stream:
            got += chunk.content
            if got == "The job":
                assert await asyncio.to_thread(gate.reached.wait, LIMIT_S)
                gate.release()
    assert got == "The job failed because of memory."


async def test_a_client_that_leaves_is_noticed(client: Any) -> None:
    gate = hold(say("The job failed."), after_chars=3)
    with ScriptedModel() as model:
        model.script(gate)
        asked = asyncio.create_task(client(model).ainvoke("why?"))
        assert await asyncio.to_thread(gate.reached.wait, LIMIT_S)
        asked.cancel()
        assert await asyncio.to_thread(model.requests[0].gone.wait, LIMIT_S)


def test_one_connection_carries_many_requests() -> None:
    with ScriptedModel() as model:
        model.script(say("one"), fault(500), say("three"))
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=LIMIT_S)
        connection.connect()
        port = connection.sock.getsockname()[1]
        answers = []
        for stream in (True, False, True):
            body = json.dumps({"model": "scripted", "messages": HELLO, "stream": stream})
            connection.request("POST", "/v1/chat/completions", body)
            answers.append(connection.getresponse().read().decode())
            assert connection.sock.getsockname()[1] == port
        connection.close()
    assert '"content": "one"' in answers[0]
    assert answers[0].endswith("data: [DONE]\n\n")
    assert '"content": "three"' in answers[2]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/nothing", None, 404, "Invalid URL (GET /v1/nothing)"),
        ("POST", "/v1/responses", "{}", 404, "Invalid URL (POST /v1/responses)"),
        ("POST", "/v1/chat/completions", "{", 400, "could not parse the JSON body"),
        ("POST", "/v1/chat/completions", "[]", 400, "could not parse the JSON body"),
    ],
)
def test_what_is_no_request_for_an_answer_is_refused(
    method: str, path: str, body: str | None, status: int, words: str
) -> None:
    with ScriptedModel(allow_violations=True) as model:
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=LIMIT_S)
        connection.request(method, path, body)
        response = connection.getresponse()
        assert response.status == status
        assert words in json.loads(response.read())["error"]["message"]
        connection.close()


async def test_a_slow_stream_comes_whole(client: Any) -> None:
    with ScriptedModel() as model:
        text = "The job ran out of memory."
        model.script(slow(say(text), 0.001), slow(say(text), 0.001, piece_chars=5))
        chunks = [chunk.content async for chunk in client(model).astream("why?")]
        assert "".join(chunks) == text
        chunks = [chunk.content async for chunk in client(model).astream("why?")]
    assert [chunk for chunk in chunks if chunk] == [text[i : i + 5] for i in range(0, 26, 5)]


def test_nobody_listens_at_the_closed_port() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", find_closed_port()), timeout=5)


def test_queues_are_chosen_by_the_request_and_by_the_model() -> None:
    with ScriptedModel() as model:
        model.script(say("general"))
        model.script(say("small"), model="small")
        model.script(say("seven"), when=lambda request: "job 7" in request.last_text)
        assert post(model)[1]["choices"][0]["message"]["content"] == "seven"
        other = [{"role": "user", "content": "hi"}]
        assert post(model, other)[1]["choices"][0]["message"]["content"] == "general"
        small = post(model, other, model="small")[1]
        assert small["choices"][0]["message"]["content"] == "small"


def test_a_callable_answers_from_the_request() -> None:
    with ScriptedModel() as model:
        model.script(lambda request: say(request.last_text.upper()))
        assert post(model)[1]["choices"][0]["message"]["content"] == "WHY DID JOB 7 FAIL?"


def test_a_hundred_clients_at_once_are_served() -> None:
    with ScriptedModel() as model:
        model.script(repeat(call_tools(tool("read_file", path="x"))))
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: post(model), range(100)))
    ids = {a["choices"][0]["message"]["tool_calls"][0]["id"] for _, a in answers}
    assert len(ids) == 100
    assert model.n_calls == 100


def test_what_is_left_over_fails_the_check() -> None:
    with (
        pytest.raises(AssertionError, match=r"a step was not used.*never said"),
        ScriptedModel() as m,
    ):
        m.script(say("never said"))


def test_a_step_that_repeats_must_have_been_used_once() -> None:
    with (
        pytest.raises(AssertionError, match=r"a step was not used.*never said"),
        ScriptedModel() as m,
    ):
        m.script(repeat(say("said")), when=lambda request: "job 7" in request.last_text)
        m.script(repeat(say("never said")))
        assert post(m)[0] == 200
        assert len(m.left_over) == 1


def test_one_request_too_many_fails_the_check() -> None:
    with pytest.raises(AssertionError, match="request 2 came after the end"), ScriptedModel() as m:
        m.script(say("ok"))
        assert post(m)[0] == 200
        assert post(m)[0] == 400


def test_a_broken_rule_fails_the_check_unless_it_is_allowed() -> None:
    with (
        pytest.raises(AssertionError, match=r"broke a rule.*empty array"),
        ScriptedModel() as model,
    ):
        assert post(model, [])[0] == 400
    with ScriptedModel(allow_violations=True) as model:
        assert post(model, [])[0] == 400


def test_an_error_in_the_test_is_not_hidden_by_the_check() -> None:
    with pytest.raises(KeyError), ScriptedModel() as model:
        model.script(say("never said"))
        raise KeyError


def test_malformed_arguments_are_sent_as_they_are() -> None:
    with ScriptedModel() as model:
        model.script(call_tools(raw_tool("read_file", '{"path": ', call_id="odd")))
        call = post(model)[1]["choices"][0]["message"]["tool_calls"][0]
    assert (call["id"], call["function"]["arguments"]) == ("odd", '{"path": ')


def test_a_request_that_was_cut_short_is_none() -> None:
    with ScriptedModel() as model:
        model.script(say("Yes."))
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
        with socket.create_connection(("127.0.0.1", model.port), timeout=LIMIT_S) as connection:
            connection.sendall(head + b'{"model": "m", "mess')
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""  # the server has read all there is, and left
        assert model.requests == []
        with closing(http.client.HTTPConnection("127.0.0.1", model.port, timeout=LIMIT_S)) as other:
            question = {"model": "m", "messages": [{"role": "user", "content": "Is it?"}]}
            other.request("POST", "/v1/chat/completions", json.dumps(question))
            assert "Yes." in other.getresponse().read().decode()
