"""Takes the keys that are in use out of scanned logs, diagnoses and messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_scheduler.agent.model_choice import hide
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.logs import LogText
from llm_scheduler.logs.models import Traceback

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


def hide_in_logs(texts: Iterable[LogText], keys: Collection[str]) -> list[LogText]:
    """Return logs without the keys, before anything is cut off their lines."""
    return [_hide_in_log(text, keys) for text in texts] if keys else list(texts)


def hide_in_diagnosis(diagnosis: Diagnosis, keys: Collection[str]) -> Diagnosis:
    """Return a diagnosis without the keys, whoever wrote them."""
    values = diagnosis.model_dump()
    hidden = hide_in(values, keys)
    return diagnosis if hidden == values else Diagnosis.model_validate(hidden)


def hide_in_message(message: BaseMessage, keys: Collection[str]) -> BaseMessage:
    """Return a message without the keys, in its text and in what its tool calls ask for."""
    text = str(message.text)
    new: dict[str, Any] = {"content": clean} if (clean := hide(text, keys)) != text else {}
    calls = getattr(message, "tool_calls", ())
    if calls and (hidden := hide_in(calls, keys)) != calls:
        new["tool_calls"] = hidden
    return message.model_copy(update=new) if new else message


def _hide_in_log(text: LogText, keys: Collection[str]) -> LogText:
    if not any(key in line.text for line in text.lines for key in keys):
        return text
    lines = tuple(line._replace(text=hide(line.text, keys)) for line in text.lines)
    tracebacks = tuple(_hide_in_traceback(traceback, keys) for traceback in text.tracebacks)
    return replace(text, lines=lines, tracebacks=tracebacks)


def _hide_in_traceback(traceback: Traceback, keys: Collection[str]) -> Traceback:
    cause = traceback.cause
    return replace(
        traceback,
        message=hide(traceback.message, keys),
        notes=tuple(hide(note, keys) for note in traceback.notes),
        frames=tuple(frame._replace(source=hide(frame.source, keys)) for frame in traceback.frames),
        cause=None if cause is None else _hide_in_traceback(cause, keys),
    )


def hide_in(value: Any, keys: Collection[str]) -> Any:
    """Return a value as JSON has it without the keys, in the names of its fields, too."""
    if not keys:
        return value
    if isinstance(value, str):
        return hide(value, keys)
    if isinstance(value, dict):
        return {hide_in(name, keys): hide_in(item, keys) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide_in(item, keys) for item in value]
    return value
