"""Fingerprints: equal for the same failure with other numbers, paths and nodes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import PurePosixPath

from llm_scheduler.logs.models import LogLine, LogText, Traceback
from llm_scheduler.logs.ranking import Ranked, chain_of, rank_lines
from llm_scheduler.logs.tracebacks import parse_tracebacks

_LENGTH = 16
_MAX_CHARS = 400

_RULES: tuple[tuple[str, str], ...] = (
    (r"\b(?:slurmstepd|slurmd)-[\w.-]+:", "slurmstepd:"),
    (r"\bON [\w.\[\],-]+ (?=CANCELLED|FAILED)", "ON <node> "),
    (
        r"\b(srun|mpirun|prterun|orted|slurmstepd)(: error)?: [\w.-]+: (?=tasks?\b)",
        r"\1\2: <node>: ",
    ),
    (r"(?i)\b(on|node|host|hostname|nodes)(:? )[a-z][a-z-]*\d[\w.-]*", r"\1\2<node>"),
    (r"(?i)^\s*\[?(?:rank ?)?\d+\]?: ?", ""),
    (r"\[[\w.-]*\d:\d+\] ?", ""),  # Open MPI's [node:pid]
    (
        r"\d{4}-\d\d-\d\d(?:[T _]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?",
        "<time>",
    ),
    (r"(?<![\d.])\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b(?![.]\d)", "<time>"),
    (
        (
            r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w* )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct"
            r"|Nov|Dec) +\d{1,2}\b(?: \d{4})?"
        ),
        "<time>",
    ),
    (r"(?<![\d.])\d{1,3}(?:-\d\d)?:\d\d(?::\d\d)?(?:[.,]\d+)?(?![\d:])", "<time>"),
    (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
    (r"\b0x[0-9a-fA-F]+\b", "<address>"),
    (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", "<hash>"),
    (r"(?:[\w.+~-]*/)+(lib[\w+-]+\.so)[\d.]*", r"\1"),
    (r"\b(lib[\w+-]+\.so)[\d.]*", r"\1"),
    (r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"<>]+", "<url>"),
    (
        (
            r"(?i)((?:no such file or directory|is a directory|file exists|not a directory"
            r"|permission denied|file not found|not found): )(['\"])[^'\"]+\2"
        ),
        r"\1<path>",
    ),
    (r"(['\"])(?=[^'\"\n]*/)[^'\"\s][^'\"\n]{0,400}\1", "<path>"),
    (r"(?<![\w<])(?:~|\.{1,2})?(?:/[\w.+@%=,~^#-]+)+/?", "<path>"),
    (r"\b[\w.+@-]+/[\w.+@/-]+", "<path>"),
    (
        (
            r"\b[\w+-]+\.(?:npy|npz|csv|tsv|txt|h5|hdf5|nc|json|ya?ml|pkl|pickle|dat|out|err|log"
            r"|jld2?|mat|parquet|toml|ini|in|xml|zip|gz|tar)\b"
        ),
        "<file>",
    ),
    (
        (
            r"(?i)\b(node|rank|task|worker|gpu|cpu|host|nid|compute|job|step|process|thread|pid|cuda"
            r"|device|learner|point|stepid)[-_= :]*\d[\w.]*(?:(?<=[eE])[-+]\d+)?"
        ),
        r"\1 #",
    ),
    (r"\b[a-z][a-z-]*\d+(?:\.[a-z][\w-]*)+\b", "<node>"),
    (r"(?<![A-Za-z])[-+]?\d[\d.,_]*(?:[eE][-+]?\d+)?", "#"),
    (r"\b[KMGTP]i?B?\b(?=\W|$)", "B"),
    (r"#(?:[\s,;:x*()\[\]+-]+#)+", "#"),
    (r"\s+", " "),
)


@cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the rules when they are first needed: it is felt at import."""
    return tuple((re.compile(pattern), new) for pattern, new in _RULES)


def normalise(line: str) -> str:
    """Return a line with what changes from run to run taken out."""
    text = line[: 2 * _MAX_CHARS]
    for pattern, replacement in _rules():
        text = pattern.sub(replacement, text)
    return text.strip()[:_MAX_CHARS]


def fingerprint(text_or_lines: str | Iterable[str | LogLine]) -> str:
    """Return a short hexadecimal name of the failure that a text shows.

    Equal for the same failure with other numbers, paths, ranks, nodes,
    addresses, job ids and times; different for another exception, another
    missing module or another failing function.
    """
    if isinstance(text_or_lines, str):
        text_or_lines = text_or_lines.splitlines()
    lines = [
        line if isinstance(line, LogLine) else LogLine("", number, line)
        for number, line in enumerate(text_or_lines, 1)
    ]
    text = LogText(
        file="",
        lines=tuple(lines),
        tracebacks=parse_tracebacks(lines),
        n_lines=len(lines),
    )
    return fingerprint_ranked(rank_lines([text]), [text])


def fingerprint_ranked(ranked: Sequence[Ranked], texts: Sequence[LogText]) -> str:
    """Return the fingerprint of logs whose lines are ranked already."""
    if ranked:
        best = ranked[0]
        key = describe(best.traceback) if best.traceback else normalise(best.line.text)
    else:
        # Nothing alarming: what was said last is all there is.
        last = [line.text for text in texts for line in text.lines if line.text.strip()]
        key = normalise(last[-1]) if last else ""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:_LENGTH]


def describe(traceback: Traceback) -> str:
    """Return what is the same in a traceback whenever this failure happens."""
    parts = []
    for link in chain_of(traceback):
        frame = link.user_frame or (link.frames[-1] if link.frames else None)
        where = f"{PurePosixPath(frame.file).name}:{frame.function}" if frame else ""
        where = re.sub(r"<ipython-input-[^>]*>|(?:Cell )?In ?\[\d*\]", "<cell>", where)
        parts.append(f"{link.exception}|{normalise(link.message)}|{where}")
    return "\n".join(parts)
