"""Messages that are taken back: nothing is lost where what replaces them can't be asked."""

from __future__ import annotations

from typing import Any

import pytest

from llm_scheduler.agent.usage import EXPECTED_OUTPUT_TOKENS
from llm_scheduler.errors import BudgetSpent
from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, say, tool
from tests.agent.conftest import MakeTalk
from tests.agent.talking import EDIT, end_of


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"calls_per_run": 1}, "1 of 1 calls"),
        ({"calls_per_day": 1}, "or wait for tomorrow"),
        # The question and its answer do not fit, although a few tokens are left.
        ({"tokens_per_run": 3500 + EXPECTED_OUTPUT_TOKENS}, "tokens"),
    ],
)
async def test_what_the_budget_has_no_room_for_takes_nothing_back(
    model: ScriptedModel, talk_with: MakeTalk, limits: dict[str, Any], said: str
) -> None:
    model.script(call_tools(tool("replace_text", **EDIT)))
    talk = talk_with(model, **limits)
    talk.write()
    await talk.say("Mend it.")
    before = await talk.agent.history("chat-1")
    (pending,) = talk.desk.pending("chat-1")
    with pytest.raises(BudgetSpent, match=said):
        await talk.agent.take_back("chat-1", before[0].message_id, instead="Why? " * 4000)
    assert await talk.agent.history("chat-1") == before
    assert talk.desk.pending("chat-1") == [pending]
    await talk.agent.take_back("chat-1", before[0].message_id)
    assert await talk.agent.history("chat-1") == []
    assert talk.desk.pending("chat-1") == []


async def test_with_room_it_is_taken_back(model: ScriptedModel, talk_with: MakeTalk) -> None:
    model.script(say("one"), say("two"))
    talk = talk_with(model, calls_per_run=2)
    await talk.say("first")
    (said, _) = await talk.agent.history("chat-1")
    await talk.agent.take_back("chat-1", said.message_id, instead="second")
    await talk.say("second")
    assert [item.text for item in await talk.agent.history("chat-1")] == ["second", "two"]


async def test_it_is_taken_back_when_one_of_two_calls_has_an_answer(
    model: ScriptedModel, talk_with: MakeTalk
) -> None:
    model.script(call_tools(tool("list_jobs"), tool("replace_text", **EDIT)), say("Hello."))
    talk = talk_with(model)
    talk.write()
    await talk.say("Mend it.")
    (said, *_) = await talk.agent.history("chat-1")
    await talk.agent.take_back("chat-1", said.message_id)
    assert talk.desk.pending("chat-1") == []
    assert end_of(await talk.say("Hello?")).text == "Hello."
    assert [item.text for item in await talk.agent.history("chat-1")] == ["Hello?", "Hello."]
    assert "12 failed" not in model.requests[-1].text
