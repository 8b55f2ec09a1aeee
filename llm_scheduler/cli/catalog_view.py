"""What causes, checks and trials look like in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llm_scheduler.cli.console import make_console
from llm_scheduler.cli.render import category_name, printable, short_path
from llm_scheduler.diagnosis.catalog import BUILT_IN, Catalog
from llm_scheduler.diagnosis.catalog_checks import Finding
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.describe import (
    PAGE,
    anchor_of,
    conditions_of,
    explanation_of,
    precedence_of,
    remedy_texts,
    title_of,
)
from llm_scheduler.diagnosis.trials import Trial

_MAX_LINE = 300
_STYLES = {"error": "red", "warning": "yellow"}


def print_findings(findings: Sequence[Finding], *, n_causes: int) -> None:
    """Print what checks found, a line each as compilers do, and the sum."""
    console = make_console()
    for found in findings:
        line = f":{found.line}" if found.line else ""
        where = f"{printable(short_path(found.file))}{line}: " if found.file else ""
        text = Text(where, style="dim")
        text.append(f"{found.level}: ", style=_STYLES[found.level])
        text.append(f"{found.cause_id}: " if found.cause_id else "", style="bold")
        text.append(printable(found.message))
        console.print(text, soft_wrap=True)
    counts = {level: sum(x.level == level for x in findings) for level in _STYLES}
    said = ", ".join(f"{n} {level}{'' if n == 1 else 's'}" for level, n in counts.items())
    console.print(f"{n_causes} {'cause' if n_causes == 1 else 'causes'} checked: {said}.")


def print_findings_json(findings: Sequence[Finding], *, n_causes: int) -> None:
    """Print what checks found as one JSON object."""
    levels = {"errors": "error", "warnings": "warning"}
    told = {
        key: [
            {
                "cause": x.cause_id,
                "topic": x.topic,
                "file": x.file,
                "line": x.line,
                "message": x.message,
            }
            for x in findings
            if x.level == level
        ]
        for key, level in levels.items()
    }
    print(json.dumps({"checked": n_causes, **told}))


def print_list(causes: Sequence[Cause]) -> None:
    """Print a line for each cause: id, category, title."""
    rows = [
        (x.id, str(category_name(x.category)), printable(title_of(x)).replace("\n", " "))
        for x in causes
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    console = make_console()
    for name, category, title in rows:
        line = Text(f"{name:{widths[0]}}  ", style="bold")
        line.append(f"{category:{widths[1]}}  ", style="not bold dim").append(title, "not bold")
        # A terminal breaks a long line itself; what reads a pipe takes lines as causes.
        console.print(line, soft_wrap=True)
    console.print(f"{len(causes)} {'cause' if len(causes) == 1 else 'causes'}.")


def print_cause(cause: Cause, catalog: Catalog) -> None:
    """Print all that is known of one cause."""
    head = Text(printable(title_of(cause)), style="bold")
    facts = f"{cause.id} · {category_name(cause.category)} · {cause.confidence:.0%} sure"
    parts: list[RenderableType] = [head, Text(facts, style="dim")]
    if cause.explanation:
        parts += [Text(""), Text(printable(explanation_of(cause)))]
    parts += _section("It looks for", _conditions(cause))
    parts += _section("Precedence", map(_wrapped, precedence_of(cause, catalog)))
    parts += _section("What to do", _remedies(cause))
    example = (*cause.example.splitlines(), *map(str, [cause.example_record or ""]))
    parts += _section("Example", [_line(text) for text in example if text.strip()])
    near = [*cause.near_misses, *map(str, [cause.near_miss_record or ""])]
    parts += _section("Not taken for it", [_line(text) for text in near if text.strip()])
    place = catalog.place_of(cause.id)
    source = [_wrapped(cause.source)] if cause.source else []
    parts += _section("Source of the wording", source)
    if place is not None:
        where = f"{printable(short_path(place.file))}:{place.line}"
        parts += _section("Defined in", [Text(where, overflow="fold")])
    if place is not None and Path(place.file).parent == BUILT_IN:
        parts += _section("In the documentation", [Text(f"{PAGE}.html#{anchor_of(cause)}")])
    make_console().print(Group(*parts))


def _section(name: str, rows: Iterable[RenderableType]) -> list[RenderableType]:
    body = list(rows)
    if not body:
        return []
    return [Text(""), Text(name, style="bold"), Padding(Group(*body), (0, 0, 0, 2))]


def _conditions(cause: Cause) -> list[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for kind, values in conditions_of(cause):
        for number, value in enumerate(values):
            table.add_row("" if number else kind, Text(printable(value)))
    return [table] if table.row_count else []


def _remedies(cause: Cause) -> list[RenderableType]:
    rows: list[RenderableType] = []
    for number, remedy in enumerate(cause.remedies, start=1):
        summary, details = remedy_texts(remedy)
        rows.append(Text(f"{number}. {printable(summary)} ({remedy.kind})"))
        if details:
            rows.append(Padding(Text(printable(details)), (0, 0, 0, 3)))
    return rows


def _line(text: str) -> Text:
    return Text(printable(text, max_chars=_MAX_LINE), overflow="fold")


def _wrapped(text: str) -> Text:
    return Text(printable(text))


def print_trial(trial: Trial) -> None:
    """Print what became of a cause in one log."""
    cause, found = trial.cause, trial.diagnosis
    parts: list[RenderableType] = [Text(printable(short_path(trial.log)), style="bold")]
    if trial.wins:
        word = "is noticed as harmless" if cause.role == "harmless" else "explains this log"
        parts.append(Text(f"  ✓ {cause.id} {word}.", style="green"))
    else:
        parts.append(Text(f"  ✗ {cause.id} does not explain this log.", style="red"))
    title = printable(found.title)
    verdict = f"{found.cause} ({category_name(found.category)}, {found.confidence:.0%} sure)"
    parts.append(Padding(Text(f"Diagnosis: {verdict}: {title}"), (0, 0, 0, 2)))
    rows: list[RenderableType] = []
    for match in trial.matches:
        rows.append(_line(f"{match.line} │ {match.text}"))
        rows += [Padding(_line(f"pattern {x}"), (0, 0, 0, 4)) for x in match.patterns]
        if match.others:
            rows.append(Padding(_line(f"also matched by {', '.join(match.others)}"), (0, 0, 0, 4)))
    more = trial.n_matches - len(trial.matches)
    rows += [Text(f"and {more} more {'line' if more == 1 else 'lines'}")] if more else []
    parts += _section("  Lines that match", rows)
    parts += _section("  Why not", [_wrapped(f"- {reason}") for reason in trial.reasons])
    make_console().print(Group(*parts))


def print_trial_json(trial: Trial) -> None:
    """Print what became of a cause in one log as a JSON object."""
    matches = [
        {"line": x.line, "text": x.text, "patterns": x.patterns, "others": x.others}
        for x in trial.matches
    ]
    told = {
        "log": trial.log,
        "cause": trial.cause.id,
        "wins": trial.wins,
        "n_matches": trial.n_matches,
        "matches": matches,
        "reasons": trial.reasons,
        "diagnosis": trial.diagnosis.model_dump(mode="json"),
    }
    print(json.dumps(told))
