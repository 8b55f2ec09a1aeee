"""What a scripted model does with one request: `say`, `call_tools`, faults and gates."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_scheduler.testing.scripted_model_requests import ModelRequest


@dataclass(frozen=True)
class ToolCall:
    """One tool call of an answer."""

    name: str
    arguments: str
    """As the model writes it: JSON, or what a bad model takes for it."""
    call_id: str = ""
    """Given by the server when empty."""


@dataclass(frozen=True)
class Reply:
    """An answer of the model, and how it goes over the wire."""

    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    thoughts: str = ""
    """Sent as ``reasoning_content``."""
    finish: str = ""
    """Reason to finish; by the content when empty."""
    usage: bool = True
    stop_at: int | None = None
    """Characters of the text after which `then` happens."""
    then: str = ""
    """``"stall"``: silence until the server closes; ``"cut"``: the connection breaks;
    ``"hold"``: the gate has to be released."""
    gate: Gate | None = field(default=None, repr=False)
    pause_s: float = 0.0
    """Between the pieces of a stream; for people who watch."""
    piece_chars: int = 0
    """Of each piece of a stream; by the length of the text when 0."""


@dataclass(frozen=True)
class RawReply:
    """Any HTTP response, also one that no model would give."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Repeat:
    """A step that is never used up."""

    step: Step


class Gate:
    """A point where the model waits for the test.

    It is a step of a script; `reached` is set when a request is there, and
    `release` lets it go on.
    """

    def __init__(self, step: Reply | RawReply, *, after_chars: int) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self.step: Reply | RawReply = step
        if isinstance(step, Reply) and after_chars:
            self.step = replace(step, stop_at=after_chars, then="hold", gate=self)
        self.before_answer = self.step is step
        """Whether nothing is sent before the release."""

    def release(self) -> None:
        """Let the request that waits, or will wait, go on."""
        self.released.set()


Step = Reply | RawReply | Repeat | Gate | Callable[["ModelRequest"], Any]
"""A callable gets the request and returns another step."""


def say(text: str) -> Reply:
    """Answer with a text."""
    return Reply(text=text)


def answer(value: Any) -> Reply:
    """Answer with a value as JSON, as a ``response_format`` asks for."""
    return Reply(text=json.dumps(value))


def tool(name: str, /, **arguments: Any) -> ToolCall:
    """Make a tool call for `call_tools`."""
    return ToolCall(name, json.dumps(arguments))


def raw_tool(name: str, arguments: str, *, call_id: str = "") -> ToolCall:
    """Make a tool call whose arguments need not be JSON."""
    return ToolCall(name, arguments, call_id)


def call_tools(*calls: ToolCall, text: str = "") -> Reply:
    """Call tools, all in one answer, after a text."""
    return Reply(text=text or None, calls=calls)


def reasoning(thoughts: str, text: str = "") -> Reply:
    """Send thoughts beside the answer, as reasoning models do."""
    return Reply(text=text, thoughts=thoughts)


def huge(n_chars: int) -> Reply:
    """Answer with that many characters."""
    line = "The job ran out of memory. "
    return Reply(text=(line * (n_chars // len(line) + 1))[:n_chars])


def no_usage(step: Reply) -> Reply:
    """Leave out the numbers of tokens."""
    return replace(step, usage=False)


def slow(step: Reply, pause_s: float, *, piece_chars: int = 0) -> Reply:
    """Pause between the pieces of a stream; for people who watch, not for tests.

    Parameters
    ----------
    step
        The answer.
    pause_s
        From piece to piece; what sending takes is a part of it.
    piece_chars
        How long each piece is; by the length of the text when 0.

    """
    return replace(step, pause_s=pause_s, piece_chars=piece_chars)


def truncated(text: str) -> Reply:
    """Answer with a text that ends because the model may write no more."""
    return Reply(text=text, finish="length")


def stall(text: str = "The job failed because", *, after_chars: int = 7) -> Reply:
    """Fall silent in the middle of the text until the server closes."""
    return Reply(text=text, stop_at=after_chars, then="stall")


def cut(text: str = "The job failed because", *, after_chars: int = 7) -> Reply:
    """Break the connection in the middle of the text."""
    return Reply(text=text, stop_at=after_chars, then="cut")


def hang() -> Gate:
    """Take the request and send nothing until the server closes."""
    return Gate(say(""), after_chars=0)


def hold(step: Reply | RawReply, *, after_chars: int = 0) -> Gate:
    """Wait for `Gate.release` before the answer, or in the middle of its text."""
    return Gate(step, after_chars=after_chars)


def repeat(step: Step) -> Repeat:
    """Do the same for ever; the rest of the script is never reached."""
    return Repeat(step)


def fault(
    status: int,
    message: str = "",
    *,
    code: str | None = None,
    retry_after: float | None = None,
) -> RawReply:
    """Answer with an HTTP error in OpenAI's form."""
    headers = () if retry_after is None else (("Retry-After", f"{retry_after:g}"),)
    return RawReply(
        status,
        error_body(message or _MESSAGES.get(status, f"Scripted error {status}."), code=code),
        headers=headers,
    )


def wrong_type(content_type: str = "text/html", body: str = "<h1>Sign in</h1>") -> RawReply:
    """Answer 200 with something of another type, as the page of a proxy."""
    return RawReply(200, body.encode(), content_type)


def not_json(body: str = '{"choices": [{"mess') -> RawReply:
    """Answer 200 with a body that says it is JSON and is not."""
    return RawReply(200, body.encode())


def empty() -> Reply:
    """Answer with nothing: no text and no tool call."""
    return Reply(text="")


def no_choices() -> RawReply:
    """Answer with JSON that holds no choice."""
    return RawReply(200, json.dumps({"object": "chat.completion", "choices": []}).encode())


def no_body() -> RawReply:
    """Answer 200 and nothing more."""
    return RawReply(200, b"")


def error_body(
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
) -> bytes:
    """Write an error as OpenAI's servers do."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}).encode()


_MESSAGES = {
    401: "Incorrect API key provided.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached for requests. Please try again later.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
