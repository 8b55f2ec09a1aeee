"""The catalogue of causes: TOML files, loaded, checked and compiled once.

Patterns run on untrusted lines, so they are RE2 expressions: matching takes
time proportional to the line, whatever the pattern and the line are.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import re2
from pydantic import ValidationError

from llm_scheduler.diagnosis.causes import Cause, RemedyTemplate
from llm_scheduler.errors import CatalogError
from llm_scheduler.logs.alarms import WORDS

BUILT_IN = Path(__file__).parent / "catalog"
"""The folder of the causes that come with the package."""

MAX_LINE_CHARS = 2000
"""Longer lines are cut before they are matched."""

_MIN_LITERAL = 5


class Catalog:
    """Causes by id, with their patterns compiled into one machine."""

    def __init__(self, causes: Iterable[Cause]) -> None:
        self._causes = {cause.id: cause for cause in causes}
        self._compiled: dict[str, Any] = {}

    def __getitem__(self, cause_id: str) -> Cause:
        return self._causes[cause_id]

    def __contains__(self, cause_id: object) -> bool:
        return cause_id in self._causes

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._causes.values())

    def __len__(self) -> int:
        return len(self._causes)

    @cached_property
    def _set(self) -> tuple[Any, list[tuple[Cause, str]]]:
        options = re2.Options()
        options.log_errors = False
        # The default of 8 MB is too small for all patterns in one machine;
        # when it is exceeded RE2 reports no match at all.
        options.max_mem = 256 << 20
        machine = re2.Set.SearchSet(options)
        owners = []
        for cause in self:
            for pattern in cause.patterns:
                machine.Add(pattern)
                owners.append((cause, pattern))
        if owners:
            machine.Compile()
        return machine, owners

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """Texts of the patterns that a scan of a log must not leave out."""
        found = (literal_of(pattern) for cause in self for pattern in cause.patterns)
        # Lines with general alarm words are kept anyway.
        return tuple(
            sorted({text for text in found if text and not any(word in text for word in WORDS)}),
        )

    @cached_property
    def by_exception(self) -> dict[str, tuple[Cause, ...]]:
        """Causes by the class names that they take."""
        found: dict[str, tuple[Cause, ...]] = {}
        for cause in self:
            for name in cause.exceptions:
                found[name] = (*found.get(name, ()), cause)
        return found

    def match(self, line: str) -> list[tuple[Cause, dict[str, str]]]:
        """Return the causes whose patterns are found in a line, with the named groups."""
        machine, owners = self._set
        text = line[:MAX_LINE_CHARS]
        found: dict[str, tuple[Cause, dict[str, str]]] = {}
        for index in sorted(machine.Match(text) or ()) if owners else ():
            cause, pattern = owners[index]
            hit = self._compile(pattern).search(text)
            values = {k: v for k, v in hit.groupdict().items() if v} if hit else {}
            if cause.id not in found or len(values) > len(found[cause.id][1]):
                found[cause.id] = (cause, values)
        return list(found.values())

    def _compile(self, pattern: str) -> Any:
        if pattern not in self._compiled:
            self._compiled[pattern] = re2.compile(pattern)
        return self._compiled[pattern]


def load_catalog(extra_dirs: Sequence[Path | str] = ()) -> Catalog:
    """Return the built-in causes with those of other folders added.

    Parameters
    ----------
    extra_dirs
        Folders of TOML files, for example of a cluster's support staff. A cause
        with a known id replaces that cause; a table ``[[remedy]]`` with
        ``cause = "<id>"`` puts a remedy before those of that cause.

    Raises
    ------
    CatalogError
        When a file can't be read or a cause in it is wrong.
    """
    return _load(tuple(str(folder) for folder in extra_dirs))


@lru_cache(maxsize=8)
def _load(extra_dirs: tuple[str, ...]) -> Catalog:
    causes: dict[str, Cause] = {}
    for path in sorted(BUILT_IN.glob("*.toml")):
        _read_file(path, causes, may_replace=False)
    for folder in extra_dirs:
        if not Path(folder).is_dir():
            raise CatalogError(folder, "is not a folder of TOML files")
        for path in sorted(Path(folder).glob("*.toml")):
            _read_file(path, causes, may_replace=True)
    return Catalog(causes.values())


def _read_file(path: Path, causes: dict[str, Cause], *, may_replace: bool) -> None:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise CatalogError(path, str(exc)) from exc
    unknown = set(tables) - {"cause", "remedy"}
    if unknown:
        raise CatalogError(path, f"unknown table {min(unknown)!r}; allowed: 'cause', 'remedy'")
    own: set[str] = set()
    for number, table in enumerate(_tables(path, tables, "cause"), 1):
        cause = _parse_cause(path, number, table)
        if cause.id in own or (cause.id in causes and not may_replace):
            raise CatalogError(path, f"cause {cause.id!r} is defined twice")
        own.add(cause.id)
        causes[cause.id] = cause
    for table in _tables(path, tables, "remedy"):
        _add_remedy(path, table, causes)


def _tables(path: Path, tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = tables.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise CatalogError(path, f"write each {name} as a table [[{name}]]")
    return found


def _parse_cause(path: Path, number: int, table: dict[str, Any]) -> Cause:
    name = f"cause {table['id']!r}" if "id" in table else f"cause number {number}"
    try:
        cause = Cause.model_validate(table)
    except ValidationError as exc:
        raise CatalogError(path, f"{name}: {_first_error(exc)}") from exc
    record = cause.record
    for pattern in (*cause.patterns, *(record.reasons if record else ())):
        try:
            re2.compile(pattern, _quiet())
        except re2.error as exc:
            raise CatalogError(path, f"{name}: pattern {pattern!r}: {_decode(exc)}") from exc
    if not (cause.patterns or cause.exceptions or cause.record or cause.id == "peak-near-limit"):
        reason = f"{name}: needs `patterns`, `exceptions` or `record`"
        raise CatalogError(path, reason)
    return cause


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def _decode(exc: Exception) -> str:
    reason = exc.args[0] if exc.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _add_remedy(path: Path, table: dict[str, Any], causes: dict[str, Cause]) -> None:
    cause_id = table.get("cause")
    if cause_id not in causes:
        raise CatalogError(path, f"[[remedy]] names the unknown cause {cause_id!r}")
    try:
        remedy = RemedyTemplate.model_validate({k: v for k, v in table.items() if k != "cause"})
    except ValidationError as exc:
        raise CatalogError(path, f"remedy of {cause_id!r}: {_first_error(exc)}") from exc
    cause = causes[cause_id]
    causes[cause_id] = cause.model_copy(update={"remedies": (remedy, *cause.remedies)})


def _first_error(exc: ValidationError) -> str:
    error = exc.errors()[0]
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}"


_PLAIN_RUN = re.compile(r"(?:[A-Za-z0-9 _:,;=<>@/\-]|\\[.\-])+")


def literal_of(pattern: str) -> str:
    """Return the longest plain text that every match of a pattern holds, or ``""``.

    Simple on purpose: alternatives and whatever is optional or in brackets are
    skipped, so the answer may be shorter than it could be but is never wrong.
    """
    outer = re.sub(r"^\(\?i\)", "", pattern)
    outer = re.sub(r"\\[bBdDwWsSAz]", "\0", outer)
    outer = re.sub(r"\\[^.\-\w]", "\0", outer)
    outer = re.sub(r"\[\^?\]?[^\]]*\]", "\0", outer)
    while (smaller := re.sub(r"\([^()]*\)[?*]?", "\0", outer)) != outer:
        outer = smaller
    if "|" in outer:
        return ""
    # A character before ? * { may be absent or repeated.
    outer = re.sub(r"(?:\\.|.)(?:[?*]|\{[^}]*\})\??", "\0", outer)
    outer = outer.replace("+", "\0")
    runs = [run.replace("\\", "").strip() for run in _PLAIN_RUN.findall(outer)]
    best = max(runs, key=len, default="")
    return best.lower() if len(best) >= _MIN_LITERAL else ""
