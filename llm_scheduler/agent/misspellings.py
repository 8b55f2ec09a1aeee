"""Misspelt names that Python itself corrects: which word on which line of which file.

A traceback is a line of a log, so it may say anything. What it proposes is taken only
where the user's file agrees: the line is still the one that was printed, the word stands
there as what the message says it is, and nothing in the file defines it. Where no code
shows that the word is missing, the correction is not certain: then the user is asked.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_scheduler.agent.forged_errors import (
    Look,
    look_up_attribute,
    look_up_import,
    look_up_keyword,
    look_up_module,
    look_up_name,
    look_up_text,
    names_class_that_has,
)
from llm_scheduler.agent.name_suggestions import suggest_name
from llm_scheduler.agent.parsed_source import (
    AlreadyMended,
    NotSure,
    ParsedSource,
    Place,
    names_bound,
    read_source,
)
from llm_scheduler.agent.rule_texts import code
from llm_scheduler.logs.models import Frame, Traceback

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
    is_certain: bool
    """Whether the user's code, or what is installed, shows that the word is missing and
    the other one is there. Else only a log says so, and whoever wrote into it."""


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
    for pattern, find, look_up in _KINDS if found else _KINDS[:1]:
        if named := pattern.search(message):
            hint = found["hint"] if found else ""
            return _check(frame, (find, look_up), named["word"], hint, message)
    return None


def _check(
    frame: Frame, kind: tuple[_Find, Look], word: str, hint: str, message: str
) -> Misspelling | None:
    find, look_up = kind
    source = _parse(frame, word, hint)
    if not hint:
        hint = suggest_name(word, source.names_at(frame.line))
        if not hint:
            return None
        message = f"{message}; of the names in this file only {hint!r} is like it."
    elif word == hint or not _is_alike(word, hint):
        raise NotSure(f"{code(hint)} does not look like what {code(word)} was meant to be.")
    is_there = look_up(source, frame.line, word, hint)
    if is_there or names_class_that_has(message, word):
        raise NotSure(f"{code(word)} is there, whatever the log says.")
    found = {(place.line, place.column): place for place in find(source, frame.line, word, hint)}
    if not found:
        raise NotSure(f"{code(word)} does not stand on line {frame.line} in a way that is clear.")
    old, new = _make_edit(source, [found[at] for at in sorted(found)], hint)
    return Misspelling(frame.file, frame.line, word, hint, old, new, message, is_there is False)


def _parse(frame: Frame, word: str, hint: str) -> ParsedSource:
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
    return ParsedSource(frame.file, text)


def _is_alike(word: str, hint: str) -> bool:
    last = hint.rsplit(".", 1)[-1]
    return last == word or difflib.SequenceMatcher(None, word, last).ratio() >= _LIKENESS


# -- where the word stands -------------------------------------------------------------


_Find = Callable[[ParsedSource, int, str, str], list[Place]]


def _find_name(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
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


def _find_attribute(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
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


def _find_keyword(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
    """Find a keyword argument, which must stand on the line once."""
    uses = [
        source.place(line, node.col_offset, word)
        for node in source.nodes
        if isinstance(node, ast.keyword) and node.arg == word and node.lineno == line
    ]
    return _only(uses) if "." not in hint else []


def _find_import(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
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
    n_bound = sum(word in names_bound(node) for node in source.nodes)
    uses = [
        source.place(node.lineno, node.col_offset, word)
        for node in source.nodes
        if isinstance(node, ast.Name) and node.id == word
    ]
    if n_bound != 1 or None in uses:
        return []
    return found + [place for place in uses if place is not None]


def _find_module(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
    """Find a module in ``from word import ...`` or ``import word as ...``."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == word and node.lineno == line:
            text = source.lines[line - 1]
            found = re.compile(rf"\bfrom\s+({re.escape(word)})\s+import\b").search(text)
            return [Place(line, found.start(1), len(word))] if found else []
    return _find_import(source, line, word, hint)


def _find_text(source: ParsedSource, line: int, word: str, hint: str) -> list[Place]:
    """Find a key or an option that is written as a plain string on the line, once."""
    uses: list[Place | None] = []
    if "." in hint:
        return []
    for node in source.nodes:
        if isinstance(node, ast.Constant) and node.value == word and node.lineno == line:
            text = ast.get_source_segment("\n".join(source.lines), node) or ""
            is_plain = text in (f"'{word}'", f'"{word}"')
            uses.append(source.place(line, node.col_offset + 1, word) if is_plain else None)
    return _only(uses)


def _only(places: list[Place | None]) -> list[Place]:
    return [places[0]] if len(places) == 1 and places[0] is not None else []


_KINDS: tuple[tuple[re.Pattern[str], _Find, Look], ...] = (
    (re.compile(r"name '(?P<word>\w+)' is not defined"), _find_name, look_up_name),
    (re.compile(r"cannot import name '(?P<word>\w+)' from "), _find_import, look_up_import),
    (re.compile(r"No module named '(?P<word>[\w.]+)'"), _find_module, look_up_module),
    (
        re.compile(r"unexpected keyword argument '(?P<word>\w+)'"),
        _find_keyword,
        look_up_keyword,
    ),
    (re.compile(r"has no attribute '(?P<word>\w+)'"), _find_attribute, look_up_attribute),
    (
        re.compile(r"^\W{0,3}(?:[\w -]{1,80}?)?['\"](?P<word>[\w.-]{1,80})['\"]"),
        _find_text,
        look_up_text,
    ),
)
"""What a message says of the word, how to find it, and how to look it up. The last is any
other message that quotes a word first, as libraries write of keys and options."""


# -- the change ------------------------------------------------------------------------


def _make_edit(source: ParsedSource, places: Sequence[Place], hint: str) -> tuple[str, str]:
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
