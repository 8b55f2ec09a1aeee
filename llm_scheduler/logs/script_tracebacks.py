"""Failures as Java, JavaScript, C#, Perl, MATLAB and Octave print them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.logs.failure_block import make_failure, read_block
from llm_scheduler.logs.frames import make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback

_AT = re.compile(r"^\s+at \S")
_HEAD = re.compile(
    r'^(?:\s*(?:Exception in thread "[^"]{0,200}" |Caused by: |Suppressed: |Unhandled [Ee]xception'
    r"[.:] |Uncaught |---> )|[^\n:]{0,80}?\b(?=java\.|javax\.|scala\.|org\.|com\.|System\.))?"
    r"(?P<name>(?:[a-z_A-Z]\w*\.)+[A-Z][\w$]*|[A-Z]\w*(?:Error|Exception|Throwable))"
    r"(?: \[\w+\])?(?::\s?(?P<message>.*))?$"
)
_JAVA_FRAME = re.compile(
    r"^\s+at (?P<func>[\w.$<>/@-]+)\((?:(?P<file>\w+\.\w+):(?P<line>\d{1,9})|[\w .]+)\)"
)
_SHARP_FRAME = re.compile(r"^\s+at (?P<func>.+?\)) in (?P<file>.+?):line (?P<line>\d{1,9})\s*$")
_NODE_FRAME = re.compile(
    r"^\s+at (?:async )?(?:(?P<func>[^()]+?) \()?(?P<file>(?:file://|node:)?[^\s()]+?)"
    r":(?P<line>\d{1,9}):\d{1,9}\)?$"
)
_LIBRARY = re.compile(
    r"^(?:java|javax|jdk|sun|com\.sun|scala|groovy|kotlin|org\.(?:apache|codehaus|gradle|junit)"
    r"|System|Microsoft)\.|^java\.base/"
)
_NODE_LIBRARY = re.compile(r"^node:|node_modules/|^internal/")
_MORE = re.compile(r"^\s+\.\.\. \d+ (?:more|common frames omitted)")
_PERL = re.compile(
    r"^(?P<message>\S.{0,1500}?) at (?P<file>\S{1,300}) line (?P<line>\d{1,9})"
    r"(?:, <[^>]{1,60}> (?:line|chunk) \d{1,9})?\.$"
)
_PERL_DIES = re.compile(
    r"(?i)\bdied\b|can't|cannot|can not|could not|couldn't|error|fail|no such|undefined sub|not a\b"
    r"|denied|not found|missing|invalid|illegal division|unable|must\b|required|abort|attempt to"
    r"|out of memory|modification of"
)
_MATLAB = re.compile(
    r"^\{?Error using (?P<func>\S[^\n]{0,200}?)\s*(?:\(line (?P<line>\d{1,9})\))?$"
)
_MATLAB_FRAME = re.compile(r"^Error in (?P<func>\S[^\n(]{0,200}?) \(line (?P<line>\d{1,9})\)$")
_MATLAB_MESSAGE = 4
_OCTAVE = re.compile(r"^error: (?P<message>.+)$")
_OCTAVE_FRAME = re.compile(
    r"^\s+(?P<func>\S+) at line (?P<line>\d{1,9})(?: column \d{1,9})?(?: of .*)?$"
)
_HEADER_ABOVE = 12
_MAX_LINKS = 20


def parse_stack(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse the exception above a first line with ``at``, and its causes below."""
    if _AT.match(lines[at].text) is None:
        return None
    head = _find_head(lines, at)
    if head is None:
        return None
    links: list[tuple[int, int, list[Frame]]] = []
    i = at
    while head is not None and len(links) < _MAX_LINKS:
        frames, end = _read_frames(lines, i)
        links.append((head, end, frames))
        head = None
        if end < len(lines) and "Caused by: " in lines[end].text:
            head = end
            i = next(
                (
                    j
                    for j in range(end + 1, min(len(lines), end + _HEADER_ABOVE))
                    if _AT.match(lines[j].text) or _MORE.match(lines[j].text)
                ),
                end + 1,
            )
    cause: Traceback | None = None
    for place, end, frames in reversed(links):
        cause = _make_link(lines, place, end, frames, cause)
    end = links[-1][1]
    if cause is None:
        return None
    return replace(cause, last_line=lines[end - 1].number), end


def _find_head(lines: Sequence[LogLine], at: int) -> int | None:
    """Return the place of the line with the exception above its frames."""
    for i in range(at - 1, max(-1, at - _HEADER_ABOVE), -1):
        if lines[i + 1].number > lines[i].number + 1:
            return None
        if _HEAD.match(lines[i].text):
            return i
    return None


def _read_frames(lines: Sequence[LogLine], at: int) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    end = at
    while end < len(lines):
        text = lines[end].text
        if end > at and lines[end].number > lines[end - 1].number + 1:
            break
        if _AT.match(text):
            if frame := _make_frame(text, lines[end].number):
                frames.append(frame)
        elif not (_MORE.match(text) or text.strip().startswith(("Suppressed: ", "--- End of "))):
            break
        end += 1
    frames.reverse()
    return frames, end


def _make_frame(text: str, number: int) -> Frame | None:
    for form in (_SHARP_FRAME, _JAVA_FRAME):
        if found := form.match(text):
            made = make_frame(found["file"] or "", found["line"], found["func"], number)
            is_library = bool(_LIBRARY.match(found["func"])) or not found["file"]
            return made._replace(is_library=is_library)
    if found := _NODE_FRAME.match(text):
        file = found["file"].removeprefix("file://")
        made = make_frame(file, found["line"], found["func"], number)
        return made._replace(is_library=bool(_NODE_LIBRARY.search(found["file"])))
    return None


def _make_link(
    lines: Sequence[LogLine],
    head: int,
    end: int,
    frames: list[Frame],
    cause: Traceback | None,
) -> Traceback | None:
    found = _HEAD.match(lines[head].text)
    if found is None:
        return cause
    named = (found["name"], found["message"] or "", lines[head])
    language = "java"
    if any(x.file.endswith((".js", ".mjs", ".cjs", ".ts")) for x in frames):
        language = "javascript"
    elif any(x.file.endswith((".cs", ".fs", ".vb")) for x in frames):
        language = "c#"
    last = lines[max(head, end - 1)]
    return make_failure(lines[head], last, named, language, frames, cause=cause)


def parse_perl(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse what `die` prints; warnings have the same form but other words."""
    line = lines[at]
    found = _PERL.match(line.text)
    if found is None or not _PERL_DIES.search(found["message"]):
        return None
    frame = make_frame(found["file"], found["line"], "", line.number)
    end = at + 1
    if end < len(lines) and lines[end].text.startswith("BEGIN failed--compilation aborted"):
        end += 1
    named = ("die", found["message"], line)
    return make_failure(line, lines[end - 1], named, "perl", [frame]), end


def parse_matlab(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse MATLAB's message, its function and the lines of code it prints."""
    head = _MATLAB.match(lines[at].text)
    if head is None and _MATLAB_FRAME.match(lines[at].text) is None:
        return None
    start = at
    if head is None:  # "Undefined function 'x'." stands alone above the first frame
        start = next((i for i in range(at - 1, max(-1, at - 4), -1) if lines[i].text.strip()), at)
        if start == at:
            return None
        # The marks around a message tell where one of several lines begins.
        above = range(start, max(-1, start - _MATLAB_MESSAGE), -1)
        start = next((i for i in above if lines[i].text.startswith("{")), start)
        if _MATLAB.match(lines[start].text):
            return None  # parsed from its own first line
    block = read_block(lines, start)
    message = block[1].text if head is not None and len(block) > 1 else block[0].text
    if head is None:
        message = message.lstrip("{")
    frames, end = _matlab_frames(block)
    if head is not None and head["line"]:
        frames.append(make_frame("", head["line"], head["func"], block[0].number))
    elif not frames:
        return None
    named = ("MATLAB error", message, block[0])
    end = max(end, 1 if head is not None and len(block) > 1 else 0)
    return make_failure(block[0], block[end], named, "matlab", frames), start + end + 1


def _matlab_frames(block: Sequence[LogLine]) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    end = 0
    for i, line in enumerate(block):
        if entry := _MATLAB_FRAME.match(line.text):
            source = block[i + 1].text.strip() if i + 1 < len(block) else ""
            made = make_frame("", entry["line"], entry["func"], line.number)
            frames.append(made._replace(source=source))
            end = min(i + 1, len(block) - 1)
    frames.reverse()
    return frames, end


def parse_octave(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse an error of Octave that says what it was called from."""
    head = _OCTAVE.match(lines[at].text)
    if head is None or at + 1 >= len(lines):
        return None
    if not lines[at + 1].text.startswith("error: called from"):
        return None
    block = read_block(lines, at)
    frames, end = [], 1
    for i, line in enumerate(block[2:], 2):
        entry = _OCTAVE_FRAME.match(line.text)
        if entry is None:
            break
        frames.append(make_frame("", entry["line"], entry["func"], line.number))
        end = i
    frames.reverse()
    named = ("error", head["message"], block[0])
    return make_failure(block[0], block[end], named, "octave", frames), at + end + 1
