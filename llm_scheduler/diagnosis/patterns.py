"""What can be told of a pattern without a log: the plain texts it needs, and how broad it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from llm_scheduler.logs.alarms import WORDS

_MIN_LITERAL = 5
_MIN_WORD = 8
_MAX_LITERALS = 60
_MAX_EXACT = 32
"""So many texts that a part of a pattern may stand for are written out."""
_MAX_GROUPS = 60
_EMPTY = frozenset({"^", "$", r"\b", r"\A", r"\z", r"\B"})
_FEW = re.compile(r"\[[^\]\[\\^-]{1,4}\]")
_QUANTIFIERS = frozenset("?*+")
_SIGNS = _QUANTIFIERS | frozenset("^$.()|")
_TOKEN = re.compile(
    r"\\x(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})|\\[pP](?:\{[^}]*\}|\w)|\\[0-7]{1,3}|\\."
    r"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"
    r"|\(\?P?<\w+>|\(\?[imsU-]*[:)]"
    # Plain signs in one piece, without the last one where a count follows it.
    r"|[A-Za-z0-9 _:,;=<>@/'\"!%&~#-]+(?![?*+{])"
    r"|\{\d+(?:,\d*)?\}|.",
    re.DOTALL,
)


ORDINARY = (
    "Starting job 1234 on node017 at Mon Mar  3 10:00:00 CET 2025",
    "Loading module gcc/12.2.0",
    "Reading input file /scratch/user/run/input.nml",
    "step 1200 of 5000, t = 0.12 s, residual = 1.3e-06",
    "Epoch 3/10: 100%|██████████| 938/938 [00:12<00:00, 76.2it/s, loss=0.12]",
    "iteration 17: energy = -1523.44 eV, error = 0.0031",
    "error: 0.01",
    "max error = 1.2e-09",
    "0 errors, 3 warnings",
    "no errors found",
    "relative error below tolerance, converged",
    "WARNING: using the default value for timeout (30 s)",
    "DeprecationWarning: np.float is a deprecated alias",
    "INFO: retrying the connection in 5 s",
    "connected to server after 2 retries",
    "Writing output to results/out.h5",
    "memory used: 1.2 GB of 4.0 GB",
    "Memory limit is 16 GB, time limit is 24:00:00",
    "All files were found.",
    "license accepted",
    "Number of failed points: 0",
    "test_exceptions.py ...... passed",
    "Using 4 MPI ranks with 8 OpenMP threads each",
    "GPU 0: NVIDIA A100-SXM4-40GB, driver 535.104",
    "Elapsed time: 00:12:45",
    "job finished successfully",
    "exit code 0",
    "Done.",
    "a b c d e f g",
    "0.1 0.2 0.3 0.4",
)
"""Lines of jobs that are well; a pattern found in one of them is too broad."""


def is_everywhere(compiled: Any) -> bool:
    """Tell whether an expression of RE2 is found in most lines, whatever they say."""
    if compiled.search(""):
        return True
    misses = (line for line in ORDINARY if not compiled.search(line))
    # Most are told by the first half of the lines.
    return next(islice(misses, len(ORDINARY) // 2, None), None) is None


_known: dict[str, frozenset[str]] = {}


def remember_literals(found: Mapping[str, frozenset[str]]) -> None:
    """Take over what `literals_of` returned at another time."""
    _known.update(found)


def literals_of(pattern: str) -> frozenset[str]:
    """Return plain texts, in lower case, of which every match of a pattern holds one.

    Those that hold a word of alarm are preferred: a scan of a log looks for it anyway.
    Empty where there are none of a useful length, and where the pattern is too involved.
    """
    known = _known.get(pattern)
    return _find_literals(pattern) if known is None else known


@lru_cache(maxsize=8192)
def _find_literals(pattern: str) -> frozenset[str]:
    if r"\Q" in pattern or pattern.count("(") > _MAX_GROUPS:
        return frozenset()
    tokens = _TOKEN.findall(pattern)
    # Writing alternatives out makes more literals, and longer ones only where needed.
    quick = _Parser(tokens, 1).alternatives().needs
    return quick or _Parser(tokens, _MAX_EXACT).alternatives().needs


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern."""

    exact: frozenset[str] | None
    """All texts that it takes, where they are few."""
    needs: frozenset[str] = frozenset()
    """Texts of which each match holds one; empty where none are known."""


_NO_TEXT = frozenset({""})
_NOTHING = _Part(_NO_TEXT)
_ANYTHING = _Part(None)


class _Parser:
    """Reads the tokens of one pattern from left to right."""

    def __init__(self, tokens: list[str], max_exact: int) -> None:
        self._tokens = tokens
        self._max_exact = max_exact
        self._next = 0

    def alternatives(self) -> _Part:
        """Read up to the end of a group: what all of its alternatives have in common."""
        found = [self._sequence()]
        while self._peek() == "|":
            self._next += 1
            found.append(self._sequence())
        if len(found) == 1:
            return found[0]
        exact: frozenset[str] | None = frozenset()
        needs: frozenset[str] = frozenset()
        for part in found:
            exact = None if exact is None or part.exact is None else exact | part.exact
            needs |= part.needs
        if exact is not None and len(exact) > self._max_exact:
            exact = None
        is_told = all(part.needs for part in found) and len(needs) <= _MAX_LITERALS
        return _Part(exact, needs if is_told else frozenset())

    def _sequence(self) -> _Part:
        """Read one alternative: the best of what its parts need."""
        needs: list[frozenset[str]] = []
        run = _NO_TEXT
        is_exact = True
        while self._peek() not in {"", "|", ")"}:
            part = self._single()
            least, most = self._count()
            if not least:
                is_short = most == 1 and part.exact is not None
                part = _Part(part.exact | {""}) if is_short and part.exact else _ANYTHING
            if part.needs:
                needs.append(part.needs)
            if part.exact is not None and len(run) * len(part.exact) <= self._max_exact:
                run = frozenset({left + right for left in run for right in part.exact})
                if most == 1:
                    continue
            # A text that is repeated stands before and after what may be between.
            needs.append(_usable(run))
            run = part.exact if part.exact and len(part.exact) <= self._max_exact else _NO_TEXT
            is_exact = False
        needs.append(_usable(run))
        return _Part(run if is_exact else None, max(needs, key=_worth))

    def _single(self) -> _Part:
        token = self._tokens[self._next]
        self._next += 1
        if token[0] == "(" and not token.endswith(")"):
            inner = self.alternatives()
            self._next += 1  # its closing bracket
            return inner
        if token in _EMPTY or token[0] == "(":
            return _NOTHING
        if _FEW.match(token):
            return _Part(frozenset(token[1:-1]))
        plain = _plain(token)
        return _Part(frozenset({plain})) if plain else _ANYTHING

    def _count(self) -> tuple[int, int]:
        """Read a quantifier: how often at least, and at most (2 for more)."""
        token = self._peek()
        if token not in _QUANTIFIERS and not (len(token) > 1 and token[0] == "{"):
            return 1, 1
        self._next += 1
        if self._peek() == "?":  # not greedy
            self._next += 1
        if token[0] == "{":
            return int(token[1:-1].partition(",")[0]), 2
        return int(token.startswith("+")), 1 if token.startswith("?") else 2

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""


def _plain(token: str) -> str:
    """Return the text that a token stands for; empty when it is not plain."""
    if len(token) == 1:
        return token if _is_plain(token) else ""
    if token[0] not in "\\([{":
        return token
    if token.startswith("\\x"):
        char = chr(int(token[2:].strip("{}"), 16))
        return char if char.isprintable() and (char.isascii() or _is_plain(char)) else ""
    return token[1] if token[0] == "\\" and not token[1].isalnum() and len(token) == 2 else ""


def _is_plain(char: str) -> bool:
    """Tell whether a sign stands for itself, and for one letter of the other case."""
    if char.isascii():
        return char not in _SIGNS
    return char.isalnum() and len(char.lower()) == len(char.upper()) == 1


def _usable(run: frozenset[str]) -> frozenset[str]:
    """Return the texts in the form of literals when each of them is telling, else nothing."""
    texts = frozenset({text.strip().lower() for text in run})
    return texts if all(map(_is_telling, run)) else frozenset()


def _is_telling(run: str) -> bool:
    text = run.strip()
    # A single ordinary word ("memory", "found") would keep too many lines.
    is_word = text.isalpha() and text[1:].islower()
    # A Chinese or Japanese sign is more than a letter.
    return len(text.encode()) >= (_MIN_WORD if is_word else _MIN_LITERAL) or is_alarming(
        text.lower()
    )


def _worth(found: frozenset[str]) -> tuple[int, ...]:
    if not found:
        return False, 0, 0
    return all(map(is_alarming, found)), min(map(len, found)), -len(found)


@lru_cache(maxsize=8192)
def is_alarming(text: str) -> bool:
    """Tell whether a scan keeps each line with a text, whatever the catalogue says."""
    return any(word in text for word in WORDS)
