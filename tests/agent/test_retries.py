"""What may pass is asked again, what does not is said at once, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.model_choice import close_models, make_models
from llm_scheduler.agent.retries import Patience, ask, bounded_stream, output_bound
from llm_scheduler.agent.usage import text_of
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import BudgetSpent, ModelError, StoreError
from llm_scheduler.testing.scripted_model import (
    Gate,
    ScriptedModel,
    call_tools,
    cut,
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
    say,
    stall,
    truncated,
    wrong_type,
)
from tests.agent.talking import put_forward, reach

KEY = "sk-proj-9aB8cD7eF6gH5iJ4kL3mN2oP1q"


@dataclass
class Asked:
    """What `ask` did, and how it waited."""

    settings: LLMSettings
    budget: Budget | None = None
    pauses: list[float] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    n_texts: int = 0
    """Pieces of text that were read."""

    async def run_over(self, *silent: Any, streams: bool = True, input_tokens: int = 0) -> str:
        """Ask, and let the time pass where one of these steps leaves the model silent."""
        task = asyncio.create_task(self.run(streams=streams, input_tokens=input_tokens))
        for i, gate in enumerate(silent):
            if not isinstance(gate, Gate):
                continue
            await reach(gate.reached)
            while streams and not gate.before_answer and self.n_texts <= i and not task.done():
                await asyncio.sleep(0.01)
            n_pauses = len(self.pauses)
            while len(self.pauses) == n_pauses and not task.done():
                # Again, as the client may not have begun to wait for the answer.
                put_forward(asyncio.get_running_loop(), self.settings.timeout_s + 1)
                await asyncio.sleep(0.01)
        return await task

    async def run(self, *, streams: bool = True, input_tokens: int = 0) -> str:
        models = make_models(self.settings)

        async def call(model: Any) -> Any:
            if not streams:
                return await model.ainvoke("why?")
            whole = None
            bound: dict[str, Any] = dict(output_bound(model))
            async for chunk in bounded_stream(model.astream("why?", **bound), self.settings):
                whole = chunk if whole is None else whole + chunk
                self.n_texts += bool(text_of(chunk))
            return whole

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        try:
            answer = await ask(
                models,
                call,
                settings=self.settings,
                budget=self.budget,
                on_notice=self.notices.append,
                input_tokens=input_tokens,
                patience=Patience(sleep, lambda: 1.0),
            )
        finally:
            await close_models(models)
        return text_of(answer)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AgentDatabase]:
    made = AgentDatabase(tmp_path / "agent.sqlite")
    yield made
    made.close()


FAULTS: dict[str, tuple[Callable[[], Any], str, bool]] = {
    "429": (lambda: fault(429), "rate-limit", True),
    "429 with a time": (lambda: fault(429, retry_after=3), "rate-limit", True),
    "no quota": (lambda: fault(429, code="insufficient_quota"), "rate-limit", False),
    "500": (lambda: fault(500), "server", True),
    "502": (lambda: fault(502, "Bad gateway"), "server", True),
    "503": (lambda: fault(503), "server", True),
    "504": (lambda: fault(504), "timeout", True),
    "expired key": (lambda: fault(401, f"Key {KEY} has expired."), "key", False),
    "forbidden": (lambda: fault(403), "key", False),
    "no such model": (lambda: fault(404), "missing", False),
    "bad request": (lambda: fault(400, "no such field"), "server", False),
    "too long": (lambda: fault(400, "x", code="context_length_exceeded"), "context", False),
    "far too long": (lambda: fault(413, "x"), "context", False),
    "a web page": (wrong_type, "answer", False),
    "another type": (lambda: wrong_type("text/plain", "hello"), "answer", False),
    "no JSON": (not_json, "answer", None),
    "no choices": (no_choices, "answer", False),
    "no body": (no_body, "answer", None),
    "cut off": (cut, "server", True),
    "hangs": (hang, "timeout", True),
    "stalls": (lambda: hold(say("The job failed"), after_chars=7), "timeout", True),
}


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_ends_in_a_sentence_or_is_asked_again(
    model: ScriptedModel, settings_for: Any, name: str, streams: bool
) -> None:
    step, kind, may_pass = FAULTS[name]
    asked = Asked(settings_for(model, max_retries=1, api_key=KEY))
    if may_pass is None:  # without a stream the client says that it is no JSON
        may_pass = not streams
    steps = [step() for _ in range(1 + may_pass)]
    model.script(*steps)
    with pytest.raises(ModelError) as caught:
        await asked.run_over(*steps, streams=streams)
    assert caught.value.kind == kind
    assert len(asked.pauses) == may_pass
    assert KEY not in str(caught.value) + repr(caught.value) + " ".join(asked.notices)
    assert str(caught.value).endswith((".", "!", ">")) or "It says" in str(caught.value)


@pytest.mark.parametrize("name", [name for name, (_, _, passes) in FAULTS.items() if passes])
async def test_what_passes_is_answered_the_second_time(
    model: ScriptedModel, settings_for: Any, name: str
) -> None:
    asked = Asked(settings_for(model, max_retries=2))
    step = FAULTS[name][0]()
    model.script(step, say("Because."))
    assert await asked.run_over(step) == "Because."
    assert len(asked.notices) == 1
    assert "Asking again in" in asked.notices[0]
    assert "(2 of 3)" in asked.notices[0]


async def test_nobody_listens(settings_for: Any, model: ScriptedModel) -> None:
    asked = Asked(
        settings_for(model, base_url=f"http://127.0.0.1:{find_closed_port()}/v1", max_retries=1)
    )
    with pytest.raises(ModelError, match="can't be reached") as caught:
        await asked.run()
    assert (caught.value.kind, len(asked.pauses)) == ("refused", 1)


async def test_pauses_grow_and_the_servers_wish_counts(
    model: ScriptedModel, settings_for: Any
) -> None:
    model.script(*[fault(500)] * 3, fault(429, retry_after=9), fault(503), say("ok"))
    asked = Asked(settings_for(model, max_retries=5))
    assert await asked.run() == "ok"
    assert asked.pauses == [1, 2, 4, 9, 16]


def test_pauses_are_bounded_and_jittered() -> None:
    assert Patience(jitter=lambda: 1.0).pause_s(20, None) == 30
    assert Patience(jitter=lambda: 0.0).pause_s(1, None) == 0.5


async def test_nobody_waits_for_an_hour(model: ScriptedModel, settings_for: Any) -> None:
    model.script(fault(429, retry_after=3600))
    asked = Asked(settings_for(model, max_retries=3))
    with pytest.raises(ModelError, match="asks to wait 3600 s"):
        await asked.run()
    assert asked.pauses == []


async def test_fallback(model: ScriptedModel, settings_for: Any) -> None:
    model.script(fault(401), model="scripted")
    model.script(say("From the other."), model="other")
    asked = Asked(settings_for(model, fallback="other", max_retries=2))
    assert await asked.run() == "From the other."
    assert len(asked.notices) == 1
    assert asked.notices[0].endswith("Asking 'other' instead.")


async def test_when_the_fallback_fails_too_its_error_is_told(
    model: ScriptedModel, settings_for: Any
) -> None:
    model.script(fault(500), model="scripted")
    model.script(fault(404), model="other")
    with pytest.raises(ModelError, match="no model 'other'"):
        await Asked(settings_for(model, fallback="other", max_retries=0)).run()


async def test_every_try_is_counted(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    model.script(fault(500), cut(), say("Because."))
    settings = settings_for(model, max_retries=2)
    budget = Budget(database, settings, run_id="r")
    await Asked(settings, budget).run(input_tokens=50)
    spent = budget.spent().run
    assert spent.calls == 3
    # What was read of the second by then, and the third as the server counts.
    read = spent.tokens - model.requests[2].input_tokens - 2
    assert 50 <= read < 100


async def test_without_the_servers_count_it_is_estimated(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    model.script(no_usage(say("a" * 40)))
    settings = settings_for(model)
    budget = Budget(database, settings, run_id="r")
    await Asked(settings, budget).run(input_tokens=77)
    assert (budget.spent().run.input_tokens, budget.spent().run.output_tokens) == (77, 10)


@pytest.mark.parametrize("name", ["hangs", "stalls"])
async def test_what_was_read_but_not_answered_is_counted(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase, name: str
) -> None:
    step = FAULTS[name][0]()
    model.script(step)
    settings = settings_for(model)
    budget = Budget(database, settings, run_id="r")
    with pytest.raises(ModelError):
        await Asked(settings, budget).run_over(step, input_tokens=77)
    spent = budget.spent().run
    assert spent.input_tokens == 77
    assert (spent.output_tokens > 0) == (name == "stalls")


@pytest.mark.parametrize(
    "step",
    [
        huge(390_000),
        cut("x " * 90_000, after_chars=170_000),
        stall("x " * 90_000, after_chars=170_000),
        call_tools(raw_tool("f", '{"a": "' + "z" * 300_000)),
    ],
    ids=["huge", "cut", "stalls", "endless tool call"],
)
@pytest.mark.parametrize(
    "limits",
    [{"tokens_per_run": 4000}, {"money_per_run": 0.04, "input_price": 2.0, "output_price": 10.0}],
    ids=["tokens", "money"],
)
async def test_an_answer_ends_where_the_budget_ends(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase, step: Any, limits: Any
) -> None:
    model.script(step)
    settings = settings_for(model, **limits)
    budget = Budget(database, settings, run_id="r")
    with pytest.raises(BudgetSpent, match=next(iter(limits))):
        await Asked(settings, budget).run(input_tokens=100)
    spent = budget.spent().run
    # One piece of a stream may be over it; the next is not read.
    assert spent.tokens <= 8000
    assert spent.output_tokens >= 3000
    assert 0 < model.requests[0].body["max_completion_tokens"] <= 4000


async def test_far_from_a_limit_the_server_is_not_told_where_to_stop(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    model.script(say("Because."))
    settings = settings_for(model, tokens_per_run=1_000_000)
    await Asked(settings, Budget(database, settings, run_id="r")).run()
    assert "max_completion_tokens" not in model.requests[0].body


async def test_a_key_of_a_client_that_a_server_repeats_is_not_shown(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    from langchain_openai import ChatOpenAI

    key = "CorpKey77abcXYZqq"
    model.script(fault(401, message=f"Incorrect API key provided: {key}."))
    client = ChatOpenAI(model="mine", base_url=model.base_url, api_key=key, max_retries=0)
    settings = settings_for(model, api_key=None)
    with pytest.raises(ModelError) as caught:
        await ask([client], lambda m: m.ainvoke("hi"), settings=settings, budget=None)
    assert key not in str(caught.value)


async def test_at_the_limit_nothing_is_sent(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    model.script(fault(500))
    settings = settings_for(model, calls_per_run=1, max_retries=3, fallback="other")
    asked = Asked(settings, Budget(database, settings, run_id="r"))
    with pytest.raises(BudgetSpent, match="calls_per_run"):
        await asked.run()
    assert len(model.requests) == 1


async def test_cancelling_is_counted_and_passes_through(
    model: ScriptedModel, settings_for: Any, database: AgentDatabase
) -> None:
    gate = hang()
    model.script(gate)
    settings = settings_for(model)
    budget = Budget(database, settings, run_id="r")
    task = asyncio.create_task(Asked(settings, budget).run(input_tokens=5))
    await reach(gate.reached)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.spent().run.tokens == 5


async def test_a_budget_that_can_not_be_counted_stops_the_model(
    model: ScriptedModel, settings_for: Any
) -> None:
    class Broken:
        def reserve(self, *_: int) -> None:
            raise StoreError("agent.sqlite can't be used: disk I/O error")

    settings = settings_for(model)
    with pytest.raises(ModelError, match=r"not asked: its budget agent\.sqlite can't be used"):
        await Asked(settings, Broken()).run()  # type: ignore[arg-type] - a budget that fails
    assert not model.requests


async def test_an_answer_without_end_is_cut(model: ScriptedModel, settings_for: Any) -> None:
    model.script(huge(1_000_000))
    with pytest.raises(ModelError, match="longer than 400,000 characters"):
        await Asked(settings_for(model)).run()


async def test_an_answer_that_ran_out_of_room_is_still_one(
    model: ScriptedModel, settings_for: Any
) -> None:
    model.script(truncated("It ran out of"))
    assert await Asked(settings_for(model)).run() == "It ran out of"


async def test_what_can_not_be_read_is_logged_without_its_text(
    model: ScriptedModel, settings_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model.script(wrong_type(body=f"<p>{KEY}</p>"))
    with caplog.at_level(logging.DEBUG, "llm_scheduler"), pytest.raises(ModelError):
        await Asked(settings_for(model)).run(streams=False)
    assert "can't be read" in caplog.text
    assert KEY not in caplog.text


async def _numbers(n: int, closed: list[str]) -> AsyncIterator[str]:
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield str(i)
    finally:
        closed.append("closed")


async def test_a_stream_is_closed_when_it_is_left() -> None:
    closed: list[str] = []
    stream = bounded_stream(_numbers(100, closed), LLMSettings(model="x"))
    async for chunk in stream:
        if chunk == "3":
            break
    await stream.aclose()  # type: ignore[attr-defined] - it is a generator
    assert closed == ["closed"]


async def test_a_stream_that_drips_ends_at_the_total_limit() -> None:
    async def drip() -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(0.001)
            yield "x"

    settings = LLMSettings(model="x", timeout_s=5, total_timeout_s=0.02)
    with pytest.raises(ModelError, match="total_timeout_s") as caught:
        async for _ in bounded_stream(drip(), settings):
            pass
    assert not caught.value.may_pass


async def test_the_total_limit_holds_for_calls_that_do_not_stream() -> None:
    n_calls = 0

    async def call(_: Any) -> str:
        nonlocal n_calls
        n_calls += 1
        await asyncio.Event().wait()
        raise AssertionError

    settings = LLMSettings(model="x", total_timeout_s=0.01, max_retries=2)
    with pytest.raises(ModelError, match="total_timeout_s") as caught:
        await ask([object()], call, settings=settings, budget=None)  # type: ignore[list-item] - any model
    assert (caught.value.kind, n_calls) == ("timeout", 1)  # nobody waits so long three times
