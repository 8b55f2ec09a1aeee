"""Search many expressions at once in blocks of lines: hyperscan, RE2, or `re`.

All engines find the same lines. Expressions are ASCII, match no newline and mean
bytes: case is folded for ASCII letters only.
"""

from __future__ import annotations

import importlib
import re
import threading
from functools import lru_cache
from typing import Any, Protocol

from llm_scheduler.errors import UsageError
from llm_scheduler.logs.alarms import REGEXES, STRONG_REGEXES, WORDS

ENGINES = ("auto", "hyperscan", "re2", "re")
"""Names of the engines; ``auto`` takes the first of the others that runs here."""
_RE2_MEMORY_BYTES = 64 << 20
_CHOICES = {"auto": ("hyperscan", "re2", "re"), "quick": ("re2", "re")}
_HYPERSCAN_BYTES = 16 << 20
"""From so many bytes on the time that hyperscan needs to prepare is saved again."""
_LOG_BYTES = 1 << 14
"""What a small log counts, whose lines cost more than its bytes."""
_MIN_LITERAL = 3


class Engine(Protocol):
    """Finds the lines in which any of the expressions occurs."""

    name: str

    def find_lines(self, data: bytes, start: int, end: int) -> list[int]:
        """Return where the lines with a match start, in order.

        `data` must have whole lines between `start` and `end`.
        """
        ...

    def find_places(self, data: bytes) -> list[int]:
        """Return places in the lines with a match: at least one in each, in any order."""
        ...

    def find_span(self, data: bytes, pos: int) -> tuple[int, int] | None:
        """Return where the first match from a place on starts and ends."""
        ...


@lru_cache(maxsize=16)
def clean_literals(literals: tuple[str, ...]) -> tuple[str, ...]:
    """Return the literals in lower case, sorted, without what can't be on one line."""
    return tuple(sorted({x.lower() for x in literals if len(x) >= _MIN_LITERAL and "\n" not in x}))


def check_engine(name: str) -> None:
    """Check that there is an engine of this name.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in ENGINES:
        allowed = ", ".join(map(repr, ENGINES))
        raise UsageError(f"Engine {name!r} is unknown; there are: {allowed}. Set `engine=`.")


def make_engine(name: str, literals: tuple[str, ...] = (), *, n_bytes: int = 0) -> Engine:
    """Return an engine for the general expressions and the given literals.

    Parameters
    ----------
    name
        One of `ENGINES`.
    literals
        From `clean_literals`.
    n_bytes
        How much is to be searched. hyperscan needs a tenth of a second to prepare,
        so ``auto`` takes it only once there was enough to search in this process.

    Raises
    ------
    UsageError
        If there is no such engine, or it does not run here.
    """
    return _engines_for(literals).get(name, n_bytes)


def make_strong_engine(name: str) -> Engine:
    """Return an engine for the strong expressions only."""
    return _make_engine(name, STRONG_REGEXES)


class _Engines:
    """The engines for the same expressions, each made when it is first used."""

    def __init__(self, literals: tuple[str, ...]) -> None:
        self._expressions = make_expressions(literals)
        self._n_bytes = 0
        self._made: dict[str, Engine] = {}

    def get(self, name: str, n_bytes: int) -> Engine:
        """Return an engine, for ``auto`` the one that is done first."""
        chosen = name
        if name == "auto":
            self._n_bytes += max(n_bytes, _LOG_BYTES)
            chosen = "quick" if self._n_bytes < _HYPERSCAN_BYTES else "auto"
        made = self._made.get(chosen)
        if made is None:
            check_engine(name)
            made = self._made[chosen] = _make_engine(chosen, self._expressions)
        return made


@lru_cache(maxsize=16)
def _engines_for(literals: tuple[str, ...]) -> _Engines:
    return _Engines(literals)


@lru_cache(maxsize=16)
def _make_engine(name: str, expressions: tuple[str, ...]) -> Engine:
    """Make the engine of this name, or for a choice of several the first that runs here."""
    known = _CHOICES.get(name, (name,))
    for i, one in enumerate(known):
        try:
            return _MAKERS[one](expressions)
        except Exception as exc:  # hyperscan refuses some processors with errors of its own
            if i == len(known) - 1:
                raise UsageError(
                    f"Engine {one!r} does not run here ({exc}). Set `engine='auto'`."
                ) from exc
    raise AssertionError("a choice is never empty")


def find_strong(data: bytes, pos: int) -> tuple[int, int] | None:
    """Return where the first strong expression from a place on starts and ends."""
    return _make_engine("quick", STRONG_REGEXES).find_span(data, pos)


def make_expressions(literals: tuple[str, ...]) -> tuple[str, ...]:
    """Return the expressions for the general words and the literals."""
    # A text that holds a general word finds nothing more.
    words = sorted(w for w in WORDS if not any(v in w for v in WORDS if v != w))
    kept = {*words, *(x for x in literals if not any(w in x for w in words))}
    return (*map(_escape, sorted(kept)), *REGEXES)


def _escape(text: str) -> str:
    """Escape a text in the way that all engines read."""
    return "".join(map(_escape_char, text))


def _escape_char(char: str) -> str:
    """Write other letters as bytes; of those the engines don't know the cases."""
    if char.isascii():
        return char if char.isalnum() else rf"\x{ord(char):02x}"
    forms = {x.encode(errors="replace") for x in (char, char.lower(), char.upper())}
    texts = ("".join(rf"\x{byte:02x}" for byte in form) for form in sorted(forms))
    # RE2 takes them for Latin-1 and would fold them.
    return f"(?-i:{'|'.join(texts)})"


class _PatternEngine:
    """One pattern of `re2` or `re`, asked again after each line found."""

    def __init__(self, name: str, pattern: Any) -> None:
        self.name = name
        self._search = pattern.search

    def find_lines(self, data: bytes, start: int, end: int) -> list[int]:
        """Return where the lines with a match start, in order."""
        starts = []
        pos = start
        search = self._search
        while pos < end and (found := search(data, pos, end)) is not None:
            at = found.start()
            starts.append(data.rfind(b"\n", pos, at) + 1 or pos)
            pos = data.find(b"\n", at, end) + 1 or end
        return starts

    def find_places(self, data: bytes) -> list[int]:
        """Return where the lines with a match start."""
        return self.find_lines(data, 0, len(data))

    def find_span(self, data: bytes, pos: int) -> tuple[int, int] | None:
        """Return where the first match from a place on starts and ends."""
        found = self._search(data, pos)
        return None if found is None else (found.start(), found.end())


class _HyperscanEngine:
    """A database of hyperscan, which tells where matches end, in any order."""

    name = "hyperscan"

    def __init__(self, expressions: tuple[str, ...]) -> None:
        # Its annotations know only str and bytes, but it takes any buffer.
        hyperscan: Any = importlib.import_module("hyperscan")
        self._expressions = expressions
        self._stopped = hyperscan.ScanTerminated
        self._make_scratch = hyperscan.Scratch
        self._db = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._db.compile(
            expressions=[x.encode() for x in expressions],
            flags=[hyperscan.HS_FLAG_CASELESS] * len(expressions),
        )
        # hyperscan lets other threads run; two must not share its working memory.
        self._own = threading.local()

    def find_lines(self, data: bytes, start: int, end: int) -> list[int]:
        """Return where the lines with a match start, in order."""
        places: list[int] = []
        with memoryview(data) as view:
            self._db.scan(view[start:end], _note, context=places, scratch=self._scratch())
        if not places:
            return places
        starts = []
        newline = start  # that of the last line found
        for place in sorted(set(places)):
            at = start + place
            if at < newline:
                continue
            starts.append(data.rfind(b"\n", newline, at) + 1 or newline)
            newline = data.find(b"\n", at, end)
            if newline < 0:
                break
        return starts

    def find_places(self, data: bytes) -> list[int]:
        """Return where all matches end."""
        places: list[int] = []
        self._db.scan(data, _note, context=places, scratch=self._scratch())
        return places

    def find_span(self, data: bytes, pos: int) -> tuple[int, int] | None:
        """Return where the first match from a place on starts and ends."""
        try:
            with memoryview(data) as view:
                self._db.scan(view[pos:], _stop, scratch=self._scratch())
        except self._stopped:
            # RE2 also tells where a match starts.
            return _make_engine("quick", self._expressions).find_span(data, pos)
        return None

    def _scratch(self) -> Any:
        """Return this thread's working memory."""
        try:
            return self._own.scratch
        except AttributeError:
            self._own.scratch = self._make_scratch(self._db)
            return self._own.scratch


def _note(_id: int, _start: int, end: int, _flags: int, places: list[int]) -> None:
    places.append(end - 1)


def _stop(_id: int, _start: int, _end: int, _flags: int, _context: object) -> bool:
    return True


def _make_re2(expressions: tuple[str, ...]) -> Engine:
    import re2

    options = re2.Options()
    options.max_mem = _RE2_MEMORY_BYTES
    options.case_sensitive = False
    options.never_capture = True
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return _PatternEngine("re2", re2.compile("|".join(expressions).encode(), options))


def _make_re(expressions: tuple[str, ...]) -> Engine:
    """Slower by a factor of twenty than RE2."""
    return _PatternEngine("re", re.compile(b"(?i)" + "|".join(expressions).encode()))


_MAKERS = {"hyperscan": _HyperscanEngine, "re2": _make_re2, "re": _make_re}
