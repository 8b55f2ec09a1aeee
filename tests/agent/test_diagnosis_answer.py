"""The form of an answer: plain for every server, and read with patience."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.agent.diagnosis_answer import (
    AnswerError,
    clean_markdown,
    clean_title,
    make_schema,
    read_answer,
)
from llm_scheduler.diagnosis.models import CATEGORIES
from tests.agent.failed_jobs import make_answer

TEXT = json.dumps(make_answer())


def _nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for entry in node for found in _nodes(entry)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for entry in node.values() for found in _nodes(entry))]


def test_schema_is_plain() -> None:
    schema = make_schema()
    text = json.dumps(schema)
    refused = (
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "default",
        "minLength",
        "minimum",
        "discriminator",
    )
    assert [word for word in refused if f'"{word}"' in text] == []
    objects = [node for node in _nodes(schema) if node.get("type") == "object"]
    assert len(objects) == 3
    for node in objects:
        assert node["required"] == list(node["properties"])
        assert node["additionalProperties"] is False
    assert schema["properties"]["category"]["enum"] == list(CATEGORIES)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"Here is what I found:\n{TEXT}\nI hope it helps.",
        f'<think>maybe {{"category": "killed"}}?</think>{TEXT}',
        json.dumps({"note": 1}) + TEXT,
        json.dumps(make_answer(extra="field")),
    ],
)
def test_read(text: str) -> None:
    assert read_answer(text).title == "A misspelt function name"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is none"),
        ("It ran out of memory.", "there is none"),
        (TEXT[:-20], "JSON object"),
        ("[1, 2]", "there is none"),
        ('{"a": ' * 5000, "JSON object"),
        (json.dumps(make_answer(category="typo")), "category: Input should be 'out_of_memory'"),
        (json.dumps(make_answer(confidence=7)), "confidence"),
        (json.dumps(make_answer(confidence="very")), "confidence"),
        (json.dumps(make_answer(title="")), "title"),
        (json.dumps(make_answer(evidence=["x"])), r"evidence\.0"),
        (json.dumps({"category": "killed"}), "explanation: Field required"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(AnswerError, match=says) as caught:
        read_answer(text)
    assert len(str(caught.value)) < 2000


def test_texts_are_cleaned() -> None:
    assert clean_title("a\x1b[31mb\x1b[0m\u202e c\n d") == "ab c d"
    assert clean_title("x" * 500) == "x" * 199 + "…"
    assert clean_markdown("- a\n\n\x00- b\u200b\n", 100) == "- a\n\n- b"
    assert clean_markdown("x" * 500, 10) == "x" * 9 + "…"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.text(max_size=200) | st.builds(lambda v: json.dumps({"category": v}), JSON_VALUES))
@settings(max_examples=60)
def test_whatever_it_answers_is_read_or_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        read_answer(text)


@given(st.dictionaries(st.sampled_from(sorted(make_answer())), JSON_VALUES, max_size=3))
@settings(max_examples=60)
def test_an_answer_with_other_values_is_read_or_refused(values: dict[str, Any]) -> None:
    try:
        read_answer(json.dumps(make_answer(**values)))
    except AnswerError as exc:
        assert len(str(exc)) < 2000
