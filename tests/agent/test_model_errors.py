"""Foreign exceptions become sentences that a physicist understands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from llm_scheduler.agent.model_errors import explain_failure, retry_after_s, status_of
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError

KEY = "a-key-of-no-known-form"
SETTINGS = LLMSettings(model="openai:gpt-4.1", api_key=KEY, timeout_s=5)


class _Response:
    def __init__(self, status_code: int, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status_code
        self.headers = headers or {}


class APIStatusError(Exception):
    """As OpenAI's and Anthropic's clients raise it."""

    def __init__(self, status: int, text: str = "", headers: Any = None, body: Any = None) -> None:
        super().__init__(text)
        self.response = _Response(status, headers)
        self.body = body


class ClientError(Exception):
    """As Google's client raises it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class ResponseError(Exception):
    """As Ollama's client raises it."""

    def __init__(self, error: str, status_code: int) -> None:
        super().__init__(error)
        self.status_code = status_code


class ConnectError(Exception):
    """As httpx raises it."""


class RemoteProtocolError(Exception):
    """As httpx raises it."""


class APIError(Exception):
    """As OpenAI's client raises it for an error inside of a stream."""


class ContextOverflowError(Exception):
    """As LangChain raises it."""


OVERLONG = "prompt is too long: 210000 tokens > 200000 maximum"


@pytest.mark.parametrize(
    ("exc", "kind", "may_pass", "says"),
    [
        (APIStatusError(429, "slow down"), "rate-limit", True, "too many requests.*slow down"),
        (APIStatusError(529, "overloaded"), "rate-limit", True, "too many requests"),
        (ClientError(429, "RESOURCE_EXHAUSTED"), "rate-limit", True, "too many requests"),
        (APIStatusError(429, "insufficient_quota"), "rate-limit", False, "no money or quota"),
        (APIStatusError(402, "pay"), "rate-limit", False, "no money or quota"),
        (APIStatusError(400, "credit balance is too low"), "server", False, "not accept"),
        (APIStatusError(401, "no"), "key", False, "does not accept the key"),
        (APIStatusError(403, "no"), "key", False, "expired"),
        (APIStatusError(404, "no model"), "missing", False, "no model 'openai:gpt-4.1'"),
        (ResponseError("model 'x' not found", 404), "missing", False, "no model"),
        (APIStatusError(400, OVERLONG), "context", False, "longer than model"),
        (APIStatusError(413, "large"), "context", False, "context_tokens"),
        (ResponseError("input exceeds the context window (n_ctx 4096)", 500), "context", False, ""),
        (ContextOverflowError("too long"), "context", False, "Start a new thread"),
        (APIStatusError(400, "bad field"), "server", False, "HTTP 400.*bad field"),
        (APIStatusError(500, "oops"), "server", True, "HTTP 500"),
        (APIStatusError(503, "<!DOCTYPE html><p>x"), "server", True, "a web page"),
        (APIStatusError(504, ""), "timeout", True, "timeout_s, is 5 s"),
        (APIError("the server is overloaded"), "server", True, "overloaded"),
        (TimeoutError(), "timeout", True, "did not answer in time"),
        (ConnectionRefusedError("refused"), "refused", True, "can't be reached"),
        (ConnectError("Name or service not known"), "refused", True, "base_url"),
        (RemoteProtocolError("peer closed"), "server", True, "broke off"),
        (json.JSONDecodeError("x", "y", 0), "answer", True, "/v1"),
        (AttributeError("'str' object has no attribute 'choices'"), "answer", False, "can't be"),
    ],
)
def test_kinds(exc: Exception, kind: str, may_pass: bool, says: str) -> None:
    error = explain_failure(exc, SETTINGS)
    assert (error.kind, error.may_pass) == (kind, may_pass)
    import re

    assert re.search(says, str(error))
    assert "None" not in str(error)


def test_the_reason_of_a_wrapper_is_found() -> None:
    try:
        try:
            raise ConnectError("down")
        except ConnectError as exc:
            raise RuntimeError("in the client") from exc
    except RuntimeError as exc:
        assert explain_failure(exc, SETTINGS).kind == "refused"


def test_our_own_errors_stay() -> None:
    error = ModelError("x", kind="budget")
    assert explain_failure(error, SETTINGS) is error


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-proj-9aB8cD7eF6gH5iJ4kL3mN2oP1q.",
        "Invalid header Authorization: Bearer 8f7e6d5c4b3a29181706f5e4d3c2b1a0",
    ],
)
def test_keys_are_not_repeated(text: str) -> None:
    for exc in (APIStatusError(401, text), APIStatusError(401, "", body={"error": text})):
        error = str(explain_failure(exc, SETTINGS))
        assert "[redacted]" in error
        assert not any(word in error for word in (KEY, "9aB8cD7e", "8f7e6d5c"))


def test_the_servers_words_are_bounded_and_plain() -> None:
    text = "\x1b[31mred\x1b[0m \u202eetirw " + "x" * 10_000 + "\nsecond line"
    error = str(explain_failure(APIStatusError(400, text), SETTINGS))
    assert len(error) < 500
    assert error.isprintable()
    assert "second" not in error


NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:30 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(APIStatusError(429, "", headers), now=NOW) == expected


def test_status() -> None:
    assert status_of(APIStatusError(418)) == 418
    assert status_of(OSError(5, "x")) is None
    assert status_of(ValueError()) is None
