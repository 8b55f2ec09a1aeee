"""A text of bounded size, made of lines of logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llm_scheduler.logs.models import LogLine, LogText
from llm_scheduler.logs.ranking import covered_lines
from llm_scheduler.logs.redaction import redact
from llm_scheduler.logs.text import CUT_MARK, MAX_LINE_CHARS, cut_mark

_ENDING_CHARS = 160
_MIN_LINE_CHARS = 150
_MIN_CUT = 90
_REPEATED_CHARS = 80
_SHORT = 12


class Page:
    """A text that grows section by section and never beyond its size.

    Parameters
    ----------
    texts
        The logs whose lines it shows.
    max_chars
        Its size.
    """

    def __init__(self, texts: Sequence[LogText], max_chars: int) -> None:
        self._texts = texts
        # The scanner has redacted already what it knows the alarms of.
        self._is_clean = all(text.alarms is not None or not text.lines for text in texts)
        self._max_chars = max_chars
        self._labels = _make_labels([text.file for text in texts])
        self._sections: list[str] = []
        # Room for the sentence on what was left out, if the page is not tiny.
        self._left = max_chars - min(_ENDING_CHARS, max_chars // 10)
        self._seen: dict[str, set[int]] = {text.file: set() for text in texts}
        self._shown: set[str] = set()
        self._title = ""
        self._folded: dict[str, set[int]] = {text.file: set() for text in texts}
        for text in texts:
            if text.tracebacks:
                self._folded[text.file] |= covered_lines(text.tracebacks)

    @property
    def n_lines(self) -> int:
        """How many different lines of the logs are on the page."""
        return sum(map(len, self._seen.values()))

    def room(self, share: float) -> int:
        """Return how many characters a share of the room that is left has."""
        return int(self._left * share)

    def show(self, line: LogLine, *, max_chars: int = 200) -> str:
        """Return a line as it stands in the digest, and remember it."""
        seen = self._seen[line.file]
        text = line.text
        if len(text) > _MIN_LINE_CHARS or text[:3] == "   ":
            text = self._fit(text, max(_MIN_LINE_CHARS, max_chars))
        if line.number in seen:  # it stands above already
            text = self._fit(text, _REPEATED_CHARS)
        seen.add(line.number)
        self._shown.add(text)
        return f"{self._labels[line.file]}:{line.number or '?'}| {text}"

    def _fit(self, text: str, max_chars: int) -> str:
        if text[:3] == "   ":  # how far it is indented tells nothing here
            text = f"  {text.lstrip()}"
        limit = min(max_chars, MAX_LINE_CHARS)
        # A part of a secret is not known as one: take it out before cutting.
        return text if len(text) <= limit else _cut(self._redact(text), limit)

    def _redact(self, text: str) -> str:
        return text if self._is_clean else redact(text)

    def pick(self, lines: Sequence[LogLine]) -> list[str]:
        """Show those lines of one log that are not on the page yet, folded tracebacks aside.

        Lines of equal text are shown once, blank ones not at all.
        """
        if not lines:
            return []
        file = lines[0].file
        label, seen, shown = self._labels[file], self._seen[file], self._shown
        gone = seen | self._folded[file]
        gone.discard(0)  # lines whose number is not known
        picked: list[str] = []
        for line in lines:
            number, text = line[1], line[2]
            if number in gone or (len(text) > _SHORT and text in shown) or not text.strip():
                continue
            if number and text[0] != " " and len(text) <= _MIN_LINE_CHARS:
                # As `show` does it, at once: a digest has many short lines.
                seen.add(number)
                picked.append(f"{label}:{number}| {text}")
            else:
                picked.append(self.show(line))
            shown.add(text)
        return picked

    def replace(self, line: str) -> None:
        """Show one line only, on a page that is too small for more."""
        self._sections = [line]
        self._left = 0

    def add_sizes(self) -> None:
        """Say which logs could not be read, and the size of the others."""
        for text in self._texts:
            label = self._labels[text.file]
            if text.problem and not text.lines:
                self.add("", [f"{label}: {text.problem}"], share=0.5)
            else:
                part = "" if text.complete else ", read in part"
                why = f" ({text.problem})" if text.problem else ""
                size = f"{label}: {text.n_lines} lines, {text.n_bytes} bytes{part}{why}"
                self.add("", [_cut(size, 300)], share=0.2)

    def add(
        self,
        title: str,
        lines: Sequence[str],
        *,
        share: float,
        keep_last: bool = False,
    ) -> bool:
        """Add as much of a section as a share of the room that is left allows."""
        if not lines:
            return False
        kept = self._choose(lines, int(self._left * share) - len(title) - 2, keep_last=keep_last)
        if not kept:
            return False
        section = "\n".join([title, *kept] if title and title != self._title else kept)
        self._title = title
        self._sections.append(section)
        self._left -= len(section) + 1
        return True

    def _choose(self, lines: Sequence[str], room: int, *, keep_last: bool) -> Sequence[str]:
        """Return the first or the last lines for which there is room, the first ones cut."""
        if sum(map(len, lines)) + len(lines) <= room:
            return lines
        kept: list[str] = []
        for line in reversed(lines) if keep_last else lines:
            if len(line) + 1 > room:
                if keep_last or room < _MIN_CUT:
                    break
                line = _cut(self._redact(line), room - 1)
            kept.append(line)
            room -= len(line) + 1
        return kept[::-1] if keep_last else kept

    def text(self, omitted: dict[str, int], n_known: int = 0) -> str:
        """Return the page, without secrets, and the counts of what is not on it."""
        text = self._redact("\n".join(self._sections)).strip("\n")
        for last in _endings(omitted, n_known):
            if len(text) + len(last) <= self._max_chars:
                text += last
                break
        return text[: self._max_chars]


def _endings(omitted: dict[str, int], n_known: int) -> list[str]:
    """Return what says what was left out, the longest form first."""
    parts = ", ".join(f"{count} {name}" for name, count in omitted.items())
    endings = [f"\nLeft out: {parts}."] if parts else []
    if "lines" in omitted:
        endings.append(f"\n(+{omitted['lines']} lines)")
    if n_known:
        these = f"\nSet back, as a successful job printed them too: {n_known} telling lines."
        endings = [end + these for end in endings[:1]] + [these, *endings]
    return endings


def _cut(text: str, max_chars: int) -> str:
    """Cut a text, keeping most of its start and some of its end."""
    if len(text) <= max_chars:
        return text
    mark = cut_mark(len(text))
    room = max_chars - len(mark)
    if room < 40:
        return text[: max(0, max_chars)]
    tail = room // 5
    gone = text[room - tail : len(text) - tail]
    # What was cut before is added up.
    n_chars = len(CUT_MARK.sub("", gone)) + sum(int(n[:18]) for n in CUT_MARK.findall(gone))
    return (text[: room - tail] + cut_mark(n_chars) + text[len(text) - tail :])[:max_chars]


def _make_labels(files: Sequence[str]) -> dict[str, str]:
    """Return the shortest name for each log that tells it from the others."""
    names = [file.rpartition("/")[2] for file in files]
    if len(set(names)) == len(files):
        return dict(zip(files, names, strict=True))
    counts = Counter(names)
    return {
        file: name if counts[name] == 1 else file for file, name in zip(files, names, strict=True)
    }
