"""From the catalogue's templates to concrete remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_scheduler.diagnosis.accounting import peak_of
from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.causes import RemedyTemplate
from llm_scheduler.diagnosis.evidence import find_frame
from llm_scheduler.diagnosis.models import Remedy
from llm_scheduler.diagnosis.texts import (
    format_bytes,
    format_duration,
    format_memory_request,
    parse_bytes,
    render,
    round_up_time,
    say_duration,
)
from llm_scheduler.engine.records import JobRecord

_HEADROOM = 1.5
_MOST = 2 << 40
"""Nodes rarely have as much memory; a program that wants it must want less."""
_FAR = 0.5


def make_remedies(
    candidate: Candidate,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> tuple[Remedy, ...]:
    """Return the remedies of a cause with what is known about this job in them."""
    templates = _possible(candidate, values, record)
    remedies = [_make_remedy(template, candidate, values, record) for template in templates]
    point = values.get("point")
    if point:
        remedies.append(
            Remedy(
                kind="inspect",
                summary="Reproduce it with one call of the learner's function",
                details=f"```python\nlearner.function({_plain(point)})\n```",
            ),
        )
    return tuple(remedies)


def _possible(
    candidate: Candidate,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> list[RemedyTemplate]:
    """Return the remedies that can help, those that more likely do first."""
    templates = list(candidate.cause.remedies)
    if (parse_bytes(values.get("wanted", "")) or 0) >= _MOST:
        return [x for x in templates if x.memory_factor is None] or templates
    if candidate.role != "verdict" and _is_far_from_limit(record):
        # What a killed worker of a job needs that used little is rarely more memory.
        wants_more = candidate.cause.category == "killed"
        return sorted(templates, key=lambda x: wants_more and x.memory_factor is not None)
    return templates


def _is_far_from_limit(record: JobRecord | None) -> bool:
    if record is None or not record.requested_memory_bytes:
        return False
    peak = peak_of(record)
    return peak is not None and peak < _FAR * record.requested_memory_bytes


def _make_remedy(
    template: RemedyTemplate,
    candidate: Candidate,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> Remedy:
    summary = render(template.summary, values)
    resources: dict[str, Any] = {}
    if template.memory_factor is not None:
        request, limit = _propose_memory(template.memory_factor, values, record)
        if request:
            resources["memory"] = request
            summary = f"Ask for {request} of memory" + (f" instead of {limit}" if limit else "")
    limit_s = _known_time_limit(values, record)
    if template.time_factor is not None and limit_s:
        resources["time"] = format_duration(round_up_time(limit_s * template.time_factor))
        summary = f"Ask for {resources['time']} of time instead of {say_duration(limit_s)}"
    if template.exclude_nodes and record is not None and record.nodes:
        resources["exclude"] = ",".join(record.nodes)
    frame = find_frame(candidate) if template.kind == "code" else None
    return Remedy(
        kind=template.kind,
        summary=summary,
        details=render(template.details, values, code=True),
        resources=resources,
        file=frame.file if frame else "",
        line=frame.line if frame else 0,
    )


def _propose_memory(
    factor: float,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> tuple[str, str]:
    """Return the memory to ask for and the memory that the job had, where known."""
    peak = (peak_of(record) if record else None) or 0
    limit = record.requested_memory_bytes if record else None
    limit = limit or int(values.get("memory_limit_bytes", 0))
    # An array that was refused comes on top of what the program holds already.
    refused = parse_bytes(values.get("wanted", "")) or 0
    if limit:
        wanted = max(limit * factor, peak * _HEADROOM, peak + refused * _HEADROOM)
        return format_memory_request(wanted), format_bytes(limit)
    return (format_memory_request(peak * factor), "") if peak else ("", "")


def _known_time_limit(values: Mapping[str, str], record: JobRecord | None) -> float:
    """Return the time limit of the record, or of a line of the log; 0 when unknown."""
    limit_s = record.time_limit_s if record else None
    return limit_s or float(values.get("time_limit_s", 0))


def _plain(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
