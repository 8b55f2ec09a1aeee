"""`RuleAnswers`: stands where a model would, when there is none.

It answers by rules, and what the rules can mend exactly it calls the write tools for,
as a model does: approvals, YOLO and the journal are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import tool_call

from llm_scheduler.agent.history import MARK, current_turn, mark_of, new_call_id
from llm_scheduler.agent.turns import Turn
from llm_scheduler.tools.run_view import RunView

_RESTART = "restart_learners"


class RuleTalk(Protocol):
    """What is needed of `RuleChat`."""

    def answer(self, message: str, run: RunView, *, thread_key: str = "") -> Any:
        """Return the text and the fixes that the message asks for."""


class RuleAnswers:
    """Answers a turn by rules.

    Parameters
    ----------
    rules
        Finds words and fixes.
    run
        The run that they are about.

    """

    def __init__(self, rules: RuleTalk, run: RunView) -> None:
        self._rules = rules
        self._run = run

    async def answer(
        self, turn: Turn, messages: Sequence[BaseMessage], *, may_change: bool
    ) -> AIMessage:
        """Return the next message of the turn."""
        since = current_turn(messages)
        last = next((m for m in reversed(since) if isinstance(m, AIMessage)), None)
        if since and "note" in mark_of(since[0]) and last is None:
            return self._say(turn, since[0].text)
        if last is None or not last.tool_calls:
            return await self._first(turn, since[0].text if since else "", may_change=may_change)
        outcomes = [m for m in since[since.index(last) :] if isinstance(m, ToolMessage)]
        text = "\n".join(f"- {m.text}" for m in outcomes)
        later = mark_of(last).get("later") or []
        if later and any(m.status != "error" for m in outcomes):
            return self._say(turn, text, later)
        return self._say(turn, text)

    async def _first(self, turn: Turn, message: str, *, may_change: bool) -> AIMessage:
        # Logs and sources are read, which takes a while.
        found = await asyncio.to_thread(
            self._rules.answer, message, self._run, thread_key=turn.thread_id
        )
        calls = [
            {
                "name": fix.tool,
                "args": {**fix.arguments, "reason": fix.reason},
                "must_ask": not fix.is_certain,
            }
            for _, fix in (found.fixes if may_change else ())
        ]
        text = found.text
        if found.fixes and not may_change:
            text += "\n\nNothing is proposed, as the mode is read-only."
        fixes = [entry for entry in calls if entry["name"] != _RESTART]
        restarts = [entry for entry in calls if entry["name"] == _RESTART]
        # What was mended comes first: a job that starts before that fails again.
        now, later = (fixes, restarts) if fixes else (restarts, [])
        return self._say(turn, text, now, later)

    def _say(
        self,
        turn: Turn,
        text: str,
        now: Sequence[dict[str, Any]] = (),
        later: Sequence[dict[str, Any]] = (),
    ) -> AIMessage:
        calls = [_as_call(entry) for entry in now]
        message_id = f"rules-{uuid4().hex[:12]}"
        if text:
            turn.say(message_id, text)
        unsure = [
            call["id"] for call, entry in zip(calls, now, strict=True) if entry.get("must_ask")
        ]
        mark = {"rules": True, "later": list(later), "must_ask": unsure}
        return AIMessage(text, id=message_id, tool_calls=calls, additional_kwargs={MARK: mark})


def must_ask(messages: Sequence[BaseMessage], call_id: str) -> bool:
    """Tell whether the rules called a tool for what they are not certain of.

    The desk must then be told to carry it out only after a question, in every mode.
    """
    return any(call_id in (mark_of(message).get("must_ask") or ()) for message in messages)


def _as_call(entry: dict[str, Any]) -> ToolCall:
    return tool_call(name=entry["name"], args=dict(entry["args"]), id=new_call_id())
