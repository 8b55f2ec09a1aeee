"""Whatever a thread holds, what is sent keeps the protocol's rules."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_openai.chat_models.base import _convert_message_to_dict

from llm_scheduler.agent.history import (
    MALFORMED,
    MARK,
    NOT_ANSWERED,
    current_turn,
    repair_history,
    unanswered_calls,
)
from llm_scheduler.agent.summaries import (
    Summary,
    apply_summary,
    count_tokens,
    force_fit,
    older_part,
    shorten_outputs,
)
from llm_scheduler.agent.untrusted import make_writable
from llm_scheduler.testing.scripted_model_rules import find_violation

IDS = st.sampled_from(["", "a", "b", "c", "d", "e"])
TEXTS = st.sampled_from(["", " ", "why?", "x" * 50, "\ud800", "line\nline"])
NAMES = st.sampled_from(["read_file", "no such tool", "", "a" * 100, "ü"])
ARGUMENTS = st.sampled_from([{}, {"path": "a"}, {MALFORMED: '{"pa'}])


@st.composite
def answers(draw: st.DrawFn) -> AIMessage:
    calls: list[Any] = [
        {"name": draw(NAMES), "args": draw(ARGUMENTS), "id": draw(IDS) or None, "type": "tool_call"}
        for _ in range(draw(st.integers(0, 3)))
    ]
    invalid: list[Any] = [
        {
            "name": draw(NAMES),
            "args": '{"',
            "id": draw(IDS),
            "error": "",
            "type": "invalid_tool_call",
        }
        for _ in range(draw(st.integers(0, 1)))
    ]
    mark = draw(st.sampled_from([{}, {}, {MARK: {"problem": "server"}}]))
    return AIMessage(
        draw(TEXTS), tool_calls=calls, invalid_tool_calls=invalid, additional_kwargs=mark
    )


MESSAGES = st.lists(
    st.one_of(
        answers(),
        st.builds(HumanMessage, TEXTS),
        st.builds(SystemMessage, TEXTS),
        st.builds(lambda text, call_id: ToolMessage(text, tool_call_id=call_id), TEXTS, IDS),
    ),
    max_size=14,
)


def violation(messages: list[BaseMessage]) -> str:
    """Return the rule that a request with these messages breaks."""
    body = {
        "model": "x",
        "messages": [
            {"role": "system", "content": "You help."},
            *(_convert_message_to_dict(m) for m in messages if not isinstance(m, SystemMessage)),
            {"role": "user", "content": "Go on."},
        ],
    }
    found = find_violation(body)
    return found.message if found is not None else ""


@given(MESSAGES)
def test_what_is_sent_keeps_the_rules(messages: list[BaseMessage]) -> None:
    repaired = repair_history(messages)
    assert violation(repaired) == ""
    assert unanswered_calls(repaired) == []
    assert count_tokens(repair_history(repaired)) == count_tokens(repaired), "once is enough"
    assert not any(
        isinstance(one, HumanMessage) and isinstance(two, HumanMessage)
        for one, two in itertools.pairwise(repaired)
    )


@given(MESSAGES, st.integers(50, 400))
def test_what_is_made_to_fit_keeps_the_rules(messages: list[BaseMessage], room: int) -> None:
    repaired = repair_history(messages)
    assert violation(force_fit(shorten_outputs(repaired, room), room)) == ""


@given(MESSAGES)
def test_what_follows_a_summary_keeps_the_rules(messages: list[BaseMessage]) -> None:
    for i, message in enumerate(messages):
        message.id = str(i)
    older = older_part(messages, None)
    if older:
        summary = Summary("They looked at the disk.", str(older[-1].id))
        assert violation(repair_history(apply_summary(messages, summary))) == ""
        assert older_part(messages, summary) == []


@given(MESSAGES)
def test_words_of_the_user_are_kept(messages: list[BaseMessage]) -> None:
    said = [m.text for m in messages if isinstance(m, HumanMessage) and m.text.strip()]
    sent = "\n\n".join(m.text for m in repair_history(messages) if isinstance(m, HumanMessage))
    assert sent == make_writable("\n\n".join(said))


def call(call_id: str, **arguments: Any) -> Any:
    return {"name": "read_file", "args": arguments, "id": call_id, "type": "tool_call"}


def test_an_answer_that_comes_late_is_put_in_its_place() -> None:
    late = ToolMessage("content", tool_call_id="a")
    repaired = repair_history(
        [AIMessage("", tool_calls=[call("a")]), HumanMessage("never mind"), late]
    )
    assert [m.type for m in repaired] == ["ai", "tool", "human"]
    assert repaired[1].text == "content"


def test_unanswered_calls_get_what_is_known() -> None:
    messages = [AIMessage("", tool_calls=[call("a"), call("b")])]
    repaired = repair_history(messages, lambda c: "It is done." if c["id"] == "a" else "")
    assert [m.text for m in repaired[1:]] == ["It is done.", NOT_ANSWERED]


def test_an_id_in_two_answers_is_two_calls() -> None:
    messages = [
        AIMessage("", tool_calls=[call("a")]),
        ToolMessage("one", tool_call_id="a"),
        AIMessage("", tool_calls=[call("a")]),
        ToolMessage("two", tool_call_id="a"),
    ]
    repaired = repair_history(messages)
    assert [m.text for m in repaired if m.type == "tool"] == ["one", "two"]
    assert len({m.tool_call_id for m in repaired if isinstance(m, ToolMessage)}) == 2


def test_a_turn_begins_with_the_user() -> None:
    context = HumanMessage("the run", additional_kwargs={MARK: {"context": True}})
    said = HumanMessage("why?")
    assert current_turn([context, said, AIMessage("a")])[0] is said


@pytest.mark.parametrize("n_steps", [1, 30])
def test_what_does_not_fit_is_dropped_in_whole_steps(n_steps: int) -> None:
    messages: list[BaseMessage] = [HumanMessage("why?")]
    for i in range(n_steps):
        messages.append(AIMessage("", tool_calls=[call(f"c{i}", path="p" * 40)]))
        messages.append(ToolMessage("y" * 3000, tool_call_id=f"c{i}"))
    fitted = force_fit(shorten_outputs(messages, 600), 600)
    assert count_tokens(fitted) <= 600
    assert violation(fitted) == ""
    assert fitted[0].text.startswith("why?")
