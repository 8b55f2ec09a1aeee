"""Secrets out of text, before it is shown to anyone but the owner of the log.

Lines are looked at as bytes, each byte one character, before anything is cut off
them. One quick search over all lines tells which ones are worth a closer look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from llm_scheduler.logs.secret_marks import (
    UNSEEN,
    find_suspicious,
    key_search,
    precise_search,
    quick_search,
)

if TYPE_CHECKING:
    from llm_scheduler.logs.secret_tokens import Span

REDACTED = "[redacted]"
"""What stands in the place of a secret."""
MARGIN_BYTES = 4096
"""What must be known on each side of a part of a line to redact it; a key may be as long."""

_RAW_REDACTED = REDACTED.encode()
# Colours, titles and what does not show.
_HIDDEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|" + UNSEEN
)
# The last byte of a colon, an equals sign, a bracket, what follows them, the end of a colour.
_LABEL_ENDS = frozenset(bytes([char]) for char in b":=\\(|>-+mK\x9a\x9d")
_FIRST_RUN = re.compile(r"(?:[\w+/=.~%-]|\\+[nr])+", re.ASCII)
_LAST_RUN = re.compile(r"(?:[\w+/=.~%-]|[nr]\\+)+", re.ASCII)  # of the text turned round


def redact(text: str) -> str:
    """Replace keys, tokens, passwords and private keys by ``[redacted]``."""
    raw = text.encode(errors="surrogatepass")
    if quick_search()(raw) is None:
        return text
    raws = raw.split(b"\n")
    redacted = redact_lines(raws)
    if redacted is raws:
        return text
    try:
        return b"\n".join(redacted).decode(errors="surrogatepass")
    except UnicodeDecodeError:  # a long secret was cut inside a character
        return b"\n".join(redacted).decode(errors="replace")


def redact_lines(raws: Sequence[bytes], *, cut_end: bool = False) -> Sequence[bytes]:
    """Redact the lines of a log, without newlines; returns `raws` itself when all are clean.

    Parameters
    ----------
    raws
        Lines that follow each other; some may be missing.
    cut_end
        Whether the last line goes on behind what is known of it.
    """
    joined = b"\n".join(raws)
    found = set(find_suspicious(joined, raws))
    if cut_end and raws:
        found.add(len(raws) - 1)
    if not found:
        return raws
    out = list(raws)
    if key_search()(joined) is not None:
        _hide_key_blocks(raws, out, found)
    _hide_values_below(raws, out, found)
    _hide_columns(raws, out, found)
    last = len(raws) - 1 if cut_end else -1
    known: dict[bytes, bytes] = {}
    for i in found:
        if i == last:
            out[i] = _redact_line(out[i], cut_end=True)
        # Of a table that was hidden nothing is left to be looked at, mostly.
        elif out[i] is raws[i] or precise_search()(out[i]) is not None:
            redacted = known.get(out[i])
            if redacted is None:  # logs repeat their lines
                redacted = known[out[i]] = _redact_line(out[i])
            out[i] = redacted
    return out


def _hide_key_blocks(raws: Sequence[bytes], out: list[bytes], found: Iterable[int]) -> None:
    from llm_scheduler.logs.key_blocks import KeyBlocks

    @cache
    def flat(i: int) -> tuple[str, Sequence[int]]:
        return _flatten(raws[i].decode("latin-1"))

    blocks = KeyBlocks(lambda i: flat(i)[0], len(raws))
    for i in found:
        blocks.look_at(i)
    for i, span in blocks.hidden.items():
        out[i] = _hide(raws[i], [_map_back(span, flat(i)[1])])


def _hide_values_below(raws: Sequence[bytes], out: list[bytes], found: Iterable[int]) -> None:
    """Hide the word below a line that ends with ``password:``."""
    from llm_scheduler.logs.secret_names import find_below, find_label

    for i in found:
        if i + 1 >= len(raws) or raws[i].rstrip()[-1:] not in _LABEL_ENDS:
            continue
        above = _flatten(raws[i].decode("latin-1"))[0]
        if (label := find_label(above)) is None:
            continue
        text, places = _flatten(out[i + 1].decode("latin-1"))
        if (span := find_below(label, above, text)) is not None:
            out[i + 1] = _hide(out[i + 1], [_map_back(span, places)])


def _hide_columns(raws: Sequence[bytes], out: list[bytes], found: Iterable[int]) -> None:
    """Hide what stands in the columns of a table that are named ``password`` and alike."""
    done = 0
    for i in sorted(found):
        if i < done or not _may_be_head(raws[i]):
            continue
        from llm_scheduler.logs.secret_columns import find_columns

        for row, spans in find_columns(out, i):
            out[row] = _hide(out[row], spans) if spans else out[row]
            done = row + 1


def _may_be_head(raw: bytes) -> bool:
    return b" " not in raw and (b"," in raw or b";" in raw or b"\t" in raw)


def redact_part(
    data: bytes, first: int, last: int, *, cut_start: bool = True, cut_end: bool = True
) -> bytes:
    """Return a part of a line without secrets.

    Parameters
    ----------
    data
        The part with what is known of the line on both sides of it.
    first, last
        Where the part starts and ends in it.
    cut_start, cut_end
        Whether the line goes on before and after `data`. A run of characters without
        a space that reaches from there into the part may be a piece of a secret
        and is hidden, unless it can't be one.
    """
    spans: list[Span] = []
    text = data.decode("latin-1")
    if precise_search()(data) is not None or cut_end:
        spans += _find_secrets(text, cut_end=cut_end)
    if cut_start and (run := _FIRST_RUN.match(text)) and run.end() > first:
        spans += [run.span()] if _may_be_secret(run.group()) else []
    if cut_end and (size := _last_run(text)) > len(text) - last:
        start = len(text) - size
        spans += [(start, len(text))] if _may_be_secret(text[start:]) else []
    inside = [(max(a, first), min(b, last)) for a, b in spans if b > first and a < last]
    return _hide(data[:last], inside)[first:] if inside else data[first:last]


def _may_be_secret(run: str) -> bool:
    """Tell what may be a piece of a secret from a sequence, a number, or a ruler."""
    return any(char.isdigit() for char in run) and any(char.isalpha() for char in run)


def _last_run(text: str) -> int:
    """Return how long the run of characters at the end is that a secret may have."""
    run = _LAST_RUN.match(text[::-1])
    return run.end() if run else 0


def _redact_line(raw: bytes, *, cut_end: bool = False) -> bytes:
    spans = list(_find_secrets(raw.decode("latin-1"), cut_end=cut_end))
    return _hide(raw, spans) if spans else raw


def _find_secrets(text: str, *, cut_end: bool = False) -> Iterator[Span]:
    """Find secrets in one line whatever colours or marks stand between their characters."""
    # Its many expressions take time to compile, and most logs never need them.
    from llm_scheduler.logs.secret_search import find_in_line

    flat, places = _flatten(text)
    for piece_start, line in _split_bar(flat):
        ends = cut_end and piece_start + len(line) == len(flat)
        for start, end in find_in_line(line, cut_end=ends):
            yield _map_back((piece_start + start, piece_start + end), places)


def _split_bar(text: str) -> Iterator[tuple[int, str]]:
    """Cut a progress bar into the lines it wrote over each other."""
    start = 0
    for part in text.split("\r"):
        yield start, part
        start += len(part) + 1


def _flatten(text: str) -> tuple[str, Sequence[int]]:
    """Take out what does not show; also return where each character stood, if any moved."""
    if _HIDDEN.search(text) is None:
        return text, ()
    places: list[int] = []
    parts = []
    pos = 0
    for found in _HIDDEN.finditer(text):
        parts.append(text[pos : found.start()])
        places += range(pos, found.start())
        pos = found.end()
    parts.append(text[pos:])
    places += range(pos, len(text))
    return "".join(parts), places


def _map_back(span: Span, places: Sequence[int]) -> Span:
    if not places or span[0] >= span[1]:
        return span
    return places[span[0]], places[span[1] - 1] + 1


def _hide(raw: bytes, spans: Iterable[Span]) -> bytes:
    """Put the mark in the place of each span; those that touch become one."""
    spans = list(spans)
    if len(spans) == 1 and spans[0][0] < spans[0][1]:
        start, end = spans[0]
        return raw[:start] + _RAW_REDACTED + raw[end:]
    out = []
    done = 0
    marked = -1
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if start > done or marked < 0:
            out += [raw[done:start], _RAW_REDACTED] if start > marked else []
        done = max(done, end)
        marked = done
    return b"".join([*out, raw[done:]])
