"""Threads: cancel, several at once, messages in between, restarts, the size on disk."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from llm_scheduler.agent.events import ApprovalWanted, Event, ToolFinished
from llm_scheduler.agent.turns import TurnLocks
from llm_scheduler.errors import UsageError
from llm_scheduler.testing.scripted_model import (
    ModelRequest,
    ScriptedModel,
    call_tools,
    hold,
    repeat,
    say,
    tool,
)
from tests.agent.conftest import MakeTalk, SettingsFor
from tests.agent.talking import (
    AFTER,
    BEFORE,
    EDIT,
    EDITING,
    WAIT_S,
    Talk,
    end_of,
    of_kind,
    problem_of,
    reach,
    text_of,
)


async def test_second_message_waits(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hold(say("First."))
    model.script(gate, say("Second."))
    talk = talk_with(model)
    first = asyncio.create_task(talk.say("One"))
    await reach(gate.reached)
    second = asyncio.create_task(talk.say("Two"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(model.requests) == 1
    gate.release()
    assert [end_of(await task).text for task in (first, second)] == ["First.", "Second."]
    assert [m["role"] for m in model.requests[1].messages][-3:] == ["user", "assistant", "user"]


async def test_threads_run_side_by_side(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hold(say("Slow."))

    def is_slow(request: ModelRequest) -> bool:
        return "slowly" in request.last_text

    model.script(gate, when=is_slow)
    model.script(repeat(say("Quick.")))
    talk = talk_with(model)
    slow = asyncio.create_task(talk.say("slowly", "slow"))
    await reach(gate.reached)
    quick = await asyncio.gather(*(talk.say("now", f"quick-{i}") for i in range(20)))
    assert {end_of(events).text for events in quick} == {"Quick."}
    assert not slow.done()
    gate.release()
    assert end_of(await slow).text == "Slow."


async def test_watchers_see_the_same(model: ScriptedModel, talk_with: MakeTalk) -> None:
    gate = hold(say("The disk is full."), after_chars=4)
    model.script(gate)
    talk = talk_with(model)
    seen: list[Event] = []

    def complain(_: Event) -> None:
        raise RuntimeError("a view that is broken")

    talk.agent.subscribe(complain)
    unsubscribe = talk.agent.subscribe(seen.append)
    first = asyncio.create_task(talk.say("Why?"))
    await reach(gate.reached)
    second: list[Event] = []
    attached = asyncio.Event()

    async def follow() -> None:
        async for event in talk.agent.stream(None, "chat-1"):
            second.append(event)
            attached.set()

    follower = asyncio.create_task(follow())
    await attached.wait()  # who comes after the end is told the end alone
    gate.release()
    events = await first
    await follower
    assert second == events == seen
    unsubscribe()
    model.script(say("Again."))
    await talk.say("Why?")
    assert seen == events


async def test_message_while_a_change_is_pending(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(
        call_tools(tool("replace_text", **EDIT), tool("list_jobs")),
        say("It adds a tiny number."),
        say("Good."),
    )
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    events = await talk.say("What would that do?")
    assert end_of(events).text == "It adds a tiny number."
    told = [m["content"] for m in model.requests[1].messages if m["role"] == "tool"]
    assert "has not decided" in told[0]
    assert told[1] == "12 failed", "what a sibling returned is not lost"
    (pending,) = talk.desk.pending("chat-1")
    await talk.agent.decide(pending.id, "approve")
    assert talk.read() == AFTER
    rest = await talk.say(None)
    assert end_of(rest).text == "Good."
    assert "change ch-" in model.requests[2].last_text
    items = await talk.agent.history("chat-1")
    assert [item.role for item in items] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "note",
        "assistant",
    ]
    assert items[1].tool_calls[0].approval is not None
    assert items[1].tool_calls[0].approval.status == "done"


async def test_two_pending_are_decided_one_by_one(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(
        call_tools(
            tool("replace_text", **EDIT), tool("write_file", path="new", content="x", reason="r")
        ),
        say("As you like."),
    )
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    first, second = talk.desk.pending("chat-1")
    asked = await talk.say("yes")
    assert first.id in text_of(asked)
    assert end_of(asked).status == "waiting"
    await talk.agent.decide(first.id, "reject", message="Not like this.")
    assert len(model.requests) == 1, "the other one is not decided yet"
    await talk.agent.decide(second.id, "approve")
    rest = await talk.say(None)
    assert end_of(rest).text == "As you like."
    told = {m["content"] for m in model.requests[1].messages if m["role"] == "tool"}
    assert any("Not like this." in text and "Do not try it again" in text for text in told)
    assert talk.read() == BEFORE


async def test_file_that_changed_is_shown_anew(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(EDITING, say("Done."))
    talk = talk_with(model)
    talk.write()
    seen: list[Event] = []
    talk.agent.subscribe(seen.append)
    await talk.say("Mend it.")
    (old,) = talk.desk.pending("chat-1")
    talk.write(text="# new\n" + BEFORE)
    void = await talk.agent.decide(old.id, "approve")
    assert void.status == "void"
    assert [e.approval.id for e in of_kind(seen, ApprovalWanted)] == [old.id, void.replaced_by]
    assert len(model.requests) == 1
    await talk.agent.decide(void.replaced_by, "approve")
    assert end_of(await talk.say(None)).text == "Done."
    assert talk.read() == "# new\n" + AFTER


async def test_two_decisions_at_once(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(EDITING, say("Done."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    (pending,) = talk.desk.pending("chat-1")
    both = [talk.agent.decide(pending.id, "approve") for _ in range(8)]
    assert {a.status for a in await asyncio.gather(*both)} == {"done"}
    assert end_of(await talk.say(None)).text == "Done."
    assert len(talk.desk.changes()) == 1


async def test_decided_while_another_tool_runs(model: ScriptedModel, talk_with: MakeTalk) -> None:
    from langchain_core.tools import tool as make_tool

    go_on = threading.Event()

    @make_tool
    def wait() -> str:
        """Wait."""
        assert go_on.wait(WAIT_S)
        return "waited"

    model.script(call_tools(tool("replace_text", **EDIT), tool("wait")), say("Done."))
    talk = talk_with(model, options={"read_tools": [wait]})
    talk.write()
    events: list[Event] = []
    async for event in talk.agent.stream("Mend it.", "chat-1"):
        events.append(event)
        if isinstance(event, ApprovalWanted):
            await talk.agent.decide(event.approval.id, "approve")
            go_on.set()
    assert end_of(events).text == "Done."
    assert {e.tool for e in of_kind(events, ToolFinished)} == {"wait", "replace_text"}


async def test_switch_of_the_mode_approves_nothing(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(EDITING, say("Rejected, then."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    talk.desk.mode = "yolo"
    assert end_of(await talk.say(None)).status == "waiting"
    assert talk.read() == BEFORE
    await talk.say("no")
    assert talk.read() == BEFORE


async def test_retry_after_a_failure(model: ScriptedModel, talk_with: MakeTalk) -> None:
    from llm_scheduler.testing.scripted_model import fault

    model.script(fault(500), say("Now it works."))
    talk = talk_with(model)
    problem_of(await talk.say("Why?"))
    assert end_of(await talk.say(None)).text == "Now it works."
    assert [m["role"] for m in model.requests[1].messages] == ["system", "user"]
    assert [i.role for i in await talk.agent.history("chat-1")] == ["user", "assistant"]
    again = await talk.say(None)
    assert end_of(again).text == "Now it works."
    assert len(model.requests) == 2, "there is nothing to go on with"


async def test_titles_and_deleting(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(EDITING, say("Hello."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend\nit.")
    talk.agent.rename("chat-1", "The edit")
    assert [info.title for info in talk.agent.threads()] == ["The edit"]
    await talk.agent.delete("chat-1")
    assert talk.agent.threads() == []
    assert talk.desk.pending() == []
    assert await talk.agent.history("chat-1") == []
    assert end_of(await talk.say("Hi")).text == "Hello."
    with pytest.raises(UsageError, match="no thread"):
        talk.agent.rename("other", "x")
    talk.agent.rename("other", "My own", may_make=True)
    assert talk.agent.threads()[0].title == "My own"


@pytest.mark.parametrize(("message", "thread"), [("", "t"), ("x" * 200_000, "t"), ("hi", " ")])
async def test_what_makes_no_sense(
    model: ScriptedModel, talk_with: MakeTalk, message: str, thread: str
) -> None:
    talk = talk_with(model)
    with pytest.raises(UsageError):
        await talk.say(message, thread)


async def test_a_new_session_goes_on(
    model: ScriptedModel, tmp_path: Path, settings_for: SettingsFor
) -> None:
    model.script(EDITING, say("Done."))
    first = Talk(tmp_path, settings_for(model))
    first.write()
    await first.say("Mend it.")
    first.close()
    second = Talk(tmp_path, settings_for(model))
    (pending,) = second.desk.pending("chat-1")
    await second.agent.decide(pending.id, "approve")
    assert end_of(await second.say(None)).text == "Done."
    assert second.read() == AFTER
    second.close()


async def test_fifty_turns_stay_small(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(repeat(say("y" * 100)))
    talk = talk_with(model, context_tokens=200_000)
    for _ in range(50):
        await talk.say("x" * 2000)
    size = sum(file.stat().st_size for file in talk.folder.path.glob("threads.sqlite*"))
    assert size < 3_000_000
    assert len(await talk.agent.history("chat-1")) == 100


async def test_long_conversations_are_summarised(model: ScriptedModel, talk_with: MakeTalk) -> None:
    def is_summary(request: ModelRequest) -> bool:
        return "Summarise the conversation" in str(request.messages[0]["content"])

    model.script(repeat(say("They looked at the disk.")), when=is_summary)
    model.script(repeat(say("z" * 400)))
    talk = talk_with(model, context_tokens=4000)
    for i in range(12):
        assert end_of(await talk.say(f"{i}: " + "x" * 1500)).status == "finished"
    assert max(request.input_tokens for request in model.requests) < 4000
    assert "They looked at the disk." in str(model.requests[-1].messages)
    history = await talk.agent.history("chat-1")
    assert len(history) == 24
    assert history[0].text.startswith("0: ")


async def test_a_very_large_thread_is_slimmed(
    model: ScriptedModel, talk_with: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_scheduler.agent.conversations.MOST_KEPT_CHARS", 20_000)
    monkeypatch.setattr("llm_scheduler.agent.conversations._KEPT_OUTPUTS", 2)
    talk = talk_with(model, context_tokens=100_000)
    for i in range(6):
        talk.write(f"f{i}", f"{i} " * 2500)
        model.script(call_tools(tool("read_file", path=f"f{i}")), say(f"Read {i}."))
        await talk.say("Read.")
    items = await talk.agent.history("chat-1")
    sizes = [len(call.output) for item in items for call in item.tool_calls]
    assert len(sizes) == 6
    assert max(sizes[:2]) < 1000
    assert min(sizes[-2:]) == 5000


async def test_secrets_that_people_type_stay_here(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    model.script(call_tools(tool("read_file", path="env.txt")), say("I see."))
    talk = talk_with(model)
    talk.write("env.txt", f"PATH=/bin\nOPENAI_API_KEY={secret}\n")
    await talk.say(f"My key is {secret}, does it work?")
    assert len(model.requests) == 2
    assert not any(secret in request.text for request in model.requests)
    assert secret in (await talk.agent.history("chat-1"))[0].text


async def test_a_decision_that_is_refused_can_be_made_later(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(EDITING, say("Done."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    talk.desk.mode = "read-only"
    assert "read-only" in problem_of(await talk.say("yes")).text
    assert talk.read() == BEFORE
    talk.desk.mode = "approve"
    assert end_of(await talk.say("yes")).text == "Done."
    assert talk.read() == AFTER


async def test_a_fork_in_a_turn_does_not_keep_the_thread(tmp_path: Path) -> None:
    locks = TurnLocks(tmp_path)
    async with locks.hold("chat-1"):
        descriptors = Path("/proc/self/fd").iterdir()
        held = [int(path.name) for path in descriptors if is_lock(path, tmp_path)]
        inherited = [os.dup(descriptor) for descriptor in held]  # as a forked child has them
    assert len(inherited) == 1
    async with TurnLocks(tmp_path).hold("chat-1"):
        pass
    os.close(inherited[0])


def is_lock(descriptor: Path, folder: Path) -> bool:
    try:
        path = descriptor.readlink()
    except OSError:
        return False
    return path.suffix == ".lock" and path.is_relative_to(folder.resolve())
