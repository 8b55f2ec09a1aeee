"""Of several errors after which nothing went on: which came first, which only followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis.candidates import Candidate, is_general
from llm_scheduler.logs.models import LogText

_CASCADES = {
    # A missing file is often what another failure did not write.
    "file_not_found": frozenset(
        {
            "command_not_found",
            "disk_full",
            "missing_shared_library",
            "crash",
            "out_of_memory",
            "permission_denied",
            "syntax_error",
            "missing_module",
        },
    ),
}
_FOLLOWERS = frozenset({"network_error", "mpi_failure", "gpu_error"})
"""What the other processes of a parallel program report when one has died: a peer that
does not answer, a collective operation that times out."""
_SPOILERS = {
    # A program that meets a full disk may write on until the file that it spoilt ends it.
    "disk_full": frozenset({"code_error", "crash", "file_not_found", "unknown"}),
}
"""Errors that programs survive and that spoil what comes after, with what comes of them."""
_MAX_SPOILERS = 20
_ABORTED = re.compile(
    r"\bAbort(?:ed|ing)?\b|\bSIGABRT\b|double free|munmap_chunk|\binvalid pointer\b",
    re.IGNORECASE,
)
"""A program that aborts has found something wrong, and has mostly said what before; many
also come down by an abort in the course of ending after an error."""
_DEATH_NOTE = re.compile(
    r"\(core dumped\)|^srun: error|: line \d+: +\d+ |Exited with exit code"
    r"|^(?:Killed|Segmentation fault|Aborted|Bus error)\b",
)
"""What a shell or a launcher reports of the death of a program."""
_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)?[T ]?\b(?P<time>[0-2]\d:[0-5]\d:[0-5]\d(?:[.,]\d{1,9})?)",
)
_PREFIX_CHARS = 60
_LINES_BEFORE = 3


def put_roots_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates without those that the catalogue calls consequences of others.

    The root takes the place of its consequence: a program that met a full disk
    may write on until the file that it spoilt ends it.
    """
    beaten: dict[int, Candidate] = {}
    roots: dict[int, Candidate] = {}
    # The first of a kind stands for all; a hostile log may hold thousands of them.
    first = {(x.cause.id, x.file): x for x in reversed(candidates) if x.cause.beats}
    for root in first.values():
        # A hint that a consequence confirms is no mere hint any more.
        if root.role == "harmless" or root.said_to_live or root.known:
            continue
        for other in candidates:
            if other.cause.id not in root.cause.beats or id(other) in beaten:
                continue
            if root.file == other.file and root.order > other.order and other.after:
                continue  # the other one stood there long before
            beaten[id(other)] = root
            known = roots.get(id(root), root)
            roots[id(root)] = replace(
                known,
                role="cause" if known.role == "hint" else known.role,
                after=min(known.after, other.after),
                strictly_after=min(known.strictly_after, other.strictly_after),
            )
    return [roots.get(id(x), x) for x in candidates if id(x) not in beaten]


def put_spoilers_first(
    fatal: Sequence[Candidate],
    candidates: Sequence[Candidate],
) -> list[Candidate]:
    """Put in the place of an error what spoilt the program's files before it."""
    found = list(fatal)
    spoilers = [x for x in candidates if x.role == "cause" and x.cause.category in _SPOILERS]
    for i, error in enumerate(found):
        for earlier in spoilers[:_MAX_SPOILERS]:
            if error.cause.category in _SPOILERS.get(earlier.cause.category, ()) and (
                earlier.file != error.file or earlier.order < error.order
            ):
                found[i] = earlier
                break
    return list({id(x): x for x in found}.values())


def pick_root(
    fatal: Sequence[Candidate],
    logs: Sequence[LogText],
    *,
    parallel: bool,
    among: Sequence[Candidate] = (),
) -> tuple[Candidate, Candidate | None]:
    """Choose among errors after which nothing went on; returns the best of the rest too.

    Of all that the logs suggest, `among`, general words may tell why a program aborted.
    """
    fatal = list(fatal)
    fatal = _without_followers(fatal) if parallel else _last_of_each_process(fatal)
    fatal = [x for x in fatal if not _is_abort(x)] or fatal
    times = {id(x): _when(x, logs) for x in fatal}
    # Only where all carry a time of one form can they be compared across logs.
    timed = len({len(time) for time in times.values()}) == 1 and all(times.values())

    def rank(found: Candidate) -> tuple[int, str, int]:
        return -found.cause.priority, times[id(found)] if timed else "", found.order

    best = min(fatal, key=rank)
    if _DEATH_NOTE.search(best.text):
        # The program itself may have said before what its shell reports.
        own = [x for x in fatal if x.cause.category == best.cause.category and x.file == best.file]
        own = [x for x in own if x.order < best.order and not _DEATH_NOTE.search(x.text)]
        best = min(own, key=lambda x: x.order, default=best)
    makers = _CASCADES.get(best.cause.category, frozenset())
    for earlier in fatal:
        if (
            earlier.cause.category in makers
            and earlier.file == best.file
            and earlier.order < best.order
        ):
            best = earlier
            break
    best = _told_before(best, among) or best
    rest = [x for x in fatal if x.cause.category != best.cause.category]
    return best, min(rest, key=rank, default=None)


def _told_before(root: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return what a program said in general words right before a shell told of its abort.

    Only words that say of what kind the error was tell more than the abort does.
    """
    if not _is_abort(root) or _DEATH_NOTE.search(root.text) is None:
        return None
    before = [
        x
        for x in candidates
        if is_general(x.cause)
        and x.cause.category not in {"code_error", "unknown"}
        and x.file == root.file
        and x.order < root.order
        and x.after == root.after
        and not x.said_to_live
    ]
    return max(before, key=lambda x: (x.cause.priority, x.order), default=None)


def _without_followers(fatal: list[Candidate]) -> list[Candidate]:
    """Return the errors of a parallel program without those that follow from another one."""
    first = [x for x in fatal if x.cause.category not in _FOLLOWERS]
    if first and all(_is_abort(x) for x in first):
        # A library that gives up aborts: what it said just before is the reason.
        start = min(x.order for x in first)
        said = [x for x in fatal if x not in first and x.order < start]
        if any(x.file == first[0].file for x in said):
            return said
    return first or fatal


def _is_abort(found: Candidate) -> bool:
    category, traceback = found.cause.category, found.traceback
    if category == "code_error" and traceback is not None and traceback.language == "python":
        return False
    return category in {"crash", "code_error"} and _ABORTED.search(found.text) is not None


def _last_of_each_process(fatal: list[Candidate]) -> list[Candidate]:
    # What one process printed before its last exception, it survived.
    last: dict[str, Candidate] = {}
    for candidate in fatal:
        if candidate.traceback is not None:
            last[candidate.file] = candidate
    return [x for x in fatal if x.traceback is None or last[x.file] is x]


def _when(found: Candidate, logs: Sequence[LogText]) -> str:
    """Return the time that stands before an error, or before its traceback; else ``""``."""
    time = _time_of(found.text)
    if time or found.traceback is None:
        return time
    log = next((log for log in logs if log.file == found.file), None)
    if log is None:
        return ""
    outermost = found.traceback.root.first_line
    before = [x for x in log.lines if outermost - _LINES_BEFORE <= x.number <= outermost]
    return next(filter(None, (_time_of(line.text) for line in reversed(before))), "")


def _time_of(text: str) -> str:
    found = _TIME.search(text[:_PREFIX_CHARS])
    if found is None:
        return ""
    return f"{found['day'] or ''} {found['time'].replace(',', '.')}"
