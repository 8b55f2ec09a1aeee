"""Trying one cause on one log: what matches, what was decided, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import re2

from llm_scheduler.diagnosis.candidates import Candidate, find_candidates
from llm_scheduler.diagnosis.catalog import MAX_LINE_CHARS, Catalog
from llm_scheduler.diagnosis.catalog_entries import quiet
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.precedence import SURVIVED_AFTER
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.diagnosis.submission import diagnose_submission
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import scan_log
from llm_scheduler.logs.models import LogText

MAX_MATCHES = 50
"""More lines of a log are counted and not told one by one."""
_MAX_SHOWN = 3
_MAX_REFUSAL_CHARS = 20_000
_MAX_READ_BYTES = 64 << 20

_STRENGTH = {"harmless": 0, "hint": 1, "symptom": 2, "cause": 3, "verdict": 4}


@dataclass(frozen=True, slots=True)
class LineMatch:
    """One line in which patterns of the cause were found."""

    line: int
    text: str
    patterns: tuple[str, ...]
    others: tuple[str, ...] = ()
    """Ids of other causes that match the same line, strongest first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one cause in one log."""

    cause: Cause
    log: str
    matches: tuple[LineMatch, ...]
    n_matches: int
    is_found: bool
    """Whether the log suggests this cause, by a line, a traceback or the record."""
    diagnosis: Diagnosis
    reasons: tuple[str, ...]
    """Why it did not win, a sentence each; empty when it did."""

    @property
    def wins(self) -> bool:
        """Whether this cause is the diagnosis; noise wins where it is noticed."""
        if self.cause.role == "harmless":
            return self.n_matches > 0
        return self.diagnosis.cause == self.cause.id


def try_cause(
    cause: Cause,
    path: Path | str,
    catalog: Catalog,
    *,
    record: JobRecord | None = None,
) -> Trial:
    """Diagnose a log and say what part one cause had in it."""
    log = scan_log(path, literals=catalog.literals)
    found = list(_match_lines(cause, log, catalog))
    candidates = [x for x in find_candidates(log, catalog) if x.cause.id == cause.id]
    if cause.submission and record is None:
        words = "\n".join(line.text for line in log.lines)[:_MAX_REFUSAL_CHARS]
        result = diagnose_submission(words, catalog=catalog)
    else:
        result = diagnose([log], record, catalog=catalog)
    trial = Trial(
        cause=cause,
        log=str(path),
        matches=tuple(found[:MAX_MATCHES]),
        n_matches=len(found),
        is_found=bool(found or candidates) or result.cause == cause.id,
        diagnosis=result,
        reasons=(),
    )
    if trial.wins:
        return trial
    reasons = tuple(_why_not(trial, candidates, catalog))
    return Trial(
        trial.cause, trial.log, trial.matches, trial.n_matches, trial.is_found, result, reasons
    )


def _match_lines(cause: Cause, log: LogText, catalog: Catalog) -> Iterator[LineMatch]:
    for line in log.lines:
        own: list[str] = []
        others: dict[str, Cause] = {}
        for other, pattern, _ in catalog.match_patterns(line.text):
            if other.id == cause.id:
                own.append(pattern)
            else:
                others[other.id] = other
        if own:
            ranked = sorted(others.values(), key=lambda x: (not x.wrapper, -x.priority))
            yield LineMatch(line.number, line.text, tuple(own), tuple(x.id for x in ranked))


def _why_not(trial: Trial, candidates: Sequence[Candidate], catalog: Catalog) -> Iterator[str]:
    """Yield the reasons for which the cause is not the diagnosis, the nearest first."""
    cause, winner = trial.cause, trial.diagnosis.cause
    if not trial.is_found:
        yield from _why_unseen(cause, trial.log)
    elif not candidates:
        yield from _why_not_taken(trial, catalog)
    else:
        yield from _why_weakened(cause, candidates)
    if trial.is_found and winner in catalog:
        yield from _why_beaten(cause, catalog[winner])
    elif candidates and winner == "success":
        yield "The log ends well, so what stands before its end is taken as survived."


def _why_unseen(cause: Cause, log: str) -> Iterator[str]:
    number = _find_skipped(cause, log)
    if number:
        yield (
            f"Line {number} holds one of its patterns and was not read: a large log is searched "
            "for words of alarm and for the plain texts of patterns only. See `catalog check`."
        )
    elif cause.patterns:
        yield "None of its patterns is found in a line of the log."
    if cause.exceptions or cause.exceptions_language:
        yield "No traceback of the log begins with one of its exceptions."
    if cause.record is not None:
        yield "It also looks at the scheduler's record; give it with --state or --exit-code."


def _find_skipped(cause: Cause, log: str) -> int:
    """Return the first line with a pattern in the plain text of a log; 0 for none."""
    patterns = [re2.compile(pattern, quiet()) for pattern in cause.patterns]
    with Path(log).open("rb") as file:
        text = file.read(_MAX_READ_BYTES).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if any(pattern.search(line[:MAX_LINE_CHARS]) for pattern in patterns):
            return number
    return 0


def _why_not_taken(trial: Trial, catalog: Catalog) -> Iterator[str]:
    cause = trial.cause
    if cause.submission:
        yield (
            "It counts only in lines that name a submitting command (sbatch, srun, salloc, "
            "qsub, bsub)."
        )
    where = cause.frame_function or cause.frame_file
    if where:
        key = "frame_function" if cause.frame_function else "frame_file"
        yield (
            f"`{key}` limits it to tracebacks whose innermost frames name `{where}`, and the log "
            "holds no such traceback."
        )
    for match in trial.matches[:_MAX_SHOWN]:
        other = next((catalog[x] for x in match.others), None)
        if other is None:
            continue
        yield f"Line {match.line} was given to `{other.id}`, {_stronger_on_line(cause, other)}."
    if trial.matches and not any(match.others for match in trial.matches) and not where:
        yield "Its lines stand inside a traceback, and there the exception decides."


def _stronger_on_line(cause: Cause, other: Cause) -> str:
    if other.wrapper:
        return "which takes its lines from every other cause (`wrapper`)"
    if other.role == "hint" and cause.role == "cause" and other.category == cause.category:
        return "a hint of the same category: the narrower cause takes the line"
    if other.priority > cause.priority:
        return f"whose priority is {other.priority}, over {cause.priority}"
    return f"as strong as this one (priority {other.priority}); raise `priority` to win"


def _why_weakened(cause: Cause, candidates: Sequence[Candidate]) -> Iterator[str]:
    best = max(candidates, key=lambda found: (_STRENGTH[found.role], -found.after, found.order))
    where = f"Line {best.line}" if best.line else "What it found"
    if best.role != cause.role:
        yield (
            f"{where} or what stands around it says that the program goes on, so that it "
            f"counts as `{best.role}` only."
        )
    if best.after >= SURVIVED_AFTER:
        yield (
            f"The program went on: {best.after} ordinary lines follow {where.lower()}, so the "
            "error is taken as survived."
        )
    if cause.role == "hint":
        yield "It is a `hint`: it counts only where nothing stronger is found and the job failed."


def _why_beaten(cause: Cause, winner: Cause) -> Iterator[str]:
    strong = f"`{winner.id}` ({winner.role}, priority {winner.priority})"
    if cause.id in winner.beats:
        yield f"{strong} names this cause in `beats`: it is the root of it."
    elif winner.role == "verdict" and cause.role != "verdict":
        yield f"{strong} won: it is the scheduler's own word on how the job ended."
    elif _STRENGTH[winner.role] > _STRENGTH[cause.role]:
        yield f"{strong} won: a {winner.role} is stronger than a {cause.role}."
    elif winner.priority != cause.priority:
        more = "higher" if winner.priority > cause.priority else "lower"
        yield (
            f"{strong} won, with a {more} priority than {cause.priority} here. Where this one "
            f'is the root of it, write `beats = ["{winner.id}"]`.'
        )
    else:
        yield (
            f"{strong} won with the same priority, by its place in the log. Where this one "
            f'is the root of it, write `beats = ["{winner.id}"]`.'
        )
