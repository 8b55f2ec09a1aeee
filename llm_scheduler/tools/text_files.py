"""Text out of the bytes of a file, and changed text back into them.

What is not changed stays as it is, byte for byte: encoding, byte order mark, line
endings. Secrets are hidden from whoever reads, and can't be found out by replacing.
"""

from __future__ import annotations

import codecs
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from llm_scheduler.errors import ToolError
from llm_scheduler.logs.redaction import MARGIN_BYTES, REDACTED, redact_lines, redact_part
from llm_scheduler.logs.text import cut_mark
from llm_scheduler.tools.quoted_secrets import hide_quoted
from llm_scheduler.tools.visible import read_escapes

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PLACEHOLDER = re.compile(re.escape(REDACTED), re.IGNORECASE)
_MAX_LINES_NAMED = 8
_MIN_SECRET_CHARS = 4
LONG_LINE_CHARS = 8000
"""What comes after in a line is neither shown nor replaced."""

Span = tuple[int, int]


@dataclass(frozen=True)
class TextFile:
    """A text file as it is read."""

    text: str
    """With ``\\n`` at the ends of lines that end with ``\\r\\n`` in the file."""
    encoding: str
    bom: bytes
    carriage_returns: tuple[int, ...]
    """Which ``\\n`` of the text, by place, have a ``\\r`` before them in the file."""

    @property
    def newline(self) -> str:
        """What ends most of its lines."""
        is_crlf = 2 * len(self.carriage_returns) > self.text.count("\n")
        return "\r\n" if is_crlf else "\n"

    def newline_at(self, place: int) -> str:
        """Return the ending of the line that holds a place, or of the one before it."""
        end = self.text.find("\n", place)
        if end < 0:
            end = self.text.rfind("\n", 0, place)
        if end < 0:
            return self.newline
        i = bisect_left(self.carriage_returns, end)
        is_crlf = i < len(self.carriage_returns) and self.carriage_returns[i] == end
        return "\r\n" if is_crlf else "\n"

    def raw_text(self, start: int, end: int) -> str:
        """Return a part of the text with the line endings of the file."""
        parts, done = [], start
        first = bisect_left(self.carriage_returns, start)
        last = bisect_left(self.carriage_returns, end)
        for place in self.carriage_returns[first:last]:
            parts += [self.text[done:place], "\r"]
            done = place
        return "".join([*parts, self.text[done:end]])

    def encode(self, text: str, path: str) -> bytes:
        """Return text in the encoding of the file.

        Raises
        ------
        ToolError
            It has characters that the encoding has not.

        """
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as exc:
            char = exc.object[exc.start]
            raise ToolError(
                f"{path} is written in {self.encoding}, which has no {char!a}; "
                "use other characters."
            ) from exc


def read_text(content: bytes) -> TextFile:
    """Decode the content of a text file: UTF-8, UTF-16 with a mark, else Latin-1."""
    bom, encoding = next(
        ((bom, name) for bom, name in _BOMS if content.startswith(bom)), (b"", "utf-8")
    )
    body = content[len(bom) :]
    try:
        raw = body.decode(encoding)
    except UnicodeDecodeError:
        bom, encoding, raw = b"", "latin-1", content.decode("latin-1")
    places = [found.start() - i for i, found in enumerate(re.finditer("\r\n", raw))]
    text = raw.replace("\r\n", "\n") if places else raw
    return TextFile(text, encoding, bom, tuple(places))


def _count_same(one: str, other: str) -> int:
    """Return how many characters at the start are the same."""
    return len(os.path.commonprefix([one, other]))  # noqa: RUF071 - characters are meant


# -- hidden text -------------------------------------------------------------------------


def redact_text(text: str) -> list[str]:
    """Return the lines of a text without the secrets in it, long lines cut."""
    lines = text.split("\n")
    heads = _redact_heads(lines)
    return [
        head + cut_mark(len(line) - LONG_LINE_CHARS) if len(line) > LONG_LINE_CHARS else head
        for line, head in zip(lines, heads, strict=True)
    ]


def _redact_heads(lines: list[str]) -> list[str]:
    """Redact lines up to `LONG_LINE_CHARS`; returns `lines` itself when all are clean.

    A picture in a notebook is a line of megabytes.
    """
    text = "\n".join(lines)
    if (shown := hide_quoted(text)) != text:
        lines = shown.split("\n")
    raws = [line[: LONG_LINE_CHARS + MARGIN_BYTES].encode() for line in lines]
    clean = redact_lines(raws)
    if clean is raws and len(max(lines, key=len)) <= LONG_LINE_CHARS:
        return lines
    redacted = [raw.decode(errors="replace") for raw in clean]
    for i, line in enumerate(lines):
        if len(line) > LONG_LINE_CHARS:
            end = len(line[:LONG_LINE_CHARS].encode())
            redacted[i] = redact_part(raws[i], 0, end, cut_start=False).decode(errors="replace")
    return redacted


def redact_around(line: str, start: int, end: int) -> str:
    """Return a part of a long line without the secrets in it."""
    first, last = max(0, start - MARGIN_BYTES), end + MARGIN_BYTES
    before, part = line[first:start].encode(), line[start:end].encode()
    data = before + part + line[end:last].encode()
    raw = redact_part(
        data,
        len(before),
        len(before) + len(part),
        cut_start=first > 0,
        cut_end=last < len(line),
    )
    return raw.decode(errors="replace")


def find_hidden(text: str) -> list[tuple[int, int]]:
    """Return where the parts of a text are that `redact_text` does not show, in order."""
    secrets, tails = _find_hidden(text)
    merged: list[Span] = []
    for start, end in sorted([*secrets, *tails]):
        if merged and merged[-1][1] == start:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((start, end))
    return merged


def _find_hidden(text: str) -> tuple[list[Span], list[Span]]:
    """Return the secrets of a text, and the ends of long lines that may have more.

    Between two secrets of a line everything counts as hidden.
    """
    secrets: list[Span] = []
    tails: list[Span] = []
    lines, place = text.split("\n"), 0
    heads = _redact_heads(lines)
    if heads is lines:
        return [], []
    for line, shown in zip(lines, heads, strict=True):
        head = line[:LONG_LINE_CHARS]
        if head != shown:
            start = _count_same(head, shown)
            room = min(len(head), len(shown)) - start
            ending = min(_count_same(head[::-1], shown[::-1]), room)
            secrets.append((place + start, place + len(head) - ending))
        if len(head) < len(line):
            tails.append((place + len(head), place + len(line)))
        place += len(line) + 1
    return secrets, tails


def _touches(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    i = bisect_right(spans, start, key=lambda span: span[1])
    return i < len(spans) and spans[i][0] < end


def _covered_to(spans: Sequence[Span], start: int) -> int:
    """Return where the span ends that holds a place; the place itself when none does."""
    i = bisect_right(spans, start, key=lambda span: span[1])
    return spans[i][1] if i < len(spans) and spans[i][0] <= start else start


def check_still_hidden(path: str, before: str, after: str) -> None:
    """Check that what was hidden in a text can't be read after the change.

    A model that may not see a password could rename the word before it, by which it is
    known, and read the file again.

    Raises
    ------
    ToolError
        It could be read.

    """
    spans = _find_hidden(before)[0]
    if not spans:
        return
    now_hidden = find_hidden(after)
    for start, end in set(spans):
        secret = before[start:end]
        place = after.find(secret) if len(secret) >= _MIN_SECRET_CHARS else -1
        while place >= 0:
            covered_to = _covered_to(now_hidden, place)
            if covered_to < place + len(secret):
                raise ToolError(
                    f"The change would show text of {path} that is hidden as {REDACTED}. "
                    "Leave those lines and the ones around them as they are."
                )
            # All others up to there are covered too.
            place = after.find(secret, covered_to - len(secret) + 1)


def check_no_placeholder(path: str, before: str, after: str) -> None:
    """Check that the mark for hidden text is not written in the place of that text.

    Raises
    ------
    ToolError
        There is more of it after the change than before.

    """
    if len(_PLACEHOLDER.findall(after)) > len(_PLACEHOLDER.findall(before)):
        raise ToolError(
            f"{path} would hold the mark {REDACTED!r}, which stands for a secret that you "
            "can't see, and the secret would be lost. Use replace_text on parts of the file "
            "without it."
        )


# -- replacing -----------------------------------------------------------------------------


def replace_once(path: str, content: bytes, old: str, new: str) -> bytes:
    """Return the content of a text file with one part replaced.

    Raises
    ------
    ToolError
        The part is not there, or there several times, or hides a secret.

    """
    file = read_text(content)
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if not old:
        raise ToolError("old_text is empty. Give the text to replace, as read_file shows it.")
    hidden = find_hidden(file.text)
    places = _find_all(file.text, old, hidden)
    if not places and (unescaped := read_escapes(old)) != old:
        # read_file shows control characters as escapes.
        old, new = unescaped, read_escapes(new)
        places = _find_all(file.text, old, hidden)
    if len(places) != 1:
        raise ToolError(_explain_places(path, file.text, old, places, has_hidden=bool(hidden)))
    if old == new:
        raise ToolError("old_text and new_text are the same; nothing would change.")
    changed = _replace(file, places[0], old, new)
    content = file.bom + file.encode(changed, path)
    check_no_placeholder(path, file.text, changed)
    check_still_hidden(path, file.text, changed.replace("\r\n", "\n"))
    return content


def _find_all(text: str, old: str, hidden: Sequence[tuple[int, int]]) -> list[int]:
    """Find a part; where it covers a secret it is not found, or one could be guessed."""
    places = []
    start = text.find(old)
    while start >= 0:
        if not _touches(hidden, start, start + len(old)):
            places.append(start)
        start = text.find(old, start + 1)
    return places


def _replace(file: TextFile, start: int, old: str, new: str) -> str:
    """Put in the new text with the line endings around it, leaving what is the same."""
    same = _count_same(old, new)
    room = min(len(old), len(new)) - same
    same_end = min(_count_same(old[::-1], new[::-1]), room)
    first, last = start + same, start + len(old) - same_end
    middle = new[same : len(new) - same_end]
    newline = file.newline_at(first)
    if newline != "\n":
        middle = middle.replace("\n", newline)
    # Its \r stays with a newline that is kept, also when text is put in before them.
    return file.raw_text(0, first) + middle + file.raw_text(last, len(file.text))


def _explain_places(
    path: str, text: str, old: str, places: Sequence[int], *, has_hidden: bool
) -> str:
    if places:
        lines = [text.count("\n", 0, place) + 1 for place in places[:_MAX_LINES_NAMED]]
        more = ", ..." if len(places) > len(lines) else ""
        return (
            f"old_text occurs {len(places)} times in {path}, at the lines "
            f"{', '.join(map(str, lines))}{more}. Give more of the lines around the right one."
        )
    message = f"old_text does not occur in {path}."
    if near := _find_near(text, old):
        message += f" {near}"
    else:
        message += " Read the file again and copy the text exactly, with its indentation."
    if has_hidden:
        message += f" Text that is shown as {REDACTED} can't be replaced."
    return message


def _find_near(text: str, old: str) -> str:
    """Say where the first line of a text is, if only blanks differ."""
    wanted = [line.split() for line in old.split("\n") if line.strip()]
    if not wanted:
        return ""
    for i, line in enumerate(redact_text(text)):  # or a secret could be guessed
        if line.split() == wanted[0]:
            return (
                f"Its first line is like line {i + 1} but for blanks, or the lines after it "
                "differ; copy them exactly."
            )
    return ""
