"""From entries of TOML files to checked causes and remedies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import re2
from pydantic import BaseModel, ValidationError

from llm_scheduler.diagnosis.catalog_files import CatalogProblem, Entry
from llm_scheduler.diagnosis.causes import Cause, RecordCondition, RemedyTemplate

WITHOUT_CONDITION = frozenset({"peak-near-limit"})
"""Causes that the rules give themselves, from several facts."""

_TABLES: dict[str, type[BaseModel]] = {"remedies": RemedyTemplate, "record": RecordCondition}


def parse_cause(
    entry: Entry,
    problems: list[CatalogProblem],
    *,
    check_patterns: bool = True,
) -> Cause | None:
    """Return the cause of an entry, or ``None`` after adding what is wrong to `problems`."""
    name = f"cause {entry.table['id']!r}" if "id" in entry.table else "cause without id"
    try:
        cause = Cause.model_validate(entry.table)
    except ValidationError as exc:
        wrong = _explain_errors(name, entry, exc, Cause)
        wrong += _find_bad_patterns(name, entry, {"patterns": entry.table.get("patterns")})
        problems += sorted(wrong, key=lambda problem: problem.line)
        return None
    found = [CatalogProblem(entry.place.file, *wrong) for wrong in _find_lacks(name, entry, cause)]
    if check_patterns:
        reasons = cause.record.reasons if cause.record else ()
        patterns = {"patterns": cause.patterns, "reasons": reasons}
        found += _find_bad_patterns(name, entry, patterns)
    problems += found
    return None if found else cause


def parse_remedy(
    entry: Entry,
    causes: Mapping[str, Cause],
    problems: list[CatalogProblem],
) -> tuple[str, RemedyTemplate] | None:
    """Return a cause's id and the remedy that an entry adds to it."""
    cause_id = entry.table.get("cause")
    if cause_id is None:
        message = '[[remedy]] does not say which cause it is for; add `cause = "ID"`'
        problems.append(CatalogProblem(entry.place.file, entry.place.line, message))
        return None
    if not isinstance(cause_id, str) or cause_id not in causes:
        message = f"[[remedy]] names the unknown cause {cause_id!r}{suggest(cause_id, causes)}"
        problems.append(CatalogProblem(entry.place.file, entry.line_of("cause"), message))
        return None
    table = {key: value for key, value in entry.table.items() if key != "cause"}
    try:
        return cause_id, RemedyTemplate.model_validate(table)
    except ValidationError as exc:
        problems += _explain_errors(f"remedy of {cause_id!r}", entry, exc, RemedyTemplate)
        return None


def suggest(wrong: object, known: Mapping[str, object] | set[str]) -> str:
    """Return a question that names the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(wrong), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def quiet() -> Any:
    """Return options for RE2 that print nothing."""
    options = re2.Options()
    options.log_errors = False
    return options


def _find_lacks(name: str, entry: Entry, cause: Cause) -> Iterator[tuple[int, str]]:
    conditions = (cause.patterns, cause.exceptions, cause.exceptions_language, cause.record)
    if not any(conditions) and cause.id not in WITHOUT_CONDITION:
        yield entry.place.line, f"{name}: needs `patterns`, `exceptions` or `record`"
    if not cause.explanation.strip() and cause.role != "harmless":
        message = "needs `explanation`: two or three sentences for the one whose job failed"
        yield entry.place.line, f"{name}: {message}"


def _find_bad_patterns(
    name: str,
    entry: Entry,
    patterns: Mapping[str, object],
) -> Iterator[CatalogProblem]:
    for key, values in patterns.items():
        for pattern in values if isinstance(values, (list, tuple)) else ():
            reason = find_error(pattern) if isinstance(pattern, str) else ""
            if reason:
                line = entry.line_of(key, pattern)
                message = f"{name}: pattern {pattern!r} is no RE2 expression: {reason}"
                yield CatalogProblem(entry.place.file, line, message)


def find_error(pattern: str) -> str:
    """Return what RE2 says against a pattern; empty when it is good."""
    try:
        re2.compile(pattern, quiet())
    except re2.error as exc:
        reason = exc.args[0] if exc.args else ""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if "(?" in text:
            text += " (RE2 has no look-ahead, look-behind or back reference)"
        return text or "not accepted"
    return ""


def _explain_errors(
    name: str,
    entry: Entry,
    exc: ValidationError,
    model: type[BaseModel],
) -> list[CatalogProblem]:
    """Say each error of an entry in words, at the line of its key."""
    found = []
    for error in exc.errors():
        path = [str(part) for part in error["loc"] if not isinstance(part, int)]
        keys = path or [""]
        key = keys[-1]
        value = error.get("input")
        owner = _TABLES.get(keys[-2], model) if len(keys) > 1 else model
        missing = error["type"] == "missing"
        where = entry.line_of(keys[-2] if missing and len(keys) > 1 else key)
        if where == entry.place.line and len(keys) > 1:
            where = entry.line_of(keys[0])
        text = _say(error["type"], key, value, error["msg"], set(owner.model_fields))
        found.append(CatalogProblem(entry.place.file, where, f"{name}: {text}"))
    return found


def _say(kind: str, key: str, value: object, message: str, known: set[str]) -> str:
    if kind == "missing":
        return f"`{key}` is missing"
    if kind == "extra_forbidden":
        near = suggest(key, known)
        return f"unknown key {key!r}{near or '; allowed: ' + ', '.join(sorted(known))}"
    if kind == "literal_error":
        allowed = re.sub(r"^Input should be ", "", message).replace(" or ", ", ")
        words = set(re.findall(r"'([^']*)'", allowed))
        return f"`{key}` is {value!r}{suggest(value, words) or f'; allowed: {allowed}'}"
    if kind == "string_pattern_mismatch":
        return f"`{key}` is {value!r}; write lower-case words joined by hyphens"
    if kind == "tuple_type":
        return f"`{key}` must be a list: {key} = [ ... ]"
    return f"`{key}`: {message.removeprefix('Value error, ')}"
