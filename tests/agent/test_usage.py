"""Tokens are counted as the server says, else estimated from the text."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from llm_scheduler.agent.usage import count_usage, estimate_tokens, text_of

USAGE = {"input_tokens": 120, "output_tokens": 7, "total_tokens": 127}


class _Response:
    def __init__(self, *messages: Any) -> None:
        self.result = list(messages)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (AIMessage("hi", usage_metadata=USAGE), (120, 7)),
        (_Response(AIMessage("hi", usage_metadata=USAGE)), (120, 7)),
        ([AIMessage("a"), AIMessage("hi", usage_metadata=USAGE)], (120, 7)),
        (AIMessage("12345678"), (50, 2)),
        (AIMessage([{"type": "text", "text": "1234"}, "5678"]), (50, 2)),
        (AIMessage("", tool_calls=[{"name": "f", "args": {"a": "x" * 40}, "id": "1"}]), (50, 13)),
        ("1234", (50, 1)),
        (None, (50, 0)),
        ([], (50, 0)),
        (_Response(), (50, 0)),
    ],
)
def test_usage(answer: Any, expected: tuple[int, int]) -> None:
    assert count_usage(answer, 50) == expected


@pytest.mark.parametrize("bad", [-5, 1 << 50])
def test_a_number_that_can_not_be_is_not_counted(bad: int) -> None:
    usage = {"input_tokens": bad, "output_tokens": 3, "total_tokens": 3}
    assert count_usage(AIMessage("hi", usage_metadata=usage)) == (0, 3)


@pytest.mark.parametrize(
    ("text", "n"), [("", 0), ("abc", 1), ("abcde", 2), ("日本", 2), ("a日", 2)]
)
def test_estimate(text: str, n: int) -> None:
    assert estimate_tokens(text) == n


def test_text_of_what_is_none() -> None:
    assert text_of(3) == ""
