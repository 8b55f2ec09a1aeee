"""What a model can do wrong: each ends in clear words, and the thread goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from llm_scheduler.agent.events import Event, ToolFinished
from llm_scheduler.testing.scripted_model import (
    Gate,
    RawReply,
    ScriptedModel,
    Step,
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
    say,
    tool,
    truncated,
    wrong_type,
)
from tests.agent.conftest import MakeTalk
from tests.agent.talking import EDIT, end_of, notices_of, of_kind, problem_of, text_of

LOOK = tool("list_jobs")


def sse(*chunks: str) -> RawReply:
    """Answer with a stream as it stands."""
    body = "".join(f"data: {chunk}\n\n" for chunk in (*chunks, "[DONE]"))
    return RawReply(200, body.encode(), "text/event-stream")


@dataclass(frozen=True)
class Fault:
    """A script, and what the user is told."""

    steps: tuple[Step, ...]
    kind: str = ""
    """Of the error that ends the turn; empty when it comes to a good end."""
    says: str = ""
    """In the error, a notice, or the answer."""
    settings: dict[str, Any] = field(default_factory=dict)


ROLELESS = '{"choices": [{"index": 0, "delta": {"content": "All is well."}}]}'
REFUSAL = (
    '{"choices": [{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}'
)
FILTERED = '{"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}'
ERROR_INSIDE = '{"error": {"message": "CUDA out of memory", "type": "server_error"}}'

FAULTS = {
    "429 once": Fault((fault(429), say("Fine.")), says="Asking again", settings={"max_retries": 2}),
    "429 always": Fault((fault(429),) * 3, "rate-limit", "too many", {"max_retries": 2}),
    "500 once": Fault((fault(500), say("Fine.")), says="Asking again", settings={"max_retries": 2}),
    "500 always": Fault((fault(500),) * 3, "server", "500", {"max_retries": 2}),
    "503": Fault((fault(503),), "server", "503"),
    "400": Fault((fault(400, "Bad things."),), "server", "Bad things"),
    "404": Fault((fault(404),), "missing", "Check the name"),
    "expired key": Fault((fault(401),), "key", "key"),
    "no quota": Fault((fault(429, "You exceeded your current quota"),), "rate-limit", "quota"),
    "asks to wait for hours": Fault((fault(429, retry_after=7200),), "rate-limit", "7200 s"),
    "hangs": Fault((hang(),), "timeout", "for 120 s"),
    "stalls": Fault((hold(say("The job failed because"), after_chars=7),), "timeout", "for 120 s"),
    "breaks off": Fault((cut("The job failed because"),), "server", "broke off"),
    "breaks off once": Fault(
        (cut("The job"), say("Fine.")), says="Asking again", settings={"max_retries": 1}
    ),
    "not JSON": Fault((not_json(),), "answer", ""),
    "wrong type": Fault((wrong_type(),), "answer", ""),
    "no body": Fault((no_body(),), "answer", ""),
    "no choices": Fault((no_choices(),), "answer", ""),
    "error inside of the stream": Fault((sse(ERROR_INSIDE),), "server", "CUDA out of memory"),
    "empty once": Fault((empty(), say("Fine.")), says="asking once more"),
    "empty twice": Fault((empty(), empty()), "answer", "answered nothing"),
    "thoughts only": Fault((reasoning("Hm."), say("Fine.")), says="asking once more"),
    "filtered": Fault((sse(FILTERED), sse(FILTERED)), "answer", "content filter"),
    "refusal": Fault((sse(REFUSAL), sse(REFUSAL)), "answer", "answered nothing"),
    "no roles": Fault((sse(ROLELESS),), says="All is well."),
    "no usage": Fault((no_usage(say("Fine.")),), says="Fine."),
    "a megabyte": Fault((huge(1_000_000),), says="very long"),
    "out of room": Fault((truncated("The job was"),), says="ran out of room"),
    "unknown tool": Fault((call_tools(tool("rm_rf", path="/")), say("Fine.")), says="no tool"),
    "odd tool name": Fault((call_tools(tool("a b/../c")), say("Fine.")), says="no tool"),
    "malformed arguments": Fault(
        (call_tools(raw_tool("read_file", '{"path": ')), say("Fine.")),
        says="read_file(path: string, first_line?: integer)",
    ),
    "arguments are a list": Fault(
        (call_tools(raw_tool("read_file", "[1, 2]")), say("Fine.")), says="read_file(path: string"
    ),
    "missing arguments": Fault((call_tools(tool("read_file")), say("Fine.")), says="path: Field"),
    "wrong arguments": Fault(
        (call_tools(tool("read_file", path=["a"])), say("Fine.")), says="path: Input should be"
    ),
    "missing reason of a change": Fault(
        (call_tools(tool("delete_file", path="model.py")), say("Fine.")), says="reason: Field"
    ),
    "tool that breaks": Fault(
        (call_tools(tool("read_file", path="breaks")), say("Fine.")), says="the disk is on fire"
    ),
    "same ids in one answer": Fault(
        (
            call_tools(
                raw_tool("list_jobs", "{}", call_id="a"), raw_tool("list_jobs", "{}", call_id="a")
            ),
            say("Fine."),
        ),
        says="Fine.",
    ),
    "same id in two answers": Fault(
        (
            call_tools(raw_tool("list_jobs", "{}", call_id="a")),
            call_tools(raw_tool("list_jobs", "{}", call_id="a")),
            say("Fine."),
        ),
        says="Fine.",
    ),
    "endless same call": Fault((call_tools(LOOK),) * 5, "loop", "over and over"),
    "endless other calls": Fault(
        tuple(call_tools(tool("read_file", path=f"f{i}")) for i in range(4)),
        "limit",
        "4 times in this turn",
        {"calls_per_turn": 4},
    ),
    "too many calls at once": Fault(
        (call_tools(*(tool("read_file", path=f"f{i}") for i in range(30))), say("Fine.")),
        says="10 calls were not made",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_fault(model: ScriptedModel, talk_with: MakeTalk, name: str) -> None:
    case = FAULTS[name]
    # Malformed requests of ours would show as violations, which fail the test.
    model.script(*case.steps)
    talk = talk_with(model, **case.settings)
    talk.write()
    if isinstance(case.steps[0], Gate):
        events = await talk.say_till_given_up("Why did it fail?", case.steps[0])
    else:
        events = await talk.say("Why did it fail?")
    if case.kind:
        failed = problem_of(events)
        assert failed.kind == case.kind
        assert case.says in failed.text
        assert (await talk.agent.history("chat-1"))[-1].text == failed.text
    else:
        assert end_of(events).status == "finished"
        assert case.says in told(events)
    await go_on(model, talk)


def told(events: list[Event]) -> str:
    outputs = "\n".join(event.output for event in of_kind(events, ToolFinished))
    return f"{text_of(events)}\n{notices_of(events)}\n{outputs}"


async def go_on(model: ScriptedModel, talk: Any) -> None:
    """The next message on the thread works."""
    model.script(say("Here I am."))
    again = await talk.say("Are you there?")
    assert end_of(again).text == "Here I am."
    assert end_of(again).status == "finished"


async def test_connection_refused(model: ScriptedModel, talk_with: MakeTalk) -> None:
    talk = talk_with(model, base_url=f"http://127.0.0.1:{find_closed_port()}/v1")
    failed = problem_of(await talk.say("Why?"))
    assert failed.kind == "refused"
    assert "can't be reached" in failed.text


async def test_no_key(
    model: ScriptedModel, talk_with: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    talk = talk_with(model, base_url=None, api_key=None)
    failed = problem_of(await talk.say("Why?"))
    assert failed.kind == "key"
    assert "OPENAI_API_KEY" in failed.text
    assert [item.text for item in await talk.agent.history("chat-1")] == ["Why?", failed.text]


async def test_context_that_is_too_long(talk_with: MakeTalk) -> None:
    with ScriptedModel(context_tokens=3500) as model:
        talk = talk_with(model, context_tokens=100_000)
        talk.write("big.txt", "x = 1\n" * 2500)
        model.script(call_tools(tool("read_file", path="big.txt")), say("It is big."))
        events = await talk.say("What is in it?")
        assert "too long for the model" in notices_of(events)
        assert end_of(events).text == "It is big."


async def test_fallback(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(fault(500), model="scripted")
    model.script(say("The second one."), model="second")
    talk = talk_with(model, fallback="second")
    events = await talk.say("Why?")
    assert end_of(events).text == "The second one."
    assert "'second' instead" in notices_of(events)


async def test_budget(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(call_tools(LOOK))
    talk = talk_with(model, calls_per_run=1)
    failed = problem_of(await talk.say("Why?"))
    assert failed.kind == "budget"
    assert "calls_per_run" in failed.text


async def test_an_id_of_a_decided_change_is_no_key_to_another(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    """A server that numbers its calls anew must not meet an old decision."""
    edit = call_tools(
        raw_tool(
            "replace_text",
            '{"path": "a", "old_text": "x", "new_text": "y", "reason": "r"}',
            call_id="1",
        )
    )
    delete = call_tools(raw_tool("delete_file", '{"path": "a", "reason": "r"}', call_id="1"))
    model.script(edit, say("Edited."), delete)
    talk = talk_with(model)
    talk.write("a", "x")
    await talk.say("Edit it.")
    await talk.say("yes")
    await talk.agent.delete("chat-1")
    events = await talk.say("Delete it.")
    assert end_of(events).status == "waiting"
    (pending,) = talk.desk.pending("chat-1")
    assert pending.tool == "delete_file"
    assert talk.read("a") == "y"
    assert EDIT["path"] not in pending.targets
