"""What went wrong with a model, in words: foreign exceptions become `ModelError` here.

Nothing of a client library is imported: each raises its own classes, but all carry the
HTTP status or have a telling name somewhere among their bases.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from llm_scheduler.agent.known_keys import find_keys
from llm_scheduler.agent.model_choice import describe_model, hide, name_model
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError
from llm_scheduler.logs import redact
from llm_scheduler.logs.text import clean_line

_MAX_WORDS = 300
_TOO_LONG = re.compile(
    r"context.{0,20}(?:length|window|size|limit)|maximum context|too many tokens|prompt is too long"
    r"|input.{0,20}too long|exceeds? the (?:model'?s? )?(?:context|maximum)|n_ctx"
    r"|reduce the length",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|credit balance", re.IGNORECASE
)
_NAMES = {
    "rate-limit": {"RateLimitError", "ModelRateLimitError", "ResourceExhausted"},
    "key": {
        "AuthenticationError",
        "PermissionDeniedError",
        "ModelAuthenticationError",
        "ModelPermissionDeniedError",
    },
    "context": {"ContextOverflowError"},
    "length": {"LengthFinishReasonError"},
    "filter": {"ContentFilterFinishReasonError"},
    "timeout": {"APITimeoutError", "TimeoutException", "TimeoutError", "ModelTimeoutError"},
    "cut": {"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "StreamError"},
    "refused": {
        "APIConnectionError",
        "ModelConnectionError",
        "ConnectError",
        "NetworkError",
        "ConnectionError",
        "gaierror",
    },
}
_PUBLIC = {
    "cut": "server",
    "client": "server",
    "quota": "rate-limit",
    "length": "answer",
    "filter": "answer",
}
"""Kinds that are told apart here only."""
_WORTH_ASKING_AGAIN = frozenset({"rate-limit", "timeout", "cut", "refused"})
_HTTP_OVERLOADED = 529
_HTTP_TIMEOUTS = frozenset({408, 504, 524})


_keys: set[str] = set()
"""Of the clients that were used in this process, wherever they had them from."""
_MIN_KEY = 6
"""Shorter ones stand for "none". In an error a word too much may be hidden."""


def remember_keys(settings: LLMSettings, models: Iterable[Any]) -> None:
    """Note the keys of clients, so that no server that repeats one makes it known."""
    _keys.update(find_keys(settings, models, least_chars=_MIN_KEY))


def explain_failure(exc: BaseException, settings: LLMSettings, *, model: str = "") -> ModelError:
    """Return what an exception of a call means, with the next step for the user.

    Parameters
    ----------
    exc
        Of a chat model's call, or of reading its stream.
    settings
        Those that the model was made with.
    model
        Its name; the first choice's by default.

    """
    if isinstance(exc, ModelError):
        return exc
    kind = _tell_kind(exc)
    words = _quote_server(_last(exc) if kind == "refused" else exc, settings)
    name = repr(model or name_model(settings) or "the model")
    text = _SENTENCES[kind].format(
        model=name,
        place=describe_model(settings.model_copy(update={"fallback": None})),
        silence=f"{settings.timeout_s:g}",
        status=status_of(exc) or "",
        words=f" It says: {words}" if words else "",
    )
    return ModelError(text, kind=_PUBLIC.get(kind, kind), may_pass=_may_pass(kind, exc))


_SENTENCES = {
    "rate-limit": "Model {model} gets too many requests at the moment.{words}",
    "quota": (
        "The account of model {model} has no money or quota left. Top it up, or choose "
        "another model.{words}"
    ),
    "key": (
        "Model {model} does not accept the key (HTTP {status}). Check that it is right, has not "
        "expired and may use this model.{words}"
    ),
    "context": (
        "The conversation is longer than model {model} takes in. Start a new thread, or set "
        "context_tokens to what the model really takes.{words}"
    ),
    "timeout": (
        "Model {model} did not answer in time. The limit on its silence, timeout_s, is {silence} s."
    ),
    "refused": (
        "{place} can't be reached. Check that the server runs and that base_url is right.{words}"
    ),
    "cut": "The answer of model {model} broke off in the middle.",
    "missing": (
        "There is no model {model} at this server (HTTP {status}). Check the name and "
        "base_url.{words}"
    ),
    "server": "The server of model {model} failed (HTTP {status}).{words}",
    "client": "The server of model {model} did not accept the request (HTTP {status}).{words}",
    "length": "Model {model} used up its room before its answer was complete.",
    "filter": "The provider's content filter stopped the answer of model {model}.",
    "answer": (
        "What model {model} answered can't be read. Check that base_url names an "
        "OpenAI-compatible server; it often ends in /v1."
    ),
}


def _tell_kind(exc: BaseException) -> str:
    status = status_of(exc)
    text = f"{exc} {_body_of(exc)}"
    names = {base.__name__ for link in _chain(exc) for base in type(link).__mro__}
    if "ContextOverflowError" in names or status == 413 or _is_too_long(status, text):
        return "context"
    if status is not None:
        return _kind_of_status(status, text)
    if _NO_MONEY.search(text) and "APIError" in names:
        return "quota"
    for kind, known in _NAMES.items():
        if names & known:
            return kind
    # An error that was sent inside of a stream has no status of its own.
    return "server" if "APIError" in names else "answer"


def _is_too_long(status: int | None, text: str) -> bool:
    return status in (None, 400, 422, 500) and bool(_TOO_LONG.search(text))


def _kind_of_status(status: int, text: str) -> str:
    if status in (401, 403):
        return "key"
    if status == 402 or (status == 429 and _NO_MONEY.search(text)):
        return "quota"
    if status in (429, _HTTP_OVERLOADED):
        return "rate-limit"
    if status == 404:
        return "missing"
    if status in _HTTP_TIMEOUTS:
        return "timeout"
    if status >= 500:
        return "server"
    return "client" if status >= 400 else "answer"


def _may_pass(kind: str, exc: BaseException) -> bool:
    if kind == "server":
        return True
    if kind == "answer":
        # Rubbish instead of JSON may be a gateway that restarts.
        return any(isinstance(link, json.JSONDecodeError) for link in _chain(exc))
    return kind in _WORTH_ASKING_AGAIN


def status_of(exc: BaseException) -> int | None:
    """Return the HTTP status that an exception tells of, if any."""
    for link in _chain(exc):
        response = getattr(link, "response", None)
        for value in (
            getattr(link, "status_code", None),
            getattr(response, "status_code", None),
            getattr(link, "code", None),
        ):
            if isinstance(value, int) and 100 <= value < 600:
                return value
    return None


def retry_after_s(exc: BaseException, *, now: float | None = None) -> float | None:
    """Return how long the server asks to wait, in seconds, if it does."""
    for link in _chain(exc):
        headers = getattr(getattr(link, "response", None), "headers", None)
        if headers is None:
            continue
        try:
            value = headers.get("retry-after-ms")
            if value is not None:
                return max(0.0, float(value) / 1000)
            value = headers.get("retry-after")
        except (AttributeError, TypeError, ValueError):
            continue
        if value is None:
            continue
        seconds = _parse_retry_after(str(value), time.time() if now is None else now)
        if seconds is not None:
            return seconds
    return None


def _parse_retry_after(value: str, now: float) -> float | None:
    """Read seconds, or a date as HTTP writes it."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from."""
    seen = 0
    link: BaseException | None = exc
    while link is not None and seen < 10:
        yield link
        link, seen = link.__cause__ or link.__context__, seen + 1


def _last(exc: BaseException) -> BaseException:
    """Return what all the rest was raised from: of a connection, what the system says."""
    told = [link for link in _chain(exc) if str(link)]
    return told[-1] if told else exc


def _body_of(exc: BaseException) -> str:
    body = getattr(exc, "body", None)
    return str(body)[:2000] if body is not None else ""


def _quote_server(exc: BaseException, settings: LLMSettings) -> str:
    """Return the server's own words: one line, bounded, without keys."""
    body: Any = getattr(exc, "body", None)
    text = ""
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = str(inner.get("message") or "") if isinstance(inner, dict) else str(inner)
    text = text or str(getattr(exc, "message", "") or exc)
    key = settings.api_key.get_secret_value() if settings.api_key is not None else None
    # Before anything is cut: of half a key nobody would know what it is.
    text = redact(hide(text, [key, *_keys])[:5000])
    lines = (clean_line(line.encode(errors="replace")).strip() for line in text.splitlines())
    first = next((line for line in lines if line), "")
    if first.lower().startswith(("<!doctype", "<html")):
        return "a web page, not an answer."
    return first if len(first) <= _MAX_WORDS else first[: _MAX_WORDS - 1] + "…"
