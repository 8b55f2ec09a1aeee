"""A browser's side of the chat panel, without a browser: what it is sent, and requests."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

import comm
from comm.base_comm import BaseComm

LIMIT_S = 120


class RecordingComm(BaseComm):
    """Keeps what the kernel sends, as it would go over the wire."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.n_bytes = 0
        self.threads: set[str] = set()
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
        text = json.dumps(data)
        self.n_bytes += len(text)
        self.threads.add(threading.current_thread().name)
        self.sent.append(json.loads(text) if data else {})


def record_comms(monkeypatch: Any) -> None:
    """Let every widget that is made from now on have a `RecordingComm`."""
    monkeypatch.setattr(comm, "create_comm", lambda **kwargs: RecordingComm(**kwargs))


class FrontEnd:
    """One view: it applies events as the panel's own code does, and asks for what it misses."""

    _numbers = itertools.count()

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.comm: RecordingComm = panel.comm
        self.name = f"view-{next(self._numbers)}"
        self.seen = 0
        self.texts: dict[str, list[dict[str, Any]]] = {}
        self.seqs: dict[str, int] = {}
        self.gaps = 0

    # -- what came -----------------------------------------------------------------------

    def messages(self, kind: str) -> list[dict[str, Any]]:
        customs = [m["content"] for m in list(self.comm.sent) if m.get("method") == "custom"]
        return [content for content in customs if content["type"] == kind]

    def reply(self, request_id: str) -> dict[str, Any] | None:
        found = [r for r in self.messages("reply") if r["request_id"] == request_id]
        return found[-1] if found else None

    def adopt(self, conversation: dict[str, Any]) -> None:
        self.texts[conversation["thread_id"]] = conversation["items"]
        self.seqs[conversation["thread_id"]] = conversation["seq"]

    def catch_up(self, thread_id: str) -> list[dict[str, Any]]:
        """Apply the events of a thread that are new, in the order of their numbers."""
        events = [m for m in self.messages("events") if m["thread_id"] == thread_id]
        items = self.texts.setdefault(thread_id, [])
        for message in events:
            for number, event in enumerate(message["events"], message["seq"]):
                known = self.seqs.get(thread_id, 0)
                if number <= known:
                    continue
                if number > known + 1:
                    self.gaps += 1
                    return items
                self.seqs[thread_id] = number
                apply_event(items, event)
        return items

    # -- what is asked ---------------------------------------------------------------------

    def post(self, kind: str, request_id: str = "", **values: Any) -> str:
        request_id = request_id or f"{self.name}-{next(self._numbers)}"
        content = {"type": kind, "request_id": request_id, **values}
        self.panel._handle_custom_msg(content, [])
        return request_id

    async def ask(self, kind: str, **values: Any) -> dict[str, Any]:
        request_id = self.post(kind, **values)
        await until(lambda: self.reply(request_id))
        reply = self.reply(request_id)
        assert reply is not None
        return reply

    async def open(self, thread_id: str) -> dict[str, Any]:
        reply = await self.ask("open_thread", thread_id=thread_id)
        assert reply["ok"], reply["error"]
        self.adopt(reply["data"])
        return reply["data"]

    async def say(self, text: str) -> None:
        """Say something in the thread ``chat``."""
        reply = await self.ask("send", thread_id="chat", text=text)
        assert reply["ok"], reply["error"]

    async def begin_answer(self, text: str) -> None:
        """Say something in the thread ``chat``, and wait until an answer has begun."""
        await self.say(text)
        await until(lambda: self.catch_up("chat")[-1]["role"] == "assistant")

    async def wait_answer(self, text: str) -> list[dict[str, Any]]:
        """Wait in the thread ``chat`` for an answer, and until its turn is over and kept."""
        await until(lambda: self.catch_up("chat")[-1]["text"] == text)
        # The last words are shown before the turn ends: what follows must not cut it off.
        return await self.wait_idle("chat")

    async def wait_idle(self, thread_id: str) -> list[dict[str, Any]]:
        """Wait for the end of a turn and return the entries."""

        def is_over() -> bool:
            busy = [
                event["is_busy"]
                for message in self.messages("events")
                if message["thread_id"] == thread_id
                for event in message["events"]
                if event["type"] == "busy"
            ]
            return bool(busy) and not busy[-1]

        await until(is_over)
        return self.catch_up(thread_id)


def apply_event(items: list[dict[str, Any]], event: dict[str, Any]) -> None:
    """Do what an event says to the entries of a thread."""
    by_id = {item["id"]: item for item in items}
    if event["type"] == "item":
        items.append(json.loads(json.dumps(event["item"])))
    elif event["type"] == "removed":
        del items[list(by_id).index(event["item_id"]) :]
    elif event["type"] == "text":
        by_id[event["item_id"]]["text"] += event["text"]
    elif event["type"] == "finished":
        by_id[event["item_id"]] |= {"is_final": True, "is_stopped": event["is_stopped"]}
    elif event["type"] == "call":
        calls = by_id[event["item_id"]]["calls"]
        calls[:] = [c for c in calls if c["call_id"] != event["call"]["call_id"]]
        calls.append(event["call"])
    elif event["type"] == "approval" and event["item_id"] in by_id:
        names = by_id[event["item_id"]]["approvals"]
        if event["approval"]["id"] not in names:
            names.append(event["approval"]["id"])


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.005)
