"""What the scripted model refuses, each with the words of the refusal."""

from __future__ import annotations

from typing import Any

import pytest

from llm_scheduler.testing.scripted_model_rules import find_violation

USER = {"role": "user", "content": "why?"}
SYSTEM = {"role": "system", "content": "You explain failed jobs."}


def call(call_id: str = "c1", name: str = "read", arguments: Any = "{}") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def asks(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def result(call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": ""}


def schema(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def offer(parameters: Any, *, strict: bool = False, name: str = "read") -> dict[str, Any]:
    function = {"name": name, "parameters": parameters, "strict": strict}
    return {"type": "function", "function": function}


def wants(found: Any, *, strict: bool = True) -> dict[str, Any]:
    inner = {"name": "Cause", "schema": found, "strict": strict}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


GOOD: dict[str, dict[str, Any]] = {
    "plain": {"messages": [SYSTEM, USER]},
    "in parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}]},
    "calls answered": {
        "messages": [SYSTEM, USER, asks(call("c1"), call("c2")), result("c2"), result("c1")],
    },
    "two turns": {
        "messages": [USER, asks(call()), result(), {"role": "assistant", "content": "m"}]
    },
    "tools": {"messages": [USER], "tools": [offer(schema(path={"type": "string"}), strict=True)]},
    "one tool": {
        "messages": [USER],
        "tools": [offer(schema())],
        "tool_choice": {"type": "function", "function": {"name": "read"}},
    },
    "nested": {
        "messages": [USER],
        **wants(
            schema(lines={"type": "array", "items": {"$ref": "#/$defs/L"}})
            | {"$defs": {"L": schema(text={"anyOf": [{"type": "string"}, {"type": "null"}]})}}
        ),
    },
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_good_requests_pass(body: dict[str, Any]) -> None:
    assert find_violation({"model": "m", **body}) is None


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None, "messages": [USER]}, "you must provide a model"),
    "no messages": ({}, "Missing required parameter: 'messages'"),
    "messages of a wrong type": (
        {"messages": "why?"},
        "expected an array of objects, but got a st",
    ),
    "empty messages": ({"messages": []}, "Invalid 'messages': empty array"),
    "message of a wrong type": ({"messages": ["why?"]}, "expected an object"),
    "unknown role": ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
    "system later": ({"messages": [USER, SYSTEM]}, "System message must be at the beginning"),
    "two systems": ({"messages": [SYSTEM, SYSTEM]}, "System message must be at the beginning"),
    "null": ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
    "number": ({"messages": [{"role": "user", "content": 3}]}, "but got an integer instead"),
    "blank user": ({"messages": [{"role": "user", "content": " "}]}, "must be non-empty"),
    "blank answer": ({"messages": [USER, {"role": "assistant", "content": ""}]}, "non-empty"),
    "calls of a user": ({"messages": [{**USER, "tool_calls": [call()]}]}, "Unknown parameter"),
    "no calls": ({"messages": [USER, asks() | {"content": "x"}]}, "tool_calls': empty array"),
    "no function": ({"messages": [USER, asks({"id": "c1"})]}, "tool_calls[0].function"),
    "no id": ({"messages": [USER, asks(call("")), result("")]}, "tool_calls[0].id"),
    "long id": ({"messages": [USER, asks(call("c" * 41))]}, "string with length 41"),
    "bad name": ({"messages": [USER, asks(call(name="a b"))]}, "does not match pattern"),
    "arguments as object": ({"messages": [USER, asks(call(arguments={}))]}, "expected a string"),
    "broken arguments": ({"messages": [USER, asks(call(arguments="{"))]}, "is not a JSON object"),
    "unanswered at the end": ({"messages": [USER, asks(call())]}, "response messages: c1"),
    "unanswered": ({"messages": [USER, asks(call()), USER]}, "response messages: c1"),
    "half answered": (
        {"messages": [USER, asks(call(), call("c2")), result(), USER]},
        "response messages: c2",
    ),
    "answer without call": ({"messages": [USER, result()]}, "must be a response to a preceeding"),
    "answer to another": ({"messages": [USER, asks(call()), result("c9")]}, "must be a response"),
    "late answer": (
        {"messages": [USER, asks(call()), {"role": "assistant", "content": "x"}, result()]},
        "response messages: c1",
    ),
    "answered twice": ({"messages": [USER, asks(call()), result(), result()]}, "Duplicate value"),
    "id twice": ({"messages": [USER, asks(call(), call()), result()]}, "Duplicate value"),
    "id again": (
        {"messages": [USER, asks(call()), result(), asks(call()), result()]},
        "Duplicate value",
    ),
    "choice without tools": ({"messages": [USER], "tool_choice": "auto"}, "only allowed when"),
    "empty tools": ({"messages": [USER], "tools": []}, "[] is too short"),
    "tool without function": ({"messages": [USER], "tools": [{"type": "function"}]}, "tools[0].f"),
    "tool's name": ({"messages": [USER], "tools": [offer(schema(), name="a.b")]}, "tools[0].func"),
    "same tools": ({"messages": [USER], "tools": [offer(schema())] * 2}, "must be unique"),
    "unknown choice": (
        {"messages": [USER], "tools": [offer(schema())], "tool_choice": "write"},
        "Tool choice 'write' not found",
    ),
    "no object": ({"messages": [USER], "tools": [offer({})]}, "got 'type: \"None\"'"),
    "array without items": (
        {"messages": [USER], "tools": [offer(schema(paths={"type": "array"}))]},
        "array schema missing items",
    ),
    "unknown type": (
        {"messages": [USER], "tools": [offer(schema(path={"type": "path"}))]},
        "'path' is not valid under any",
    ),
    "extra required": (
        {"messages": [USER], "tools": [offer({"type": "object", "required": ["x"]})]},
        "Extra required key 'x'",
    ),
    "dangling reference": (
        {"messages": [USER], "tools": [offer(schema(a={"$ref": "#/$defs/A"}))]},
        "reference can only point",
    ),
    "not closed": (
        {"messages": [USER], **wants({"type": "object", "properties": {}})},
        "'additionalProperties' is required",
    ),
    "not all required": (
        {"messages": [USER], **wants(schema(a={"type": "string"}) | {"required": []})},
        "Missing 'a'",
    ),
    "oneOf": (
        {"messages": [USER], **wants(schema(a={"oneOf": [{"type": "string"}]}))},
        "'oneOf' is not permitted",
    ),
    "default": (
        {"messages": [USER], **wants(schema(a={"type": "string", "default": ""}))},
        "'default' is not permitted",
    ),
    "dict field": (
        {"messages": [USER], **wants(schema(a={"type": "object"}))},
        "'additionalProperties' is required",
    ),
    "json without json": (
        {"messages": [USER], "response_format": {"type": "json_object"}},
        "must contain the word 'json'",
    ),
    "unknown format": ({"messages": [USER], "response_format": {"type": "xml"}}, "Invalid value"),
    "no schema": ({"messages": [USER], "response_format": {"type": "json_schema"}}, "json_schema'"),
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD)
def test_bad_requests_are_refused(body: dict[str, Any], words: str) -> None:
    violation = find_violation({"model": "m", **body})
    assert violation is not None
    assert words in violation.message


def test_what_is_no_object_is_refused() -> None:
    violation = find_violation(None)
    assert violation is not None
    assert "could not parse the JSON body" in violation.message
