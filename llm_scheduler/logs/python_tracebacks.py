"""Python's tracebacks: chains, remote ones, groups, ranks, syntax errors, notebooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.logs.cursor import Cursor
from llm_scheduler.logs.frames import NOTEBOOK_FRAME, PYTHON_FRAME, is_library_file, make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback
from llm_scheduler.logs.prefixes import Strip, find_strip, keep_whole

_HEADER_MARK = "raceback (most recent call last)"
_FRAME_MARK = 'File "'
_PLAIN_HEADER = f"T{_HEADER_MARK}:"
HEADER = re.compile(r"^(?P<before>.*?)Traceback \(most recent call last\):?\s*$")
_GROUP_HEADER = re.compile(r"^(?P<before>\s*\+ )Exception Group Traceback \(most recent")
_EXCEPTION = re.compile(
    r"^(?P<name>[A-Za-z_][\w.]*(?:<locals>[\w.]*)?(?:\([\w.]+\))?)(?::\s*(?P<message>.*))?$",
)
_SURE = re.compile(
    r"^(?P<name>(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit|Warning|Failure|Group|Iteration))"
    r"(?::\s(?P<message>.*))?$",
)
_CHAIN = re.compile(
    r"^\s*(?:The above exception was the direct cause of|During handling of the above exception)",
)
_NOTEBOOK_NAME = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)\s{2,}$")
_SYNTAX = re.compile(r"^(?P<name>(?:Syntax|Indentation|Tab)Error): (?P<message>.*)$")
_REPEATED = re.compile(r"^\s*\[Previous line repeated \d+ more times?\]")
_MARKS = re.compile(r"^[\s^~|]*$")
_BROKEN = re.compile(r'^\s+(?:F|Fi|Fil|File "?|File "[^"]*)$')
_DIVIDER = re.compile(r"^\s*\+-\+?-+ (?P<number>\d+|\.\.\.) -+$")
_MARGIN = re.compile(r"^\s*[|+]")
_NOT_A_NOTE = re.compile(
    r'^(?:=>>|\s*[+|]|\[|\d{4}-|"""|\'\'\'|-{5,}|={5,}|\*{3,}|\s*File "|.*Traceback \(most'
    r"|Stacktrace|Exception ignored|.*error: \*\*\*|[\w.]*(?:Error|Exception)\b|[a-z][\w./+-]*: "
    r"|/\S+: |(?:ERROR|FATAL|WARN|INFO|DEBUG|CRITICAL)|(?i:done|all done|finished)\b"
    r"|(?:real|user|sys)\s+\d|(?i:.*\b(?:finished|completed|successfully)\W*$)"
    r"|(?i:(?:step|iteration|iter|epoch|point|cycle)\b\W*\d))",
)
_MAX_NOTES = 8
_MAX_CHAIN = 50
_MAX_FRAMES = 2000
_MAX_DEPTH = 20
_JUNK = 4


def parse_python(lines: Sequence[LogLine], text: str) -> tuple[list[Traceback], set[int]]:
    """Return Python's tracebacks and the places of the lines they use; `text` is all lines."""
    header, frame = text.find(_HEADER_MARK), text.find(_FRAME_MARK)
    if header < 0 and frame < 0:
        return [], set()
    first = min(header, frame) if header >= 0 and frame >= 0 else max(header, frame)
    parser = _Parser(lines)
    # Most stand at the end: there is less to count behind it.
    parser.run(len(lines) - 1 - text.count("\n", first))
    return parser.found, parser.all_used


class _Parser:
    def __init__(self, lines: Sequence[LogLine]) -> None:
        self.lines = lines
        self.all_used: set[int] = set()
        self.used: set[int] = set()
        """Places of the lines of the traceback that is parsed now."""
        self.found: list[Traceback] = []
        self._depth = 0

    def run(self, first: int) -> None:
        """Parse what stands in the lines from a place on."""
        for i, line in enumerate(self.lines[first:], first):
            if i in self.all_used:
                continue
            if _HEADER_MARK in line[2]:
                self._keep(self._chain(i))
            elif _FRAME_MARK in line[2]:
                self._keep(self._bare_syntax_error(i))

    def _keep(self, traceback: Traceback | None) -> None:
        """Take a traceback with the numbers of the lines that were read for it."""
        if traceback is not None:
            numbers = frozenset([self.lines[i].number for i in self.used])
            # Nobody else has it yet, and a changed copy takes as long as all its frames.
            object.__setattr__(traceback, "lines", numbers - {0})
            self.found.append(traceback)
        self.all_used |= self.used
        self.used = set()

    def _chain(self, at: int) -> Traceback | None:
        """Parse the traceback at a header, and those that say it caused them."""
        traceback, end, strip = self._one(at)
        for _ in range(_MAX_CHAIN):
            following = self._next_in_chain(end, strip)
            if following is None or traceback is None:
                return traceback
            later, end, strip = self._one(following)
            if later is None:
                return traceback
            first = min(traceback.first_line, later.first_line)
            traceback = replace(later, cause=_innermost(later.cause, traceback), first_line=first)
        return traceback

    def _next_in_chain(self, end: int, strip: Strip) -> int | None:
        """Find the header after a sentence that chains two tracebacks."""
        cursor, chained = Cursor(self.lines, end, strip), False
        for _ in range(_JUNK * 3):
            here = cursor.peek()
            if here is None:
                return None
            at, text = here
            if _CHAIN.match(text):
                chained = True
            elif chained and (HEADER.match(text) or _GROUP_HEADER.match(text)):
                return at
            elif text.strip() and text.strip() not in {'"""', "'''"} and not chained:
                return None
            self.used.add(at)
            cursor.at = at + 1
        return None

    def _one(self, at: int) -> tuple[Traceback | None, int, Strip]:
        """Parse one traceback without its chain; returns where it ends."""
        text = self.lines[at].text
        if text == _PLAIN_HEADER:
            return (*self._frames_and_exception(at, keep_whole), keep_whole)
        if group := _GROUP_HEADER.match(text):
            return self._group(at, group["before"])
        header = HEADER.match(text)
        before = header["before"] if header else ""
        name = _NOTEBOOK_NAME.match(before) if before else None
        if name and name["name"] != "Original":
            return self._notebook(at, name["name"])
        if before.strip().startswith("traceback :"):
            strip = _strip_indent(len(before) - len(before.lstrip()))
        else:
            # Of a worker's own, the word is no part of what the other lines begin with.
            strip = find_strip(self.lines, at, before.removesuffix("Original "))
        return (*self._frames_and_exception(at, strip), strip)

    def _frames_and_exception(self, at: int, strip: Strip) -> tuple[Traceback | None, int]:
        self.used.add(at)
        cursor = Cursor(self.lines, at + 1, strip)
        frames = self._frames(cursor)
        found = self._exception(cursor)
        if found is None:
            if not frames:
                return None, cursor.at
            return self._make(at, cursor.at - 1, ("", "", 0), frames), cursor.at
        where, name, message = found
        cursor.at = where + 1
        self.used.add(where)
        if not message and (rest := _rest_of_message(cursor)):
            where, message = rest
            cursor.at = where + 1
            self.used.add(where)
        self._depth += 1
        inner = None
        if self._depth < _MAX_DEPTH:  # a log may nest them without end
            inner = self._inner(cursor)
            if inner is None and message.startswith("ray::"):
                inner = self._task(cursor)
        self._depth -= 1
        notes = () if inner else self._notes(cursor)
        head = (name, message, self.lines[where].number)
        return self._make(at, cursor.at - 1, head, frames, notes, inner), cursor.at

    def _make(
        self,
        first: int,
        last: int,
        head: tuple[str, str, int],
        frames: list[Frame],
        notes: tuple[str, ...] = (),
        cause: Traceback | None = None,
    ) -> Traceback:
        name, message, message_line = head
        return Traceback(
            file=self.lines[first].file,
            first_line=self.lines[first].number,
            last_line=self.lines[min(last, len(self.lines) - 1)].number,
            exception=name,
            message=message,
            message_line=message_line or self.lines[first].number,
            frames=tuple(frames),
            notes=notes,
            cause=cause,
        )

    def _frames(self, cursor: Cursor) -> list[Frame]:
        """Read frames until the first line that stands at the margin."""
        frames: list[Frame] = []
        entry: re.Match[str] | None = None  # a frame that waits for its source line
        number = 0
        broken = ""
        for at, line in cursor.following():
            text = broken + line
            found = PYTHON_FRAME.match(text) if _FRAME_MARK in text else None
            if not (broken or found) and _is_broken(text, cursor):
                broken = text
                self.used.add(at)
                cursor.at = at + 1
                continue
            broken = ""
            if found:
                if entry:
                    frames.append(_make_frame(entry, number))
                entry, number = found, self.lines[at].number
            elif text[:1].isspace() and (source := text.strip()):
                if entry and not (source[0] in "[^~|" and _is_mark(text)):
                    frames.append(_make_frame(entry, number, source))
                    entry = None
            elif not (frames or entry) or cursor.gap_before(at) or not _REPEATED.match(text):
                break
            self.used.add(at)
            cursor.at = at + 1
            if len(frames) >= _MAX_FRAMES:
                break
        if entry:
            frames.append(_make_frame(entry, number))
        return frames

    def _exception(self, cursor: Cursor) -> tuple[int, str, str] | None:
        """Find the line with the exception; other output may stand before it."""
        here = cursor.peek()
        if here is None or (cursor.gap_before(here[0]) and not _SURE.match(here[1])):
            return None
        found = _EXCEPTION.match(here[1])
        if found:
            return here[0], found["name"], (found["message"] or "").strip()
        at = here[0] + 1
        for _ in range(_JUNK):
            here = cursor.peek(at)
            if here is None or HEADER.match(here[1]) or cursor.gap_before(here[0]):
                return None
            if found := _SURE.match(here[1]):
                return here[0], found["name"], (found["message"] or "").strip()
            at = here[0] + 1
        return None

    def _inner(self, cursor: Cursor) -> Traceback | None:
        """Parse the traceback of a worker that is part of the message."""
        here = cursor.peek()
        if here is None or cursor.gap_before(here[0]):
            return None
        if "Original Traceback (most recent" not in here[1]:
            return None
        inner, end = self._frames_and_exception(here[0], cursor.strip)
        cursor.at = end
        return inner

    def _task(self, cursor: Cursor) -> Traceback | None:
        """Parse the frames of a task of Ray: they follow its message without a header."""
        here = cursor.peek()
        if here is None or not PYTHON_FRAME.match(here[1]):
            return None
        cursor.at -= 1  # the line that `_frames_and_exception` takes for a header
        inner, end = self._frames_and_exception(cursor.at, cursor.strip)
        cursor.at = end
        return inner

    def _notes(self, cursor: Cursor) -> tuple[str, ...]:
        """Read the lines after the message that still belong to it."""
        notes: list[str] = []
        while len(notes) < _MAX_NOTES and (here := cursor.peek()) is not None:
            at, text = here
            ended = not text.strip() or _NOT_A_NOTE.match(text) or _CHAIN.match(text)
            if ended or cursor.gap_before(at) or self._is_source(at, text):
                break
            notes.append(text.strip())
            self.used.add(at)
            cursor.at = at + 1
        return tuple(notes)

    def _is_source(self, at: int, text: str) -> bool:
        """Whether a line is the source of another rank's frame."""
        if not text.startswith("    ") or at + 1 >= len(self.lines):
            return False
        following = self.lines[at + 1].text
        return PYTHON_FRAME.match(following) is not None or _SURE.match(following) is not None

    def _group(self, at: int, before: str) -> tuple[Traceback | None, int, Strip]:
        """Parse an exception group; its first exception is its cause."""
        margin = before.replace("+", "|")

        def strip(text: str) -> str | None:
            return text.removeprefix(margin) if text.startswith(margin.rstrip()) else text

        group, end = self._frames_and_exception(at, strip)
        first: Traceback | None = None
        i, inside = end, 0
        while i < len(self.lines) and _MARGIN.match(self.lines[i].text):
            text = self.lines[i].text
            self.used.add(i)
            inside += bool(_DIVIDER.match(text))
            if inside == 1 and first is None and not _DIVIDER.match(text):
                first, i = self._member(i)
            i += 1
        if group is not None and first is not None:
            group = replace(group, cause=first, last_line=self.lines[i - 1].number)
        return group, i, keep_whole

    def _member(self, at: int) -> tuple[Traceback | None, int]:
        """Parse the first exception inside a group, with or without frames."""
        text = self.lines[at].text
        if _HEADER_MARK in text:
            member, end, _ = self._one(at)
            return member, end - 1
        found = _EXCEPTION.match(text.lstrip(" |"))
        if found is None:
            return None, at
        head = (found["name"], (found["message"] or "").strip(), self.lines[at].number)
        return self._make(at, at, head, []), at

    def _notebook(self, at: int, name: str) -> tuple[Traceback | None, int, Strip]:
        """Parse a traceback as IPython prints it."""
        frames: list[Frame] = []
        self.used.add(at)
        for i in range(at + 1, min(len(self.lines), at + 400)):
            text = self.lines[i].text
            number = self.lines[i].number
            if text == name or text.startswith(f"{name}: "):
                self.used.add(i)
                message = text[len(name) + 1 :].strip()
                found = self._make(at, i, (name, message, number), frames)
                return found, i + 1, keep_whole
            if frame := NOTEBOOK_FRAME.match(text):
                file = frame["file"] or frame["cell"] or frame["old"]
                line = frame["line"] or frame["cell_line"]
                func = frame["func"] or frame["cell_func"] or frame["old_func"]
                frames.append(make_frame(file, line, func, number))
            elif frames and (arrow := re.match(r"^-+> (\d{1,9}) (.*)$", text)):
                line = frames[-1].line or int(arrow[1])
                frames[-1] = frames[-1]._replace(line=line, source=arrow[2].strip())
            elif HEADER.match(text):
                break
            self.used.add(i)
        return None, at + 1, keep_whole

    def _bare_syntax_error(self, at: int) -> Traceback | None:
        """Parse a syntax error of the script itself, which has no header."""
        text = self.lines[at].text
        start = text.find(_FRAME_MARK)
        prefix = text[:start].rstrip(" ")
        frame = PYTHON_FRAME.match(text[len(prefix) :])
        if frame is None or frame["func"]:
            return None
        for i in range(at + 1, min(len(self.lines), at + 4)):
            if found := _SYNTAX.match(self.lines[i].text.removeprefix(prefix).strip()):
                number = self.lines[at].number
                made = make_frame(frame["file"], frame["line"], "", number)
                if i > at + 1:
                    source = self.lines[at + 1].text.removeprefix(prefix).strip()
                    made = made._replace(source=source)
                self.used.update(range(at, i + 1))
                head = (found["name"], found["message"], self.lines[i].number)
                return self._make(at, i, head, [made])
        return None


def _is_broken(text: str, cursor: Cursor) -> bool:
    """Tell whether ``srun --label`` cut a frame in two: it marks what it reads, not lines."""
    return cursor.strip is not keep_whole and _BROKEN.match(text) is not None


def _rest_of_message(cursor: Cursor) -> tuple[int, str] | None:
    """Return the message of an exception that was cut off behind its name."""
    here = cursor.peek() if cursor.strip is not keep_whole else None
    return (here[0], here[1][2:].strip()) if here and here[1].startswith(": ") else None


def _is_mark(text: str) -> bool:
    """Tell what stands below the source line of a frame from the line itself."""
    return bool(_REPEATED.match(text) or _MARKS.match(text))


def _strip_indent(width: int) -> Strip:
    """Take away the indent of a traceback that stands in a table."""
    return lambda text: text[min(width, len(text) - len(text.lstrip(" "))) :]


def _make_frame(entry: re.Match[str], number: int, source: str = "") -> Frame:
    file, line, function = entry.groups("")
    return Frame(file, int(line), function.strip(), source, is_library_file(file), number)


def _innermost(own: Traceback | None, earlier: Traceback) -> Traceback:
    """Put an earlier exception behind those that a traceback already has."""
    if own is None:
        return earlier
    chain = [own]
    while chain[-1].cause is not None and len(chain) < _MAX_CHAIN:
        chain.append(chain[-1].cause)
    linked = earlier
    for link in reversed(chain):
        linked = replace(link, cause=linked)
    return linked
