"""Messages of several lines: what stands below their first one tells of no life."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_scheduler.diagnosis.words import compile_words

_RULE = re.compile(r"(?:\[[\w.:,-]{1,40}\] ?|\d{1,5}: ?)?-{40,}\s*")
"""Open MPI and PRRTE put a message between two of these."""
_OF_LAUNCHER = compile_words(
    r"\bMPI(?:_\w+)?\b|\b(?:mpirun|mpiexec|prterun|prun|orterun|orted|prted|PMIx|PRR?TE|ORTE)\b"
    r"|\bOpenFabrics\b|\brequested component\b",
    ignore_case=False,
)
_HEAD = 3
"""So many lines below any rule tell whose message it is."""
_OWN_RULE = "-" * 74
"""The rule of Open MPI itself; below it the whole message may tell."""
_MAX_BOX = 40

_LICENCE = compile_words(
    r"\blicen[sc]e (?:checkout|check-out|manager|server|error)|\bflex(?:net|lm)\b"
    r"|\blicensing error\b"
)
_DETAIL = compile_words(
    r"^\s*$|^ ?[A-Z][\w/@.' -]{1,34}:(?:\s|$)|^https?://"
    r"|^(?:Troubleshoot|For further|Check|If|The)\b",
    ignore_case=False,
)
"""Details with a label, an address, advice."""
_GOES_ON = re.compile(r" ?[a-z]")
_SENTENCE_END = (".", "!", "?", ":", ";")
_MAX_DETAILS = 16


def find_message_lines(texts: Sequence[str]) -> set[int]:
    """Return the places of the lines that explain the message above them.

    They are the program's own words, and no sign that it went on.
    """
    found: set[int] = set()
    end = -1
    for index, text in enumerate(texts):
        if index != end and text.endswith("---") and _RULE.fullmatch(text) is not None:
            box = _box_below(texts, index)
            found.update(box)
            end = index + len(box) + 1 if box else end
        elif "icen" in text and _LICENCE.search(text) is not None:
            found.update(_details_below(texts, index))
    return found


def _box_below(texts: Sequence[str], rule: int) -> range:
    """Return the places of the lines between a rule and the next, of a launcher's message."""
    last = min(rule + 1 + _MAX_BOX, len(texts))
    end = next((i for i in range(rule + 1, last) if _RULE.fullmatch(texts[i])), None)
    head = texts[rule + 1 : rule + 1 + _HEAD]
    if end is not None and _OWN_RULE in (texts[rule].strip(), texts[end].strip()):
        head = texts[rule + 1 : end]
    is_told = any(_OF_LAUNCHER.search(text) for text in head)
    return range(rule + 1, last if end is None else end) if is_told else range(0)


def _details_below(texts: Sequence[str], index: int) -> Iterator[int]:
    """Return the places of the details that FlexNet and programs with it write below an error."""
    for at in range(index + 1, min(index + 1 + _MAX_DETAILS, len(texts))):
        text, above = texts[at], texts[at - 1].rstrip()
        is_rest = _GOES_ON.match(text) is not None and not above.endswith(_SENTENCE_END)
        if not is_rest and _DETAIL.search(text) is None and _LICENCE.search(text) is None:
            return
        yield at
