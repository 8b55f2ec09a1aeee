"""The digest: what matters in the logs of one job, in a bounded number of characters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm_scheduler.errors import UsageError
from llm_scheduler.logs.fingerprint import fingerprint_ranked
from llm_scheduler.logs.fold import MAX_FRAMES, fold_traceback
from llm_scheduler.logs.known import known_lines
from llm_scheduler.logs.models import LogDigest, LogLine, LogText, Traceback
from llm_scheduler.logs.page import Page
from llm_scheduler.logs.ranking import (
    CANCELLED,
    CAUGHT,
    PLAIN,
    SCHEDULER,
    WEAK,
    Ranked,
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
) -> LogDigest:
    """Put together the digest of logs that are scanned already.

    Parameters
    ----------
    texts, max_chars, compare_with
        As for `digest_log`.

    Raises
    ------
    UsageError
        If `max_chars` is not positive.
    """
    if max_chars < 1:
        raise UsageError(f"max_chars is {max_chars!r}; it must be at least 1")
    ranked = rank_lines(texts, known_lines(compare_with) if compare_with else frozenset())
    n_known = sum(entry.known for entry in ranked) if compare_with else 0
    page = Page(texts, max_chars)
    omitted = _write(page, texts, ranked)
    tracebacks: list[Traceback] = []
    n_bytes = n_lines = 0
    for text in texts:
        tracebacks += text.tracebacks
        n_bytes += text.n_bytes
        n_lines += text.n_lines
    return LogDigest(
        text=page.text(omitted, n_known),
        fingerprint=fingerprint_ranked(ranked, texts),
        evidence=tuple([entry.line for entry in ranked[:_MAX_EVIDENCE]]),
        tracebacks=tuple(tracebacks),
        files=tuple([text.file for text in texts]),
        n_bytes=n_bytes,
        n_lines=n_lines,
        omitted=omitted,
        problems=tuple([f"{text.file}: {text.problem}" for text in texts if text.problem]),
        n_known=n_known,
    )


def _write(page: Page, texts: Sequence[LogText], ranked: Sequence[Ranked]) -> dict[str, int]:
    """Fill the page, the most telling first; returns what did not fit."""
    page.add_sizes()
    top = _choose_top(ranked)
    shown = _show_top(page, top, _TOP_SHARE)
    if not page.add("Most telling lines:", shown, share=_TOP_SHARE) and shown:
        page.replace(shown[0])
    n_shown = 0
    for traceback in choose_tracebacks(texts, ranked):
        title = "Traceback:" if traceback.language == "python" else "Failure:"
        n_frames = MAX_FRAMES if page.room(1) >= _ROOM_FOR_FRAMES else _FEW_FRAMES
        folded = fold_traceback(traceback, page.show, n_frames)
        n_shown += page.add(title, folded, share=0.5 if n_shown else 0.7)
    for entry in top[:1]:
        page.add("Around it:", page.pick(_near(texts, entry.line)), share=0.3)
    chosen = {id(entry) for entry in top}
    rest = [x for x in ranked if id(x) not in chosen and x.score >= WEAK][: _MAX_EVIDENCE - _TOP]
    page.add("Also:", _show_top(page, rest, 0.4), share=0.4)
    for entry in top[1:3]:
        page.add("Around it:", page.pick(_near(texts, entry.line)), share=0.3)
    _add_ends(page, texts)
    counts = {
        "lines": sum([text.n_lines for text in texts]) - page.n_lines,
        "tracebacks": sum([len(text.tracebacks) for text in texts]) - n_shown,
        "telling lines": len(ranked) - len(top) - len(rest),
        "unread logs": sum([bool(text.problem) for text in texts]),
    }
    return {name: count for name, count in counts.items() if count > 0}


def _add_ends(page: Page, texts: Sequence[LogText]) -> None:
    """Add the head, which says what ran, and the tail, of each log its part of the room."""
    for i, text in enumerate(texts):
        part = 1 / (len(texts) - i)
        page.add("Start of the log:", page.pick(text.lines[:_HEAD]), share=0.35 * part)
        tail = page.pick(text.lines[-_TAIL:])
        page.add("End of the log:", tail, share=part, keep_last=True)


def _choose_top(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Choose the best lines, with the first error and what the scheduler says."""
    best = [entry for entry in ranked if entry.score >= WEAK] or list(ranked[:2])
    # Next to what ended the program, the lines that follow from it can wait.
    top = [entry for entry in best if entry.score >= CAUGHT][:_TOP] or best[:_TOP]
    errors = [x for x in best if PLAIN <= x.score < CANCELLED and x.line.number]
    wanted = [min(errors, key=lambda x: x.line.number)] if errors else []
    wanted += [x for x in best if x.traceback is None and SCHEDULER.search(x.line.text)][:1]
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


def _show_top(page: Page, top: Sequence[Ranked], share: float) -> list[str]:
    """Show lines in a share of the page; long ones may take what the short ones leave."""
    shown: list[str] = []
    room = page.room(share)
    for i, entry in enumerate(top):
        limit = room - (_MIN_LINE_CHARS * min(3, len(top) - i - 1) if i else 0)
        shown.append(page.show(entry.line, max_chars=min(limit, page.room(_LINE_SHARE))))
        shown[-1] += _count(entry)
        room -= len(shown[-1]) + 1
    return shown


def _count(entry: Ranked) -> str:
    """Say how often a line stands in the logs, and of how many ranks."""
    if entry.traceback is not None and entry.traceback.n_ranks > 1:
        return f"   (× {entry.traceback.n_ranks} ranks)"
    return f"   (× {entry.count})" if entry.count > 1 else ""
