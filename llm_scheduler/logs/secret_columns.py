"""Secrets in the columns of a table, which the line at its head names: ``user,password``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_scheduler.logs.secret_forms import COLUMNS
from llm_scheduler.logs.secret_names import is_secret
from llm_scheduler.logs.secret_tokens import Span

_SEPARATORS = ",;\t"
_NAME = re.compile(rf"(['\"]?)(?:{COLUMNS})\1\s?\s?", re.IGNORECASE | re.ASCII)
# Names of columns are single words; with blanks it would be a sentence.
_HEAD = re.compile(
    rf"(?:(['\"]?)\w[\w.-]{{0,40}}\1[{_SEPARATORS}]){{1,60}}(['\"]?)\w[\w.-]{{0,40}}\2\s{{0,2}}",
    re.ASCII,
)
_LEAST = 4
_LEAST_DIGITS = 6
"""Shorter numbers are counts."""


def find_columns(raws: Sequence[bytes], at: int) -> Iterator[tuple[int, list[Span]]]:
    """Find the secrets of the table whose head is a line.

    Parameters
    ----------
    raws
        Lines that follow each other.
    at
        Place of the line that may be the head.

    Yields
    ------
    The place of each row of the table, and where its secrets are.
    """
    head = raws[at].decode("latin-1")
    if _HEAD.fullmatch(head) is None:
        return
    separator = next(char for char in _SEPARATORS if char in head)
    names = _split(head, separator)
    wanted = [i for i, name in enumerate(names) if _NAME.fullmatch(name)]
    for row in range(at + 1, len(raws)) if wanted else ():
        text = raws[row].decode("latin-1")
        # A blank behind a comma is of a sentence, as the head has none.
        if f"{separator} " in text:
            return
        cells = _split(text, separator)
        if len(cells) != len(names):
            return
        yield row, list(_secrets_of(cells, wanted))


def _secrets_of(cells: Sequence[str], wanted: Sequence[int]) -> Iterator[Span]:
    """Find the secrets of a row in some of its cells."""
    place = known = 0
    for i in wanted:
        place += sum(map(len, cells[known:i])) + i - known  # with the separators
        known = i
        cell = cells[i]
        value = cell.strip()
        if len(value) < _LEAST:
            continue
        start = place + cell.find(value)
        if value[0] in "'\"" and value[0] == value[-1]:
            start, value = start + 1, value[1:-1]
        is_count = len(value) < _LEAST_DIGITS and value.isdigit()
        if len(value) < _LEAST or is_count:
            continue
        if is_secret("password", "", "", "=", value, True):
            yield start, start + len(value)


def _split(text: str, separator: str) -> list[str]:
    """Cut a row into its cells; separators inside of quotes don't count."""
    if '"' not in text:
        return text.split(separator)
    cells: list[str] = []
    # Every second part stands inside of quotes.
    for i, part in enumerate(text.split('"')):
        pieces = [part] if i % 2 else part.split(separator)
        if i:
            cells[-1] += f'"{pieces[0]}'
            del pieces[0]
        cells += pieces
    return cells
