"""Source files of the user, read and parsed, never run."""

from __future__ import annotations

import ast
import builtins
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_scheduler.agent.rule_texts import code

MAX_SOURCE_BYTES = 1_000_000
"""Larger files are no source that somebody wrote."""

_BUILTINS = frozenset(dir(builtins))
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_MAKE_NAMES = frozenset(
    ("globals", "locals", "vars", "exec", "eval", "setattr", "__import__", "__builtins__")
)

_NAMESPACES = frozenset(("__dict__", "f_globals", "modules"))
"""Attributes through which a program reaches the names of a module."""


class NotSure(Exception):
    """Why the file does not allow to mend the word; the text is Markdown for people."""


class AlreadyMended(NotSure):
    """The line in the file is what the correction would make of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A word in a source file: line from 1, column in characters."""

    line: int
    column: int
    length: int


class ParsedSource:
    """A parsed source file.

    Parameters
    ----------
    file
        Where it stands.
    text
        What stands there.

    Raises
    ------
    NotSure
        It is no Python that this version understands.

    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines: Sequence[str] = text.split("\n")
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            raise NotSure(f"{code(file)} is no Python that this version understands.") from exc
        self.nodes = list(ast.walk(self.tree))

    def place(self, line: int, n_bytes: int, word: str) -> Place | None:
        """Return the place of a word at an offset as `ast` counts it, if it stands there."""
        column = len(self.lines[line - 1].encode()[:n_bytes].decode(errors="replace"))
        if self.lines[line - 1][column : column + len(word)] != word:
            return None  # written in another normal form of Unicode, or in an f-string
        return Place(line, column, len(word))

    def binds(self, name: str) -> bool:
        """Whether anything in the file gives this name a value, in whatever scope."""
        return any(name in names_bound(node) for node in self.nodes)

    def only_binding(self, name: str) -> ast.AST | None:
        """Return the one node that gives a name its value; ``None`` where there are others."""
        found = [node for node in self.nodes if name in names_bound(node)]
        return found[0] if len(found) == 1 else None

    def parent(self, child: ast.AST) -> ast.AST | None:
        """Return the node around another."""
        inside = (n for n in self.nodes if any(c is child for c in ast.iter_child_nodes(n)))
        return next(inside, None)

    def sets_attribute(self, name: str) -> bool:
        """Whether anything in the file sets an attribute of this name."""
        return any(
            isinstance(node, ast.Attribute)
            and node.attr == name
            and not isinstance(node.ctx, ast.Load)
            for node in self.nodes
        )

    def stars(self) -> list[ast.ImportFrom]:
        """Return what takes names from elsewhere by ``from x import *``."""
        return [
            node
            for node in self.nodes
            if isinstance(node, ast.ImportFrom) and any(x.name == "*" for x in node.names)
        ]

    def makes_names(self) -> bool:
        """Whether names may come to be that are nowhere written in the file."""
        return bool(self.stars()) or any(
            (isinstance(node, ast.Name) and node.id in _MAKE_NAMES)
            or (isinstance(node, ast.Attribute) and node.attr in _NAMESPACES)
            or (isinstance(node, ast.alias) and node.name == "builtins")
            or (isinstance(node, ast.FunctionDef) and node.name == "__getattr__")
            for node in self.nodes
        )

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
        return set(_BUILTINS).union(*(names_in(scope) for scope in self.scopes_at(line)))


def names_in(scope: ast.AST) -> set[str]:
    """Return the names that a module, a class or a function binds itself."""
    names: set[str] = set()
    todo = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        names.update(names_bound(node))
        # What is inside of other functions and classes has names of its own.
        if not isinstance(node, _SCOPES):
            todo.extend(ast.iter_child_nodes(node))
    return names


def names_bound(node: ast.AST) -> Iterator[str]:
    """Yield the names to which a node gives a value."""
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
