"""Failures of all languages but Python: which parser reads which lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.logs.failure_block import Parse, make_failure, read_block
from llm_scheduler.logs.frames import make_frame
from llm_scheduler.logs.models import Frame, LogLine, Traceback
from llm_scheduler.logs.native_tracebacks import (
    parse_assertion,
    parse_cpp,
    parse_forrtl,
    parse_fortran,
    parse_go,
    parse_rust,
    parse_signal,
)
from llm_scheduler.logs.pattern_set import PatternSet
from llm_scheduler.logs.script_tracebacks import (
    parse_matlab,
    parse_octave,
    parse_perl,
    parse_stack,
)
from llm_scheduler.logs.uncommon_tracebacks import (
    parse_dart,
    parse_elixir,
    parse_haskell,
    parse_lua,
    parse_nim,
    parse_node,
    parse_ocaml,
    parse_php,
    parse_ruby,
    parse_swift,
)

_JULIA = re.compile(r"^.{0,40}?\bERROR: (?:LoadError: |InitError: )*(?P<rest>\S.*)$")
_JULIA_NAME = re.compile(
    r"^(?P<name>(?:\w+\.)*\w*(?:Error|Exception|Failure))(?:\(|: | with |\s*$)(?P<message>.*)$",
)
_JULIA_FRAME = re.compile(
    r"^\s*\[(?P<n>\d{1,9})\] (?P<func>.+?)(?: at (?P<old>\S+):(?P<line>\d{1,9}))?$"
)
_JULIA_PLACE = re.compile(r"^\s*@ (?:\S+ )?(?P<file>\S+?):(?P<line>\d{1,9})\b")
_R_IN = re.compile(
    r"^(?:Error in|Erreur dans|Fehler in|Errore in|Error en|Erro em)"
    r" (?P<func>.+?) : ?(?P<message>.*)$"
)
_R_BARE = re.compile(r"^(?:Error|Erreur|Fehler|Errore|Erro)\s?: (?P<message>.+)$")
_R_END = re.compile(
    r"^(?:Execution halted|Ex\w+cution arr\w+e|Ausf\w+hrung angehalten|Esecuzione interrotta"
    r"|Ejecuci\w+n interrumpida)"
)
_RLANG = re.compile(r"^Error(?: in `(?P<func>[^`]+)`)?:\s*(?P<message>.*)$")
_RLANG_CAUSE = re.compile(r"^Caused by error(?: in `(?P<func>[^`]+)`)?:\s*$")
_R_CALLS = re.compile(r"^(?:Calls|Appels|Aufrufe|Chiamate|Calls)\s?: (?P<calls>.+)$")
_R_PLACE = re.compile(r"^\s*\d{1,4}: (?P<func>.+?) at (?P<file>[^\s#]+)#(?P<line>\d{1,9})$")
_FATAL = re.compile(r"Fatal Python error: (?P<message>.*)$")
_FATAL_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d{1,9}) in (?P<func>.+)$')


def find_hints(text: str) -> Sequence[int]:
    """Return the places of those `HINTS` that are in a text."""
    return _HINTS.find(text)


def parse_foreign(
    lines: Sequence[LogLine],
    used: set[int],
    hints: Sequence[int],
) -> list[Traceback]:
    """Return the failures of other languages in lines that are not used yet.

    Parameters
    ----------
    lines
        Lines of one log.
    used
        Places of lines that belong to tracebacks of Python.
    hints
        From `find_hints`.
    """
    if not hints:
        return []
    parsers = [_PARSERS[i][1:] for i in sorted(hints)]
    found: list[Traceback] = []
    at = 0
    while at < len(lines):
        end = at + 1
        if at not in used:
            for mark, parse in parsers:
                if mark in lines[at].text and (made := parse(lines, at)):
                    found.append(_with_lines(made[0], lines, at, made[1]))
                    end = max(end, made[1])
                    break
        at = end
    return found


def _with_lines(
    traceback: Traceback,
    lines: Sequence[LogLine],
    at: int,
    end: int,
) -> Traceback:
    """Note the lines of a failure; some begin a little above the place it was told by."""
    near = [x.number for x in lines[max(0, at - 12) : end]]
    numbers = frozenset(n for n in near if n and n >= traceback.first_line)
    return replace(traceback, lines=numbers)


def _parse_julia(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    head = _JULIA.match(lines[at].text)
    if head is None:
        return None
    block = read_block(lines, at)
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
    made = make_failure(block[0], block[end], (name, message, block[0]), "julia", frames, notes)
    return made, at + end + 1


def _parse_r(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    if not lines[at].text.startswith(("Err", "Fehler")):
        return None
    block = read_block(lines, at, 60)
    halted = next((i for i, x in enumerate(block) if _R_END.match(x.text)), None)
    text = block[0].text
    if found := _R_IN.match(text):
        message, function = found["message"], found["func"]
    elif len(block) > 1 and _is_rlang(block):
        return _parse_rlang(block, at, halted)
    elif halted is not None and (bare := _R_BARE.match(text)):
        message, function = bare["message"], ""
    else:
        return None
    end = halted if halted is not None and halted < 12 else 0
    if not message.strip() and len(block) > 1:
        message = block[1].text
        end = max(end, 1)
    frames = _r_frames(block[1 : end + 1])
    if function and function.partition("(")[0] not in {x.function for x in frames}:
        frames.append(make_frame("", 0, function, block[0].number))
    named = ("Error", message, block[0])
    return make_failure(block[0], block[end], named, "r", frames), at + end + 1


def _r_frames(block: Sequence[LogLine]) -> list[Frame]:
    """Read "Calls: f -> g" or the lines of `traceback()`, outermost first."""
    frames: list[Frame] = []
    for line in block:
        if calls := _R_CALLS.match(line.text):
            names = [x.strip() for x in calls["calls"].split("->")]
            return [make_frame("", 0, x, line.number) for x in names if x.strip(". ")]
        if place := _R_PLACE.match(line.text):
            frames.append(make_frame(place["file"], place["line"], place["func"], line.number))
    frames.reverse()
    return frames


def _is_rlang(block: Sequence[LogLine]) -> bool:
    said = (x.text.startswith(("! ", "\u2139 ", "Caused by error")) for x in block[1:4])
    return bool(_RLANG.match(block[0].text)) and any(said)


def _parse_rlang(
    block: Sequence[LogLine],
    at: int,
    halted: int | None,
) -> tuple[Traceback, int]:
    """Parse an error as `rlang` prints it: the reason of each link after ``!``."""
    links: list[tuple[int, str]] = []
    end = 0
    for i, line in enumerate(block):
        found = _RLANG.match(line.text) if i == 0 else _RLANG_CAUSE.match(line.text)
        if found:
            links.append((i, found["func"] or ""))
        elif line.text.startswith("Backtrace:") or _R_END.match(line.text):
            break
        end = i
    cause: Traceback | None = None
    for k in reversed(range(len(links))):
        start, function = links[k]
        stop = links[k + 1][0] if k + 1 < len(links) else end + 1
        own = block[start:stop]
        line = next((x for x in own if x.text.startswith("! ")), own[0])
        message = line.text.removeprefix("! ") if line is not own[0] else ""
        frames = [make_frame("", 0, function, own[0].number)] if function else []
        named = ("Error", message, line)
        cause = make_failure(own[0], own[-1], named, "r", frames, cause=cause)
    assert cause is not None  # the first line is a link
    end = max(end, halted or 0)
    return replace(cause, last_line=block[end].number), at + end + 1


def _parse_fatal(lines: Sequence[LogLine], at: int) -> tuple[Traceback, int] | None:
    """Parse what Python's faulthandler prints: the thread that died stands first."""
    found = _FATAL.search(lines[at].text)
    if found is None:
        return None
    block = read_block(lines, at)
    frames: list[Frame] = []
    current = (i for i, x in enumerate(block) if x.text.startswith("Current thread 0x"))
    end = next(current, 0)
    for i, line in enumerate(block[end + 1 :], end + 1):
        if entry := _FATAL_FRAME.match(line.text):
            frames.append(make_frame(entry["file"], entry["line"], entry["func"], line.number))
            end = i
        elif frames:
            break
    frames.reverse()
    named = ("Fatal Python error", found["message"], block[0])
    return make_failure(block[0], block[end], named, "python", frames), at + end + 1


# A parser is tried on lines with its mark, in logs where its hint is found; the first
# that makes something of a line is used.
_PARSERS: tuple[tuple[str, str, Parse], ...] = (
    (r"^\{?Error using ", "Error using ", parse_matlab),
    ("^Error in ", "Error in ", parse_matlab),
    ("^Err", "Error", _parse_r),
    ("^Err", "Erreur ", _parse_r),
    ("^(?:Err|Fehler)", "Fehler ", _parse_r),
    ("ERROR: ", "ERROR: ", _parse_julia),
    ("Fatal Python error", "Fatal Python error", _parse_fatal),
    ("terminate called", "terminate called", parse_cpp),
    ("uncaught exception", "terminating ", parse_cpp),
    (" Assertion ", " Assertion ", parse_assertion),
    ("forrtl: ", "forrtl: ", parse_forrtl),
    ("ortran runtime error", "ortran runtime error", parse_fortran),
    ("ERROR STOP", "ERROR STOP", parse_fortran),
    ("Program received signal", "Program received signal", parse_signal),
    (" panicked at ", " panicked at ", parse_rust),
    ("goroutine ", "panic: ", parse_go),
    ("goroutine ", "fatal error: ", parse_go),
    ("error: called from", "error: ", parse_octave),
    ("(?:^|:)[^:\n]{1,300}:\\d{1,9}:in [`']", ":in ", parse_ruby),
    ("stack traceback:", "stack traceback:", parse_lua),
    ("(?:Fatal|Parse|fatal) error: ", "error: ", parse_php),
    ("^Unhandled exception:$", "Unhandled exception:", parse_dart),
    (r"\*\* \(", "** (", parse_elixir),
    ("Fatal error: exception ", "Fatal error: exception ", parse_ocaml),
    ("HasCallStack", "HasCallStack", parse_haskell),
    (r"\.swift(?::|, line )", ".swift", parse_swift),
    ("^Error: unhandled exception: ", "Error: unhandled exception: ", parse_nim),
    ("\n\tat ", "at ", parse_stack),
    ("\n    at ", "at ", parse_stack),
    ("\n   at ", "at ", parse_stack),
    ("\n    at ", "at ", parse_node),
    (r" line \d{1,9}(?:, <[^>\n]{1,60}> (?:line|chunk) \d{1,9})?\.$", " line ", parse_perl),
)
# Felt on every log: what most failures hold ("Error") is asked for at the start of a line.
HINTS = tuple(f"(?m:{hint})" for hint, _, _ in _PARSERS)
"""One of these is in each log with a failure of another language."""
_HINTS = PatternSet(HINTS, is_exact=True)
