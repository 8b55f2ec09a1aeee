"""The reference page of all causes: written from the catalogue when the docs are built."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_scheduler.diagnosis import load_catalog
from llm_scheduler.diagnosis.catalog import BUILT_IN, Catalog
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.describe import (
    PAGE,
    anchor_of,
    explanation_of,
    precedence_of,
    remedy_texts,
    title_of,
)

MARK = "% All causes stand here."
_NAMES = {
    "cpp": "C++",
    "gpu": "GPU",
    "matlab": "MATLAB",
    "mpi": "MPI",
    "pytorch": "PyTorch",
    "r": "R",
}
_MARKUP = re.compile(r"([\\`*_\[\]<>{}#|$~^])")


def write_causes(catalog: Catalog) -> str:
    """Return the causes as Markdown: an area for each file, a section for each cause."""
    areas: dict[str, list[Cause]] = defaultdict(list)
    for cause in catalog:
        place = catalog.place_of(cause.id)
        areas[place.file if place else ""].append(cause)
    files = sorted(areas, key=lambda file: _name_of(file).casefold())
    links = (f"[{_name_of(file)}](#area-{Path(file).stem})" for file in files)
    lines = [f"Areas: {', '.join(links)}.", ""]
    for file in files:
        lines += [f"(area-{Path(file).stem})=", f"## {_name_of(file)}", "", _describe(file), ""]
        for cause in sorted(areas[file], key=lambda cause: title_of(cause).casefold()):
            lines += _section(cause, catalog)
    return "\n".join(lines)


def _name_of(file: str) -> str:
    name = Path(file).stem.replace("-", " ").replace("_", " ")
    return _NAMES.get(name, name[:1].upper() + name[1:])


def _describe(file: str) -> str:
    """Return the comment at the head of a file."""
    found = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.lstrip("# ").strip())
    return _escape(" ".join(found))


def _section(cause: Cause, catalog: Catalog) -> Iterator[str]:
    yield from (f"({anchor_of(cause)})=", f"### {_escape(title_of(cause))}", "")
    yield from (f"`{cause.id}` · category `{cause.category}`", "")
    if cause.explanation:
        yield from (explanation_of(cause), "")
    if cause.remedies:
        yield from ("What to do:", "")
    for remedy in cause.remedies:
        summary, details = remedy_texts(remedy)
        yield f"- {summary}{'' if summary.endswith(('.', '!', '?')) else '.'}"
        if details:
            yield f"  {details}"
    yield ""
    example = cause.example.strip("\n") or _record_of(cause.example_record)
    if example:
        yield from ("Example:", "", *_fenced(example))
    if cause.source:
        yield from (f"Source of the wording: {_escape(cause.source)}", "")
    if cause.beats:
        sentence = next(x for x in precedence_of(cause, catalog) if x.startswith("It is the root"))
        yield from (_escape(sentence), "")


def _record_of(fields: dict[str, Any]) -> str:
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
    return f"Record of the scheduler: {told}" if told else ""


def _fenced(text: str) -> Iterator[str]:
    fence = "`" * max(3, 1 + max((len(x) for x in re.findall(r"`+", text)), default=0))
    yield from (f"{fence}text", text, fence, "")


def _escape(text: str) -> str:
    """Write a text so that Markdown shows it as it is; code in it stays code."""
    parts = re.split(r"(`[^`]+`|https?://\S+)", text)
    return "".join(x if n % 2 else _MARKUP.sub(r"\\\1", x) for n, x in enumerate(parts))


def _fill_in(app: Any, name: str, source: list[str]) -> None:
    if name == PAGE:
        source[0] = source[0].replace(MARK, write_causes(load_catalog(strict=True)))
        for file in (Path(__file__), *BUILT_IN.glob("*.toml")):
            app.env.note_dependency(str(file), docname=name)


def _add_filter(app: Any, name: str, *_: Any) -> None:
    if name == PAGE:
        app.add_js_file("causes.js")


def setup(app: Any) -> dict[str, Any]:
    """Join Sphinx."""
    app.connect("source-read", _fill_in)
    app.connect("html-page-context", _add_filter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
