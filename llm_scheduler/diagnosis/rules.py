"""Rules that combine logs and the scheduler's record into a `Diagnosis`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from llm_scheduler.diagnosis.accounting import find_record_candidates, record_values
from llm_scheduler.diagnosis.candidates import Candidate, find_candidates
from llm_scheduler.diagnosis.catalog import Catalog, load_catalog
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.endings import (
    diagnose_without_cause,
    explain_live,
    without_unreadable,
)
from llm_scheduler.diagnosis.evidence import choose_evidence, find_frame
from llm_scheduler.diagnosis.facts import explain_facts
from llm_scheduler.diagnosis.fingerprints import make_fingerprint
from llm_scheduler.diagnosis.hints import find_hint, find_point, package_of
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.precedence import choose
from llm_scheduler.diagnosis.programs import put_name
from llm_scheduler.diagnosis.references import demote_known
from llm_scheduler.diagnosis.remedies import make_remedies
from llm_scheduler.diagnosis.texts import (
    format_bytes,
    quote,
    render,
    render_title,
    say_duration,
)
from llm_scheduler.diagnosis.told_below import with_message_below
from llm_scheduler.diagnosis.told_codes import explain_told_codes
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

_CODE = frozenset({"code_error", "numerical_error", "syntax_error"})
_MAX_DIGITS = 18
_MAX_SHOWN = 120


def diagnose(
    logs: Sequence[LogText],
    record: JobRecord | None,
    *,
    catalog: Catalog | None = None,
    job_id: str | None = None,
    known: frozenset[str] = frozenset(),
) -> Diagnosis:
    """Say why a job failed, from what was read of its logs and from its record.

    Parameters
    ----------
    logs
        All logs of one attempt; the order decides only between equals.
    record
        What the scheduler knows, where it is known.
    catalog
        The causes; the built-in ones by default.
    job_id
        Overrides the one of the record.
    known
        Lines of a successful job of the same run, from `known_lines`; they count
        for less.
    """
    catalog = catalog if catalog is not None else load_catalog()
    job_id = job_id or (record.job_id if record else None)
    candidates = [
        with_message_below(found, log) for log in logs for found in find_candidates(log, catalog)
    ]
    candidates = explain_told_codes(candidates, catalog)
    if record is not None:
        candidates += find_record_candidates(record, catalog)
    candidates = demote_known(candidates, known)
    choice = without_unreadable(choose(candidates, logs, record, catalog), logs, record)
    if choice.candidate is None:
        return diagnose_without_cause(choice, logs, record, job_id)
    return _with_cause(choice, choice.candidate, logs, record, job_id)


def _with_cause(
    choice: Choice,
    candidate: Candidate,
    logs: Sequence[LogText],
    record: JobRecord | None,
    job_id: str | None,
) -> Diagnosis:
    cause = candidate.cause
    values = _collect_values(candidate, logs, record)
    explanation = render(cause.explanation, values, code=True)
    title = _make_title(candidate, values)
    title, explanation = put_name(title, explanation, candidate, logs)
    explanation = explain_facts(explanation, candidate, values, record)
    if cause.category == "time_limit" and choice.rival is not None:
        shown = quote(choice.rival.text.strip()[:_MAX_SHOWN])
        explanation += f" The log ends with an exception, {shown}: look at it first."
    return Diagnosis(
        job_id=job_id,
        category=cause.category,
        cause=cause.id,
        title=title,
        explanation=explain_live(explanation, record),
        evidence=choose_evidence(choice, logs, record),
        confidence=choice.confidence,
        doubts=choice.doubts,
        remedies=make_remedies(candidate, values, record),
        fingerprint=make_fingerprint(candidate),
    )


def _collect_values(
    candidate: Candidate,
    logs: Sequence[LogText],
    record: JobRecord | None,
) -> dict[str, str]:
    values = {**record_values(record), **candidate.values}
    hint = values.get("hint") or find_hint([candidate.text])
    if hint:
        values["hint"] = hint
        # Some messages carry the hint at their end, and titles show it themselves.
        values["message"] = values.get("message", "").split(". Did you mean", 1)[0]
    point = find_point(logs)
    if point and (candidate.traceback is not None or candidate.role == "symptom"):
        values["point"] = point
    if values.get("module"):
        values["package"] = package_of(values["module"])
        if values["package"] != values["module"].partition(".")[0]:
            values["other_package"] = values["package"]
    if "path" not in values and values.get("path2"):
        values["path"] = values["path2"]
    return _with_quantities(values)


def _with_quantities(values: dict[str, str]) -> dict[str, str]:
    """Add sizes and times that a line of the log tells where no record does."""
    sizes = (("used_bytes", "allowed_bytes", 1), ("used_kb", "allowed_kb", 1024))
    for used, allowed, factor in sizes:
        if _is_number(values.get(used)) and _is_number(values.get(allowed)):
            values.setdefault("peak", format_bytes(int(values[used]) * factor))
            values.setdefault("memory_limit", format_bytes(int(values[allowed]) * factor))
            values["memory_limit_bytes"] = str(int(values[allowed]) * factor)
    if _is_number(values.get("used")) and _is_number(values.get("allowed")):
        values.setdefault("elapsed", say_duration(int(values["used"])))
        values.setdefault("time_limit", say_duration(int(values["allowed"])))
        values["time_limit_s"] = values["allowed"]
    return values


def _is_number(text: str | None) -> bool:
    # A log can hold numbers of any length; those that no float holds are no sizes.
    return text is not None and text.isdecimal() and len(text) <= _MAX_DIGITS


def _make_title(candidate: Candidate, values: dict[str, str]) -> str:
    title = render_title(candidate.cause.title, values)
    point = values.get("point")
    if point and f"x={point}" not in title:
        title += f" at point {_point_text(point)}"
    if candidate.cause.category in _CODE:
        frame = find_frame(candidate)
        if frame is not None and frame.file and frame.line:
            title += f" ({PurePosixPath(frame.file).name}:{frame.line})"
    return title


def _point_text(point: str) -> str:
    short = point if len(point) <= 60 else point[:59] + "…"
    return f"x={short}"
