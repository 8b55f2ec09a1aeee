"""Failures as Julia, R, C++ and Fortran programs print them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_scheduler.logs.frames import make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback

_JULIA = re.compile(r"^.{0,40}?\bERROR: (?:LoadError: |InitError: )*(?P<rest>\S.*)$")
_JULIA_NAME = re.compile(
    r"^(?P<name>(?:\w+\.)*\w*(?:Error|Exception|Failure))(?:\(|: | with |\s*$)(?P<message>.*)$",
)
_JULIA_FRAME = re.compile(
    r"^\s*\[(?P<n>\d{1,4})\] (?P<func>.+?)(?: at (?P<old>\S+):(?P<line>\d{1,9}))?$"
)
_JULIA_PLACE = re.compile(r"^\s*@ (?:\S+ )?(?P<file>\S+?):(?P<line>\d{1,9})\b")
_R_IN = re.compile(r"^Error in (?P<func>.+?) : ?(?P<message>.*)$")
_R_BARE = re.compile(r"^Error: (?P<message>.+)$")
_CPP = re.compile(r"terminate called (?:after throwing an instance of '(?P<name>[^']+)'|without)")
_WHAT = re.compile(r"what\(\):\s*(?P<message>.*)$")
_FORRTL = re.compile(r"forrtl: (?P<name>(?:severe|error)\s*\(\d+\)): (?P<message>.*)$")
_FORTRAN_PLACE = re.compile(r"At line (?P<line>\d{1,9}) of file (?P<file>\S+)")
_FORTRAN = re.compile(r"(?:Fortran runtime error|^ERROR STOP):? ?(?P<message>.*)$")
_SIGNAL = re.compile(r"Program received signal (?P<name>SIG\w+): (?P<message>.*)$")
_GNU_FRAME = re.compile(
    r"#\d+\s+0x[0-9a-f]+ in (?P<func>\S+).*? at (?P<file>\S+?):(?P<line>\d{1,9})"
)
_INTEL_FRAME = re.compile(
    r"^\S+\s+[0-9A-F]{8,16}\s+(?P<func>\S+)\s+(?P<line>\d{1,9})\s+(?P<file>\S+)$"
)
_FATAL = re.compile(r"Fatal Python error: (?P<message>.*)$")
_FATAL_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d{1,9}) in (?P<func>.+)$')
_MAX_LINES = 120

_Parse = Callable[[Sequence[LogLine], int], tuple[Traceback, int] | None]


def parse_foreign(lines: Sequence[LogLine], used: set[int]) -> list[Traceback]:
    """Return the failures of other languages in lines that are not used yet."""
    found: list[Traceback] = []
    at = 0
    while at < len(lines):
        end = at + 1
        if at not in used and (parse := _which(lines[at].text)):
            made = parse(lines, at)
            if made:
                found.append(made[0])
                end = max(end, made[1])
        at = end
    return found


def _which(text: str) -> _Parse | None:
    if "ERROR: " in text:
        return _julia
    if text.startswith("Error"):
        return _r
    if "Fatal Python error" in text:
        return _fatal
    if "terminate called" in text:
        return _cpp
    if "forrtl: " in text:
        return _forrtl
    if "ortran runtime error" in text or text.startswith("ERROR STOP"):
        return _fortran
    if "Program received signal" in text:
        return _signal
    return None


def _block(lines: Sequence[LogLine], at: int) -> Sequence[LogLine]:
    """Return the lines from a place on, up to the first gap."""
    end = at + 1
    while end < min(len(lines), at + _MAX_LINES) and lines[end].number <= lines[end - 1].number + 1:
        end += 1
    return lines[at:end]


def _make(
    first: LogLine,
    last: LogLine,
    named: tuple[str, str, LogLine],
    language: str,
    frames: Sequence[Frame] = (),
    notes: Sequence[str] = (),
) -> Traceback:
    name, message, line = named
    return Traceback(
        file=first.file,
        first_line=first.number,
        last_line=last.number,
        exception=name,
        message=message.strip(),
        message_line=line.number,
        frames=tuple(frames),
        notes=tuple(notes),
        language=language,
    )


def _julia(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    head = _JULIA.match(lines[at].text)
    if head is None:
        return None
    block = _block(lines, at)
    stack = next((i for i, x in enumerate(block) if x.text.strip() == "Stacktrace:"), None)
    named = _JULIA_NAME.match(head["rest"])
    is_julia = stack is not None or "LoadError: " in lines[at].text
    if not is_julia:
        return None
    name = named["name"] if named else "ErrorException"
    message = (named["message"] if named else head["rest"]).rstrip(")")
    notes = [x.text.strip() for x in block[1 : (stack or 1)] if x.text.strip()][:8]
    frames: list[Frame] = []
    end = stack if stack is not None else 0
    function = ""
    for i in range(end + 1, len(block)):
        text = block[i].text
        if entry := _JULIA_FRAME.match(text):
            function = entry["func"]
            if entry["old"]:
                frames.append(make_frame(entry["old"], entry["line"], function, block[i].number))
        elif place := _JULIA_PLACE.match(text):
            frames.append(make_frame(place["file"], place["line"], function, block[i].number))
        elif not text.startswith(("in expression", "caused by", " ")):
            break
        end = i
    frames.reverse()  # Julia prints the innermost first
    made = _make(block[0], block[end], (name, message, block[0]), "julia", frames, notes)
    return made, at + end + 1


def _r(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    block = _block(lines, at)[:8]
    halted = next((i for i, x in enumerate(block) if x.text.startswith("Execution halted")), None)
    text = block[0].text
    if found := _R_IN.match(text):
        message = found["message"]
        function = found["func"]
    elif halted is not None and (bare := _R_BARE.match(text)):
        message, function = bare["message"], ""
    else:
        return None
    if not message.strip() and len(block) > 1:
        message = block[1].text
    frames = [make_frame("", 0, function, block[0].number)] if function else []
    end = halted or 0
    return _make(block[0], block[end], ("Error", message, block[0]), "r", frames), at + end + 1


def _cpp(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    found = _CPP.search(lines[at].text)
    if found is None:
        return None
    block = _block(lines, at)[:4]
    for i, line in enumerate(block):
        if what := _WHAT.search(line.text):
            named = (found["name"] or "terminate", what["message"], block[0])
            return _make(block[0], line, named, "c++"), at + i + 1
    return _make(block[0], block[0], (found["name"] or "terminate", "", block[0]), "c++"), at + 1


def _forrtl(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    found = _FORRTL.search(lines[at].text)
    if found is None:
        return None
    block = _block(lines, at)[:40]
    frames, end = [], 0
    for i, line in enumerate(block[1:], 1):
        if entry := _INTEL_FRAME.match(line.text):
            frames.append(make_frame(entry["file"], entry["line"], entry["func"], line.number))
            end = i
    frames.reverse()
    named = (f"forrtl: {found['name']}", found["message"], block[0])
    return _make(block[0], block[end], named, "fortran", frames), at + end + 1


def _fortran(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    found = _FORTRAN.search(lines[at].text)
    if found is None:
        return None
    first, frames = lines[at], []
    if at and (place := _FORTRAN_PLACE.search(lines[at - 1].text)):
        first = lines[at - 1]
        frames.append(make_frame(place["file"], place["line"], "", first.number))
    name = "ERROR STOP" if "ERROR STOP" in lines[at].text else "Fortran runtime error"
    return _make(first, lines[at], (name, found["message"], lines[at]), "fortran", frames), at + 1


def _fatal(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse what Python's faulthandler prints: the thread that died stands first."""
    found = _FATAL.search(lines[at].text)
    if found is None:
        return None
    block = _block(lines, at)
    frames: list[Frame] = []
    end = 0
    for i, line in enumerate(block[1:], 1):
        if entry := _FATAL_FRAME.match(line.text):
            frames.append(make_frame(entry["file"], entry["line"], entry["func"], line.number))
            end = i
        elif frames:
            break
    frames.reverse()
    named = ("Fatal Python error", found["message"], block[0])
    return _make(block[0], block[end], named, "python", frames), at + end + 1


def _signal(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    found = _SIGNAL.search(lines[at].text)
    if found is None:
        return None
    block = _block(lines, at)[:60]
    frames, end = [], 0
    for i, line in enumerate(block[1:], 1):
        if entry := _GNU_FRAME.search(line.text):
            frames.append(make_frame(entry["file"], entry["line"], entry["func"], line.number))
            end = i
    frames.reverse()
    named = (found["name"], found["message"], block[0])
    return _make(block[0], block[end], named, "fortran", frames), at + end + 1
