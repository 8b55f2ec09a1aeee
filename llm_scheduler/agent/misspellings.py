"""Misspelt names that Python itself corrects: which word on which line of which file.

A traceback is a line of a log, so it may say anything. What it proposes is taken only
where the user's file agrees: the line is still the one that was printed, the word stands
there as what the message says it is, and nothing in the file defines it.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_scheduler.agent.forged_errors import is_there
from llm_scheduler.agent.name_suggestions import suggest_name
from llm_scheduler.agent.rule_texts import code
from llm_scheduler.logs.models import Frame, Traceback

MAX_SOURCE_BYTES = 1_000_000
"""Larger files are no source that somebody wrote."""

_HINT = re.compile(
    r"Did you mean:? '(?P<hint>[^\W\d]\w*(?:\.[^\W\d]\w*)*)'\?(?P<more> Or did you)?"
)
_FORGOTTEN = re.compile(r"Did you forget to import")
_LIKENESS = 0.5
_MAX_CONTEXT = 100
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class Misspelling:
    """A word to put in the place of another."""

    file: str
    """Absolute path of the source file."""
    line: int
    word: str
    hint: str
    old: str
    """Lines of the file that hold the word; the file has them once."""
    new: str
    message: str
    """What Python said."""


class NotSure(Exception):
    """Why the file does not allow to mend the word; the text is Markdown for people."""


class AlreadyMended(NotSure):
    """The line in the file is what the correction would make of it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A word in a source file: line from 1, column in characters."""

    line: int
    column: int
    length: int


def find_misspelling(chain: Sequence[Traceback]) -> Misspelling | None:
    """Return what Python corrects in an exception, with the lines of the file to change.

    Parameters
    ----------
    chain
        The exception, then those that it caused: the first frame of the user's own code
        in them is the place.

    Returns
    -------
    ``None`` where Python suggests nothing.

    Raises
    ------
    NotSure
        Python suggests a word, but the file is not what the traceback shows, can't be
        read, or does not use the word in the way that the message says.

    """
    exception = chain[0]
    message = " ".join([exception.message.strip(), *exception.notes])
    frame = next((x.user_frame for x in chain if x.user_frame is not None), None)
    if frame is None or exception.language != "python" or _FORGOTTEN.search(message):
        return None
    found = _HINT.search(message)
    if found is not None and found["more"]:
        raise NotSure("Python suggests two things, and only you know which one is meant.")
    for pattern, find in _KINDS if found else _KINDS[:1]:
        if named := pattern.search(message):
            if is_there(message, named["word"]):
                raise NotSure(f"{code(named['word'])} is there, whatever the log says.")
            hint = found["hint"] if found else ""
            return _check(frame, find, named["word"], hint, message)
    return None


def _check(frame: Frame, find: _Finder, word: str, hint: str, message: str) -> Misspelling | None:
    source = _parse(frame, word, hint)
    if not hint:
        hint = suggest_name(word, source.names_at(frame.line))
        if not hint:
            return None
        message = f"{message}; of the names in this file only {hint!r} is like it."
    elif word == hint or not _is_alike(word, hint):
        raise NotSure(f"{code(hint)} does not look like what {code(word)} was meant to be.")
    found = {(place.line, place.column): place for place in find(source, frame.line, word, hint)}
    if not found:
        raise NotSure(f"{code(word)} does not stand on line {frame.line} in a way that is clear.")
    old, new = _make_edit(source, [found[at] for at in sorted(found)], hint)
    return Misspelling(frame.file, frame.line, word, hint, old, new, message)


def _parse(frame: Frame, word: str, hint: str) -> _Source:
    """Read the file of a frame; the line must still be what was printed."""
    text = read_source(frame.file)
    lines = text.split("\n")
    line = lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""
    printed = frame.source.strip()
    if hint and line and line == re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", hint, printed):
        raise AlreadyMended(f"line {frame.line} of {code(frame.file)} is corrected already.")
    if not line or line != printed:
        raise NotSure(
            f"line {frame.line} of {code(frame.file)} is not any more what the traceback shows."
        )
    try:
        return _Source(ast.parse(text), lines)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise NotSure(f"{code(frame.file)} is no Python that this version understands.") from exc


def _is_alike(word: str, hint: str) -> bool:
    last = hint.rsplit(".", 1)[-1]
    return last == word or difflib.SequenceMatcher(None, word, last).ratio() >= _LIKENESS


def read_source(file: str) -> str:
    """Return the text of a source file, lines ended by a newline alone.

    Raises
    ------
    NotSure
        It is not there, no regular file, too large, or no UTF-8.

    """
    if not Path(file).is_absolute():
        raise NotSure(f"the traceback does not say in which folder {code(file)} is.")
    try:
        # A FIFO or a device that a log names must not stop us.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as source:  # noqa: PTH123 - a descriptor
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SOURCE_BYTES:
                raise NotSure(f"{code(file)} is no source file.")
            data = source.read(MAX_SOURCE_BYTES + 1)
        text = data.decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError) as exc:
        raise NotSure(f"{code(file)} can't be read.") from exc
    if "\r" in text:  # which Python takes for the end of a line, and we do not
        raise NotSure(f"{code(file)} has ends of lines of two kinds.")
    return text


# -- where the word stands -------------------------------------------------------------


class _Source:
    """A parsed source file."""

    def __init__(self, tree: ast.Module, lines: Sequence[str]) -> None:
        self.tree = tree
        self.lines = lines
        self.nodes = list(ast.walk(tree))

    def place(self, line: int, n_bytes: int, word: str) -> _Place | None:
        """Return the place of a word at an offset as `ast` counts it, if it stands there."""
        column = len(self.lines[line - 1].encode()[:n_bytes].decode(errors="replace"))
        if self.lines[line - 1][column : column + len(word)] != word:
            return None  # written in another normal form of Unicode, or in an f-string
        return _Place(line, column, len(word))

    def binds(self, name: str) -> bool:
        """Whether anything in the file gives this name a value, in whatever scope."""
        return any(name in _names_bound(node) for node in self.nodes)

    def sets_attribute(self, name: str) -> bool:
        """Whether anything in the file sets an attribute of this name."""
        return any(
            isinstance(node, ast.Attribute)
            and node.attr == name
            and not isinstance(node.ctx, ast.Load)
            for node in self.nodes
        )

    def stars(self) -> bool:
        """Whether names come from elsewhere by ``from x import *``."""
        return any(isinstance(node, ast.alias) and node.name == "*" for node in self.nodes)

    def scopes_at(self, line: int) -> list[ast.AST]:
        """Return the module and the functions around a line, the innermost last."""
        around = [
            node
            for node in self.nodes  # breadth first: inner ones come later
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        return [self.tree, *around]

    def names_at(self, line: int) -> set[str]:
        """Return the names that a line can use."""
        names = set(_BUILTINS)
        for scope in self.scopes_at(line):
            todo: list[ast.AST] = list(ast.iter_child_nodes(scope))
            while todo:
                node = todo.pop()
                names.update(_names_bound(node))
                # What is inside of other functions and classes has names of its own.
                if not isinstance(node, _SCOPES):
                    todo.extend(ast.iter_child_nodes(node))
        return names


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def _names_bound(node: ast.AST) -> Iterator[str]:
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, (*named, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        yield node.name or ""
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".", 1)[0]
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from node.names


_Finder = Callable[[_Source, int, str, str], list[_Place]]


def _find_name(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find a name that is not defined, everywhere in its function: all uses fail alike."""
    first = hint.split(".", 1)[0]
    if source.binds(word) or not (source.binds(first) or first in _BUILTINS or source.stars()):
        return []
    uses = [
        source.place(node.lineno, node.col_offset, word)
        for node in ast.walk(source.scopes_at(line)[-1])
        if isinstance(node, ast.Name) and node.id == word
    ]
    places = [place for place in uses if place is not None]
    is_sure = len(places) == len(uses) and any(place.line == line for place in places)
    return places if is_sure else []


def _find_attribute(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find an attribute, which must stand on the line once."""
    if "." in hint or source.binds(word) or source.sets_attribute(word):
        return []
    uses = [
        source.place(line, node.end_col_offset - len(word.encode()), word)
        for node in source.nodes
        if isinstance(node, ast.Attribute)
        and node.attr == word
        and node.end_lineno == line
        and node.end_col_offset is not None
    ]
    return _only(uses)


def _find_keyword(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find a keyword argument, which must stand on the line once."""
    uses = [
        source.place(line, node.col_offset, word)
        for node in source.nodes
        if isinstance(node, ast.keyword) and node.arg == word and node.lineno == line
    ]
    return _only(uses) if "." not in hint else []


def _find_import(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find an imported name, and where the file uses it under that name."""
    if "." in hint or source.binds(hint):
        return []
    aliases = [
        node
        for node in source.nodes
        if isinstance(node, ast.alias) and node.name == word and node.lineno == line
    ]
    if len(aliases) != 1:
        return []
    found = _only([source.place(line, aliases[0].col_offset, word)])
    if not found or aliases[0].asname:
        return found
    n_bound = sum(word in _names_bound(node) for node in source.nodes)
    uses = [
        source.place(node.lineno, node.col_offset, word)
        for node in source.nodes
        if isinstance(node, ast.Name) and node.id == word
    ]
    if n_bound != 1 or None in uses:
        return []
    return found + [place for place in uses if place is not None]


def _find_module(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find a module in ``from word import ...`` or ``import word as ...``."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == word and node.lineno == line:
            text = source.lines[line - 1]
            found = re.compile(rf"\bfrom\s+({re.escape(word)})\s+import\b").search(text)
            return [_Place(line, found.start(1), len(word))] if found else []
    return _find_import(source, line, word, hint)


def _find_text(source: _Source, line: int, word: str, hint: str) -> list[_Place]:
    """Find a key or an option that is written as a plain string on the line, once."""
    uses: list[_Place | None] = []
    if "." in hint:
        return []
    for node in source.nodes:
        if isinstance(node, ast.Constant) and node.value == word and node.lineno == line:
            text = ast.get_source_segment("\n".join(source.lines), node) or ""
            is_plain = text in (f"'{word}'", f'"{word}"')
            uses.append(source.place(line, node.col_offset + 1, word) if is_plain else None)
    return _only(uses)


def _only(places: list[_Place | None]) -> list[_Place]:
    return [places[0]] if len(places) == 1 and places[0] is not None else []


_KINDS: tuple[tuple[re.Pattern[str], _Finder], ...] = (
    (re.compile(r"name '(?P<word>\w+)' is not defined"), _find_name),
    (re.compile(r"cannot import name '(?P<word>\w+)' from "), _find_import),
    (re.compile(r"No module named '(?P<word>[\w.]+)'"), _find_module),
    (re.compile(r"unexpected keyword argument '(?P<word>\w+)'"), _find_keyword),
    (re.compile(r"has no attribute '(?P<word>\w+)'"), _find_attribute),
    (re.compile(r"^\W{0,3}(?:[\w -]{1,80}?)?['\"](?P<word>[\w.-]{1,80})['\"]"), _find_text),
)  # fmt: skip
"""What a message says of the word, and how to find it. The last is any other message that
quotes a word first, as libraries write of keys and options."""


# -- the change ------------------------------------------------------------------------


def _make_edit(source: _Source, places: Sequence[_Place], hint: str) -> tuple[str, str]:
    """Return the lines around the places, before and after; they stand in the file once."""
    lines = source.lines
    text = "\n".join(lines)
    changed = list(lines)
    for place in reversed(places):
        line = changed[place.line - 1]
        end = place.column + place.length
        changed[place.line - 1] = line[: place.column] + hint + line[end:]
    first, last = places[0].line - 1, places[-1].line - 1
    for _ in range(_MAX_CONTEXT):
        old = "\n".join(lines[first : last + 1])
        if text.find(old) == text.rfind(old):
            return old, "\n".join(changed[first : last + 1])
        # Another line below and above, until it is the only such place.
        last = min(last + 1, len(lines) - 1)
        first = max(first - 1, 0)
    raise NotSure("the file has the same lines too often.")
