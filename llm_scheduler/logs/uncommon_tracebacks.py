"""Failures as Ruby, Lua, PHP, Dart, Elixir, OCaml, Haskell, Swift, Nim and Node.js print them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llm_scheduler.logs.failure_block import make_failure, read_block
from llm_scheduler.logs.frames import make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback

_Parsed = tuple[Traceback, int] | None

_RUBY = re.compile(
    r"^(?:\S{1,200}: )?(?P<file>[^\s:]{1,300}):(?P<line>\d{1,9}):in [`'](?P<func>[^']{1,200})': "
    r"(?P<message>.{0,1000}?) ?\((?P<name>[A-Z][\w:]{1,100})\)$"
)
_RUBY_FRAME = re.compile(
    r"^\s+(?:\d{1,4}: )?from (?P<file>[^\s:]{1,300}):(?P<line>\d{1,9})"
    r"(?::in [`'](?P<func>[^']{1,200})')?$"
)
_RUBY_LIBRARY = re.compile(r"/gems/|/lib/ruby/|^<internal:")
_LUA = re.compile(r"^(?:\S{1,200}: )?(?P<file>[^\s:]{1,300}):(?P<line>\d{1,9}): (?P<message>.+)$")
_LUA_FRAME = re.compile(r"^\s+(?P<file>[^\s:\[]{1,300}):(?P<line>\d{1,9}): in (?P<func>.+)$")
_LUA_OTHER = re.compile(r"^\s+(?:\[C\]: |\(\.\.\.tail calls\.\.\.\)|\.\.\.)")
_PHP = re.compile(
    r"(?:^|PHP |\] )(?P<kind>Fatal error|Parse error|Catchable fatal error): +(?:Uncaught )?"
    r"(?:(?:exception ')?(?P<name>(?:\w{1,60}\\){0,9}\w{0,60}(?:Error|Exception))"
    r"(?:: |' with message '))?(?P<message>.{0,1000}?)'? in (?P<file>[^\s:]{1,300})"
    r"(?::(?P<line>\d{1,9})| on line (?P<at>\d{1,9}))\s*$"
)
_PHP_FRAME = re.compile(r"^#\d{1,4} (?P<file>/?[^\s(]{1,300})\((?P<line>\d{1,9})\): (?P<func>.+)$")
_PHP_OTHER = re.compile(r"^(?:Stack trace:|#\d{1,4} |  thrown in )")
_DART_NAMED = re.compile(
    r"^(?P<name>\w*(?:Error|Exception))(?: \([^)]{1,80}\))?(?:: (?P<message>.*))?$"
)
_DART_FRAME = re.compile(
    r"^#\d{1,4} +(?P<func>\S.{0,200}?) \((?P<file>(?:dart|file|package):[^\s)]{1,300}?)"
    r":(?P<line>\d{1,9})(?::\d{1,9})?\)$"
)
_ELIXIR = re.compile(r"\*\* \((?P<name>[A-Z][\w.]{1,100}|exit|throw|EXIT)\) (?P<message>\S.*)$")
_ELIXIR_FRAME = re.compile(
    r"^\s+(?:\((?P<app>\w{1,60}) [\w.+-]{1,40}\) )?(?P<file>[\w./-]{1,300}\.[eh]rl|"
    r"[\w./-]{1,300}\.exs?):(?P<line>\d{1,9}): (?P<func>.+)$"
)
_ELIXIR_OTHER = re.compile(
    r"^\s+(?:\(\w+ [\w.+-]+\) )?:?\w[\w.:/?!]*\(|^\s+(?:anonymous fn|nofile)"
)
_ELIXIR_LIBRARY = frozenset({"elixir", "stdlib", "kernel", "mix", "ex_unit", "logger", "iex"})
_OCAML = re.compile(r"Fatal error: exception (?P<name>[\w.]{1,200})[ (:]*(?P<message>.*?)\)?$")
_OCAML_FRAME = re.compile(
    r"^(?:Raised|Called|Re-raised)(?: by primitive operation)?(?: at| from)? ?"
    r"(?:(?P<func>\S{1,200})(?: \(inlined\))? in )?file \"(?P<file>[^\"]{1,300})\""
    r"(?: \(inlined\))?, lines? (?P<line>\d{1,9})"
)
_HASKELL_HEAD = re.compile(r"^(?P<program>[\w./-]{1,100}): (?P<message>.+)$")
_HASKELL_FRAME = re.compile(
    r"^\s+(?P<func>\S{1,200}), called at (?P<file>\S{1,300}?):(?P<line>\d{1,9}):\d{1,9}"
    r" in (?P<package>\S+)$"
)
_HASKELL_LIBRARY = re.compile(r"^(?:base|ghc|containers|bytestring|text|vector|array)\b")
_SWIFT = re.compile(
    r"^(?P<file>[^\s:]{1,300}\.swift):(?P<line>\d{1,9}): "
    r"(?P<name>Fatal error|Precondition failed|Assertion failed)(?:: (?P<message>.*))?$"
)
_SWIFT_OLD = re.compile(
    r"^(?P<name>Fatal error|Precondition failed|Assertion failed)(?:: (?P<message>.{0,1000}?))?"
    r": file (?P<file>\S{1,300}\.swift), line (?P<line>\d{1,9})$"
)
_NIM = re.compile(r"^Error: unhandled exception: (?P<message>.*?) ?\[(?P<name>\w{1,100})\]$")
_NIM_FRAME = re.compile(
    r"^(?P<file>\S{1,300}\.nim)\((?P<line>\d{1,9})(?:, \d{1,9})?\) +(?P<func>\S.*)$"
)
_NODE_HEAD = re.compile(
    r"^(?:Uncaught )?(?:\(node:\d+\) )?(?P<name>[A-Z]?\w{0,60}Error)(?: \[\w{1,60}\])?"
    r"(?:: (?P<message>.*))?$"
)
_NODE_FRAME = re.compile(
    r"^\s+at (?:async |new )?(?:(?P<func>[^()]{1,200}?) )?\(?(?P<file>(?:file://|node:)?[^\s()]{1,300}?)"
    r":(?P<line>\d{1,9}):\d{1,9}\)?,?\s*\{?$"
)
_NODE_LIBRARY = re.compile(r"^node:|node_modules/|^internal/")
_ABOVE = 8


def _collect(
    block: Sequence[LogLine],
    start: int,
    frame: re.Pattern[str],
    other: re.Pattern[str] | None = None,
    is_library: Callable[[re.Match[str]], bool] = lambda _: False,
) -> tuple[list[Frame], int]:
    """Read frames, innermost first in the log and last in the answer, and where they end."""
    frames: list[Frame] = []
    end = start - 1
    for i, line in enumerate(block[start:], start):
        if found := frame.match(line.text):
            file = found["file"].removeprefix("file://")
            made = make_frame(file, found["line"], found["func"], line.number)
            frames.append(made._replace(is_library=made.is_library or is_library(found)))
        elif other is None or not other.match(line.text):
            break
        end = i
    frames.reverse()
    return frames, max(end, 0)


def parse_ruby(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an exception of Ruby, and the lines "from" below it."""
    head = _RUBY.match(lines[at].text)
    if head is None:
        return None
    block = read_block(lines, at)
    frames, end = _collect(
        block, 1, _RUBY_FRAME, None, lambda x: bool(_RUBY_LIBRARY.search(x["file"]))
    )
    own = make_frame(head["file"], head["line"], head["func"], block[0].number)
    frames.append(own._replace(is_library=bool(_RUBY_LIBRARY.search(own.file))))
    named = (head["name"], head["message"], block[0])
    return make_failure(block[0], block[end], named, "ruby", frames), at + end + 1


def parse_lua(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse the error above Lua's stack and the stack."""
    start = at - 1
    while start > max(0, at - _ABOVE) and not _LUA.match(lines[start].text):
        start -= 1
    head = _LUA.match(lines[start].text) if start >= 0 else None
    if head is None or lines[at].number - lines[start].number != at - start:
        return None
    block = read_block(lines, start)
    frames, end = _collect(block, at - start + 1, _LUA_FRAME, _LUA_OTHER)
    if not frames:
        frames = [make_frame(head["file"], head["line"], "", block[0].number)]
    named = ("Lua error", head["message"], block[0])
    return make_failure(block[0], block[end], named, "lua", frames), start + end + 1


def parse_php(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse a fatal error of PHP and its stack."""
    head = _PHP.search(lines[at].text)
    if head is None:
        return None
    block = read_block(lines, at)
    frames, end = _collect(block, 1, _PHP_FRAME, _PHP_OTHER)
    line = head["line"] or head["at"]
    frames.append(make_frame(head["file"], line, "", block[0].number))
    named = (head["name"] or head["kind"], head["message"], block[0])
    return make_failure(block[0], block[end], named, "php", frames), at + end + 1


def parse_dart(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an exception of Dart: its message stands below the headline."""
    if lines[at].text.strip() != "Unhandled exception:":
        return None
    block = read_block(lines, at)
    first = next((i for i, x in enumerate(block) if _DART_FRAME.match(x.text)), None)
    if first is None or first < 2:
        return None
    frames, end = _collect(
        block, first, _DART_FRAME, None, lambda x: x["file"].startswith(("dart:", "package:"))
    )
    text = block[1].text.strip()
    named = _DART_NAMED.match(text)
    name, message = (named["name"], named["message"] or "") if named else ("Exception", text)
    return make_failure(block[0], block[end], (name, message, block[1]), "dart", frames), (
        at + end + 1
    )


def parse_elixir(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an exception of Elixir and its stack."""
    head = _ELIXIR.search(lines[at].text)
    if head is None:
        return None
    block = read_block(lines, at)
    frames, end = _collect(
        block, 1, _ELIXIR_FRAME, _ELIXIR_OTHER, lambda x: x["app"] in _ELIXIR_LIBRARY
    )
    if not frames:
        return None
    named = (head["name"], head["message"], block[0])
    return make_failure(block[0], block[end], named, "elixir", frames), at + end + 1


def parse_ocaml(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an exception of OCaml; the places follow when the program was told to keep them."""
    head = _OCAML.search(lines[at].text)
    if head is None:
        return None
    block = read_block(lines, at)
    frames, end = _collect(
        block, 1, _OCAML_FRAME, None, lambda x: x["file"].startswith(("stdlib", "camlinternal"))
    )
    named = (head["name"], head["message"].strip('"'), block[0])
    return make_failure(block[0], block[end], named, "ocaml", frames), at + end + 1


def parse_haskell(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse the error above Haskell's call stack and the stack."""
    start = at - 1
    while start > max(0, at - _ABOVE) and not _HASKELL_HEAD.match(lines[start].text):
        start -= 1
    head = _HASKELL_HEAD.match(lines[start].text) if start >= 0 else None
    if head is None or lines[at].number - lines[start].number != at - start:
        return None
    block = read_block(lines, start)
    frames, end = _collect(
        block,
        at - start + 1,
        _HASKELL_FRAME,
        None,
        lambda x: bool(_HASKELL_LIBRARY.match(x["package"])),
    )
    if not frames:
        return None
    named = ("error", head["message"], block[0])
    return make_failure(block[0], block[end], named, "haskell", frames), start + end + 1


def parse_swift(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse a trap of Swift, in the old and the new form."""
    line = lines[at]
    head = _SWIFT.match(line.text) or _SWIFT_OLD.match(line.text)
    if head is None:
        return None
    frame = make_frame(head["file"], head["line"], "", line.number)
    frame = frame._replace(is_library=head["file"].startswith("Swift/"))
    named = (head["name"], head["message"] or "", line)
    return make_failure(line, line, named, "swift", [frame]), at + 1


def parse_nim(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an exception of Nim; its stack stands above, outermost first."""
    head = _NIM.match(lines[at].text)
    if head is None:
        return None
    frames: list[Frame] = []
    start = at
    while start and lines[start].number == lines[start - 1].number + 1:
        found = _NIM_FRAME.match(lines[start - 1].text)
        if found is None:
            break
        start -= 1
        frames.append(make_frame(found["file"], found["line"], found["func"], lines[start].number))
    frames.reverse()
    named = (head["name"], head["message"], lines[at])
    return make_failure(lines[start], lines[at], named, "nim", frames), at + 1


def parse_node(lines: Sequence[LogLine], at: int) -> _Parsed:
    """Parse an error of Node.js, also one that has no other name than ``Error``."""
    if _NODE_FRAME.match(lines[at].text) is None:
        return None
    start = at - 1
    while start >= max(0, at - _ABOVE) and lines[start].number == lines[start + 1].number - 1:
        if head := _NODE_HEAD.match(lines[start].text):
            break
        start -= 1
    else:
        return None
    block = read_block(lines, start)
    frames, end = _collect(
        block, at - start, _NODE_FRAME, None, lambda x: bool(_NODE_LIBRARY.search(x["file"]))
    )
    named = (head["name"], head["message"] or "", block[0])
    return make_failure(block[0], block[end], named, "javascript", frames), start + end + 1
