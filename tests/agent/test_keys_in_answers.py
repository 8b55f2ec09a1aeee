"""A key that the model or the user writes is neither shown nor kept nor sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.events import TextDelta, ToolStarted, TurnStarted
from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    call_tools,
    cut,
    raw_tool,
    repeat,
    say,
    slow,
    tool,
)
from tests.agent.conftest import MakeTalk
from tests.agent.talking import Talk, end_of, of_kind, text_of

KEY = "corp own key 55 abc"
PART = KEY[:8]
LATE = "key of the environment 7"


def leaks(talk: Talk, model: ScriptedModel, events: list[Any], part: str = PART) -> list[str]:
    """Return where a key is that should be nowhere."""
    places = [event.type for event in events if part in repr(event)]
    places += ["request" for request in model.requests if part in str(request.body)]
    places += [
        str(path.relative_to(talk.path))
        for path in sorted(talk.path.rglob("*"))
        if path.is_file() and talk.work not in path.parents and part.encode() in path.read_bytes()
    ]
    places += ["title" for info in talk.agent.threads() if part in repr(info)]
    return places


@pytest.mark.parametrize("piece_chars", [1, 3, 7, 19, 1000])
async def test_in_text_of_the_model(
    model: ScriptedModel, talk_with: MakeTalk, piece_chars: int
) -> None:
    said = f"It is {KEY}, not corp own kex; {KEY}"
    model.script(slow(say(said), 0, piece_chars=piece_chars), say("Yes. corp"))
    talk = talk_with(model, api_key=KEY)
    events = await talk.say("Which?")
    hidden = said.replace(KEY, "[redacted]")
    assert text_of(events) == end_of(events).text == hidden
    more = await talk.say("Sure?")
    assert text_of(more) == "Yes. corp", "what was held back comes at the end"
    assert [item.text for item in await talk.agent.history("chat-1")][1] == hidden
    assert leaks(talk, model, [*events, *more], KEY) == []


async def test_text_is_not_held_back_for_longer_than_needed(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(slow(say("corp is a word"), 0, piece_chars=1))
    events = await talk_with(model, api_key=KEY).say("Which?")
    assert [event.text for event in of_kind(events, TextDelta)] == [
        "corp i", *"s a word"
    ]  # fmt: skip


async def test_in_what_the_model_calls(model: ScriptedModel, talk_with: MakeTalk) -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    model.script(
        call_tools(
            tool("read_file", path=f"{KEY}.txt"),
            raw_tool("read_file", f'{{"path": "{escaped}"}}'),
            raw_tool("read_file", f'{{"path": "{"x" * 480} {KEY}'),
            tool(KEY, path="a"),
            raw_tool("read_file", '{"path": "b"}', call_id="corp-own-key-55-abc"),
            text=f"I try {KEY}.",
        ),
        say("No."),
        repeat(say("No.")),
    )
    talk = talk_with(model, api_key=KEY)
    events = [*await talk.say("Go"), *await talk.say("Again")]
    assert [call.arguments for call in of_kind(events, ToolStarted)][:2] == [
        {"path": "[redacted].txt"},
        {"path": "[redacted]"},
    ]
    assert leaks(talk, model, events) == []
    assert leaks(talk, model, events, "corp_own") == []


async def test_in_an_answer_that_breaks_off(model: ScriptedModel, talk_with: MakeTalk) -> None:
    text = f"It is {KEY}."
    model.script(cut(text, after_chars=len(text) - 4), say("Well."))
    talk = talk_with(model, api_key=KEY)
    events = [*await talk.say("Which?"), *await talk.say("Well?")]
    assert leaks(talk, model, events) == []


async def test_in_what_the_user_says(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(say("Yes."), say("Yes."))
    talk = talk_with(model, api_key=KEY)
    events = [*await talk.say(f"Is {KEY} right?"), *await talk.say("Yes?")]
    assert of_kind(events, TurnStarted)[0].message == "Is [redacted] right?"
    assert leaks(talk, model, events) == []


async def test_a_key_that_only_the_client_knows(
    model: ScriptedModel, talk_with: MakeTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", LATE)
    model.script(say(f"It is {LATE}."), say("Yes."))
    talk = talk_with(model, api_key=None, base_url=None, model="openai:scripted")
    monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
    first = await talk.say(f"Is it {LATE}?")
    assert "[redacted]" in text_of(first)
    talk_events = await talk.say(f"Is {LATE} right?")
    assert LATE not in repr(talk_events)
    assert [r for r in model.requests if LATE in str(r.body)] == []
    assert not [item for item in await talk.agent.history("chat-1") if LATE in item.text]


def test_the_folder_is_looked_through(tmp_path: Path) -> None:
    """The search for leaks finds one."""
    (tmp_path / "work").mkdir()
    (tmp_path / "kept").write_text(KEY)

    class Kept:
        path, work = tmp_path, tmp_path / "work"

        class agent:  # noqa: N801 - stands for an attribute
            threads = staticmethod(list)

    class Asked:
        requests = ()

    found: Any = leaks
    assert found(Kept, Asked, []) == ["kept"]
