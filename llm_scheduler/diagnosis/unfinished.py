"""Whether logs without an error speak of an end at all, or just stop, or are no logs."""

from __future__ import annotations

from collections.abc import Sequence

from llm_scheduler.diagnosis import noise
from llm_scheduler.logs.models import LogLine, LogText

_MAX_LOOKED_AT = 400
_MIN_TOKEN = 40
_MAX_CUT = 12
_FULL = 100.0
_COUNTER = noise.compile_words(
    r"\b(?:epoch|iter(?:ation)?|step|batch|generation|cycle|fold|round|trial|chunk|file|item"
    r"|sample|frame|point|image|page|block|done|progress|processed|finished)s?"
    r"\b[^\d/]{0,12}(\d{1,9}) ?(?:/|of|out of) ?(\d{1,9})\b"
    r"|\[ ?(\d{1,9}) ?(?:/|of) ?(\d{1,9}) ?\]|\b(\d{1,9})/(\d{1,9}) \[",
)
"""How far a program is, as ``step 2 of 900`` and ``45/100 [00:01<00:02]``."""
_BAR = noise.compile_words(
    r"\b(\d{1,3}(?:\.\d+)?) ?%(?: ?\||\s*\[| ?(?:done|complete|completed|finished)\b)"
    r"|\b(?:progress|downloaded|processed)\W{0,3}(\d{1,3}(?:\.\d+)?) ?%"
    r"|\[[=#>\-.* ]{5,}\] ?(\d{1,3}(?:\.\d+)?) ?%",
)
_ANNOUNCED = noise.compile_words(
    r"\b(\w{1,20}?)s?[ _-]?(?:list|values|range|grid)?s? ?[:=] ?"
    r"[\[(]?(\d+(?:, ?\d+){2,})(?:[^\d.,]|$)"
)
"""The values that a program will work on, one after another: ``k list: 21,29,39``."""
_TURN = noise.compile_words(r"\b(\w{1,20}) ?= ?(\d+)(?:[^.\d]|$)")
_ENOUGH = noise.compile_words(
    r"\bearly[- ]stop|\bconverged\b|\btolerance (?:was |is )?reached\b|\bstopping\b"
)
"""Why a program ends before the last of the steps that it may make."""
_CODE = noise.compile_words(
    r"^\s*(?:import \w|from \S+ import |def \w+\(|class \w+|#include\b|using \w+|package \w+;"
    r"|(?:el)?if\b.*[:;]$|for\b.*[:{]$|while\b.*[:{]$|else:?$|return\b|fi$|then$"
    r"|export \w+=|#(?:SBATCH|PBS|BSUB|\$) |\w+\([^)]*\);?$|@\w+)"
    r"|^\s*[^\s{\[<].*[;{]\s*$|^\s*\};?\s*$|^#!",
    ignore_case=False,
)
_DATA = noise.compile_words(
    r"^\s*(?:[\]\[{}(),]+|\"[^\"]+\"\s*:.*|<[!?/]?\w[^>]*>.*)\s*$", ignore_case=False
)
_FIRST = noise.compile_words(r"^(?:#!/|<!DOCTYPE|<html|<\?xml|%PDF-|\{\\rtf|PK\x03)")
_ECHO = noise.compile_words(r"^\++ ", ignore_case=False)


def is_cut(log: LogText) -> bool:
    """Tell whether a log stops in the middle of the work: at step 2 of 900, at 45 %."""
    lines = [line for line in log.lines[-_MAX_LOOKED_AT:] if line.text.strip()]
    return bool(lines) and (
        _is_behind(lines[-1].text)
        or _is_part(lines, log)
        or _is_in_list([line.text for line in lines])
    )


def is_no_log(log: LogText) -> bool:
    """Tell whether a file is a program, a table or data, and not what a program wrote."""
    texts = [line.text for line in log.lines[:_MAX_LOOKED_AT] if line.text.strip()]
    if not texts or any(_ECHO.search(text) for text in texts):
        return False
    if _FIRST.search(texts[0]) is not None:
        return True
    n_odd = sum(
        _CODE.search(x) is not None or _DATA.search(x) is not None or _is_token(x) for x in texts
    )
    return 2 * n_odd > len(texts)


def why_no_success(logs: Sequence[LogText]) -> str:
    """Say why silence is no success in logs that do not speak of an end; ``""`` if it may be."""
    if any(log.problem for log in logs):
        return "A log is missing or can't be read, and the others show no end."
    filled = [log for log in logs if log.lines]
    if filled and all(is_no_log(log) for log in filled):
        return "The file looks like a program or data, not like what a job wrote."
    if any(is_cut(log) for log in filled):
        return "The log stops in the middle of the work, without a word of why."
    return ""


def progress_of(text: str) -> list[tuple[float, float]]:
    """Return how far the last counter and the last bar of a line are, and how far they go."""
    found = []
    # A bar that was written over and over may stand in one line.
    for match in list(_COUNTER.finditer(text))[-1:]:
        numbers = [float(number) for number in match.groups() if number is not None]
        found.append((numbers[0], numbers[1]))
    for match in list(_BAR.finditer(text))[-1:]:
        found += [(float(number), _FULL) for number in match.groups() if number is not None]
    return found


def _is_behind(text: str) -> bool:
    """Tell whether a line says that more work is to come."""
    if _ENOUGH.search(text) is not None:
        return False
    return any(done < total for done, total in progress_of(text))


def _is_in_list(texts: Sequence[str]) -> bool:
    """Tell whether the last line is about one of the values announced, and not the last one.

    All values up to it, in their order, must have had their turn.
    """
    if _TURN.search(texts[-1]) is None:
        return False
    for index, text in enumerate(texts[:-1]):
        found = _ANNOUNCED.search(text)
        if found is None:
            continue
        values = [value.strip() for value in found[2].split(",")]
        turns = [x for x in map(_TURN.search, texts[index + 1 :]) if x is not None]
        seen = list(dict.fromkeys(x[2] for x in turns if x[1] == found[1]))
        if len(seen) > 1 and seen == values[: len(seen)] != values:
            return bool(turns) and (turns[-1][1], turns[-1][2]) == (found[1], seen[-1])
    return False


def _is_part(lines: Sequence[LogLine], log: LogText) -> bool:
    """Tell whether the last line is the beginning of one that stands above it, cut off."""
    last = lines[-1].text
    if not log.complete or len(log.lines) != log.n_lines or len(last) > _MAX_CUT:
        return False
    n_bytes = sum(len(line.text.encode()) + 1 for line in log.lines)
    has_newline = log.n_bytes >= n_bytes
    above = (line.text for line in lines[:-1])
    return not has_newline and any(x.startswith(last) and len(x) > len(last) for x in above)


def _is_token(text: str) -> bool:
    """Tell whether a line is one long word without a meaning, as encoded data is."""
    text = text.strip()
    is_path = "/" in text[:2] or "://" in text
    return (
        len(text) >= _MIN_TOKEN
        and text[:_MIN_TOKEN].isascii()
        and not is_path
        and (" " not in text and sum(map(str.isalnum, text)) > len(text) // 2)
    )
