"""From the bytes of one line to the text that people and rules read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_scheduler.logs.alarms import STRONG

MAX_LINE_CHARS = 2000
"""A longer line is cut in the middle, with a mark that says how much is missing."""
_HEAD_CHARS = 700
_MIDDLE_CHARS = 550
_MAX_SEGMENTS = 5
_MIN_CHARS = 60
_MIN_HEAD = 12
_SHORT_MARK_CHARS = 100
_MIN_PARTED_CHARS = 300
"""There is room for a start, a middle and an end in so many."""
_TOLD_CHARS = 40
"""A telling word with less behind it says little."""
_SHORT_MARK = " ... "
_WORD_CHARS = 24

CUT_MARK = re.compile(r" \.\.\. \[(\d+) characters cut\] \.\.\. ")
"""The mark that stands where a line was cut."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?",
)
_TO_LINE_START = re.compile(r"\x1b\[[0-9;]*G|\x08+|\x1b\[[012]?K\r?|\x1b\[[0-9]*A")
# Also the signs that change the direction of text or hide in it: a log must
# not be able to show something else than it holds.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]",
)
_BREAKS = re.compile("[\x85\u2028\u2029]")
_BROKEN = re.compile("[\ud800-\udfff]")
"""Bytes of a name that are no UTF-8, as Python keeps them."""
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_PLAIN = bytes([0x09, *range(0x20, 0x7F)])


def clean_lines(raws: Sequence[bytes], find: Callable[[str], int] | None = None) -> list[str]:
    """Do what `clean_line` does for many lines, and at once for those of plain ASCII."""
    joined = b"\n".join(raws)
    if not raws or joined.translate(None, _PLAIN + b"\n") or max(map(len, raws)) > MAX_LINE_CHARS:
        return [_clean(raw, find) for raw in raws]
    return [line.rstrip() for line in joined.decode().split("\n")]


def _clean(raw: bytes, find: Callable[[str], int] | None) -> str:
    if len(raw) > MAX_LINE_CHARS or raw.translate(None, _PLAIN):
        return clean_line(raw, find)
    return raw.decode().rstrip()


def cut_mark(n_chars: int) -> str:
    """Return the mark for a number of characters left out of a line."""
    return f" ... [{n_chars} characters cut] ... "


def decode(raw: bytes) -> str:
    """Decode UTF-8, or Latin-1 where nothing in the line is UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
    high = sum(byte > 0x9F for byte in raw[:4096])
    odd = sum(byte < 0x09 or 0x7F <= byte <= 0x9F for byte in raw[:4096])
    is_latin = odd == 0 and 0 < high <= max(2, len(raw) // 4) and not _has_multibyte(text)
    return raw.decode("latin-1") if is_latin else text


def _has_multibyte(text: str) -> bool:
    return any(ord(char) > 0x7F and char != "\ufffd" for char in text)


def clean_line(raw: bytes, find: Callable[[str], int] | None = None) -> str:
    """Turn the bytes of a line into readable text of bounded length.

    Parameters
    ----------
    raw
        The line, without its newline.
    find
        Tells where in a text the most telling word is, -1 if there is none;
        that place is kept when the line is cut.
    """
    text = decode(raw)
    if "\x1b" in text or "\x08" in text:
        text = _ESCAPES.sub("", _TO_LINE_START.sub("\r", text))
    if "\r" in text:
        text = _last_written(text.rstrip("\r\n"))
    text = _UNSEEN.sub("", _BREAKS.sub(" ", text)).rstrip()
    return text if len(text) <= MAX_LINE_CHARS else cut_line(text, find=find)


def clean_name(name: str) -> str:
    """Turn the name of a file, which may hold anything, into text for one line."""
    name = _BREAKS.sub(" ", name).replace("\n", " ").replace("\r", " ")
    return _BROKEN.sub("\ufffd", _UNSEEN.sub("", name))


def _last_written(text: str) -> str:
    """Keep what a terminal would show of a line written over, and its alarms."""
    parts = [part for part in text.split("\r") if part.strip(" \0")]
    if not parts:
        return ""
    found: dict[str, str] = {}
    for part in parts[:-1]:
        if STRONG.search(part):
            # A bar may hold an alarm word itself; only its numbers change.
            found.setdefault(_shape(part), part.strip("\0"))
            if len(found) > _MAX_SEGMENTS:
                break
    found.pop(_shape(parts[-1]), None)
    return " | ".join([*list(found.values())[:_MAX_SEGMENTS], parts[-1]])


def _shape(part: str) -> str:
    return CUT_MARK.sub("", part).translate(_NO_DIGITS)


def find_strong(text: str) -> int:
    """Return where the first strong alarm word is, -1 when there is none."""
    found = STRONG.search(text)
    return found.start() if found else -1


def cut_line(
    text: str,
    max_chars: int = MAX_LINE_CHARS,
    *,
    find: Callable[[str], int] | None = None,
) -> str:
    """Cut a text in the middle, keeping its start, its reason and its telling word."""
    if len(text) <= max_chars:
        return text
    scale = max_chars / MAX_LINE_CHARS
    reason = _reason_size(text, max_chars)
    # 100: two marks, each with a number of up to 18 digits.
    tail = max_chars - int((_HEAD_CHARS + _MIDDLE_CHARS) * scale) - 100
    tail = max(tail, reason)
    room = max_chars - tail - 100
    middle = room * _MIDDLE_CHARS // (_HEAD_CHARS + _MIDDLE_CHARS)
    head = room - middle
    place = -1 if find is None else find(text)
    if place < room:
        place = find_strong(text)
    tail_start = len(text) - reason if reason == tail else _word_start(text, len(text) - tail)
    if room <= place < tail_start:
        start = place - middle // 4
        end = min(tail_start, start + middle)
        return _join(text, [(0, head), (start, end), (tail_start, len(text))])
    return _join(text, [(0, _word_end(text, room)), (tail_start, len(text))])


def cut_text(text: str, max_chars: int) -> str:
    """Cut a text between words, keeping its start, its telling word, the reason at its end."""
    if len(text) <= max_chars:
        return text
    if max_chars < _MIN_CHARS:
        return text[: max(0, max_chars)]
    mark = cut_mark(len(text)) if max_chars > _SHORT_MARK_CHARS else _SHORT_MARK
    room = max_chars - len(mark)
    tail = _reason_size(text, max_chars)
    start = len(text) - tail
    if not room // 4 <= tail <= room - _MIN_HEAD:
        start = _word_start(text, len(text) - room // 4)
    head = _word_end(text, room - (len(text) - start))
    place = find_strong(text) if max_chars >= _MIN_PARTED_CHARS else -1
    if max(head - _TOLD_CHARS, 0) < place < start:
        return cut_line(text, max_chars, find=lambda _: place)
    if mark is _SHORT_MARK:
        return text[:head] + mark + text[start:]
    # What was cut before is added up, so that the number may be longer.
    return _join(text, [(0, head), (start, len(text))])[:max_chars]


def _reason_size(text: str, max_chars: int) -> int:
    """Return the size of the clause behind the last colon, 0 if it would take too much."""
    first = len(text) - 2 * max_chars // 3
    # Behind a mark stands the reason of a line that was cut before.
    at = max(text.rfind(mark, max(0, first - 5)) + len(mark) for mark in (": ", _SHORT_MARK))
    return len(text) - at if at >= max(first, 5) else 0


def _word_end(text: str, place: int) -> int:
    """Return where the last word before a place ends, if it is not too long."""
    at = text.rfind(" ", max(1, place - _WORD_CHARS), place + 1)
    return at if at > 0 else place


def _word_start(text: str, place: int) -> int:
    """Return where the first word behind a place starts, if it is not too far."""
    at = text.find(" ", max(0, place - 1), place + _WORD_CHARS)
    return at + 1 if 0 <= at < len(text) - 1 else place


def _join(text: str, spans: list[tuple[int, int]]) -> str:
    """Join parts of a text with marks; marks inside what is cut are added up."""
    out, done = "", 0
    for start, end in spans:
        if start > done:
            gone = text[done:start]
            inner = CUT_MARK.findall(gone)
            n_chars = len(CUT_MARK.sub("", gone)) + sum(int(n[:18]) for n in inner)
            out += cut_mark(n_chars)
        out += text[start:end]
        done = end
    return out
