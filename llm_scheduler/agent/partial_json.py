"""Tool calls in pieces, parsed in bounded time.

LangChain parses the arguments of every piece of a tool call as if more were to come: it
drops one character after another from the end until the rest is JSON. For a piece that
is none, which is what a piece from the middle of a call is, that takes quadratic time:
hours for a megabyte, in which nothing else of the loop runs and nothing can be
cancelled. There is no setting for that, so its parser is replaced while an answer is
read here, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.messages import ai

_MAX_WORK = 500_000
"""Characters that are looked at for one piece, about; takes some milliseconds."""
_LEAST_TRIES = 8

_is_bounded: ContextVar[bool] = ContextVar("is_bounded", default=False)


@contextmanager
def bounded_parsing() -> Iterator[None]:
    """Bound the time that LangChain takes to parse, for what this task does inside."""
    _install()
    token = _is_bounded.set(True)
    try:
        yield
    finally:
        _is_bounded.reset(token)


def parse_arguments(text: str, *, strict: bool = False) -> Any:
    """Parse the arguments of a tool call, or what there is of them so far.

    Raises
    ------
    json.JSONDecodeError
        It is no JSON object, nor the beginning of one.

    """
    try:
        return json.loads(text, strict=strict)
    except json.JSONDecodeError:
        if text.lstrip()[:1] != "{":
            raise  # arguments are an object; anything else would be refused, too
    chars, ends = _close(text)
    for _ in range(max(_LEAST_TRIES, _MAX_WORK // len(text))):
        try:
            return json.loads("".join(chars) + ends, strict=strict)
        except json.JSONDecodeError:
            if not chars:
                break
            chars.pop()
    return json.loads(text, strict=strict)  # raises what is wrong with it


def _close(text: str) -> tuple[list[str], str]:
    """Return the characters of a text that breaks off, and what would end it."""
    chars: list[str] = []
    ends: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            ends.append("}" if char == "{" else "]")
        elif char in "}]" and (not ends or ends.pop() != char):
            raise json.JSONDecodeError("nothing to close", text, len(chars))
        chars.append(char)
    if escaped:
        chars.pop()
    if in_string:
        chars.append('"')
    return chars, "".join(reversed(ends))


def _install() -> None:
    names = vars(ai)
    original = names.get("parse_partial_json")
    if original is None or getattr(original, "is_bounded", False):
        return

    def parse(s: str, *, strict: bool = False) -> Any:
        return (parse_arguments if _is_bounded.get() else original)(s, strict=strict)

    parse.is_bounded = True  # type: ignore[attr-defined]
    names["parse_partial_json"] = parse
