"""Look through folders: names by a glob, lines by text or a regular expression."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import re2

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.credentials import word_set
from llm_scheduler.tools.file_reading import TEMPORARY, list_names, read_file
from llm_scheduler.tools.hidden_keys import hide_keys
from llm_scheduler.tools.stopping import check_stop
from llm_scheduler.tools.text_files import LONG_LINE_CHARS, read_text, redact_around, redact_text
from llm_scheduler.tools.visible import show_text
from llm_scheduler.tools.walk import Place, open_at, stat_at
from llm_scheduler.tools.workspace import Workspace

MAX_ENTRIES = 20_000
"""Files and folders that one call looks at."""
MAX_SEARCHED_BYTES = 100_000_000
MAX_S = 20.0
"""Seconds that one call looks, on a slow file system."""
_MAX_FOLDER_NAMES = 20_000
_MAX_DEPTH = 40
_RE2_MEMORY_BYTES = 16 << 20
_MAX_PATTERN_CHARS = 1000
_MAX_LINE_CHARS = 300
_CHARS_BEFORE = 80
_SKIPPED = word_set(
    ".git .hg .svn __pycache__ node_modules .venv venv .tox .mypy_cache .ruff_cache "
    ".pytest_cache .ipynb_checkpoints .cache"
)


@dataclass(frozen=True)
class Entry:
    """One file, folder or other thing below a folder."""

    place: Place
    relative: str
    """Path below the folder where the walk began."""


@dataclass
class Tally:
    """What a walk had to leave out, for whoever reads its results."""

    n_entries: int = 0
    n_bytes: int = 0
    n_binary: int = 0
    n_large: int = 0
    n_secret: int = 0
    n_unreadable: int = 0
    skipped: set[str] = field(default_factory=set)
    is_cut: bool = False
    is_late: bool = False
    clock: Callable[[], float] = time.monotonic
    _deadline: float = 0.0

    def __post_init__(self) -> None:
        self._deadline = self.clock() + MAX_S

    def may_go_on(self) -> bool:
        """Whether there is time left; raises `Stopped` where nobody waits any more."""
        check_stop()
        if not self.is_late and self.clock() > self._deadline:
            self.is_late = True
        return not self.is_late

    def describe(self, max_read_bytes: int) -> str:
        """Say what was left out; empty when nothing was."""
        parts = [
            f"{number:,} {what}"
            for number, what in (
                (self.n_binary, "binary"),
                (self.n_large, f"over {max_read_bytes:,} bytes"),
                (self.n_secret, "that may hold secrets"),
                (self.n_unreadable, "unreadable"),
            )
            if number
        ]
        notes = [f"Left out: {', '.join(parts)}."] if parts else []
        if self.skipped:
            names = ", ".join(sorted(self.skipped))
            notes.append(f"Not looked into: {names} (give one as path to do so).")
        if self.is_late:
            notes.append(f"Stopped after {MAX_S:.0f} seconds; give a folder further down as path.")
        elif self.is_cut:
            notes.append("Stopped at the limit; give a folder further down as path.")
        return " ".join(notes)


def compile_regex(pattern: str, *, is_regex: bool, ignore_case: bool) -> Any:
    """Compile what a model wants to search for; RE2 takes linear time whatever it is.

    Raises
    ------
    ToolError
        It is no regular expression, or too large.

    """
    if not pattern:
        raise ToolError("The text to search for is empty.")
    if len(pattern) > _MAX_PATTERN_CHARS:
        raise ToolError(f"The text to search for has over {_MAX_PATTERN_CHARS:,} characters.")
    if "\n" in pattern:
        raise ToolError("Lines are searched one by one; search for a part of one line.")
    options = re2.Options()
    options.max_mem = _RE2_MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.literal = not is_regex
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        reason = exc.args[0] if exc.args else exc
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ToolError(
            f"{pattern!r} is no regular expression of RE2: {reason}. It has no lookaround and "
            "no backreferences; leave regex away to search for the text as it is."
        ) from exc


_ABOUT_LINES = re.compile(r"[\^$]|\\[AzZ]|\(\?")


def _may_occur(regex: Any, text: str) -> bool:
    """Look through a whole file at once, where that can't miss a line."""
    return _ABOUT_LINES.search(regex.pattern) is not None or regex.search(text) is not None


def compile_glob(glob: str) -> Callable[[str], bool]:
    """Return what tells whether a relative path matches: ``*.py``, ``src/**/*.txt``."""
    if not glob or glob in ("*", "**", "**/*"):
        return lambda _: True
    parts, i = [], 0
    while i < len(glob):
        if glob.startswith("**/", i):
            parts.append("(?:.*/)?")
            i += 3
        elif glob.startswith("**", i):
            parts.append(".*")
            i += 2
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(glob[i], re2.escape(glob[i])))
            i += 1
    prefix = "" if "/" in glob else "(?:.*/)?"
    regex = compile_regex(
        "(?s)" + prefix + "".join(parts).lstrip("/"), is_regex=True, ignore_case=False
    )
    return lambda path: regex.fullmatch(path.encode(errors="replace").decode()) is not None


def walk_tree(
    workspace: Workspace, top: Place, tally: Tally, *, is_deep: bool = True
) -> Iterator[Entry]:
    """Go through a folder in the order of names, through no symlink.

    The descriptor in an entry's place is open only until the next one is asked for.
    """
    descriptor = open_at(top.name, os.O_RDONLY | os.O_DIRECTORY, top.folder)
    try:
        yield from _walk_folder(workspace, descriptor, top.path, "", tally, is_deep=is_deep)
    finally:
        os.close(descriptor)


def _walk_folder(
    workspace: Workspace, folder: int, path: str, relative: str, tally: Tally, *, is_deep: bool
) -> Iterator[Entry]:
    names, is_cut = list_names(Place(path, folder, ".", None), limit=_MAX_FOLDER_NAMES)
    tally.is_cut |= is_cut
    for name in names:
        if name.startswith((TEMPORARY, ".nfs")):
            continue
        if not tally.may_go_on():
            return
        if tally.n_entries >= MAX_ENTRIES:
            tally.is_cut = True
            return
        tally.n_entries += 1
        place = Place(f"{path.rstrip('/')}/{name}", folder, name, stat_at(name, folder))
        entry = Entry(place, relative + name)
        yield entry
        if not is_deep or not place.is_folder:
            continue
        if name in _SKIPPED:
            tally.skipped.add(name)
        elif not workspace.is_secret_place(place) and relative.count("/") < _MAX_DEPTH:
            with suppress(OSError):  # removed meanwhile, or not allowed to the user
                descriptor = open_at(name, os.O_RDONLY | os.O_DIRECTORY, folder)
                try:
                    yield from _walk_folder(
                        workspace,
                        descriptor,
                        place.path,
                        f"{entry.relative}/",
                        tally,
                        is_deep=True,
                    )
                finally:
                    os.close(descriptor)
        else:
            tally.n_secret += 1


@dataclass(frozen=True)
class Hit:
    """A line that was found."""

    path: str
    line: int
    text: str


def search_tree(
    workspace: Workspace, top: Place, regex: Any, matches: Callable[[str], bool], tally: Tally
) -> Iterator[Hit]:
    """Find lines in the text files of a folder, or in one file; secrets are hidden before."""
    if not top.is_folder:
        yield from _search_file(workspace, top, regex, tally)
        return
    for entry in walk_tree(workspace, top, tally):
        if tally.n_bytes > MAX_SEARCHED_BYTES:
            tally.is_cut = True
            return
        if entry.place.is_file and matches(entry.relative):
            yield from _search_file(workspace, entry.place, regex, tally)


def _search_file(workspace: Workspace, place: Place, regex: Any, tally: Tally) -> Iterator[Hit]:
    assert place.info is not None
    if workspace.is_secret_place(place):
        tally.n_secret += 1
        return
    if place.info.st_size > workspace.max_read_bytes:
        tally.n_large += 1
        return
    try:
        content = read_file(place, workspace.max_read_bytes)
    except ToolError:
        tally.n_secret += 1
        return
    except OSError:
        tally.n_unreadable += 1
        return
    tally.n_bytes += len(content)
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        tally.n_binary += 1
        return
    text = hide_keys(read_text(content).text)
    if not _may_occur(regex, text):
        return
    lines = text.split("\n")
    found = [i for i, line in enumerate(lines) if regex.search(line) is not None]
    if not found:
        return
    shown = redact_text(text)
    for i in found:
        if not tally.may_go_on():
            return
        # Not what is hidden: a search that finds it would tell what it is.
        hit = regex.search(shown[i])
        if hit is not None:
            yield Hit(place.path, i + 1, _cut_around(shown[i], hit.start()))
        elif len(lines[i]) > LONG_LINE_CHARS:
            yield from _look_far(place.path, i + 1, lines[i], regex)


def _look_far(path: str, number: int, line: str, regex: Any) -> Iterator[Hit]:
    """Show the first place in a long line, when it is no secret."""
    place = regex.search(line).start()
    start = max(0, place - _CHARS_BEFORE)
    part = redact_around(line, start, start + _MAX_LINE_CHARS)
    if regex.search(part) is not None:
        note = f"[at character {place + 1:,} of {len(line):,}]"
        yield Hit(path, number, f"... {show_text(part)} ... {note}")


def _cut_around(line: str, place: int) -> str:
    if len(line) <= _MAX_LINE_CHARS:
        return show_text(line)
    start = max(0, min(place - _CHARS_BEFORE, len(line) - _MAX_LINE_CHARS))
    end = start + _MAX_LINE_CHARS
    before = "... " if start else ""
    after = f" ... [line of {len(line):,} characters]" if end < len(line) else ""
    return before + show_text(line[start:end]) + after


def describe_kind(info: os.stat_result) -> str:
    """Return the sign of what is no regular file in a listing."""
    if stat.S_ISDIR(info.st_mode):
        return "/"
    if stat.S_ISLNK(info.st_mode):
        return " (symlink)"
    return " (no regular file)"
