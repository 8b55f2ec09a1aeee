"""An assistant whose turns a test writes down, for the chat in a terminal."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from llm_scheduler.agent.approval import Approval, Change
from llm_scheduler.agent.events import (
    ChatResult,
    Done,
    Event,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnStarted,
    Usage,
)
from llm_scheduler.cli.chat_session import ChatSession
from llm_scheduler.cli.chat_view import PlainView
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import UsageError
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.diffs import diff_lines

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIFF = (
    "--- a/model.py\n+++ b/model.py\n@@ -1 +1 @@\n-return 1 / temprature\n+return 1 / temperature\n"
)


def text(*pieces: str, message_id: str = "m1") -> list[Event]:
    return [
        TextDelta(thread_id="chat", turn_id="t1", message_id=message_id, text=piece)
        for piece in pieces
    ]


def read_file(path: str, summary: str, *, ok: bool = True) -> list[Event]:
    at = {"thread_id": "chat", "turn_id": "t1", "call_id": "c1", "tool": "read_file"}
    return [
        ToolStarted(**at, arguments={"path": path}),
        ToolFinished(**at, ok=ok, summary=summary, output="..."),
    ]


def used(n_in: int, n_out: int) -> Event:
    return Usage(thread_id="chat", turn_id="t1", input_tokens=n_in, output_tokens=n_out)


def approval(name: str = "ap-1", **values: Any) -> Approval:
    given: dict[str, Any] = {
        "thread_id": "chat",
        "turn_id": "t1",
        "call_id": "c1",
        "tool": "replace_text",
        "kind": "edit",
        "arguments": {"path": "model.py", "content": "return 1 / temperature"},
        "targets": ("/run/model.py",),
        "summary": "Edit model.py (1 line)",
        "diff": DIFF,
        "reason": "The name is misspelt.",
        "created_at": NOW,
    }
    return Approval(id=name, **given | values)


class FakeAssistant:
    """Plays turns that a test has queued."""

    def __init__(self, *turns: list[Event]) -> None:
        self.turns = deque(turns)
        self.messages: list[str | None] = []
        self.decisions: list[tuple[str, str, str, str, Any]] = []
        self.asked_again: list[str] = []
        self.cancelled: list[str] = []
        self.undone: list[str] = []
        self.waiting: list[Approval] = []
        self.not_carried_out: list[Approval] = []
        self.made: list[Change] = []
        self.items: list[Any] = []
        self.mode = "approve"
        self.model_name = "scripted"
        self.problem = ""
        self.run: Any = SimpleNamespace(name="demo", jobs=list)
        self.desk: Any = SimpleNamespace(preview=self.preview)
        self.hangs = False
        self.fix_result = ChatResult(text="", thread_id="chat")
        self._callbacks: list[Callable[[Event], Any]] = []

    async def stream(self, message: str | None, thread_id: str) -> AsyncIterator[Event]:
        self.messages.append(message)
        yield TurnStarted(thread_id=thread_id, turn_id="t1", message=message or "")
        for event in self.turns.popleft() if self.turns else []:
            yield event
        if self.hangs:
            while not self.cancelled:
                await asyncio.sleep(0)
        status = "cancelled" if self.cancelled else "waiting" if self.waiting else "finished"
        yield Done(thread_id=thread_id, turn_id="t1", status=status)  # type: ignore[arg-type]

    async def decide(
        self,
        approval_id: str,
        decision: str,
        *,
        message: str = "",
        arguments: Any = None,
        scope: str = "call",
    ) -> Approval:
        self.decisions.append((approval_id, decision, message, scope, arguments))
        known = [*self.waiting, *self.not_carried_out]
        (decided,) = [a for a in known if a.id == approval_id]
        (self.waiting if decided in self.waiting else self.not_carried_out).remove(decided)
        if scope == "turn":
            self.waiting.clear()
        if decision == "reject":
            return decided.model_copy(update={"status": "rejected", "message": message})
        self.made.append(
            Change(
                id=f"ch-{len(self.made) + 1}",
                approval_id=approval_id,
                made_at=NOW,
                by="approval",
                **{
                    name: getattr(decided, name)
                    for name in ("thread_id", "turn_id", "tool", "kind", "summary", "targets")
                },
                diff=decided.diff,
            )
        )
        return decided.model_copy(update={"status": "done", "change_id": self.made[-1].id})

    def preview(self, approval_id: str, arguments: dict[str, Any]) -> PlannedChange:
        """Plan an edit: what it says takes the place of all that is in the file now."""
        (edited,) = [a for a in self.waiting if a.id == approval_id]
        state = State(target=(*edited.targets, "learner:a.pickle")[0], what="file")
        text = str(arguments.get("content", arguments))
        return PlannedChange(
            tool=edited.tool,
            kind=edited.kind,
            summary="Edit model.py as edited",
            diff=diff_lines(state.target, ["what is there now"], text.splitlines()),
            risk="Jobs that start get it.",
            before=(state,),
            after=(state.model_copy(update={"content": text.encode()}),),
        )

    def cancel(self, thread_id: str) -> bool:
        self.cancelled.append(thread_id)
        return True

    def pending(self, thread_id: str | None = None) -> list[Approval]:
        return list(self.waiting)

    def approved(self, thread_id: str | None = None) -> list[Approval]:
        return list(self.not_carried_out)

    def changes(self) -> list[Change]:
        return list(self.made)

    def undo(self, change_id: str) -> Change:
        for number, change in enumerate(self.made):
            if change.id == change_id:
                self.made[number] = change.model_copy(update={"undone_by": "ch-9"})
                return change.model_copy(update={"id": "ch-9", "by": "undo"})
        raise UsageError(f"There is no change {change_id!r}.")

    def undo_turn(self, turn_id: str) -> list[Change]:
        return [self.undo(c.id) for c in self.made if c.turn_id == turn_id and not c.undone_by]

    async def history(self, thread_id: str) -> list[Any]:
        return self.items

    def threads(self) -> list[Any]:
        return [SimpleNamespace(id="chat", title="why?"), SimpleNamespace(id="group-1", title="")]

    def groups(self) -> list[Any]:
        return []

    def thread_for(self, job: str) -> str:
        if job != "7":
            raise UsageError(f"Job {job!r} is not known to have failed.")
        return "group-7"

    def diagnosis(self, job: str) -> Any:
        return None

    async def diagnose_again(self, job: str) -> Any:
        self.asked_again.append(job)
        return Diagnosis(category="code_error", cause="x", title="Another view", confidence=0.5)

    async def fix(self, job: str) -> ChatResult:
        return self.fix_result

    def subscribe(self, callback: Callable[[Event], Any]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def budget_used(self) -> str:
        return "used this run: 3 calls"

    def budget_left(self) -> str:
        return "90 calls today"

    def close(self) -> None:
        pass


class ScriptedInput:
    """Lines and keys that a test has written down; the prompts are kept."""

    def __init__(self, *typed: str, keys: bool = True) -> None:
        self.has_keys = keys
        self.typed = deque(typed)
        self.prompts: list[str] = []

    def read_line(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return self.typed.popleft() if self.typed else None

    def read_key(self, prompt: str, keys: str) -> str:
        self.prompts.append(prompt)
        key = self.typed.popleft() if self.typed else ""
        assert key in keys
        return key


class Talk:
    """A session with all that a test looks at."""

    def __init__(self, assistant: FakeAssistant, entry: ScriptedInput) -> None:
        self.out = io.StringIO()
        console = Console(file=self.out, width=100, markup=False, highlight=False)
        self.assistant = assistant
        self.entry = entry
        self.session = ChatSession(
            assistant,  # type: ignore[arg-type]
            PlainView(console, console),
            entry,
            thread_id="chat",
        )

    @property
    def shown(self) -> str:
        return self.out.getvalue()
