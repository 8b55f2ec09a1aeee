"""Whether causes do what they say: their examples, near misses, patterns and texts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import re2
from pydantic import ValidationError

from llm_scheduler.diagnosis.candidates import is_general
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.catalog_entries import WITHOUT_CONDITION, quiet
from llm_scheduler.diagnosis.causes import STATES, Cause
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.patterns import ORDINARY, literals_of
from llm_scheduler.diagnosis.resemblance import resembles
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.diagnosis.texts import fields_of, render, render_title
from llm_scheduler.diagnosis.trials import Trial, try_cause
from llm_scheduler.engine.records import JobRecord

KNOWN_FIELDS = frozenset(
    {
        *("cancelled_by", "code", "elapsed", "exception", "hint", "memory_limit", "message"),
        *("module", "nodes", "other_package", "package", "path", "peak", "point", "time_limit"),
    },
)
"""Values that the record, tracebacks and the rules give to templates."""

_UNSEEN = (
    "has no plain text of 5 signs or more, or word of 8 letters, that every match holds: "
    "lines that it takes and that hold no word of alarm (error, failed, cannot, ...) may be "
    "skipped in a large log"
)
_UNLIKE = (
    "does not look like what it takes: write a text that shares at least two words with "
    "`example` or `patterns` and means another thing"
)
_SENTENCE = re.compile(r"[.!?](?=\s|$)")
_CODE = re.compile(r"`[^`]*`")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|no)\.(?=\s)", re.IGNORECASE)
_MIN_SENTENCES, _MAX_SENTENCES = 2, 3


Topic = Literal["entry", "example", "near miss", "pattern", "text", "completeness"]
"""What a finding is about; ``entry`` is one that can't be used at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says against a cause."""

    cause_id: str
    level: Literal["error", "warning"]
    topic: Topic
    file: str
    line: int
    message: str


def check_cause(cause: Cause, catalog: Catalog) -> list[Finding]:
    """Run every check of one cause, its examples included."""
    place = catalog.place_of(cause.id)
    file, line = (place.file, place.line) if place else ("", 0)
    with tempfile.TemporaryDirectory() as folder:
        told: dict[Topic, list[_Told]] = {
            "example": list(_check_examples(cause, catalog, Path(folder))),
            "near miss": list(_check_near_misses(cause, catalog, Path(folder))),
            "pattern": list(_check_patterns(cause)),
            "text": list(_check_texts(cause)),
            "completeness": list(_check_complete(cause)),
        }
    return [
        Finding(cause.id, level, topic, file, line, message)
        for topic, found in told.items()
        for level, message in found
    ]


_Told = tuple[Literal["error", "warning"], str]


def _check_examples(cause: Cause, catalog: Catalog, folder: Path) -> Iterator[_Told]:
    if cause.example:
        trial = try_text(cause, cause.example, catalog, folder)
        if not trial.is_found:
            yield "error", f"its `example` is not found by it. {' '.join(trial.reasons)}"
        elif not trial.wins:
            yield _say_other(cause, trial)
        elif cause.role == "harmless" and trial.diagnosis.category != "success":
            yield "error", f"its `example` is harmless and yet diagnosed as {_name(trial)}"
    if cause.example_record:
        found = diagnose_record(cause.example_record, catalog)
        if isinstance(found, str):
            yield "error", f"`example_record`: {found}"
        elif found.cause != cause.id:
            yield "error", f"its `example_record` is explained by `{found.cause}`"


def _say_other(cause: Cause, trial: Trial) -> _Told:
    if trial.diagnosis.category in {"success", "unknown"}:
        said = f"does not count: its diagnosis would be `{trial.diagnosis.category}`"
    else:
        said = f"is explained by {_name(trial)}"
    message = f"its `example` {said}. {' '.join(trial.reasons)}"
    same = trial.diagnosis.category == cause.category
    return ("warning" if same else "error"), message


def _name(trial: Trial) -> str:
    found = trial.diagnosis
    if found.cause == found.category:
        return f"`{found.cause}`"
    return f"`{found.cause}` (category {found.category})"


def _check_near_misses(cause: Cause, catalog: Catalog, folder: Path) -> Iterator[_Told]:
    for text in cause.near_misses:
        trial = try_text(cause, text, catalog, folder)
        if trial.wins:
            where = f": pattern {trial.matches[0].patterns[0]!r}" if trial.matches else ""
            yield "error", f"takes its near miss {_short(text)}{where}"
        elif not resembles(text, cause, catalog):
            yield "warning", f"its near miss {_short(text)} {_UNLIKE}"
    if cause.near_miss_record:
        found = diagnose_record(cause.near_miss_record, catalog)
        if isinstance(found, str):
            yield "error", f"`near_miss_record`: {found}"
        elif found.cause == cause.id:
            yield "error", "takes its `near_miss_record`"


def try_text(cause: Cause, text: str, catalog: Catalog, folder: Path) -> Trial:
    """Try a cause on a log with a text at its end; consequences need a job that failed."""
    path = folder / "job.out"
    start = "" if cause.submission else "starting\n"
    path.write_text(f"{start}{text}\n", encoding="utf-8", errors="replace")
    failed = JobRecord(job_id="1", state="FAILED", exit_code=1)
    is_weak = cause.role in {"hint", "symptom"} and not cause.submission
    return try_cause(cause, path, catalog, record=failed if is_weak else None)


def diagnose_record(fields: dict[str, Any], catalog: Catalog) -> Diagnosis | str:
    """Diagnose a job of which only the record is known; a text when it is no record."""
    state = str(fields.get("state", "FAILED"))
    if state not in STATES:
        return f"state: {state!r} is unknown; there are: {', '.join(sorted(STATES))}"
    try:
        record = JobRecord.model_validate({"job_id": "1", **fields, "state": state})
    except ValidationError as exc:
        error = exc.errors()[0]
        return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
    return diagnose([], record, catalog=catalog)


def _check_patterns(cause: Cause) -> Iterator[_Told]:
    for pattern in cause.patterns:
        compiled = re2.compile(pattern, quiet())
        line = next((line for line in ORDINARY if compiled.search(line)), None)
        if line is not None and cause.role != "harmless":
            yield "warning", f"pattern {pattern!r} is too broad: it is found in {line!r}"
        # General words are asked only on lines that speak of an error: those are kept anyway.
        is_found = cause.role == "harmless" or cause.submission or is_general(cause)
        if not is_found and not literals_of(pattern):
            yield "warning", f"pattern {pattern!r} {_UNSEEN}"


def _check_texts(cause: Cause) -> Iterator[_Told]:
    groups = {name for x in cause.patterns for name in re2.compile(x, quiet()).groupindex}
    templates = [("title", cause.title), ("explanation", cause.explanation)]
    templates += [
        ("remedies", text) for x in cause.remedies for text in (x.summary, x.details) if text
    ]
    for name, template in templates:
        unknown = sorted(fields_of(template) - groups - KNOWN_FIELDS)
        if unknown:
            yield (
                "warning",
                f"`{name}` needs {{{unknown[0]}}}, which no pattern names; put it into [[...]]",
            )
    names = {name: f"the {name}" for name in (*groups, *KNOWN_FIELDS)}
    for values in ({}, names):
        texts = {
            "title": render_title(cause.title, values),
            "explanation": render(cause.explanation, values, code=True),
        }
        for key, text in texts.items():
            if any(sign in text for sign in ("[[", "]]", "||")) or "{" in _CODE.sub("", text):
                yield "error", f"`{key}` shows its template: {_short(text)}"
                return
    count = count_sentences(texts["explanation"])
    if texts["explanation"] and not _SENTENCE.search(texts["explanation"].rstrip('`)"')[-1:]):
        yield "warning", "`explanation` does not end with a full stop"
    if cause.explanation and not _MIN_SENTENCES <= count <= _MAX_SENTENCES:
        yield "warning", f"`explanation` should have two or three sentences, not {count}"


def count_sentences(text: str) -> int:
    """Count the sentences of a text; signs in code and abbreviations end none."""
    plain = _ABBREVIATION.sub("x", _CODE.sub("x", text))
    return sum(bool(part.strip(" )\"'")) for part in _SENTENCE.split(plain))


def _check_complete(cause: Cause) -> Iterator[_Told]:
    if not cause.source:
        yield "warning", "has no `source`: say where the wording comes from"
    if not cause.remedies and cause.role != "harmless":
        yield "warning", "has no remedy: say what helps in [[cause.remedies]]"
    if cause.id in WITHOUT_CONDITION:
        return
    if not (cause.example or cause.example_record):
        yield "warning", "has no `example`: give a text that it explains"
    if not (cause.near_misses or cause.near_miss_record):
        yield "warning", "has no `near_misses`: give a text that looks alike and means other things"


def _short(text: str) -> str:
    line = " / ".join(text.strip().splitlines())
    return repr(line if len(line) <= 100 else line[:99] + "…")
