"""The scripted model on the wire: HTTP/1.1 with keep-alive, streams as server-sent events."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from llm_scheduler.testing.scripted_model_requests import (
    CHARS_PER_TOKEN,
    ModelRequest,
    count_tokens,
)
from llm_scheduler.testing.scripted_model_steps import Gate, RawReply, Reply

_CREATED = 1_700_000_000
_MAX_BODY_BYTES = 50_000_000
_MAX_PIECES = 200
"""A client needs some 50 µs for a piece, also of an answer of a megabyte."""
_LOOK_EVERY_S = 0.02

Answerer = Callable[[str, str, dict[str, str], bytes], tuple[ModelRequest, Reply | RawReply | Gate]]
"""Gets method, path, headers and body, and says what to answer."""


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class ModelHTTPServer(ThreadingHTTPServer):
    """Serves until `close`; each connection has a thread of its own."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, answerer: Answerer) -> None:
        self.answerer = answerer
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self._serve, name="scripted-model", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port on loopback."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Break all connections and end."""
        if self.closing.is_set():
            return
        self.closing.set()
        with suppress(OSError):  # wakes `_serve`
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        self._thread.join()
        self.server_close()
        with self._lock:
            left = list(self._connections)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a new connection."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that break their connection."""
        if not self.closing.is_set():
            super().handle_error(request, client_address)

    def _serve(self) -> None:
        while not self.closing.is_set():
            self.handle_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    model: ModelRequest

    def log_message(self, *_args: Any) -> None:
        """Print nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ClientGone):
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _MAX_BODY_BYTES:
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if len(body) < length:
            raise ClientGone  # cancelled before all of it was sent: nobody asked anything
        self._answer(body)

    @property
    def _server(self) -> ModelHTTPServer:
        return cast("ModelHTTPServer", self.server)

    def _answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.model, reply = self._server.answerer(self.command, self.path, headers, body)
        try:
            if isinstance(reply, Gate):
                reply = self._pass(reply)
            if isinstance(reply, RawReply):
                self._send_raw(reply)
            elif self.model.is_stream:
                self._send_stream(reply)
            else:
                self._send_whole(reply)
            self.wfile.flush()
        except (ConnectionError, ClientGone, ValueError):
            self.model.gone.set()
            self.close_connection = True

    def _pass(self, gate: Gate) -> Reply | RawReply:
        if gate.before_answer:
            gate.reached.set()
            self._wait(gate.released)
        return gate.step

    def _wait(self, event: threading.Event, timeout_s: float | None = None) -> None:
        """Wait for the event or the time, as long as the client is there."""
        self.wfile.flush()
        left = timeout_s
        while left is None or left > 0:
            pause = _LOOK_EVERY_S if left is None else min(left, _LOOK_EVERY_S)
            if event.wait(pause):
                return
            left = None if left is None else left - pause
            readable, _, _ = select.select([self.connection], [], [], 0)
            is_over = readable and not self.connection.recv(1, socket.MSG_PEEK)
            if is_over or self._server.closing.is_set():
                raise ClientGone

    def _send_raw(self, reply: RawReply) -> None:
        self._send_head(reply.status, reply.content_type, dict(reply.headers), len(reply.body))
        self.wfile.write(reply.body)

    def _send_head(
        self, status: int, content_type: str, headers: dict[str, str], length: int | None
    ) -> None:
        self.model.status = status
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_whole(self, reply: Reply) -> None:
        body = json.dumps(completion(reply, self.model)).encode()
        if not reply.then:
            self._send_head(200, "application/json", {}, len(body))
            self.wfile.write(body)
            return
        self._send_head(200, "application/json", {}, len(body))
        self.wfile.write(body[: len(body) // 2])
        self._do(reply)
        self.wfile.write(body[len(body) // 2 :])

    def _send_stream(self, reply: Reply) -> None:
        self._send_head(200, "text/event-stream; charset=utf-8", {}, None)
        due_s = time.monotonic()
        for event in stream_events(reply, self.model):
            if event is None:
                self._do(reply)
                continue
            self._send_chunk(f"data: {event}\n\n".encode())
            if reply.pause_s:
                due_s += reply.pause_s
                self._wait(self._server.closing, max(0.0, due_s - time.monotonic()))
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _do(self, reply: Reply) -> None:
        """Do what is to happen in the middle of an answer."""
        self.wfile.flush()
        if reply.then == "cut":
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            raise ClientGone
        if reply.gate is None:
            self._wait(self._server.closing)
            raise ClientGone
        reply.gate.reached.set()
        self._wait(reply.gate.released)


@dataclass(frozen=True)
class _Chunks:
    """Writes the chunks of one stream."""

    request: ModelRequest

    def write(self, delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self.write_choices([choice])

    def write_choices(self, choices: list[dict[str, Any]], **more: Any) -> str:
        head = _head(self.request, "chat.completion.chunk")
        return json.dumps({**head, "choices": choices, **more})


def stream_events(reply: Reply, request: ModelRequest) -> Iterator[str | None]:
    """Write the events of a stream; ``None`` where something is to happen."""
    chunks = _Chunks(request)
    yield chunks.write({"role": "assistant", "content": ""})
    for piece in _pieces(reply.thoughts):
        yield chunks.write({"reasoning_content": piece})
    text = reply.text or ""
    stop = None if not reply.then else min(reply.stop_at or 0, len(text))
    for piece in _pieces(text[:stop], reply.piece_chars):
        yield chunks.write({"content": piece})
    if stop is not None:
        yield None
        for piece in _pieces(text[stop:], reply.piece_chars):
            yield chunks.write({"content": piece})
    for index, call in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        head = {"index": index, "id": call.call_id, "type": "function", "function": function}
        yield chunks.write({"tool_calls": [head]})
        for piece in _pieces(call.arguments):
            yield chunks.write({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunks.write({}, _finish(reply))
    options = request.body.get("stream_options") or {}
    if options.get("include_usage") and reply.usage:
        yield chunks.write_choices([], usage=usage_of(reply, request))
    yield "[DONE]"


def completion(reply: Reply, request: ModelRequest) -> dict[str, Any]:
    """Write an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.thoughts:
        message["reasoning_content"] = reply.thoughts
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    whole = {**_head(request, "chat.completion"), "choices": [choice]}
    return {**whole, "usage": usage_of(reply, request)} if reply.usage else whole


def output_tokens(reply: Reply) -> int:
    """Estimate how much the model wrote."""
    calls = sum(len(call.name) + len(call.arguments) for call in reply.calls)
    return count_tokens(len(reply.text or "") + len(reply.thoughts) + calls)


def usage_of(reply: Reply, request: ModelRequest) -> dict[str, Any]:
    """Count tokens as the server reports them."""
    written = output_tokens(reply)
    thought = len(reply.thoughts) // CHARS_PER_TOKEN
    return {
        "prompt_tokens": request.input_tokens,
        "completion_tokens": written,
        "total_tokens": request.input_tokens + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _head(request: ModelRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request.number}",
        "object": kind,
        "created": _CREATED,
        "model": request.model,
    }


def _finish(reply: Reply) -> str:
    return reply.finish or ("tool_calls" if reply.calls else "stop")


def _pieces(text: str, n_chars: int = 0) -> Iterator[str]:
    size = n_chars or max(8, -(-len(text) // _MAX_PIECES))
    return (text[at : at + size] for at in range(0, len(text), size))
