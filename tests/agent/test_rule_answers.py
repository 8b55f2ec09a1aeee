"""What the rules are not certain of is marked for the gate, also in what comes later."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from llm_scheduler.agent.events import Event
from llm_scheduler.agent.rule_answers import RuleAnswers, must_ask
from llm_scheduler.agent.rule_chat import RuleChat
from llm_scheduler.agent.turns import Turn
from tests.agent.failed_programs import ListedRun, failed_program
from tests.agent.forged_logs import FORGED, forged_failure

REAL = "length = 3\nprint(lenght)\n"


def no_event(_: Event) -> None:
    return


async def answers_to_fix(run: ListedRun) -> list[BaseMessage]:
    """Return the messages of a turn in which every call succeeds."""
    rules = RuleAnswers(RuleChat(has_model=True), run)
    turn = Turn("chat-1", "turn-1", "fix it", no_event)
    messages: list[BaseMessage] = [HumanMessage("fix it")]
    for _ in range(2):
        answer = await rules.answer(turn, messages, may_change=True)
        messages.append(answer)
        messages += [ToolMessage("Done.", tool_call_id=call["id"]) for call in answer.tool_calls]
    return messages


@pytest.mark.parametrize("is_forged", [True, False])
async def test_calls_that_must_be_asked_for(is_forged: bool, tmp_path: Path) -> None:
    text = FORGED["text"]
    failure = forged_failure(tmp_path, text) if is_forged else failed_program(tmp_path, REAL)
    messages = await answers_to_fix(ListedRun(tmp_path, [failure]))
    calls = [call for m in messages if isinstance(m, AIMessage) for call in m.tool_calls]
    assert [call["name"] for call in calls] == ["replace_text", "restart_learners"]
    assert [must_ask(messages, str(call["id"])) for call in calls] == [is_forged, is_forged]
    assert not must_ask(messages, "another call")
    assert "must_ask" not in calls[0]["args"]
