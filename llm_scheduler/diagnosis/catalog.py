"""The catalogue of causes: loaded, checked and compiled once.

Patterns run on untrusted lines, so they are RE2 expressions: matching takes
time proportional to the line, whatever the pattern and the line are.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import re2

from llm_scheduler.diagnosis.catalog_entries import parse_cause, parse_remedy, quiet, suggest
from llm_scheduler.diagnosis.catalog_files import CatalogProblem, Entry, Place, read_entries
from llm_scheduler.diagnosis.catalog_snapshot import read_snapshot, write_snapshot
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.patterns import is_alarming, literals_of, remember_literals
from llm_scheduler.errors import CatalogError

BUILT_IN = Path(__file__).parent / "catalog"
"""The folder of the causes that come with the package."""

MAX_LINE_CHARS = 2000
"""Longer lines are cut before they are matched."""

_MACHINE_BYTES = 32 << 20
"""Memory of the machine that looks for plain texts; it throws states away when full."""


class Catalog:
    """Causes by id, with their patterns compiled into one machine."""

    def __init__(
        self,
        causes: Iterable[Cause],
        *,
        problems: Sequence[CatalogProblem] = (),
        places: Mapping[str, Place] | None = None,
    ) -> None:
        self._causes = {cause.id: cause for cause in causes}
        self._compiled: dict[str, Any] = {}
        self._places = dict(places or {})
        self.problems = tuple(problems)
        """What is wrong in the files; entries named here are left out."""

    def __getitem__(self, cause_id: str) -> Cause:
        return self._causes[cause_id]

    def __contains__(self, cause_id: object) -> bool:
        return cause_id in self._causes

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._causes.values())

    def __len__(self) -> int:
        return len(self._causes)

    def place_of(self, cause_id: str) -> Place | None:
        """Return the file and line in which a cause stands, where it was read from one."""
        return self._places.get(cause_id)

    @cached_property
    def _filter(self) -> _PatternFilter:
        return _PatternFilter([(cause, x) for cause in self for x in cause.patterns])

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """Texts of the patterns that a scan of a log must not leave out."""
        found = {text for cause in self for x in cause.patterns for text in literals_of(x)}
        # Lines with general alarm words are kept anyway.
        return tuple(sorted(text for text in found if not is_alarming(text)))

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
        found: dict[str, tuple[Cause, dict[str, str]]] = {}
        for cause, _, values in self.match_patterns(line):
            if cause.id not in found or len(values) > len(found[cause.id][1]):
                found[cause.id] = (cause, values)
        return list(found.values())

    def match_patterns(self, line: str) -> Iterator[tuple[Cause, str, dict[str, str]]]:
        """Yield each pattern that is found in a line, with its cause and its named groups."""
        text = line[:MAX_LINE_CHARS]
        for cause, pattern in self._filter.possible(text):
            hit = self._compile(pattern).search(text)
            if hit:
                yield cause, pattern, {k: v for k, v in hit.groupdict().items() if v}

    def _compile(self, pattern: str) -> Any:
        if pattern not in self._compiled:
            self._compiled[pattern] = re2.compile(pattern, quiet())
        return self._compiled[pattern]


class _PatternFilter:
    """Says which patterns may be found in a line, from the plain texts that they need.

    One machine of all patterns would be simpler. But their parts like ``.*`` stay
    possible to the end of a line, so that each line makes new states of it: 5 ms a
    line were seen, and all the memory that it may have.
    """

    def __init__(self, owners: Sequence[tuple[Cause, str]]) -> None:
        self._owners = owners
        self._always: list[int] = []
        self._users: list[list[int]] = []
        options = quiet()
        options.max_mem = _MACHINE_BYTES
        options.case_sensitive = False
        options.literal = True
        self._machine = re2.Set.SearchSet(options)
        numbers: dict[str, int] = {}
        for index, (_, pattern) in enumerate(owners):
            texts = literals_of(pattern)
            if not texts:
                self._always.append(index)
            for text in sorted(texts):
                if text not in numbers:
                    numbers[text] = len(self._users)
                    self._machine.Add(text)
                    self._users.append([])
                self._users[numbers[text]].append(index)
        if numbers:
            self._machine.Compile()

    def possible(self, text: str) -> list[tuple[Cause, str]]:
        """Return the patterns that may be found, in the order of the catalogue."""
        hits = self._machine.Match(text) if self._users else ()
        found = {index for hit in hits or () for index in self._users[hit]}
        return [self._owners[index] for index in sorted(found.union(self._always))]


def load_catalog(extra_dirs: Sequence[Path | str] = (), *, strict: bool = False) -> Catalog:
    """Return the built-in causes with those of other folders and files added.

    Parameters
    ----------
    extra_dirs
        Folders of TOML files, or such files, for example of a cluster's support
        staff; later ones win. A cause with a known id replaces that cause; a table
        ``[[remedy]]`` with ``cause = "<id>"`` puts a remedy before those of that
        cause. A bad entry is left out and told in `Catalog.problems`.
    strict
        Raise for the first bad entry, and check the built-in patterns, too.

    Raises
    ------
    CatalogError
        With `strict`, when an entry is wrong.
    """
    catalog = _load(tuple(str(folder) for folder in extra_dirs), strict)
    if strict and catalog.problems:
        raise _error(catalog.problems[0])
    return catalog


@lru_cache(maxsize=8)
def _load(extra_dirs: tuple[str, ...], strict: bool) -> Catalog:
    reading = _read_built_in(strict).copy()
    for folder in extra_dirs:
        reading.add_files(_find_files(folder, reading.problems))
    reading.finish()
    causes = reading.causes.values()
    return Catalog(causes, problems=reading.problems, places=reading.places)


@lru_cache(maxsize=2)
def _read_built_in(check_patterns: bool) -> _Reading:
    reading = _Reading()
    # The patterns of the package are checked by its tests.
    snapshot = None if check_patterns else read_snapshot(BUILT_IN)
    if snapshot is None:
        reading.add_files(sorted(BUILT_IN.glob("*.toml")), check_patterns=check_patterns)
        return reading
    remember_literals(snapshot.literals)
    for cause, entry in snapshot.entries:
        reading.add(cause, entry)
    return reading


def renew_snapshot() -> Path:
    """Write the snapshot of the built-in causes; returns its path.

    Raises
    ------
    CatalogError
        When an entry is wrong.
    """
    catalog = load_catalog(strict=True)  # from the TOML files
    places = [(cause, catalog.place_of(cause.id)) for cause in catalog]
    return write_snapshot(BUILT_IN, [(cause, place) for cause, place in places if place])


def _error(problem: CatalogProblem) -> CatalogError:
    where = f"line {problem.line}: " if problem.line else ""
    return CatalogError(problem.file, where + problem.message)


def _find_files(folder: str, problems: list[CatalogProblem]) -> list[Path]:
    path = Path(folder)
    if path.is_file():
        return [path]
    if not path.is_dir():
        problems.append(CatalogProblem(folder, 0, "is neither a folder nor a file"))
        return []
    try:
        named = sorted(file for file in path.iterdir() if file.suffix == ".toml")
    except OSError as exc:
        problems.append(CatalogProblem(folder, 0, f"can't be read: {exc.strerror or exc}"))
        return []
    wrong = {file: _why_no_file(file) for file in named}
    problems += [CatalogProblem(str(file), 0, why) for file, why in wrong.items() if why]
    return [file for file in named if not wrong[file]]


def _why_no_file(path: Path) -> str:
    """Return why a path can't be read like a file; empty when it can."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        if path.is_symlink():
            return f"is a link that leads nowhere: {exc.strerror or exc}"
        return f"can't be read: {exc.strerror or exc}"
    if stat.S_ISDIR(mode):
        return "is a folder; name it in LLM_SCHEDULER_CATALOG itself"
    return "" if stat.S_ISREG(mode) else "is no ordinary file"


class _Reading:
    """Causes, remedies and problems while files are read one after the other."""

    def __init__(self) -> None:
        self.causes: dict[str, Cause] = {}
        self.places: dict[str, Place] = {}
        self.problems: list[CatalogProblem] = []
        self._remedies: list[Entry] = []
        self._entries: dict[str, Entry] = {}
        self._left_out: list[Entry] = []

    def copy(self) -> _Reading:
        """Return a copy that can be read on without changing this one."""
        other = _Reading()
        other.causes |= self.causes
        other.places |= self.places
        other.problems += self.problems
        other._remedies += self._remedies
        other._entries |= self._entries
        other._left_out += self._left_out
        return other

    def add_files(self, paths: Sequence[Path], *, check_patterns: bool = True) -> None:
        """Read the files of one folder, in which each id may stand once."""
        own: dict[str, Place] = {}
        for path in paths:
            for entry in read_entries(path, self.problems):
                if entry.kind == "remedy":
                    self._remedies.append(entry)
                    continue
                cause = parse_cause(entry, self.problems, check_patterns=check_patterns)
                if cause is None:
                    self._left_out.append(entry)
                    continue
                if cause.id in own:
                    first = own[cause.id]
                    message = (
                        f"cause {cause.id!r} is defined twice, first at {first.file}:"
                        f"{first.line}; this one is left out"
                    )
                    self._complain(entry, "id", message)
                    continue
                own[cause.id] = entry.place
                self.add(cause, entry)

    def add(self, cause: Cause, entry: Entry) -> None:
        """Take in a cause; it replaces the one of the same id."""
        self.causes[cause.id] = cause
        self.places[cause.id] = entry.place
        self._entries[cause.id] = entry

    def finish(self) -> None:
        """Join what names other entries, when all are known."""
        for entry in self._remedies:
            found = parse_remedy(entry, self.causes, self.problems)
            if found is not None:
                cause = self.causes[found[0]]
                remedies = (found[1], *cause.remedies)
                self.causes[found[0]] = cause.model_copy(update={"remedies": remedies})
        for cause in list(self.causes.values()):
            if cause.beats:
                self._check_beats(cause)
        for entry in self._left_out:
            self._check_unused_beats(entry)

    def _check_unused_beats(self, entry: Entry) -> None:
        """Tell also this mistake of an entry that others keep from being used."""
        beats = entry.table.get("beats")
        for other in beats if isinstance(beats, list) else ():
            wrong = self._why_unknown(other) if isinstance(other, str) else ""
            if wrong:
                message = f"cause {entry.table.get('id')!r}: `beats` {wrong}"
                self._complain(entry, "beats", message)

    def _why_unknown(self, cause_id: str) -> str:
        """Return why no cause of this name can be beaten; empty when there is one."""
        if cause_id in self.causes:
            return ""
        if any(entry.table.get("id") == cause_id for entry in self._left_out):
            return f"names {cause_id!r}, which is left out for its own mistakes"
        return f"names the unknown cause {cause_id!r}{suggest(cause_id, self.causes)}"

    def _check_beats(self, cause: Cause) -> None:
        good = []
        for other in cause.beats:
            if other not in self.causes:
                wrong = self._why_unknown(other)
            elif other == cause.id or self._reaches(other, cause.id):
                wrong = f"names {other!r}, which itself beats {cause.id!r}"
            else:
                good.append(other)
                continue
            message = f"cause {cause.id!r}: `beats` {wrong}"
            self._complain(self._entries[cause.id], "beats", message)
        if len(good) < len(cause.beats):
            self.causes[cause.id] = cause.model_copy(update={"beats": tuple(good)})

    def _reaches(self, start: str, goal: str) -> bool:
        """Tell whether a cause beats another, perhaps over several steps."""
        todo, seen = [start], {start}
        while todo:
            for other in self.causes[todo.pop()].beats:
                if other == goal:
                    return True
                if other in self.causes and other not in seen:
                    seen.add(other)
                    todo.append(other)
        return False

    def _complain(self, entry: Entry, key: str, message: str) -> None:
        problem = CatalogProblem(entry.place.file, entry.line_of(key), message)
        self.problems.append(problem)
