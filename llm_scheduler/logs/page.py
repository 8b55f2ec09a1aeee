"""A text of bounded size, made of lines of logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from operator import add, eq
from typing import NamedTuple

from llm_scheduler.logs.counted import is_counted
from llm_scheduler.logs.models import LogLine, LogText
from llm_scheduler.logs.ranking import covered_lines
from llm_scheduler.logs.redaction import redact
from llm_scheduler.logs.text import MAX_LINE_CHARS, clean_name, cut_text

_ENDING_CHARS = 160
_MIN_LINE_CHARS = 150
_MIN_CUT = 90
_REPEATED_CHARS = 80
_SHORT = 12
_NAME_CHARS = 300
_NAMES_SHARE = 0.3
_OF_KEPT = frozenset({"tracebacks", "telling lines"})
"""What is counted among the lines that were kept."""
_TOP_TITLE = "Most telling lines:"
_WHOLE_TITLE = "The log:"
_WHOLE_TITLES = f"{_TOP_TITLE}\n{_WHOLE_TITLE}\n"


class Row(NamedTuple):
    """One line of the page."""

    shown: str
    file: str = ""
    """The log it is from; empty when it is a remark on the lines around it."""
    number: int = 0
    """The number of the line; 0 when it is not known."""
    text: str = ""
    """The line as the log has it."""


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
        self._is_clean = not [x for x in texts if x.alarms is None and x.lines]
        self._max_chars = max_chars
        self._sections: list[str] = []
        # Room for the sentence on what was left out, if the page is not tiny.
        self._reserve = min(_ENDING_CHARS, max_chars // 14)
        self._left = max_chars - self._reserve
        self._seen: dict[str, set[int]] = {text.file: set() for text in texts}
        self._shown: set[str] = set()
        self._title = ""
        self.is_whole = False
        """Whether it shows all lines of all logs."""
        self._marks: dict[str, str] = dict.fromkeys(self._seen, "")
        self._names: dict[str, str] = {}
        self._named: set[str] = {""}
        self._name_logs()

    @cached_property
    def _folded(self) -> dict[str, set[int]]:
        """Which lines of each log belong to tracebacks."""
        folded: dict[str, set[int]] = {file: set() for file in self._seen}
        for text in self._texts:
            folded[text.file] |= covered_lines(text.tracebacks)
        return folded

    @cached_property
    def _in_part(self) -> set[str]:
        """Of which logs only a part of the telling lines was kept."""
        return {x.file for x in self._texts if not is_counted(x, len(self._folded[x.file]))}

    def count(self, n: int, file: str = "") -> str:
        """Return a count of kept lines: the least there are, if others were not kept.

        Parameters
        ----------
        n
            The count.
        file
            The log whose lines were counted; those of all logs otherwise.
        """
        in_part = file in self._in_part if file else bool(self._in_part)
        return f"at least {n}" if in_part else str(n)

    def _name_logs(self) -> None:
        """Name the only log at the top; of several each when its first line is shown."""
        if len(self._texts) == 1:
            file = self._texts[0].file
            self._names[file] = self._describe(self._texts[0], file.rpartition("/")[2])
            self._add_name(file, _NAMES_SHARE)
            return
        short = _make_names([text.file for text in self._texts])
        for i, text in enumerate(self._texts, 1):
            if len(self._marks) > 1:
                self._marks[text.file] = f"[{i}] "
            self._names[text.file] = self._describe(text, short[text.file])
        least = self._left * (1 - _NAMES_SHARE)  # what can be read needs the rest
        for text in self._texts:
            is_unread = text.problem and not text.lines
            fits = self._left - len(self._names[text.file]) > least
            if len(self._names) == 1 or (is_unread and fits):
                self._add_name(text.file, _NAMES_SHARE)

    def _describe(self, text: LogText, name: str) -> str:
        mark = self._marks[text.file]
        name = redact(clean_name(name))
        if text.problem and not text.lines:
            return f"{mark}{name}: {text.problem}"
        part = "" if text.complete else ", read in part"
        why = f" ({text.problem})" if text.problem else ""
        sizes = f"{_count('lines', text.n_lines)}, {_count('bytes', text.n_bytes)}"
        return cut_text(f"{mark}{name}: {sizes}{part}{why}", _NAME_CHARS)

    def _add_name(self, file: str, share: float) -> None:
        size = len(self._names[file]) + 1
        if file not in self._named and size <= self._left * share:
            self._named.add(file)
            self._left -= size

    def add_names(self) -> int:
        """Name the logs that no line is from, if there is room; returns how many stay unnamed."""
        for file in self._names:
            self._add_name(file, 1)
        return len(self._names.keys() - self._named)

    @property
    def n_lines(self) -> int:
        """How many different lines of the logs are on the page."""
        return sum(map(len, self._seen.values()))

    def has(self, file: str, number: int, text: str) -> bool:
        """Tell whether a line is on the page."""
        return number in self._seen[file] if number else text in self._shown

    def room(self, share: float) -> int:
        """Return how many characters a share of the room that is left has."""
        return int(self._left * share)

    def show(self, line: LogLine, *, max_chars: int = 200) -> Row:
        """Return a line as it stands on the page, shorter when it stands there already."""
        file, number, text = line
        shown = text
        if len(text) > _MIN_LINE_CHARS or text[:3] == "   ":
            shown = self._fit(text, max(_MIN_LINE_CHARS, max_chars))
        if number in self._seen[file]:
            shown = self._fit(shown, _REPEATED_CHARS)
        return Row(f"{self._marks[file]}{number or '?'}| {shown}", file, number, text)

    def _fit(self, text: str, max_chars: int) -> str:
        if text[:3] == "   ":  # how far it is indented tells nothing here
            text = f"  {text.lstrip()}"
        limit = min(max_chars, MAX_LINE_CHARS)
        # A part of a secret is not known as one: take it out before cutting.
        return text if len(text) <= limit else cut_text(self._redact(text), limit)

    def _redact(self, text: str) -> str:
        return text if self._is_clean else redact(text)

    def pick(self, lines: Sequence[LogLine]) -> list[Row]:
        """Return those lines of one log that are not on the page yet, folded tracebacks aside.

        Lines of equal text are shown once, blank ones not at all.
        """
        if not lines:
            return []
        file = lines[0].file
        gone = self._seen[file] | self._folded[file]
        gone.discard(0)  # lines whose number is not known
        texts: set[str] = set()
        picked: list[Row] = []
        for line in lines:
            text = line[2]
            if line[1] in gone or not text.strip():
                continue
            if len(text) > _SHORT:
                if text in texts or text in self._shown:
                    continue
                texts.add(text)
            picked.append(self.show(line))
        return picked

    def copy(self, text: LogText, folded: dict[int, str]) -> list[str]:
        """Return all lines of a log: equal neighbours once, blank ones not at all.

        Parameters
        ----------
        text
            The log.
        folded
            What stands in the place of lines that are not shown, by number.
        """
        mark = self._marks[text.file]
        if not (folded or mark) and text.lines:
            _, numbers, texts = zip(*text.lines, strict=True)
            if all(map(str.strip, texts)) and not any(map(eq, texts, texts[1:])):
                # As in most small logs; this takes a fourth of the time.
                return list(map(add, map(_label, numbers), texts))
        shown: list[str] = []
        last, start, n_equal = "", "", 1
        for _, number, said in text.lines:
            if said == last:
                if said:
                    n_equal += 1
                    shown[-1] = f"{start}{said}   (× {n_equal})"
            elif number in folded:
                if folded[number]:
                    shown.append(folded[number])
                last = ""
            elif said and not said.isspace():
                start = f"{mark}{number}| "
                shown.append(start + said)
                last, n_equal = said, 1
        return shown

    def add_whole(self, top: Sequence[Row], lines: Sequence[str] | None) -> bool:
        """Add all lines of all logs, below the best ones if there is room for both.

        Returns whether there was room.
        """
        if not lines:
            return False
        room = self._left + self._reserve - sum(map(len, lines)) - len(lines)
        if len(self._named) <= len(self._names):
            room -= sum([len(name) + 1 for x, name in self._names.items() if x not in self._named])
        if room < 0:
            return False
        room -= len(_WHOLE_TITLES)
        if top and len(lines) > len(top) + 1:
            for best in (top, top[:1]):
                if sum([len(row[0]) + 1 for row in best]) <= room:
                    self._sections += [_TOP_TITLE, *[row[0] for row in best], _WHOLE_TITLE]
                    break
        self._sections += lines
        self._named.update(self._names)
        self._left = 0
        self.is_whole = True
        return True

    def replace(self, row: Row) -> None:
        """Show one line only, on a page that is too small for more."""
        self._sections = [row.shown]
        self._named = {""}
        self._mark([row])
        self._left = 0

    def add(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        share: float,
        keep_last: bool = False,
    ) -> bool:
        """Add as much of a section as a share of the room that is left allows."""
        if not rows:
            return False
        head = f"{title}\n" if title and title != self._title else ""
        kept = self._choose(rows, int(self._left * share) - len(head), keep_last=keep_last)
        if not kept or (len(kept) < len(rows) and not self._is_new(kept)):
            return False
        self._title = title
        self._left -= self._size(kept) + len(head)
        self._sections.append(head + "\n".join([row.shown for row in kept]))
        self._mark(kept)
        return True

    def _is_new(self, rows: Iterable[Row]) -> bool:
        """Tell whether any of the rows says what the page does not."""
        return any(row.file and not self.has(*row[1:]) for row in rows)

    def _mark(self, rows: Iterable[Row]) -> None:
        for _, file, number, text in rows:
            if file:
                self._seen[file].add(number)
                self._named.add(file)
                self._shown.add(text)

    def _size(self, rows: Sequence[Row]) -> int:
        """Return the room that rows take, with the names of logs that they are the first of."""
        size = sum([len(row[0]) for row in rows]) + len(rows)
        if len(self._named) <= len(self._names):
            for file in {row[1] for row in rows} - self._named:
                size += len(self._names[file]) + 1
        return size

    def _choose(self, rows: Sequence[Row], room: int, *, keep_last: bool) -> Sequence[Row]:
        """Return the first or the last rows for which there is room, the first ones cut."""
        if self._size(rows) <= room:
            return rows
        kept: list[Row] = []
        named = set(self._named)
        for row in reversed(rows) if keep_last else rows:
            if row.file not in named:
                room -= len(self._names[row.file]) + 1
                named.add(row.file)
            if len(row.shown) + 1 > room:
                if (keep_last and kept) or room < _MIN_CUT:
                    break
                row = row._replace(shown=cut_text(self._redact(row.shown), room - 1))
            kept.append(row)
            room -= len(row.shown) + 1
        return kept[::-1] if keep_last else kept

    def text(self, omitted: dict[str, int], n_known: int = 0) -> str:
        """Return the page, without secrets, and the counts of what is not on it."""
        names = [name for file, name in self._names.items() if file in self._named]
        text = self._redact("\n".join([*names, *self._sections])).strip("\n")
        for last in self._endings(omitted, n_known) if omitted or n_known else ():
            if len(text) + len(last) <= self._max_chars:
                text += last
                break
        return text[: self._max_chars]

    def _endings(self, omitted: dict[str, int], n_known: int) -> list[str]:
        """Return what says what was left out, the longest form first."""
        parts = ", ".join(self._say_omitted(name, count) for name, count in omitted.items())
        endings = [f"\nLeft out: {parts}."] if parts else []
        if "lines" in omitted:
            endings.append(f"\n(+{_count('lines', omitted['lines'])})")
        if n_known:
            lines = _count("telling lines", n_known)
            these = f"\nSet back, as a successful job printed them too: {lines}."
            endings = [end + these for end in endings[:1]] + [these, *endings]
        return endings

    def _say_omitted(self, name: str, count: int) -> str:
        said = _count(name, count)
        if name == "lines":  # every line is counted, as far as the log was read
            is_least = not all(text.complete or text.problem for text in self._texts)
        else:
            is_least = name in _OF_KEPT and bool(self._in_part)
        return f"at least {said}" if is_least else said


@lru_cache(maxsize=1024)
def _label(number: int) -> str:
    """Return what stands before a line of the only log."""
    return f"{number}| "


def _count(name: str, count: int) -> str:
    """Return ``3 lines``, or ``1 line``."""
    return f"{count} {name[:-1] if count == 1 else name}"


def _make_names(files: Sequence[str]) -> dict[str, str]:
    """Return the shortest end of each path that tells it from the others."""
    names = {file: file.rpartition("/")[2] for file in files}
    if len(names) == 1:
        return names
    for n_parts in range(2, 2 + max((file.count("/") for file in names), default=0)):
        seen: dict[str, int] = {}
        for name in names.values():
            seen[name] = seen.get(name, 0) + 1
        equal = [file for file, name in names.items() if seen[name] > 1]
        if not equal:
            break
        for file in equal:
            names[file] = "/".join(file.split("/")[-n_parts:])
    return names
