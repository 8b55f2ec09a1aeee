"""`ModelRequest`: one request as the scripted model got it."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHARS_PER_TOKEN = 4


@dataclass
class ModelRequest:
    """One request, whole, and what became of it."""

    number: int
    """From 1, in the order of arrival."""
    path: str
    headers: Mapping[str, str] = field(repr=False)
    """Names in small letters."""
    text: str = field(repr=False)
    """The body as it came."""
    body: dict[str, Any] = field(repr=False)
    """The body as JSON; empty when it is none."""
    status: int = 0
    """Of the response; 0 until it is sent."""
    gone: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set when the client went away before the answer was complete."""

    @property
    def model(self) -> str:
        """Name of the model that is asked for."""
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation that was sent."""
        return _dicts_of(self.body.get("messages"))

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return bool(self.body.get("stream"))

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools that are offered."""
        offered = [entry.get("function") for entry in _dicts_of(self.body.get("tools"))]
        return [str(entry.get("name", "")) for entry in _dicts_of(offered)]

    @property
    def format_name(self) -> str:
        """Name of the JSON schema that the answer is to follow, or nothing."""
        wanted = self.body.get("response_format")
        schema = wanted.get("json_schema") if isinstance(wanted, dict) else None
        return str(schema.get("name", "")) if isinstance(schema, dict) else ""

    @property
    def last(self) -> dict[str, Any]:
        """The last message."""
        return self.messages[-1] if self.messages else {}

    @property
    def last_text(self) -> str:
        """Text of the last message."""
        return text_of(self.last)

    @property
    def input_tokens(self) -> int:
        """How much the model reads: characters of messages and tools, by four."""
        sent = sum(len(text_of(message)) for message in self.messages)
        sent += sum(len(json.dumps(m["tool_calls"])) for m in self.messages if m.get("tool_calls"))
        for name in ("tools", "response_format"):
            if self.body.get(name):
                sent += len(json.dumps(self.body[name]))
        return count_tokens(sent)


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, also of one in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in _dicts_of(content))


def count_tokens(n_chars: int) -> int:
    """Estimate tokens from characters."""
    return math.ceil(n_chars / CHARS_PER_TOKEN)


def _dicts_of(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
