"""Failures as compiled programs print them: C++, Fortran, Rust, Go."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.logs.failure_block import make_failure, read_block
from llm_scheduler.logs.frames import make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback

_CPP = re.compile(
    r"terminat(?:e called|ing)(?: (?:after throwing an instance of '(?P<name>[^']+)'|without)"
    r"| (?:with|due to) uncaught exception(?: of type (?P<type>[\w:<>, ]+?))?"
    r"(?:: (?P<message>.*))?$)"
)
_WHAT = re.compile(r"what\(\):\s*(?P<message>.*)$")
_ASSERT = re.compile(
    r"(?:^|\s)(?P<file>[^\s:]+\.[A-Za-z+]{1,4}):(?P<line>\d{1,9}): (?P<func>.{1,300}?):"
    r" Assertion [`'\"](?P<message>.{1,500}?)['\"] failed"
)
_FORRTL = re.compile(r"forrtl: (?P<name>(?:severe|error)\s*\(\d+\)): (?P<message>.*)$")
_FORTRAN_PLACE = re.compile(r"At line (?P<line>\d{1,9}) of file (?P<file>\S+)")
_FORTRAN = re.compile(r"(?:Fortran runtime error|^ERROR STOP):? ?(?P<message>.*)$")
_SIGNAL = re.compile(r"Program received signal (?P<name>SIG\w+): (?P<message>.*)$")
_GNU_FRAME = re.compile(r"#\d+\s+0x[0-9a-f]+ in (?P<func>\S+)")
_GNU_PLACE = re.compile(r"(?:^|\s)at (?P<file>\S+?):(?P<line>\d{1,9})\s*$")
_INTEL_FRAME = re.compile(
    r"^\S+\s+[0-9A-F]{8,16}\s+(?P<func>\S+)\s+(?P<line>\d{1,9})\s+(?P<file>\S+)\s*$"
)
_RUST = re.compile(
    r"thread '(?P<thread>[^']*)'(?: \(\d+\))? panicked at "
    r"(?:'(?P<old>.*)', )?(?P<file>[^\s:']+):(?P<line>\d{1,9}):\d{1,9}:?$"
)
_RUST_FRAME = re.compile(r"^\s+\d{1,4}: (?:0x[0-9a-f]+ - )?(?P<func>\S.*)$")
_RUST_PLACE = re.compile(r"^\s+at (?P<file>\S+?):(?P<line>\d{1,9})(?::\d+)?\s*$")
_RUST_LIBRARY = re.compile(r"^/rustc/|\.cargo/registry|/library/(?:std|core|alloc)/")
_GO = re.compile(r"^(?P<name>panic|fatal error): (?P<message>.+)$")
_GO_FRAME = re.compile(r"^(?P<func>[\w./*()\[\]-]+)\(.*\)$")
_GO_PLACE = re.compile(r"^\s+(?P<file>/\S+\.go):(?P<line>\d{1,9})")
_GO_LIBRARY = re.compile(r"/go/src/|/pkg/mod/|/src/runtime/")


def parse_cpp(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse an exception that nobody caught."""
    found = _CPP.search(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at, 4)
    name = found["name"] or found["type"] or "terminate"
    for i, line in enumerate(block):
        if what := _WHAT.search(line.text):
            named = (name, what["message"], block[0])
            return make_failure(block[0], line, named, "c++"), at + i + 1
    named = (name, found["message"] or "", block[0])
    return make_failure(block[0], block[0], named, "c++"), at + 1


def parse_assertion(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse what `assert` of C prints: file, line, function and condition."""
    line = lines[at]
    found = _ASSERT.search(line.text)
    if found is None:
        return None
    frame = make_frame(found["file"], found["line"], found["func"], line.number)
    named = ("Assertion failed", found["message"], line)
    return make_failure(line, line, named, "c++", [frame]), at + 1


def parse_forrtl(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse an error of Intel's Fortran."""
    found = _FORRTL.search(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at, 40)
    frames, end = [], 0
    for i, line in enumerate(block[1:], 1):
        if entry := _INTEL_FRAME.match(line.text):
            frames.append(make_frame(entry["file"], entry["line"], entry["func"], line.number))
            end = i
    frames.reverse()
    named = (f"forrtl: {found['name']}", found["message"], block[0])
    return make_failure(block[0], block[end], named, "fortran", frames), at + end + 1


def parse_fortran(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse an error of gfortran; the place stands in the line before it."""
    found = _FORTRAN.search(lines[at].text)
    if found is None:
        return None
    first = lines[at]
    block = read_block(lines, at, 60)
    frames, end = _gnu_frames(block) if _has_backtrace(block) else ([], 0)
    if at and (place := _FORTRAN_PLACE.search(lines[at - 1].text)):
        first = lines[at - 1]
        if not any(x.line == int(place["line"]) for x in frames):
            frames.append(make_frame(place["file"], place["line"], "", first.number))
    name = "ERROR STOP" if "ERROR STOP" in lines[at].text else "Fortran runtime error"
    named = (name, found["message"], lines[at])
    return make_failure(first, block[end], named, "fortran", frames), at + end + 1


def _has_backtrace(block: Sequence[LogLine]) -> bool:
    return any("rror termination. Backtrace" in line.text for line in block[1:4])


def _gnu_frames(block: Sequence[LogLine]) -> tuple[list[Frame], int]:
    """Read a backtrace of GNU programs, outermost first, and where it ends."""
    frames: list[Frame] = []
    function, end = "", 0
    for i, line in enumerate(block[1:], 1):
        if entry := _GNU_FRAME.search(line.text):
            function, end = entry["func"], i
        if function and (place := _GNU_PLACE.search(line.text)):
            frames.append(make_frame(place["file"], place["line"], function, line.number))
            function, end = "", i
    frames.reverse()
    return frames, end


def parse_signal(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse a signal with a backtrace."""
    found = _SIGNAL.search(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at, 60)
    frames, end = _gnu_frames(block)
    named = (found["name"], found["message"], block[0])
    return make_failure(block[0], block[end], named, "fortran", frames), at + end + 1


def parse_rust(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse a panic; the message stands in the next line, or in quotes before the place."""
    found = _RUST.search(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at)
    message, end = found["old"] or "", 0
    if not message and len(block) > 1:
        message, end = block[1].text, 1
    frames: list[Frame] = []
    function = ""
    for i, line in enumerate(block[end + 1 :], end + 1):
        if entry := _RUST_FRAME.match(line.text):
            function = entry["func"]
        elif place := _RUST_PLACE.match(line.text):
            made = make_frame(place["file"], place["line"], function, line.number)
            is_library = made.is_library or bool(_RUST_LIBRARY.search(made.file))
            frames.append(made._replace(is_library=is_library and made.file[:2] != "./"))
        elif not line.text.startswith(("stack backtrace:", "note: ")):
            break
        end = i
    frames.reverse()
    if not frames:
        frames.append(make_frame(found["file"], found["line"], "", block[0].number))
    named = ("panic", message, block[0])
    return make_failure(block[0], block[end], named, "rust", frames), at + end + 1


def parse_go(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse a panic; the goroutine that failed is printed first."""
    found = _GO.match(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at)
    start = next((i for i, x in enumerate(block) if x.text.startswith("goroutine ")), None)
    if start is None:
        return None
    frames: list[Frame] = []
    function, end = "", start
    for i, line in enumerate(block[start + 1 :], start + 1):
        if place := _GO_PLACE.match(line.text):
            made = make_frame(place["file"], place["line"], function, line.number)
            is_library = made.is_library or bool(_GO_LIBRARY.search(made.file))
            frames.append(made._replace(is_library=is_library))
        elif entry := _GO_FRAME.match(line.text.removeprefix("created by ")):
            function = entry["func"]
        else:
            break
        end = i
    frames.reverse()
    named = (found["name"], found["message"], block[0])
    return make_failure(block[0], block[end], named, "go", frames), at + end + 1
