"""Lines of several ranks in one log: told apart by what stands before them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.logs.models import LogLine

RANK_PREFIX = re.compile(
    r"\s*(?:"
    r"\[(?:rank|default|RANK|Rank)?[ :_]?\d{1,9}\]:? ?"  # torchrun, [3]:
    r"|(?:rank|Rank|RANK)[ _:=]?\d{1,9}\]?(?: ?[:|]) ?"
    r"|\d{1,9}: "  # srun --label
    r"|\[\d{1,9},\d{1,9}\](?:<\w{3,9}>)?: ?"  # mpirun --tag-output
    r"|\[[\w.-]{1,80}:\d{1,9}\](?: \[\d{1,9}\])? ?"  # [node1:0]
    r"|\((?:[\w.<>:-]{1,80} )?pid=\d{1,9}(?:, ip=[\w.:]{3,45})?\) ?"  # Ray
    r")"
)
"""What launchers put before the lines of one rank."""
# A node's name is a prefix only where the lines of a traceback follow it.
_PREFIX = re.compile(rf"{RANK_PREFIX.pattern}|[a-z][\w.-]{{0,60}}\d[\w.-]{{0,40}}: ")
_HEADER = "raceback (most recent call last)"
_BARE = frozenset({"T", "\nT"})


def split_ranks(
    lines: Sequence[LogLine], text: str
) -> list[tuple[str, list[LogLine], dict[int, int]]]:
    """Return the lines of each rank whose traceback has a prefix, without it.

    Each entry has the prefix, the lines, and the line numbers of the log by the
    numbers that the lines carry here: consecutive where nothing is missing
    between two lines of the rank but lines of others.

    Parameters
    ----------
    lines
        In the order of the log.
    text
        All of them joined.
    """
    prefixes = _find_prefixes(lines) if _has_prefixes(text) else []
    if not prefixes:
        return []
    streams: dict[str, tuple[list[LogLine], dict[int, int]]] = {p: ([], {}) for p in prefixes}
    gaps, last = 0, 0
    for line in lines:
        gaps += line.number > last + 1
        last = line.number
        found = _PREFIX.match(line.text)
        prefix = found.group().rstrip() if found else ""
        if prefix in streams:
            own, numbers = streams[prefix]
            number = len(own) + 1 + 2 * gaps
            numbers[number] = line.number
            end = found.end() if found else 0
            own.append(LogLine(line.file, number, line.text[end:]))
    return [(prefix, *stream) for prefix, stream in streams.items()]


def _has_prefixes(text: str) -> bool:
    """Tell whether anything stands before a header: not so in the log of one process."""
    at = text.find(_HEADER)
    while at >= 0 and text[max(0, at - 2) : at] in _BARE:
        at = text.find(_HEADER, at + 1)
    return at >= 0


def _find_prefixes(lines: Sequence[LogLine]) -> list[str]:
    """Return the prefixes that stand before a traceback's header and its frames."""
    headed: dict[str, bool] = {}
    heads = [line for line in lines if _HEADER in line[2]]
    if not any(map(_PREFIX.match, [line.text for line in heads])):
        return []
    for line in lines:
        if _HEADER in line.text and (found := _PREFIX.match(line.text)):
            prefix = found.group().rstrip()
            at = found.end()
            if line.text.startswith(("Traceback", "Original Traceback"), at):
                headed.setdefault(prefix, False)
        elif headed and 'File "' in line.text and (found := _PREFIX.match(line.text)):
            prefix = found.group().rstrip()
            if prefix in headed and line.text[found.end() :].lstrip().startswith('File "'):
                headed[prefix] = True
    return [prefix for prefix, has_frames in headed.items() if has_frames]
