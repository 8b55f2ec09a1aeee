"""`ScriptedModel`: a model whose answers are written down, as a real server on loopback.

It speaks ``/v1/chat/completions`` (streamed and not, tool calls, ``response_format``) and
``/v1/models``, refuses what breaks the protocol's rules, and misbehaves on cue::

    with ScriptedModel() as model:
        model.script(
            fault(429, retry_after=0),
            call_tools(tool("read_file", path="job.sh")),
            say("The job ran out of memory."),
        )
        ...  # ask the model at model.base_url
    # leaving checks that the script is used up and that nothing else was asked

In a shell, ``python -m llm_scheduler.testing.scripted_model SCRIPT.json --port 8000``
serves a script from a file, see `scripted_model_files`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from llm_scheduler.testing.scripted_model_http import ModelHTTPServer, output_tokens
from llm_scheduler.testing.scripted_model_requests import ModelRequest
from llm_scheduler.testing.scripted_model_rules import find_violation
from llm_scheduler.testing.scripted_model_steps import (
    Gate,
    RawReply,
    Repeat,
    Reply,
    Step,
    ToolCall,
    answer,
    call_tools,
    cut,
    empty,
    error_body,
    fault,
    hang,
    hold,
    huge,
    no_body,
    no_choices,
    no_usage,
    not_json,
    raw_tool,
    reasoning,
    repeat,
    say,
    slow,
    stall,
    tool,
    truncated,
    wrong_type,
)

__all__ = [
    "Gate",
    "ModelRequest",
    "RawReply",
    "Repeat",
    "Reply",
    "ScriptedModel",
    "Step",
    "ToolCall",
    "answer",
    "call_tools",
    "cut",
    "empty",
    "fault",
    "find_closed_port",
    "hang",
    "hold",
    "huge",
    "no_body",
    "no_choices",
    "no_usage",
    "not_json",
    "raw_tool",
    "reasoning",
    "repeat",
    "say",
    "slow",
    "stall",
    "tool",
    "truncated",
    "wrong_type",
]

_CHAT = "/v1/chat/completions"
_kept_ports: list[socket.socket] = []


@dataclass
class _Queue:
    when: Callable[[ModelRequest], bool] | None
    model: str | None
    steps: deque[Step] = field(default_factory=deque)

    def is_for(self, request: ModelRequest) -> bool:
        if self.model is not None and self.model != request.model:
            return False
        return self.when is None or bool(self.when(request))

    @property
    def is_general(self) -> bool:
        return self.when is None and self.model is None


class ScriptedModel:
    """A model server that answers what a test has written down.

    Parameters
    ----------
    models
        Names that exist; all others get 404. Any name does when empty.
    api_key
        The only key that is taken; none is needed when ``None``.
    context_tokens
        Longest conversation, in tokens of four characters; no limit when ``None``.
    allow_violations
        Whether `check` passes though a request broke a rule of the protocol.
    port
        On loopback; a free one when 0.

    """

    def __init__(
        self,
        *,
        models: Sequence[str] = (),
        api_key: str | None = None,
        context_tokens: int | None = None,
        allow_violations: bool = False,
        port: int = 0,
    ) -> None:
        self.models = tuple(models)
        self.api_key = api_key
        self.context_tokens = context_tokens
        self.allow_violations = allow_violations
        self.requests: list[ModelRequest] = []
        """Everything that was sent to it, also what it refused."""
        self.violations: list[str] = []
        """Rules that requests broke, in the words of the refusal."""
        self.unexpected: list[str] = []
        """Requests for which the script had no step."""
        self.n_calls = 0
        """Answers given from the script."""
        self.input_tokens = 0
        self.output_tokens = 0
        self._queues: list[_Queue] = []
        self._repeated: set[int] = set()
        """Identities of steps that repeat and were taken; these stay where they are."""
        self._n_tool_calls = 0
        self._lock = threading.Lock()
        self._server = ModelHTTPServer(port, self._take)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if kind is None:
            self.check()

    @property
    def port(self) -> int:
        """Port on loopback."""
        return self._server.port

    @property
    def base_url(self) -> str:
        """What clients take as ``base_url``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(
        self,
        *steps: Step,
        when: Callable[[ModelRequest], bool] | None = None,
        model: str | None = None,
    ) -> None:
        """Append steps; with `when` or `model`, for the requests that these choose only.

        A request takes the next step of the first queue that is for it and has one, those
        with a condition first.
        """
        with self._lock:
            for queue in self._queues:
                if queue.when is when and queue.model == model:
                    queue.steps.extend(steps)
                    return
            self._queues.append(_Queue(when, model, deque(steps)))

    @property
    def left_over(self) -> list[Step]:
        """Steps that no request has taken."""
        with self._lock:
            steps = [step for queue in self._queues for step in queue.steps]
            return [step for step in steps if id(step) not in self._repeated]

    def check(self) -> None:
        """Check that the script is used up and that no request was out of place.

        Raises
        ------
        AssertionError
            Steps are left, a request came after the end, or one broke a rule.

        """
        problems = list(self.unexpected)
        if not self.allow_violations:
            problems += [f"a request broke a rule: {text}" for text in self.violations]
        problems += [f"a step was not used: {_brief(step)}" for step in self.left_over]
        if problems:
            raise AssertionError(
                f"The scripted model was asked {len(self.requests)} times, and "
                + "; ".join(problems)
            )

    def close(self) -> None:
        """Stop serving; requests that hang or stall break off."""
        self._server.close()

    def _take(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[ModelRequest, Reply | RawReply | Gate]:
        text = body.decode("utf-8", "replace")
        parsed = _parse(text)
        # All at once: who sees the request finds its step taken, and no later one gets it.
        with self._lock:
            request = ModelRequest(
                number=len(self.requests) + 1,
                path=path,
                headers=headers,
                text=text,
                body=parsed if isinstance(parsed, dict) else {},
            )
            refusal = self._refuse(method, request, parsed)
            step: Step = refusal or self._pop(request)
            self.requests.append(request)
        if refusal is not None:
            return request, refusal
        while not isinstance(step, (Reply, RawReply, Gate)):
            step = step.step if isinstance(step, Repeat) else step(request)
        with self._lock:
            return request, self._count(step, request)

    def _refuse(self, method: str, request: ModelRequest, parsed: Any) -> RawReply | None:
        if self.api_key is not None:
            given = request.headers.get("authorization", "")
            if given != f"Bearer {self.api_key}":
                return RawReply(401, error_body(_key_text(given), code="invalid_api_key"))
        path = request.path.partition("?")[0].rstrip("/")
        if method == "GET" and path == "/v1/models":
            return RawReply(200, self._list_models())
        if method != "POST" or path != _CHAT:
            return RawReply(404, error_body(f"Invalid URL ({method} {path})"))
        violation = find_violation(parsed)
        if violation is not None:
            self.violations.append(violation.message)
            return RawReply(
                400, error_body(violation.message, code=violation.code, param=violation.param)
            )
        if self.models and request.model not in self.models:
            message = f"The model `{request.model}` does not exist or you do not have access to it."
            return RawReply(404, error_body(message, code="model_not_found"))
        if self.context_tokens is not None and request.input_tokens > self.context_tokens:
            message = (
                f"This model's maximum context length is {self.context_tokens} tokens. However, "
                f"your messages resulted in {request.input_tokens} tokens. Please reduce the "
                "length of the messages."
            )
            code = "context_length_exceeded"
            return RawReply(400, error_body(message, code=code, param="messages"))
        return None

    def _list_models(self) -> bytes:
        names = self.models or ("scripted",)
        entries = [{"id": name, "object": "model", "owned_by": "script"} for name in names]
        return json.dumps({"object": "list", "data": entries}).encode()

    def _pop(self, request: ModelRequest) -> Step:
        special = [q for q in self._queues if not q.is_general and q.is_for(request)]
        chosen = special or [q for q in self._queues if q.is_general]
        for queue in chosen:
            if queue.steps:
                first = queue.steps[0]
                if not isinstance(first, Repeat):
                    return queue.steps.popleft()
                self._repeated.add(id(first))
                return first
        told = f"request {request.number} came after the end of the script"
        self.unexpected.append(f"{told}: {_brief(request.last_text or request.text)}")
        return RawReply(400, error_body(f"Scripted model: {told}."))

    def _count(
        self, step: Reply | RawReply | Gate, request: ModelRequest
    ) -> Reply | RawReply | Gate:
        self.n_calls += 1
        if isinstance(step, RawReply):
            return step
        self.input_tokens += request.input_tokens
        if isinstance(step, Gate):
            if isinstance(step.step, Reply):
                step.step = self._complete(step.step)
            return step
        return self._complete(step)

    def _complete(self, reply: Reply) -> Reply:
        """Give ids to the tool calls that have none."""
        self.output_tokens += output_tokens(reply)
        if all(call.call_id for call in reply.calls):
            return reply
        calls = []
        for call in reply.calls:
            self._n_tool_calls += 1
            calls.append(replace(call, call_id=call.call_id or f"call_{self._n_tool_calls}"))
        return replace(reply, calls=tuple(calls))


def find_closed_port() -> int:
    """Return a port on loopback where nobody listens: connections to it are refused."""
    # Kept for as long as the process lives: nobody else is given the port meanwhile.
    kept = socket.socket()
    kept.bind(("127.0.0.1", 0))
    _kept_ports.append(kept)
    return int(kept.getsockname()[1])


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _key_text(given: str) -> str:
    if not given:
        return "You didn't provide an API key."
    return f"Incorrect API key provided: {given.removeprefix('Bearer ')[:3]}***."


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 200 else f"{text[:200]} ..."


if __name__ == "__main__":
    from llm_scheduler.testing.scripted_model_files import main

    main()
