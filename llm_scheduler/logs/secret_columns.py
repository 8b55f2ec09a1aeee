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
    names = [head[start:end] for start, end in _cells(head, separator)]
    wanted = [i for i, name in enumerate(names) if _NAME.fullmatch(name)]
    for row in range(at + 1, len(raws)) if wanted else ():
        text = raws[row].decode("latin-1")
        cells = list(_cells(text, separator))
        # A blank behind a comma is of a sentence, as the head has none.
        if len(cells) != len(names) or f"{separator} " in text:
            return
        yield row, [span for i in wanted for span in _secret_of(text, cells[i])]


def _secret_of(text: str, cell: Span) -> Iterator[Span]:
    start, end = cell
    value = text[start:end].strip()
    start = text.find(value, start)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        start, value = start + 1, value[1:-1]
    is_count = value.isdigit() and len(value) < _LEAST_DIGITS
    if len(value) >= _LEAST and not is_count and is_secret("password", "", "", "=", value, True):
        yield start, start + len(value)


def _cells(text: str, separator: str) -> Iterator[Span]:
    """Cut a row into its cells; separators inside of quotes don't count."""
    start = 0
    if '"' not in text:
        for cell in text.split(separator):
            yield start, start + len(cell)
            start += len(cell) + 1
        return
    in_quotes = False
    for place, char in enumerate(text):
        if char == '"':
            in_quotes = not in_quotes
        elif char == separator and not in_quotes:
            yield start, place
            start = place + 1
    yield start, len(text)
