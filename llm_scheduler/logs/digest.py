"""The digest: what matters in the logs of one job, in a bounded number of characters."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from llm_scheduler.errors import UsageError
from llm_scheduler.logs.fingerprint import fingerprint_ranked
from llm_scheduler.logs.fold import fold_traceback
from llm_scheduler.logs.models import LogDigest, LogLine, LogText, Traceback
from llm_scheduler.logs.ranking import WEAK, Ranked, covered_lines, rank_lines
from llm_scheduler.logs.redaction import redact
from llm_scheduler.logs.scanner import scan_log
from llm_scheduler.logs.text import MAX_LINE_CHARS, cut_line
from llm_scheduler.logs.tracebacks import find_tracebacks

_MAX_EVIDENCE = 20
_TOP = 6
_MAX_TRACEBACKS = 4
_AROUND = 3
_HEAD = 8
_TAIL = 15


def digest_log(
    paths: Path | str | Sequence[Path | str],
    *,
    max_chars: int = 4000,
) -> LogDigest:
    """Read the logs of one job and put together what matters in them.

    Parameters
    ----------
    paths
        One log, or all logs of the job.
    max_chars
        The text is never longer. The fingerprint does not depend on it.

    Notes
    -----
    Never raises for a log that can't be read: ``problems`` says why then.
    Secrets are taken out of the text, not out of ``evidence``.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    return make_digest([scan_log(path) for path in paths], max_chars=max_chars)


def make_digest(texts: Sequence[LogText], *, max_chars: int = 4000) -> LogDigest:
    """Put together the digest of logs that are scanned already.

    Raises
    ------
    UsageError
        If `max_chars` is not positive.
    """
    if max_chars < 1:
        raise UsageError(f"max_chars is {max_chars!r}; it must be at least 1")
    ranked = rank_lines(texts)
    page = _Page(texts, max_chars)
    omitted = _write(page, texts, ranked)
    return LogDigest(
        text=page.text(omitted),
        fingerprint=fingerprint_ranked(ranked, texts),
        evidence=tuple(entry.line for entry in ranked[:_MAX_EVIDENCE]),
        tracebacks=tuple(tb for text in texts for tb in text.tracebacks),
        files=tuple(text.file for text in texts),
        n_bytes=sum(text.n_bytes for text in texts),
        n_lines=sum(text.n_lines for text in texts),
        omitted=omitted,
        problems=tuple(f"{text.file}: {text.problem}" for text in texts if text.problem),
    )


def _write(page: _Page, texts: Sequence[LogText], ranked: Sequence[Ranked]) -> dict[str, int]:
    """Fill the page, the most telling first; returns what did not fit."""
    page.add_problems()
    top = [entry for entry in ranked[:_TOP] if entry.score >= WEAK] or list(ranked[:2])
    shown = _show_top(page, top)
    if not page.add("Most telling lines:", shown, share=0.45) and shown:
        page.replace(shown[0])
    chosen = choose_tracebacks(texts, ranked)
    n_shown = 0
    for traceback in chosen:
        title = "Traceback:" if traceback.language == "python" else "Failure:"
        n_shown += page.add(title, fold_traceback(traceback, page.show), share=0.5)
    for entry in top[:3]:
        page.add("Around it:", page.pick(_near(texts, entry.line)), share=0.3)
    rest = [entry for entry in ranked[_TOP:_MAX_EVIDENCE] if entry.score >= WEAK]
    page.add("Also:", _show_top(page, rest), share=0.4)
    for text in texts:
        tail = [line for line in text.lines[-_TAIL:] if line.text.strip()]
        page.add("End of the log:", page.pick(tail), share=0.7, keep_last=True)
        head = [line for line in text.lines[:_HEAD] if line.text.strip()]
        page.add("Start of the log:", page.pick(head), share=0.7)
    n_tracebacks = sum(len(text.tracebacks) for text in texts)
    counts = {
        "lines": sum(text.n_lines for text in texts) - page.n_lines,
        "tracebacks": n_tracebacks - n_shown,
        "telling lines": max(0, len(ranked) - len(top) - len(rest)),
        "unread logs": sum(bool(text.problem) for text in texts),
    }
    return {name: count for name, count in counts.items() if count > 0}


def choose_tracebacks(texts: Sequence[LogText], ranked: Sequence[Ranked]) -> list[Traceback]:
    """Choose the tracebacks to show: the best, the first and the last, each once."""
    best = [entry.traceback for entry in ranked if entry.traceback is not None]
    ends = [tb for text in texts for tb in (*text.tracebacks[:1], *text.tracebacks[-1:])]
    chosen: list[Traceback] = []
    for traceback in [*best[:2], *ends, *best[2:]]:
        if not any(traceback is known for known in chosen):
            chosen.append(traceback)
    return chosen[:_MAX_TRACEBACKS]


def _near(texts: Sequence[LogText], line: LogLine) -> list[LogLine]:
    """Return the lines around a line."""
    for text in texts:
        if text.file == line.file and line in text.lines:
            at = text.lines.index(line)
            near = text.lines[max(0, at - _AROUND) : at + _AROUND + 1]
            return [x for x in near if x.text.strip()]
    return []


def _show_top(page: _Page, top: Iterable[Ranked]) -> list[str]:
    shown = []
    for i, entry in enumerate(top):
        count = f"   (× {entry.count})" if entry.count > 1 else ""
        shown.append(page.show(entry.line, share=0.25 if i == 0 else 0.11) + count)
    return shown


class _Page:
    """A text that grows section by section and never beyond its size."""

    def __init__(self, texts: Sequence[LogText], max_chars: int) -> None:
        self._texts = texts
        self._max_chars = max_chars
        self._labels = _make_labels([text.file for text in texts])
        self._sections: list[str] = []
        # Room for the sentence on what was left out, if the page is not tiny.
        self._left = max_chars - (160 if max_chars >= 800 else 0)
        self._seen: set[tuple[str, int]] = set()
        self._title = ""
        self._folded = {
            (text.file, number)
            for text in texts
            for number in covered_lines(find_tracebacks(text.lines))
        }

    @property
    def n_lines(self) -> int:
        """How many different lines of the logs are on the page."""
        return len(self._seen)

    def show(self, line: LogLine, *, share: float = 0.05) -> str:
        """Return a line as it stands in the digest, and remember it."""
        self._seen.add((line.file, line.number))
        max_chars = int(min(self._max_chars * share, MAX_LINE_CHARS))
        text = redact(line.text)
        label = self._labels.get(line.file, line.file)
        return f"{label}:{line.number or '?'}| {cut_line(text, max(150, max_chars))}"

    def pick(self, lines: Iterable[LogLine]) -> list[str]:
        """Show those of the lines that are not on the page yet, folded tracebacks aside."""
        gone = self._seen | self._folded
        return [self.show(x) for x in lines if (x.file, x.number) not in gone or not x.number]

    def replace(self, line: str) -> None:
        """Show one line only, on a page that is too small for more."""
        self._sections = [line]
        self._left = 0

    def add_problems(self) -> None:
        """Say which logs could not be read, and the size of the others."""
        for text in self._texts:
            label = self._labels[text.file]
            if text.problem and not text.lines:
                self.add("", [f"{label}: {text.problem}"], share=0.5)
            else:
                part = "" if text.complete else ", read in part"
                why = f" ({text.problem})" if text.problem else ""
                size = f"{label}: {text.n_lines} lines, {text.n_bytes} bytes{part}{why}"
                self.add("", [cut_line(size, 300)], share=0.2)

    def add(
        self,
        title: str,
        lines: Sequence[str],
        *,
        share: float,
        keep_last: bool = False,
    ) -> bool:
        """Add as much of a section as a share of the room that is left allows."""
        room = int(self._left * share)
        kept: list[str] = []
        used = len(title) + 2
        for line in reversed(lines) if keep_last else lines:
            if used + len(line) + 1 > room:
                if kept or keep_last or room < used + 40:
                    break
                line = cut_line(line, room - used - 1)
            kept.append(line)
            used += len(line) + 1
        if not kept:
            return False
        if keep_last:
            kept.reverse()
        section = "\n".join([title, *kept] if title and title != self._title else kept)
        self._title = title
        self._sections.append(section)
        self._left -= len(section) + 1
        return True

    def text(self, omitted: dict[str, int]) -> str:
        """Return the page with the counts of what is not on it."""
        text = "\n".join(self._sections)
        parts = ", ".join(f"{count} {name}" for name, count in omitted.items())
        last = f"\nLeft out: {parts}." if parts else ""
        if len(text) + len(last) <= self._max_chars:
            text += last
        return text.strip("\n")[: self._max_chars]


def _make_labels(files: Sequence[str]) -> dict[str, str]:
    """Return the shortest name for each log that tells it from the others."""
    names = Counter(os.path.basename(file) for file in files)  # noqa: PTH119 - not always a path
    labels = {}
    for file in files:
        name = os.path.basename(file)  # noqa: PTH119 - not always a path
        labels[file] = name if names[name] == 1 else file
    return labels
