"""Whether what a model quotes stands in the logs.

A model gets no evidence for free: a quotation counts only as the line of the log that it
was found in, with that line's own number and text. First the lines are searched that
were read for the digest, then, in one pass of bounded time, the whole logs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from llm_scheduler.agent.diagnosis_answer import Quotation
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.errors import LogError
from llm_scheduler.logs.models import LogLine, LogText
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.logs.redaction import redact_lines
from llm_scheduler.logs.text import MAX_LINE_CHARS, clean_line

RECORD = "record"
"""What stands for a file where the scheduler's record is quoted."""
MAX_CHARS = 500
"""Of the text of one line of evidence."""
MAX_QUOTATIONS = 10
"""That are looked at; what comes after is passed over."""
SEARCH_S = 4.0
"""Longest search through whole logs for all quotations of one answer."""
_MAX_TEXT = 10_000
_MAX_LINES = 5
_MIN_CHARS = 8
_MIN_PROBE = 4
_MAX_HITS = 20_000
_NUMBER = re.compile(r"^\s*(?:\[\d{1,4}\]\s*)?(?:(?:\d{1,12}|\?)\|\s?)?")
_ROW = re.compile(r"(?:\[(?P<log>\d{1,4})\] )?(?P<line>\d{1,12})\| (?P<text>.*)")
_COUNT = re.compile(r"\s+\(× \d{1,12}(?: ranks)?\)\s*$")
_GAPS = re.compile(r" ?\.\.\. \[\d{1,18} characters cut\] \.\.\. ?|\[redacted\]| \.\.\. |…|\.\.\.$")
_INDEX = re.compile(r"\[?(\d{1,4})\]?")


@dataclass
class Checked:
    """What became of the quotations of an answer."""

    evidence: list[Evidence] = field(default_factory=list)
    """The lines that were found, in the model's order."""
    invented: list[str] = field(default_factory=list)
    """What was not."""


class _Row(NamedTuple):
    """One line as the digest shows it."""

    log: int
    line: int
    text: str


@dataclass(frozen=True)
class _Wanted:
    """One quotation, in the form in which it is looked for."""

    pieces: tuple[str, ...]
    """Which must stand in a line in this order."""
    line: int
    logs: tuple[int, ...]
    """Indices of the logs that its file may mean."""
    in_record: bool = False

    @property
    def probe(self) -> bytes:
        """The longest word: what is looked for first."""
        words = [word for piece in self.pieces for word in piece.split(" ")]
        return max(words, key=len).encode()


def check_quotations(
    quotations: Sequence[Quotation],
    texts: Sequence[LogText],
    record: str,
    *,
    digest: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Checked:
    """Look up each quotation in the file that it names.

    Parameters
    ----------
    quotations
        Of one answer; one of several lines counts as several.
    texts
        The logs of the job, scanned.
    record
        What the model was told of the scheduler's record.
    digest
        The text of the digest that it saw.
    clock
        Monotonic time, in seconds.

    """
    told = quotations[:MAX_QUOTATIONS]
    wanted = [(text, _want(q, text, i, texts)) for q in told for i, text in _lines_of(q)]
    rows = _read_rows(digest, texts)
    found: dict[int, Evidence] = {}
    for i, (_, want) in enumerate(wanted):
        if want is not None:
            evidence = _find_in_record(want, record) or _find_in_texts(want, texts)
            evidence = evidence or _find_in_digest(want, rows, texts)
            if evidence is not None:
                found[i] = evidence
    missing = {i: want for i, (_, want) in enumerate(wanted) if want is not None and i not in found}
    found |= _search_logs(missing, texts, clock)
    checked = Checked()
    for i, (text, _) in enumerate(wanted):
        if i not in found:
            checked.invented.append(text)
        elif found[i] not in checked.evidence:
            checked.evidence.append(found[i])
    return checked


def _lines_of(quotation: Quotation) -> Iterator[tuple[int, str]]:
    lines = [line for line in quotation.text[:_MAX_TEXT].splitlines() if line.strip()]
    yield from enumerate([line[:MAX_LINE_CHARS] for line in lines[:_MAX_LINES]] or [""])


def _want(quotation: Quotation, text: str, i: int, texts: Sequence[LogText]) -> _Wanted | None:
    line = _COUNT.sub("", _NUMBER.sub("", text, count=1))
    pieces = tuple(filter(None, (_squeeze(piece) for piece in _GAPS.split(line))))
    if not pieces or max(map(len, pieces)) < _MIN_PROBE:
        return None
    name = quotation.file.strip()
    in_record = name.strip("[]").lower() in (RECORD, "scheduler", "scheduler's record")
    logs = () if in_record else _logs_named(name, texts)
    number = quotation.line + i if quotation.line > 0 else 0
    return _Wanted(pieces, number, logs, in_record) if logs or in_record else None


def _logs_named(name: str, texts: Sequence[LogText]) -> tuple[int, ...]:
    """Return the logs that a name may mean: a path, the end of one, or a number in the digest."""
    parts = PurePath(name).parts
    if not parts:
        return tuple(range(len(texts))) if len(texts) == 1 else ()
    named = [i for i, text in enumerate(texts) if PurePath(text.file).parts[-len(parts) :] == parts]
    if not named:
        named = [i for i, text in enumerate(texts) if PurePath(text.file).name == parts[-1]]
    if not named and (found := _INDEX.fullmatch(name)) is not None:
        named = [i for i in range(len(texts)) if i == int(found[1]) - 1]
    return tuple(named)


def _squeeze(text: str) -> str:
    """Return a text as it is compared: visible characters, single blanks."""
    return " ".join(clean_line(text.encode(errors="replace")).split())


def _holds(line: str, pieces: Sequence[str]) -> bool:
    """Tell whether a squeezed line holds the pieces in their order, as more than a scrap."""
    at = 0
    for piece in pieces:
        at = line.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    n_chars = sum(map(len, pieces))
    return n_chars >= _MIN_CHARS or n_chars >= len(line)


def _find_in_record(want: _Wanted, record: str) -> Evidence | None:
    if not want.in_record:
        return None
    for line in record.splitlines():
        if _holds(_squeeze(line), want.pieces):
            return Evidence(file="", line=0, text=_cut(line.strip()))
    return None


def _find_in_texts(want: _Wanted, texts: Sequence[LogText]) -> Evidence | None:
    """Return the line that holds a quotation, the nearest to the number it names."""
    best: tuple[int, str, LogLine] | None = None
    for i in want.logs:
        for line in texts[i].lines:
            if _holds(" ".join(line.text.split()), want.pieces):
                away = abs(line.number - want.line)
                if best is None or away < best[0]:
                    best = away, texts[i].file, line
    if best is None:
        return None
    return Evidence(file=best[1], line=best[2].number, text=_cut(best[2].text))


def _read_rows(digest: str, texts: Sequence[LogText]) -> list[_Row]:
    """Return the rows of a digest that stand for lines of logs."""
    rows: list[_Row] = []
    for line in digest.splitlines():
        found = _ROW.match(line)
        if found is None:
            continue
        log = int(found["log"] or 1) - 1
        if log < len(texts):
            rows.append(_Row(log, int(found["line"]), " ".join(found["text"].split())))
    return rows


def _find_in_digest(
    want: _Wanted, rows: Sequence[_Row], texts: Sequence[LogText]
) -> Evidence | None:
    """Return the line that a row of the digest stands for, which need not show its text.

    Frames of all languages are written in one way there, with their source behind them.
    """
    found = [row for row in rows if row.log in want.logs and _holds(row.text, want.pieces)]
    if not found:
        return None
    row = min(found, key=lambda row: abs(row.line - want.line))
    text = texts[row.log]
    line = next((line for line in text.lines if line.number == row.line), None)
    return Evidence(file=text.file, line=row.line, text=_cut(line.text)) if line else None


def _search_logs(
    missing: dict[int, _Wanted], texts: Sequence[LogText], clock: Callable[[], float]
) -> dict[int, Evidence]:
    """Look for quotations in the whole logs, each read once at most."""
    found: dict[int, Evidence] = {}
    deadline = clock() + SEARCH_S
    for i, text in enumerate(texts):
        here = {k: want for k, want in missing.items() if i in want.logs and k not in found}
        is_read = text.complete and len(text.lines) >= text.n_lines
        if here and not is_read and not (text.problem and not text.lines):
            found |= _search_log(text.file, here, deadline, clock)
    return found


def _search_log(
    file: str, wanted: dict[int, _Wanted], deadline: float, clock: Callable[[], float]
) -> dict[int, Evidence]:
    found: dict[int, Evidence] = {}
    n_hits = 0
    try:
        with LogReader(file) as reader:
            for n_above, block in _blocks(reader.chunks()):
                for k, want in wanted.items():
                    for at in _hits(block, want.probe) if k not in found else ():
                        n_hits += 1
                        number, raw = _line_at(block, at)
                        line = clean_line(redact_lines([raw])[0])
                        if _holds(" ".join(line.split()), want.pieces):
                            found[k] = Evidence(
                                file=file, line=n_above + number, text=_cut(line.rstrip())
                            )
                            break
                        if n_hits > _MAX_HITS:
                            return found
                if len(found) == len(wanted) or clock() > deadline:
                    break
    except LogError:  # gone, or damaged in the middle: what is found is found
        pass
    return found


def _blocks(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines of a log, with the number of lines above them."""
    n_above, rest = 0, b""
    for chunk in chunks:
        data = rest + chunk
        end = data.rfind(b"\n") + 1
        if not end:
            # A line without an end must not fill the memory.
            rest = data[-(1 << 20) :]
            continue
        block, rest = data[:end], data[end:]
        yield n_above, block
        n_above += block.count(b"\n")
    yield n_above, rest


def _hits(block: bytes, probe: bytes) -> Iterator[int]:
    at = block.find(probe)
    while at >= 0:
        yield at
        end = block.find(b"\n", at)
        at = block.find(probe, end) if end >= 0 else -1


def _line_at(block: bytes, at: int) -> tuple[int, bytes]:
    """Return the number in its block, from 1, and the bytes of the line at a place."""
    start = block.rfind(b"\n", 0, at) + 1
    end = block.find(b"\n", at)
    raw = block[start : end if end >= 0 else len(block)]
    return block.count(b"\n", 0, start) + 1, raw[: 1 << 16]


def _cut(text: str) -> str:
    text = text.rstrip()
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
