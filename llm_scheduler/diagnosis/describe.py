"""Causes in words, for people who look them up: no log and no job is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.causes import Cause, RemedyTemplate, Role
from llm_scheduler.diagnosis.texts import render, render_title

PAGE = "reference/causes"
"""The page of the documentation that shows all causes."""

ROLES: dict[Role, str] = {
    "cause": "a root cause: an error that ends programs",
    "verdict": "the scheduler's own word on how the job ended",
    "symptom": "a consequence: something else went wrong before",
    "hint": "an error that programs often survive: it counts only where the job failed and "
    "nothing stronger is found",
    "harmless": "noise: it never explains a failure",
}

_FIELD = re.compile(r"\{([a-z_]\w*)\}")


def title_of(cause: Cause) -> str:
    """Return the title with the names of its fields, as in ``No module <module>``."""
    return render_title(cause.title, _names_in(cause.title))


def explanation_of(cause: Cause) -> str:
    """Return the explanation as Markdown, with the names of its fields."""
    return render(cause.explanation, _names_in(cause.explanation), code=True)


def remedy_texts(remedy: RemedyTemplate) -> tuple[str, str]:
    """Return the summary and the details of a remedy, with the names of their fields."""
    summary = render(remedy.summary, _names_in(remedy.summary))
    return summary, render(remedy.details, _names_in(remedy.details), code=True)


def anchor_of(cause: Cause) -> str:
    """Return the place of a cause on its page of the documentation."""
    return f"cause-{cause.id}"


def _names_in(template: str) -> dict[str, str]:
    return {name: f"<{name}>" for name in _FIELD.findall(template)}


def conditions_of(cause: Cause) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what the cause looks for: a word for the kind, and the values."""
    if cause.patterns:
        yield "lines with", cause.patterns
    if cause.exceptions:
        names = tuple(
            name.replace("*", "any that no other cause takes") for name in cause.exceptions
        )
        yield "exceptions", names
    if cause.exceptions_language:
        yield "exceptions of", (f"{cause.exceptions_language}, those that no other cause takes",)
    if cause.frame_function:
        yield "only in a call of", (cause.frame_function,)
    if cause.frame_file:
        yield "only in the file", (cause.frame_file,)
    if cause.frame_source:
        yield "or in a line with", (cause.frame_source,)
    record = cause.record
    if record is not None:
        kinds = {"job state": record.states, "exit code": record.exit_codes}
        kinds |= {"signal": record.signals, "scheduler's reason": record.reasons}
        for kind, values in kinds.items():
            if values:
                yield kind, tuple(map(str, values))


def precedence_of(cause: Cause, catalog: Catalog) -> Iterator[str]:
    """Yield sentences on what the cause wins and loses against."""
    yield f"Role {cause.role}: {ROLES[cause.role]}."
    if cause.role == "harmless":
        return
    weaker = {"verdict": "causes, symptoms and hints", "cause": "symptoms and hints"}
    if cause.role in weaker:
        yield (
            f"It wins over {weaker[cause.role]}"
            + (", unless a program's own error is surer" if cause.role == "verdict" else "")
            + "."
        )
    near = [x for x in catalog if x.role == cause.role and x.id != cause.id]
    above = sum(x.priority > cause.priority for x in near)
    yield (
        f"Priority {cause.priority}: {above} of the {len(near)} others of its role win over it "
        "on the same line."
    )
    if cause.beats:
        yield f"It is the root of {', '.join(cause.beats)}: it wins where both are found."
    roots = [x.id for x in catalog if cause.id in x.beats]
    if roots:
        yield f"It gives way to {', '.join(roots)} where both are found."
    if cause.wrapper:
        yield "It takes its lines from every other cause, as they only say that something failed."
    if cause.submission:
        yield "It counts only in what a submitting command (sbatch, qsub, ...) says."


def as_json(cause: Cause, catalog: Catalog) -> dict[str, Any]:
    """Return all that is known of a cause, for programs."""
    place = catalog.place_of(cause.id)
    return {
        **cause.model_dump(mode="json"),
        "shown_title": title_of(cause),
        "precedence": list(precedence_of(cause, catalog)),
        "file": place.file if place else "",
        "line": place.line if place else 0,
    }


def matches_word(cause: Cause, word: str) -> bool:
    """Tell whether a word stands anywhere in a cause, whatever its case."""
    texts = (
        *(cause.id, cause.category, cause.title, cause.explanation, cause.example, cause.source),
        *(*cause.patterns, *cause.exceptions),
        *(text for remedy in cause.remedies for text in (remedy.summary, remedy.details)),
    )
    return any(word.casefold() in text.casefold() for text in texts)
