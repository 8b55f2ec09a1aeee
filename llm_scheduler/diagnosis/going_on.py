"""Words of programs that go on: what they take instead, and the level they log at."""

from __future__ import annotations

from collections.abc import Sequence

from llm_scheduler.diagnosis.words import compile_words

_INSTEAD = compile_words(
    r"[.;] (?:now |so )?(?:setting|using|assuming|defaulting|proceeding|leaving|omitting|reverting"
    r"|disabling|creating|(?:re-?start|repeat|reset|reduc|increas|decreas|switch)\w{0,3}ed) \w"
    r"|\bwill (?:use|default|be (?:set|disabled|omitted|replaced))\b"
    r"|\bwill (?:not be|be) (?:enabled|used|available|slow(?:er)?|ignored|skipped)\b"
    r"|\b(?:using|assuming|reverting to) (?:the |its )?defaults?\b"
    r"|\bdefault(?: value)?s? (?:is|are|was|will be) (?:being )?(?:used|assumed|taken)\b"
    r"|\bdefaulting to\b|, (?:trying|attempting|defaulting|assuming|setting|leaving|keeping"
    r"|treating|disabling|returning|replacing|not using|proceeding) |^\W*using \S+, but\b"
    r"|\bearly[ -]?stopp?|\bno improvements?\b|\b(?:not|n.t|failed to|fails to) improve"
    r"|\berror caught was\b|\bjust a warning\b",
)
"""What a program does in place of what it could not do."""

_WARNING_HEAD = compile_words(
    r"^(?:In addition: |Additionally: )?Warning messages?:\s*$|Warning: .*:\s*$|^\w+Warning:\s*$",
    ignore_case=False,
)
_PYTHON_WARNING = compile_words(r"(?:\.pyx?|>):\d+: \w*Warning: ", ignore_case=False)
"""What Python writes above the source line that a warning is about."""
_R_STOPPED = compile_words(r"^Execution halted|^Error(?: in .*)? ?:", ignore_case=False)
_OF_WARNING = compile_words(r"^\s|^\d+: |^In |^\w[\w.]*\(.*\) ?:$")

_LEVEL = compile_words(
    r"^(?:\[rank ?\d+\]:? ?)?(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+: )?"
    r"\[?([DIWEF])(?:\d{3,4} \d\d:\d\d:[\d.]+(?: +\d+)?)? +"
    r"\S+\.(?:cc|cpp|cu|cuh|h|hpp|py|c|go):\d+\]"
    # htslib: samtools, bcftools and what is built on it.
    r"|^\[([DIWEM])::\w+\] ",
    ignore_case=False,
)
_REMARK = compile_words(r"^(?:note|remark|hint|info) ?: ")
"""How glog, Abseil, TensorFlow and PyTorch begin a line: ``W0624 18:13:10.57 139 file.cc:320]``."""
_CALM = frozenset("DIWM")


def takes_instead(text: str) -> bool:
    """Tell whether a program says what it takes in place of something that it lacks."""
    return _INSTEAD.search(text) is not None


def find_warned(texts: Sequence[str]) -> set[int]:
    """Return the places of the lines that stand under the heading of a warning.

    So R writes its warnings, and Python those whose message has several lines. Where R
    stopped by an error, its warnings may say why.
    """
    if not any("arning" in text for text in texts):
        return set()
    found = _find_warned_source(texts)
    if any(map(_R_STOPPED.search, texts)):
        return found
    last = -2
    for index, text in enumerate(texts):
        if "arning" in text and _WARNING_HEAD.search(text) is not None:
            last = index
        elif last == index - 1 and (index - 1 not in found or _OF_WARNING.search(text)):
            found.add(index)
            last = index
    return found


def _find_warned_source(texts: Sequence[str]) -> set[int]:
    """Return the places of the lines of source code that Python shows with its warnings.

    They name exceptions and messages that nothing has raised.
    """
    return {
        index + 1
        for index, text in enumerate(texts[:-1])
        if "Warning: " in text
        and texts[index + 1].startswith("  ")
        and _PYTHON_WARNING.search(text) is not None
    }


def is_calm(text: str) -> bool:
    """Tell whether a logging library, or the program, marks a line as less than an error."""
    return has_calm_level(text) or _REMARK.search(text) is not None


def has_calm_level(text: str) -> bool:
    """Tell whether a logging library does so."""
    return _level_of(text) in _CALM


def is_logged_error(text: str) -> bool:
    """Tell whether a logging library marks a line as an error that ends no program.

    Only the level above it, ``F``, ends one.
    """
    return _level_of(text) == "E"


def _level_of(text: str) -> str:
    found = _LEVEL.search(text)
    return (found[1] or found[2]) if found is not None else ""
