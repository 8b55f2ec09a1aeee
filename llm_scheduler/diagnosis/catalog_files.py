"""Reading the TOML files of the catalogue, entry by entry.

A file is cut at its headers ``[[cause]]`` and ``[[remedy]]`` and each piece is
parsed alone. So a mistake in one entry costs that entry only, and each entry
knows its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("cause", "remedy")
_HEADER = re.compile(r"^[ \t]*\[+[ \t]*(?:cause|remedy)[ \t]*\]*[ \t]*(?:#.*)?$")
"""Also where a bracket is missing: what follows is meant as an entry of its own."""
_AT_LINE = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")
_MAX_JOINED = 4
"""A multi-line string may hold lines that look like headers; so many are looked over."""


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """What is wrong in a file of the catalogue, and where."""

    file: str
    line: int
    """From 1; 0 where the whole file is meant."""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}"


def say_problems(problems: Sequence[CatalogProblem]) -> str:
    """Return sentences that name the first problem and what to do; empty without problems."""
    if not problems:
        return ""
    count = len(problems) - 1
    more = f" There {'is' if count == 1 else 'are'} {count} more." if count else ""
    return (
        f"The catalogue of causes has a mistake: {problems[0]}.{more} "
        "Run `llm-scheduler catalog check`."
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of a file, not checked yet."""

    kind: str
    """``cause`` or ``remedy``."""
    table: dict[str, Any]
    place: Place
    lines: tuple[str, ...]
    """The lines of the file that it was read from."""

    def line_of(self, key: str, text: str = "") -> int:
        """Return the line of the file that sets a key, or that holds a text of its value."""
        # Strings in double quotes write each backslash twice.
        forms = {text, text.replace("\\", "\\\\").replace('"', '\\"')} if text else set()
        setting = re.compile(
            rf"^\s*(?:\[+\s*(?:\w+\s*\.\s*)*)?[\"']?{re.escape(key)}[\"']?\s*[=\]]"
        )
        found = [n for n, line in enumerate(self.lines) if any(form in line for form in forms)]
        found += [n for n, line in enumerate(self.lines) if key and setting.match(line)]
        return self.place.line + (found[0] if found else 0)


def read_entries(path: Path, problems: list[CatalogProblem]) -> Iterator[Entry]:
    """Yield the entries of a file; what can't be read is added to `problems`."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as exc:
        problems.append(CatalogProblem(str(path), 0, f"can't be read: {exc.strerror or exc}"))
        return
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        problems.append(CatalogProblem(str(path), line, "is not UTF-8; save the file as UTF-8"))
        return
    starts = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    edges = [0, *(n for n in starts if n), len(lines)]
    index = 0
    while index < len(edges) - 1:
        first = edges[index]
        tables, used, error = _parse_piece(lines, edges, index)
        index += used
        if tables is None:
            problems.append(CatalogProblem(str(path), *_place_error(error, first)))
            continue
        place = Place(str(path), first + 1)
        yield from _entries(tables, place, tuple(lines[first : edges[index]]), problems)


def _parse_piece(
    lines: list[str],
    edges: list[int],
    index: int,
) -> tuple[dict[str, Any] | None, int, str]:
    """Parse the piece at an index; where that fails, with the next ones joined to it.

    Returns
    -------
    The tables or ``None``, how many pieces were used, and the error.
    """
    error = ""
    for used in range(1, min(_MAX_JOINED, len(edges) - 1 - index) + 1):
        piece = "\n".join([*lines[edges[index] : edges[index + used]], ""])
        try:
            return tomllib.loads(piece), used, ""
        except (tomllib.TOMLDecodeError, RecursionError) as exc:
            error = error or str(exc) or "is nested too deeply"
    return None, 1, error


def _place_error(error: str, first: int) -> tuple[int, str]:
    """Return the line of the file, and the parser's message without its own line."""
    match = _AT_LINE.search(error)
    line = int(match[1]) if match and match[1] else 1
    message = _AT_LINE.sub("", error).strip().rstrip(".")
    column = f" (column {match[2]})" if match and match[2] else ""
    if not column:
        message += "; a quote or bracket of this entry is not closed"
    return first + line, f"no valid TOML: {message}{column}; this entry is left out"


def _entries(
    tables: dict[str, Any],
    place: Place,
    lines: tuple[str, ...],
    problems: list[CatalogProblem],
) -> Iterator[Entry]:
    """Yield the causes and remedies of one piece; other tables are problems."""
    whole = Entry("", tables, place, lines)
    for name, value in tables.items():
        where = whole.line_of(name)
        if name not in KINDS:
            message = f"unknown table {name!r}; allowed: [[cause]], [[remedy]]"
            problems.append(CatalogProblem(place.file, where, message))
        elif not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            message = f"write each {name} as a table [[{name}]]"
            problems.append(CatalogProblem(place.file, where, message))
        else:
            for table in value:
                yield Entry(name, table, place, lines)
