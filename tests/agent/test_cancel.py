"""A turn can be cancelled at any time; its thread stays usable."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_scheduler.agent import thread_turns
from llm_scheduler.agent.events import ApprovalWanted, Done, Event, TextDelta
from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    call_tools,
    hang,
    hold,
    repeat,
    say,
    tool,
)
from tests.agent.conftest import MakeTalk
from tests.agent.talking import AFTER, EDIT, WAIT_S, end_of, reach


async def test_cancel_ends_the_stream(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hold(say("The job failed because of the disk."), after_chars=7)
    model.script(gate, say("Here I am."))
    talk = talk_with(model)
    events: list[Event] = []

    async def watch() -> None:
        async for event in talk.agent.stream("Why?", "chat-1"):
            events.append(event)
            if isinstance(event, TextDelta):
                talk.agent.cancel("chat-1")

    await asyncio.wait_for(watch(), WAIT_S)
    assert end_of(events).status == "cancelled"
    await reach(model.requests[0].gone)
    assert not talk.agent.cancel("chat-1")
    items = await talk.agent.history("chat-1")
    assert [item.role for item in items] == ["user", "assistant"]
    assert "The job failed".startswith(items[1].text)
    assert end_of(await talk.say("Are you there?")).text == "Here I am."


async def test_a_cancel_before_the_first_step_ends_the_turn(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(say("Here I am."))
    talk = talk_with(model)
    events: list[Event] = []
    talk.agent.subscribe(events.append)
    turns = talk.agent._turns

    async def begin_and_cancel() -> None:
        turn = await turns.begin("Why?", "chat-1")
        turns.cancel_turn(turn)
        assert turn.task is not None
        await asyncio.wait([turn.task])

    await talk.agent._loop.call(begin_and_cancel())
    assert end_of(events).status == "cancelled"
    assert not turns.is_busy("chat-1")
    assert end_of(await talk.say("Are you there?")).text == "Here I am."


async def test_a_second_cancel_waits_until_the_end_is_kept(
    model: ScriptedModel,
    talk_with: MakeTalk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = hold(say("The job failed because of the disk."), after_chars=7)
    model.script(gate)
    talk = talk_with(model)
    monkeypatch.setattr(thread_turns, "_RECORD_TIMEOUT_S", WAIT_S)
    turns, order = talk.agent._turns, list[str]()
    begun, go_on = threading.Event(), threading.Event()
    add_stop = turns._asides.add_stop

    def wait_and_add(*arguments: Any) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        add_stop(*arguments)
        order.append("kept")

    monkeypatch.setattr(turns._asides, "add_stop", wait_and_add)
    talk.agent.subscribe(lambda event: order.append("done") if isinstance(event, Done) else None)
    task = asyncio.create_task(talk.say("Why?"))
    await reach(gate.reached)
    for _ in range(3):
        assert talk.agent.cancel("chat-1")
        assert await asyncio.to_thread(begun.wait, WAIT_S)
        await talk.agent.history("chat-1")  # the loop has seen the cancel
    go_on.set()
    assert end_of(await task).status == "cancelled"
    assert order == ["kept", "done"]
    assert not caplog.records


async def test_a_cancel_while_python_ends_says_nothing(
    model: ScriptedModel,
    talk_with: MakeTalk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = hold(say("The job failed because of the disk."), after_chars=7)
    model.script(gate)
    talk = talk_with(model)
    gone = ThreadPoolExecutor(1)
    gone.shutdown()

    def add(*_: Any) -> None:
        gone.submit(print)  # as every thread is refused when Python is ending

    monkeypatch.setattr(talk.agent._turns._asides, "add_stop", add)
    task = asyncio.create_task(talk.say("Why?"))
    await reach(gate.reached)
    assert talk.agent.cancel("chat-1")
    assert end_of(await task).status == "cancelled"
    assert not caplog.records


async def test_cancel_before_the_first_word(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hang()
    model.script(gate, say("Here I am."))
    talk = talk_with(model)
    task = asyncio.create_task(talk.say("Why?"))
    await reach(gate.reached)
    assert talk.agent.cancel("chat-1")
    assert end_of(await task).status == "cancelled"
    assert end_of(await talk.say("Are you there?")).text == "Here I am."


async def test_cancelled_caller_cancels_the_turn(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hang()
    model.script(gate)
    talk = talk_with(model)
    task = asyncio.create_task(talk.agent.chat("Why?", "chat-1"))
    await reach(gate.reached)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reach(model.requests[0].gone)


async def test_cancel_while_one_change_waits_and_a_tool_runs(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    from langchain_core.tools import tool as make_tool

    go_on = threading.Event()

    @make_tool
    def wait() -> str:
        """Wait."""
        assert go_on.wait(WAIT_S)
        return "waited"

    model.script(call_tools(tool("replace_text", **EDIT), tool("wait")), repeat(say("Done.")))
    talk = talk_with(model, options={"read_tools": [wait]})
    talk.write()
    events: list[Event] = []
    async for event in talk.agent.stream("Mend it.", "chat-1"):
        events.append(event)
        if isinstance(event, ApprovalWanted):
            talk.agent.cancel("chat-1")
    assert end_of(events).status == "cancelled"
    go_on.set()
    (pending,) = talk.desk.pending("chat-1")
    await talk.agent.decide(pending.id, "approve")
    assert talk.read() == AFTER
    assert end_of(await talk.say("And?")).text == "Done."
