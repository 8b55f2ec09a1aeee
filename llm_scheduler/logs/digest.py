"""The digest: what matters in the logs of one job, in a bounded number of characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from llm_scheduler.errors import UsageError
from llm_scheduler.logs.fingerprint import fingerprint_ranked
from llm_scheduler.logs.fold import MAX_FRAMES, fold_in_place, fold_traceback
from llm_scheduler.logs.known import known_lines
from llm_scheduler.logs.models import LogDigest, LogLine, LogText, Traceback
from llm_scheduler.logs.page import Page, Row
from llm_scheduler.logs.ranking import (
    CANCELLED,
    CAUGHT,
    PLAIN,
    SCHEDULER,
    WEAK,
    Ranked,
    find_line,
    is_title,
    place_of,
    rank_lines,
)
from llm_scheduler.logs.scanner import scan_log

_MAX_EVIDENCE = 20
_TOP = 6
_MAX_TRACEBACKS = 4
_AROUND = 3
_HEAD = 8
_TAIL = 40
_CHARS_OF_LINE = 40
_MIN_REST = 400
_MAX_GAIN = 2
_MIN_GAIN = 1000
"""A log of more bytes has no room, however many lines of it are blank, equal, or folded."""
_ROOM_FOR_FRAMES = 1500
_FEW_FRAMES = 2
_TOP_SHARE = 0.6
_LINE_SHARE = 0.35
_MIN_LINE_CHARS = 60


def digest_log(
    paths: Path | str | Sequence[Path | str],
    *,
    max_chars: int = 4000,
    compare_with: Path | str | Sequence[Path | str] = (),
) -> LogDigest:
    """Read the logs of one job and put together what matters in them.

    Parameters
    ----------
    paths
        One log, or all logs of the job.
    max_chars
        The text is never longer. The fingerprint does not depend on it.
    compare_with
        Logs of a job of the same run that succeeded: lines that stand there
        too count for less.

    Notes
    -----
    Never raises for a log that can't be read: ``problems`` says why then.
    Secrets are taken out of everything, when a log is scanned.
    """
    return make_digest(
        [scan_log(path) for path in _as_paths(paths)],
        max_chars=max_chars,
        compare_with=[scan_log(path) for path in _as_paths(compare_with)],
    )


def _as_paths(paths: Path | str | Sequence[Path | str]) -> Sequence[Path | str]:
    return [paths] if isinstance(paths, (str, Path)) else paths


def make_digest(
    texts: Sequence[LogText],
    *,
    max_chars: int = 4000,
    compare_with: Sequence[LogText] = (),
    proof: Sequence[LogLine] = (),
) -> LogDigest:
    """Put together the digest of logs that are scanned already.

    Parameters
    ----------
    texts, max_chars, compare_with
        As for `digest_log`.
    proof
        Lines that prove a diagnosis, best first: they are shown before all others.

    Raises
    ------
    UsageError
        If `max_chars` is not positive.
    """
    if max_chars < 1:
        raise UsageError(f"max_chars is {max_chars!r}; it must be at least 1")
    ranked = rank_lines(texts, known_lines(compare_with) if compare_with else frozenset())
    n_known = sum([entry.known for entry in ranked]) if compare_with else 0
    proven = _find_proof(texts, ranked, proof) if proof else []
    page = Page(texts, max_chars)
    _write(page, texts, ranked, proven)
    omitted = {} if page.is_whole else _count_omitted(page, texts, ranked)
    evidence = _put_first(proven, ranked)[:_MAX_EVIDENCE] if ranked or proven else ()
    files: list[str] = []
    problems: list[str] = []
    tracebacks: list[Traceback] = []
    n_bytes = n_lines = 0
    for text in texts:
        files.append(text.file)
        if text.problem:
            problems.append(f"{text.file}: {text.problem}")
        tracebacks += text.tracebacks
        n_bytes += text.n_bytes
        n_lines += text.n_lines
    return LogDigest(
        text=page.text(omitted, n_known),
        fingerprint=fingerprint_ranked(ranked, texts),
        evidence=tuple([entry.line for entry in evidence]),
        tracebacks=tuple(tracebacks),
        files=tuple(files),
        n_bytes=n_bytes,
        n_lines=n_lines,
        omitted=omitted,
        problems=tuple(problems),
        n_known=n_known,
    )


def _find_proof(
    texts: Sequence[LogText], ranked: Sequence[Ranked], proof: Sequence[LogLine]
) -> list[Ranked]:
    """Return the lines that prove a diagnosis as the logs have them, with their worth."""
    lines = {text.file: text.lines for text in texts}
    rated = {(entry.line.file, entry.line.number): entry for entry in ranked}
    found: list[Ranked] = []
    for file, number, _ in proof:
        entry = rated.get((file, number))
        if entry is None and number and file in lines:
            line = find_line(lines[file], number)
            entry = Ranked(WEAK, line) if line is not None else None
        if entry is not None and not any(entry.line == known.line for known in found):
            found.append(entry)
    return found


def _put_first(first: list[Ranked], others: Sequence[Ranked]) -> list[Ranked]:
    """Return entries, and behind them those of others that are not among them."""
    if not first:
        return list(others)
    lines = {entry.line[:2] for entry in first}
    return first + [entry for entry in others if entry.line[:2] not in lines]


def _write(
    page: Page, texts: Sequence[LogText], ranked: Sequence[Ranked], proven: list[Ranked]
) -> None:
    """Fill the page, the most telling first."""
    top: list[Ranked] = []
    shown: list[Row] = []
    if ranked or proven:
        top = _put_first(proven, _choose_top(ranked))[: max(_TOP + 2, len(proven) + 2)]
        shown = _show_top(page, texts, top, _TOP_SHARE)
    if page.add_whole(shown, _copy_logs(page, texts)):
        return
    if not page.add("Most telling lines:", shown, share=_TOP_SHARE) and shown:
        page.replace(shown[0])
    share = 0.7
    for traceback in choose_tracebacks(texts, ranked):
        title = "Traceback:" if traceback.language == "python" else "Failure:"
        n_frames = MAX_FRAMES if page.room(1) >= _ROOM_FOR_FRAMES else _FEW_FRAMES
        if page.add(title, fold_traceback(traceback, page, n_frames), share=share):
            share = 0.5
    for entry in top[:1]:
        page.add("Around it:", page.pick(_near(texts, entry.line)), share=0.3)
    rest = [x for x in ranked if x.score >= WEAK and not page.has(*x.line)]
    rest = rest[: _MAX_EVIDENCE - _TOP]
    page.add("Also:", _show_top(page, texts, rest, 0.4), share=0.4)
    for entry in top[1:3]:
        page.add("Around it:", page.pick(_near(texts, entry.line)), share=0.3)
    _add_ends(page, texts)


def _count_omitted(
    page: Page, texts: Sequence[LogText], ranked: Sequence[Ranked]
) -> dict[str, int]:
    """Count what is not on the page."""
    shown = [
        page.has(traceback.file, traceback.message_line, traceback.message)
        for text in texts
        for traceback in text.tracebacks
    ]
    counts = {
        "lines": sum([text.n_lines for text in texts]) - page.n_lines,
        "tracebacks": len(shown) - sum(shown),
        "telling lines": sum([not page.has(*entry.line) for entry in ranked]),
        "unread logs": sum([bool(text.problem) for text in texts]),
        "logs not named": page.add_names(),
    }
    return {name: count for name, count in counts.items() if count > 0}


def _copy_logs(page: Page, texts: Sequence[LogText]) -> list[str] | None:
    """Return all lines of all logs, or nothing if they can't have room on the page."""
    room = _MAX_GAIN * page.room(1) + _MIN_GAIN
    lines: list[str] = []
    for text in texts:
        room -= text.n_bytes
        if room < 0:
            return None
        if not text.complete or text.n_lines != len(text.lines):
            return None
        lines += page.copy(text, fold_in_place(text) if text.tracebacks else {})
    return lines


def _add_ends(page: Page, texts: Sequence[LogText]) -> None:
    """Add the head, which says what ran, and the tail, of each log its part of the room."""
    # A log that can't be read, or that is blank, takes no room from the others.
    texts = [text for text in texts if any(line.text.strip() for line in text.lines)]
    for i, text in enumerate(texts):
        part = 1 / (len(texts) - i)
        page.add("Start of the log:", page.pick(text.lines[:_HEAD]), share=0.35 * part)
        n_tail = max(_TAIL, page.room(part) // _CHARS_OF_LINE)
        tail = page.pick(text.lines[-n_tail:])
        page.add("End of the log:", tail, share=part, keep_last=True)
    for text in texts:
        if page.room(1) > _MIN_REST:
            page.add("More of the log:", page.pick(text.lines), share=1)


def _choose_top(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Choose the best lines, with the first error and what the scheduler says."""
    best = [entry for entry in ranked if entry.score >= WEAK] or list(ranked[:2])
    # Next to what ended the program, the lines that follow from it can wait.
    top = [entry for entry in best if entry.score >= CAUGHT][:_TOP] or best[:_TOP]
    if len(top) == len(best):
        return top
    errors = [x for x in best if PLAIN <= x.score < CANCELLED and x.line.number]
    wanted = [min(errors, key=lambda x: x.line.number)] if errors else []
    said = (x for x in best if x.traceback is None and SCHEDULER.search(x.line.text))
    wanted += islice(said, 1)
    for i, entry in enumerate(wanted):
        if not any(entry is known for known in top):
            top.insert(min(len(top), 2 + i), entry)
    return top


def choose_tracebacks(texts: Sequence[LogText], ranked: Sequence[Ranked]) -> list[Traceback]:
    """Choose the tracebacks to show: the best, the first and the last, each once."""
    best = [entry.traceback for entry in ranked if entry.traceback is not None]
    ends = [tb for text in texts for tb in (*text.tracebacks[:1], *text.tracebacks[-1:])]
    chosen: list[Traceback] = []
    for traceback in [*best[:2], *ends, *best[2:]]:
        if not any(traceback is known for known in chosen):
            chosen.append(traceback)
    return chosen[:_MAX_TRACEBACKS]


def _near(texts: Sequence[LogText], line: LogLine) -> Sequence[LogLine]:
    """Return the lines around a line."""
    for text in texts:
        if text.file == line.file and line.number:
            at = place_of(text.lines, line.number)
            return text.lines[max(0, at - _AROUND) : at + _AROUND + 1]
    return ()


def _show_top(
    page: Page, texts: Sequence[LogText], top: Sequence[Ranked], share: float
) -> list[Row]:
    """Show lines in a share of the page; long ones may take what the short ones leave."""
    shown: list[Row] = []
    room = page.room(share)
    most = page.room(_LINE_SHARE)
    for i, entry in enumerate(top):
        limit = room - (_MIN_LINE_CHARS * min(3, len(top) - i - 1) if i else 0)
        limit = min(limit, most)
        row = page.show(entry.line, max_chars=limit)
        if count := _count(entry, page):
            row = row._replace(shown=row.shown + count)
        shown.append(row)
        room -= len(row.shown) + 1
        below = _find_below(texts, entry) if is_title(entry.line.text) else None
        if below is not None and not any(below[:2] == other.line[:2] for other in top):
            row = page.show(below, max_chars=limit)
            shown.append(row)
            room -= len(row.shown) + 1
    return shown


def _find_below(texts: Sequence[LogText], entry: Ranked) -> LogLine | None:
    """Return the first line under a title that is not blank, if it is near."""
    file, number, _ = entry.line
    for text in texts:
        if text.file == file and number:
            at = place_of(text.lines, number)
            for line in text.lines[at + 1 : at + 3]:
                if line.text.strip(" *-=#_!|"):
                    return line if line.number <= number + 2 else None
    return None


def _count(entry: Ranked, page: Page) -> str:
    """Say how often a line stands in the logs, and of how many ranks."""
    if entry.traceback is not None and entry.traceback.n_ranks > 1:
        return f"   (× {page.count(entry.traceback.n_ranks, entry.traceback.file)} ranks)"
    return f"   (× {page.count(entry.count)})" if entry.count > 1 else ""
