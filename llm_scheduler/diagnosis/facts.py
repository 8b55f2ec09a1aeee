"""One sentence with the numbers of this job, after the explanation of its cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from llm_scheduler.diagnosis.accounting import signal_of
from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.evidence import find_frame
from llm_scheduler.diagnosis.signals import explain_code, explain_signal, signal_in_code
from llm_scheduler.diagnosis.texts import quote
from llm_scheduler.engine.records import JobRecord

_MEMORY = frozenset({"out_of_memory", "killed"})
_ENDED_FROM_OUTSIDE = frozenset({"cancelled", "preempted", "node_failure"})
_SIGNALLED = frozenset({"crash", "killed", "out_of_memory"})
_CODE = frozenset({"code_error", "numerical_error", "syntax_error"})
_MAX_SOURCE = 120
_RANK = re.compile(r"^\s*\[(?:rank|default)?(\d{1,6})\]: ")
"""Which process of a parallel program wrote a line, where the line says so."""


def explain_facts(
    explanation: str,
    candidate: Candidate,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> str:
    """Return the explanation with a sentence of facts that it does not tell itself."""
    category = candidate.cause.category
    if category in _MEMORY and any(map(values.get, ("peak", "memory_limit", "sampled"))):
        facts = _memory(explanation, values)
    elif category == "time_limit":
        facts = _time(explanation, values)
    elif category in _ENDED_FROM_OUTSIDE:
        facts = _outside(explanation, values)
    else:
        facts = _place(candidate) or _end(explanation, category, values, record)
    told = values.get("told_code", "")
    told = f"The log tells {told}." if told and told not in facts else ""
    more = [told, facts, _processes(candidate)]
    return " ".join(part for part in (explanation, *more) if part)


def _memory(explanation: str, values: Mapping[str, str]) -> str:
    asked, reached = values.get("memory_limit", ""), values.get("peak", "")
    sampled = values.get("sampled", "")
    if sampled:
        told = f"the highest that was sampled was {sampled}"
        if asked and not _tells(explanation, asked):
            return f"The job asked for {asked}; {told}."
        return f"{told[0].upper()}{told[1:]}."
    after = f" after {values['elapsed']}" if values.get("elapsed") else ""
    if asked and reached and not _tells(explanation, asked, reached):
        return f"The job asked for {asked} and reached {reached}{after}."
    if asked and asked == reached and explanation.count(asked) == 1:
        return f"It reached all of it{after}."
    if asked and not _tells(explanation, asked):
        return f"The job asked for {asked}" + (f" and ended{after}." if after else ".")
    if reached and not _tells(explanation, reached):
        return f"The job reached {reached}{after}."
    return f"It ended{after}." if after and not _tells(explanation, values["elapsed"]) else ""


def _time(explanation: str, values: Mapping[str, str]) -> str:
    allowed, ran = values.get("time_limit", ""), values.get("elapsed", "")
    if allowed and ran and _tells(explanation, allowed):
        told = ran != allowed and _tells(explanation, ran)
        return "" if told or explanation.count(allowed) > 1 else f"The job had run for {ran}."
    if allowed and ran and not _tells(explanation, allowed, ran):
        return f"The job asked for {allowed} and had run for {ran}."
    if allowed and not _tells(explanation, allowed):
        return f"The job asked for {allowed}."
    return f"The job had run for {ran}." if ran and not _tells(explanation, ran) else ""


def _outside(explanation: str, values: Mapping[str, str]) -> str:
    ran, nodes = values.get("elapsed", ""), values.get("nodes", "")
    if not ran or _tells(explanation, ran):
        return ""
    where = f" on {quote(nodes)}" if nodes and not _tells(explanation, nodes) else ""
    return f"It had run for {ran}{where}."


def _place(candidate: Candidate) -> str:
    """Say where in the user's own code an exception happened."""
    if candidate.cause.category not in _CODE:
        return ""
    frame = find_frame(candidate)
    if frame is None:
        return ""
    # R names functions only, MATLAB functions and lines: no place is made up.
    name = PurePosixPath(frame.file).name
    line = f"line {frame.line}" if frame.line else ""
    line_of_file = " of ".join(part for part in (line, quote(name) if name else "") if part)
    inside = quote(frame.function) if frame.function not in {"", "<module>", "?"} else ""
    where = ", ".join(part for part in (inside, line_of_file) if part)
    if not where:
        return ""
    source = frame.source.strip()
    shown = f": {quote(source[:_MAX_SOURCE])}" if source else ""
    return f"It happened in {where}{shown}."


def _end(
    explanation: str,
    category: str,
    values: Mapping[str, str],
    record: JobRecord | None,
) -> str:
    """Say how the job ended, where its exit code or signal tells more than failure."""
    if record is None:
        return ""
    ran = f" after {values['elapsed']}" if values.get("elapsed") else ""
    signal, code = signal_of(record), record.exit_code
    if signal and code is not None and signal_in_code(code) == signal:
        # Programs choose their exit codes freely: 132 alone need not be a signal.
        told = explain_code(code) if category in _SIGNALLED else f"exit code {code}"
        return f"The job ended{ran} with {told}."
    if signal:
        return f"The job ended{ran} by {explain_signal(signal)}."
    if code and not _tells(explanation, str(code)):
        return f"The job ended{ran} with {explain_code(code)}."
    return f"The job ended{ran}." if ran else ""


def _processes(candidate: Candidate) -> str:
    """Say which process wrote the line, and how many wrote the same."""
    rank = rank_of(candidate.text)
    count = candidate.traceback.count if candidate.traceback is not None else 1
    if rank is not None and count > 1:
        return f"Rank {rank} said so first; the same stands in the log {count} times."
    if rank is not None:
        return f"Rank {rank} said so."
    return f"The same stands in the log {count} times." if count > 1 else ""


def rank_of(text: str) -> int | None:
    """Return the rank that a line names as its writer."""
    found = _RANK.match(text)
    return int(found.group(1)) if found else None


def _tells(explanation: str, *values: str) -> bool:
    """Tell whether an explanation holds all these values already."""
    return all(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", explanation) for value in values)
