"""Takes the keys that are in use out of scanned logs and out of diagnoses."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from llm_scheduler.agent.model_choice import hide
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.logs import LogText
from llm_scheduler.logs.models import Traceback


def hide_in_logs(texts: Iterable[LogText], keys: Collection[str]) -> list[LogText]:
    """Return logs without the keys, before anything is cut off their lines."""
    return [_hide_in_log(text, keys) for text in texts] if keys else list(texts)


def hide_in_diagnosis(diagnosis: Diagnosis, keys: Collection[str]) -> Diagnosis:
    """Return a diagnosis without the keys, whoever wrote them."""
    values = diagnosis.model_dump()
    hidden = _hide_in(values, keys)
    return diagnosis if hidden == values else Diagnosis.model_validate(hidden)


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


def _hide_in(value: Any, keys: Collection[str]) -> Any:
    if isinstance(value, str):
        return hide(value, keys)
    if isinstance(value, dict):
        return {name: _hide_in(item, keys) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hide_in(item, keys) for item in value]
    return value
