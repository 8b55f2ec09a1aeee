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
from llm_scheduler.diagnosis.patterns import is_everywhere
from llm_scheduler.diagnosis.texts import render

WITHOUT_CONDITION = frozenset({"peak-near-limit"})
"""Causes that the rules give themselves, from several facts."""

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number without quotes",
    "float_type": "a number",
    "float_parsing": "a number without quotes",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a table: { key = value }",
    "model_type": "a table: { key = value }",
}
_CONDITIONS = ("patterns", "exceptions", "exceptions_language", "record")
_FIELD = re.compile(r"\{([a-z_]\w*)\}")
_TABLES: dict[str, type[BaseModel]] = {"remedies": RemedyTemplate, "record": RecordCondition}


def parse_cause(
    entry: Entry,
    problems: list[CatalogProblem],
    *,
    check_patterns: bool = True,
) -> Cause | None:
    """Return the cause of an entry, or ``None`` after adding what is wrong to `problems`."""
    name = f"cause {entry.table['id']!r}" if "id" in entry.table else "cause without id"
    cause = None
    found: list[CatalogProblem] = []
    try:
        cause = Cause.model_validate(entry.table)
    except ValidationError as exc:
        found += _explain_errors(name, entry, exc, Cause)
        # An entry that is used shows them in a text; `catalog check` tells them.
        found += _find_open_brackets(name, entry)
    found += [CatalogProblem(entry.place.file, *lack) for lack in _find_lacks(name, entry)]
    if check_patterns:
        found += _find_bad_patterns(name, entry)
    problems += sorted(found, key=lambda problem: problem.line)
    return None if found else cause


def parse_remedy(
    entry: Entry,
    causes: Mapping[str, Cause],
    problems: list[CatalogProblem],
) -> tuple[str, RemedyTemplate] | None:
    """Return a cause's id and the remedy that an entry adds to it."""
    file, cause_id = entry.place.file, entry.table.get("cause")
    found: list[CatalogProblem] = []
    if cause_id is None:
        message = '[[remedy]] does not say which cause it is for; add `cause = "ID"`'
        found.append(CatalogProblem(file, entry.place.line, message))
    elif not isinstance(cause_id, str) or cause_id not in causes:
        message = f"[[remedy]] names the unknown cause {cause_id!r}{suggest(cause_id, causes)}"
        found.append(CatalogProblem(file, entry.line_of("cause"), message))
    table = {key: value for key, value in entry.table.items() if key != "cause"}
    remedy = None
    try:
        remedy = RemedyTemplate.model_validate(table)
    except ValidationError as exc:
        found += _explain_errors(f"remedy of {cause_id!r}", entry, exc, RemedyTemplate)
    problems += found
    return (str(cause_id), remedy) if remedy and not found else None


def suggest(wrong: object, known: Mapping[str, object] | set[str]) -> str:
    """Return a question that names the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(wrong), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def quiet() -> Any:
    """Return options for RE2 that print nothing."""
    options = re2.Options()
    options.log_errors = False
    return options


def _find_lacks(name: str, entry: Entry) -> Iterator[tuple[int, str]]:
    table = entry.table
    if (
        not any(table.get(key) for key in _CONDITIONS)
        and str(table.get("id")) not in WITHOUT_CONDITION
    ):
        yield entry.place.line, f"{name}: needs `patterns`, `exceptions` or `record`"
    if not str(table.get("explanation", "")).strip() and table.get("role") != "harmless":
        message = "needs `explanation`: two or three sentences for the one whose job failed"
        yield entry.place.line, f"{name}: {message}"


def _find_open_brackets(name: str, entry: Entry) -> Iterator[CatalogProblem]:
    for key in ("title", "explanation"):
        text = entry.table.get(key)
        if isinstance(text, str) and shows_template(text):
            message = f"{name}: `{key}` shows its template: each [[ needs its ]]"
            yield CatalogProblem(entry.place.file, entry.line_of(key), message)


def shows_template(template: str) -> bool:
    """Tell whether signs of a template are left in its text."""
    names = dict.fromkeys(_FIELD.findall(template), "x")
    texts = (render(template, values) for values in ({}, names))
    return any(sign in text for text in texts for sign in ("[[", "]]"))


def _find_bad_patterns(name: str, entry: Entry) -> Iterator[CatalogProblem]:
    record = entry.table.get("record")
    reasons = record.get("reasons") if isinstance(record, dict) else ()
    for key, values in (("patterns", entry.table.get("patterns")), ("reasons", reasons)):
        for pattern in values if isinstance(values, list) else ():
            if not isinstance(pattern, str) or not pattern:
                continue
            reason = find_error(pattern)
            if reason:
                wrong = f"is no RE2 expression: {reason}"
            elif is_everywhere(re2.compile(pattern, quiet())):
                wrong = "is found in nearly every text: the cause would explain every job"
            else:
                continue
            where = entry.line_of(key, pattern)
            yield CatalogProblem(entry.place.file, where, f"{name}: pattern {pattern!r} {wrong}")


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
    if kind.startswith(("less_than", "greater_than")):
        return f"`{key}` is {value!r}; {message.replace('Input should be', 'it must be')}"
    if kind in _TYPES:
        return f"`{key}` is {value!r}; write {_TYPES[kind]}"
    return f"`{key}`: {message.removeprefix('Value error, ')}"
