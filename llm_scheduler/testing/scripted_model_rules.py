"""The rules of ``/v1/chat/completions``, and the words in which servers refuse a request.

The texts are those of OpenAI's server where it has the rule. Where other servers
(vLLM, llama.cpp, Anthropic's) are stricter, their rule holds: what passes here passes
everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_scheduler.testing.scripted_model_requests import text_of
from llm_scheduler.testing.scripted_model_schemas import find_schema_problem

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_ID_CHARS = 40


class Violation(Exception):
    """Why a request is refused."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


def find_violation(body: Any) -> Violation | None:
    """Return the first rule that the request breaks."""
    try:
        _check_body(body)
    except Violation as violation:
        return violation
    return None


def _check_body(body: Any) -> None:
    if not isinstance(body, dict):
        raise Violation("We could not parse the JSON body of your request.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Violation("you must provide a model parameter")
    messages = body.get("messages")
    if messages is None:
        raise Violation("Missing required parameter: 'messages'.", "messages", "missing_required")
    if not isinstance(messages, list):
        raise Violation(_type_text("messages", "an array of objects", messages), "messages")
    if not messages:
        raise Violation(_empty_text("messages"), "messages", "empty_array")
    _check_messages(messages)
    _check_tools(body)
    _check_format(body, messages)


def _check_messages(messages: Sequence[Any]) -> None:
    for index, message in enumerate(messages):
        _check_message(index, message)
    _check_calls_answered(messages)


def _check_message(index: int, message: Any) -> None:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise Violation(_type_text(where, "an object", message), where, "invalid_type")
    role = message.get("role")
    if role not in _ROLES:
        known = ", ".join(f"'{name}'" for name in _ROLES[:-1]) + f", and '{_ROLES[-1]}'"
        raise Violation(f"Invalid value: '{role}'. Supported values are: {known}.", f"{where}.role")
    if role in ("system", "developer") and index:
        # The chat templates of several open models refuse it.
        raise Violation("System message must be at the beginning.", f"{where}.role")
    _check_content(where, role, message)
    if message.get("tool_calls") is not None:
        _check_calls(where, role, message["tool_calls"])


def _check_content(where: str, role: str, message: Mapping[str, Any]) -> None:
    content = message.get("content")
    if content is None and (role != "assistant" or not message.get("tool_calls")):
        raise Violation(
            "Invalid value for 'content': expected a string, got null.", f"{where}.content"
        )
    if content is not None and not isinstance(content, (str, list)):
        raise Violation(
            _type_text(f"{where}.content", "one of a string or array of objects", content),
            f"{where}.content",
            "invalid_type",
        )
    has_text = bool(text_of(message).strip()) or _has_other_parts(content)
    if not has_text and role != "tool" and not message.get("tool_calls"):
        # OpenAI takes it, Anthropic's server does not.
        raise Violation("messages: text content blocks must be non-empty", f"{where}.content")


def _has_other_parts(content: Any) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") != "text" for part in parts)


def _check_calls(where: str, role: str, calls: Any) -> None:
    place = f"{where}.tool_calls"
    if role != "assistant":
        raise Violation(f"Unknown parameter: '{place}'.", place, "unknown_parameter")
    if not isinstance(calls, list):
        raise Violation(_type_text(place, "an array of objects", calls), place, "invalid_type")
    if not calls:
        raise Violation(_empty_text(place), place, "empty_array")
    for index, call in enumerate(calls):
        _check_call(f"{place}[{index}]", call)


def _check_call(place: str, call: Any) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or call.get("type") != "function":
        raise Violation(f"Missing required parameter: '{place}.function'.", place)
    call_id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
    if not isinstance(call_id, str) or not call_id:
        raise Violation(f"Missing required parameter: '{place}.id'.", f"{place}.id")
    if len(call_id) > _MAX_ID_CHARS:
        raise Violation(
            f"Invalid '{place}.id': string too long. Expected a string with maximum length "
            f"{_MAX_ID_CHARS}, but got a string with length {len(call_id)} instead.",
            f"{place}.id",
            "string_above_max_length",
        )
    _check_name(f"{place}.function.name", name)
    if not isinstance(arguments, str):
        text = _type_text(f"{place}.function.arguments", "a string", arguments)
        raise Violation(text, f"{place}.function.arguments", "invalid_type")
    if not _is_json_object(arguments):
        # OpenAI takes any string; vLLM and llama.cpp parse it for the chat template.
        raise Violation(
            f"Invalid '{place}.function.arguments': the string is not a JSON object.",
            f"{place}.function.arguments",
        )


def _check_calls_answered(messages: Sequence[Mapping[str, Any]]) -> None:
    waiting: list[str] = []
    asked_at = 0
    seen: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            answered = message.get("tool_call_id")
            if answered not in waiting:
                _refuse_answer(index, answered, seen)
            waiting.remove(str(answered))
            continue
        _check_none_waits(waiting, asked_at)
        for call in message.get("tool_calls") or ():
            if call["id"] in seen:
                raise Violation(
                    f"Duplicate value for 'tool_call_id' of '{call['id']}' in message[{index}]"
                )
            seen.add(call["id"])
            waiting.append(call["id"])
            asked_at = index
    _check_none_waits(waiting, asked_at)


def _refuse_answer(index: int, answered: Any, seen: set[str]) -> None:
    if answered in seen:
        raise Violation(f"Duplicate value for 'tool_call_id' of '{answered}' in message[{index}]")
    raise Violation(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
        "message with 'tool_calls'.",
        f"messages.[{index}].role",
    )


def _check_none_waits(waiting: Sequence[str], asked_at: int) -> None:
    if waiting:
        raise Violation(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(waiting),
            f"messages.[{asked_at}].role",
        )


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) not in (None, "none"):
                raise Violation(f"'{name}' is only allowed when 'tools' are specified.", name)
        return
    if not isinstance(tools, list) or not tools:
        raise Violation("[] is too short - 'tools'", "tools")
    names: list[str] = []
    for index, entry in enumerate(tools):
        function = entry.get("function") if isinstance(entry, dict) else None
        if not isinstance(function, dict) or entry.get("type") != "function":
            raise Violation(f"Missing required parameter: 'tools[{index}].function'.", "tools")
        _check_name(f"tools[{index}].function.name", function.get("name"))
        names.append(function["name"])
        if "parameters" in function:
            strict = bool(function.get("strict"))
            problem = find_schema_problem(function["parameters"], strict=strict)
            if problem:
                raise Violation(
                    f"Invalid schema for function '{function['name']}': {problem}",
                    f"tools[{index}].function.parameters",
                    "invalid_function_parameters",
                )
    if len(set(names)) < len(names):
        raise Violation("tools: Tool names must be unique.", "tools")
    _check_choice(body.get("tool_choice"), names)


def _check_choice(choice: Any, names: Sequence[str]) -> None:
    if choice in (None, "none", "auto", "required"):
        return
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else choice
    if name not in names:
        raise Violation(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")


def _check_format(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind == "text":
        return
    if kind == "json_object":
        if not any("json" in text_of(message).lower() for message in messages):
            raise Violation(
                "'messages' must contain the word 'json' in some form, to use "
                "'response_format' of type 'json_object'.",
                "messages",
            )
        return
    if kind != "json_schema":
        raise Violation(
            f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and "
            "'text'.",
            "response_format.type",
        )
    _check_json_schema(wanted.get("json_schema"))


def _check_json_schema(found: Any) -> None:
    place = "response_format.json_schema"
    if not isinstance(found, dict):
        raise Violation(f"Missing required parameter: '{place}'.", place)
    _check_name(f"{place}.name", found.get("name"))
    problem = find_schema_problem(found.get("schema"), strict=bool(found.get("strict")))
    if problem:
        raise Violation(
            f"Invalid schema for response_format '{found['name']}': {problem}", "response_format"
        )


def _check_name(place: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Violation(
            f"Invalid '{place}': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            place,
            "invalid_value",
        )


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _type_text(place: str, wanted: str, got: Any) -> str:
    return f"Invalid type for '{place}': expected {wanted}, but got {_json_type(got)} instead."


def _empty_text(place: str) -> str:
    return (
        f"Invalid '{place}': empty array. Expected an array with minimum length 1, but got an "
        "empty array instead."
    )


def _json_type(value: Any) -> str:
    names = {
        dict: "an object", list: "an array", str: "a string", bool: "a boolean",
        int: "an integer", float: "a decimal", type(None): "null",
    }  # fmt: skip
    return names.get(type(value), "a value")
