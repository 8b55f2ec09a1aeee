"""Which of many errors is the root cause.

The order, strongest first:

1. What the kernel or the scheduler did to the job and no error of a program
   explains: memory, a lost node, preemption.
2. A program's own error after which nothing went on, over a cancel: people
   cancel jobs that hang after a rank died. Over a time limit only where several
   processes ran, as one alone would have ended.
3. The time limit, the cancel.
4. A program's own error: the last one of a single process, as what came before
   was survived; the first one of several processes, as the others follow from it.
5. Consequences (a killed worker, MPI_Abort, ``Exited with exit code 1``) and
   errors that programs survive, when there is nothing better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.accounting import is_near_memory_limit
from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.restarts import of_last_attempt
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

SURVIVED_AFTER = 6
"""So many ordinary lines after an error say that the program, or its script, went on."""

_BEYOND_PROGRAMS = 80
"""Verdicts of this priority and above hold whatever the program says."""

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
_STRONG_SYMPTOM = 40
"""Symptoms of this priority and above tell more than an error that was survived."""
_BEATS_SUCCESS = 20
"""Symptoms below this priority are too vague to doubt a log that ends well."""
_CERTAIN = 62
"""Causes of this priority and above end programs as a rule."""
_BEATABLE = frozenset({"cancelled", "requeued", "log-folder-missing", "launch-failure"})
_SIGKILL_CAUSES = frozenset(
    {"killed", "mpi-rank-killed", "pool-worker-lost", "subprocess-died-by-signal"},
)
_TIMED = frozenset({"time_limit", "cancelled", "preempted", "node_failure"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision: a candidate, ``None`` for success or for nothing known."""

    candidate: Candidate | None
    confidence: float
    success: bool = False
    others: tuple[Candidate, ...] = field(default=())
    """Candidates that support it, best first."""


def choose(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
    catalog: Catalog,
) -> Choice:
    """Return the root cause among all that logs and record suggest."""
    candidates = of_last_attempt(candidates, logs, record)
    completed = record is not None and record.state == "COMPLETED"
    verdict = _best_verdict(candidates, record)
    parallel = noise.is_parallel(list(logs))
    fatal = _fatal(candidates, verdict, completed=completed)
    if verdict is not None and not _is_beaten(verdict, fatal, parallel=parallel):
        chosen, confidence = verdict, verdict.cause.confidence
    elif fatal:
        chosen = _pick(fatal, parallel=parallel)
        doubt = 0.65 if completed else 0.85 if verdict else 1.0
        confidence = chosen.cause.confidence * doubt
    elif completed:
        return Choice(None, 0.9, success=True, others=_notable(candidates))
    else:
        weak = _weaker(candidates, logs, record, catalog)
        if isinstance(weak, Choice):
            return weak
        chosen, confidence = weak
    chosen = _with_line(chosen, candidates)
    confidence = _adjust(chosen, confidence, record)
    others = tuple(found for found in _notable(candidates) if found is not chosen)
    return Choice(chosen, round(confidence, 2), others=others)


def _best_verdict(
    candidates: Sequence[Candidate],
    record: JobRecord | None,
) -> Candidate | None:
    """Return the strongest word of the scheduler that still counts."""
    found = []
    for candidate in candidates:
        if candidate.role != "verdict":
            continue
        timed = candidate.cause.category in _TIMED
        if not candidate.from_record and timed:
            # A log may begin with an earlier attempt that was requeued, and a
            # step may be cancelled without the job.
            if candidate.after >= SURVIVED_AFTER:
                continue
            if (
                record is not None
                and record.state in {"COMPLETED", "FAILED", "OUT_OF_MEMORY"}
                and (candidate.cause.category == "cancelled")
            ):
                continue
        found.append(candidate)
    return max(found, key=lambda x: (x.cause.priority, not x.from_record, x.order), default=None)


def _fatal(
    candidates: Sequence[Candidate],
    verdict: Candidate | None,
    *,
    completed: bool,
) -> list[Candidate]:
    """Return the programs' own errors after which nothing went on.

    Under a verdict or a job that completed one ordinary line is enough to say
    that the program lived; else some lines may come from the script around it.
    """
    fatal = []
    strictly = verdict is not None or completed
    for candidate in candidates:
        if candidate.role != "cause":
            continue
        if strictly and (candidate.strictly_after > 0 or candidate.from_record):
            continue
        if candidate.after >= SURVIVED_AFTER:
            continue
        if completed and (candidate.traceback is None or candidate.in_thread):
            continue
        if (
            verdict is not None
            and verdict.file == candidate.file
            and candidate.order > verdict.order
        ):
            continue  # what a program says while it is being killed
        fatal.append(candidate)
    return fatal


def _is_beaten(verdict: Candidate, fatal: list[Candidate], *, parallel: bool) -> bool:
    if not fatal or verdict.cause.priority >= _BEYOND_PROGRAMS:
        return False
    if verdict.cause.id in _BEATABLE:
        # One alarming line at the end is not enough to doubt a person's cancel.
        return any(x.traceback is not None or x.cause.priority >= _CERTAIN for x in fatal)
    return parallel and any(found.traceback is not None for found in fatal)


def _pick(fatal: list[Candidate], *, parallel: bool) -> Candidate:
    """Choose among errors after which nothing went on."""
    if not parallel:
        # What one process printed before its last exception, it survived.
        last: dict[str, Candidate] = {}
        for candidate in fatal:
            if candidate.traceback is not None:
                last[candidate.file] = candidate
        fatal = [x for x in fatal if x.traceback is None or last[x.file] is x]
    best = max(fatal, key=lambda x: (x.cause.priority, -x.order))
    makers = _CASCADES.get(best.cause.category, frozenset())
    for earlier in fatal:
        if (
            earlier.cause.category in makers
            and earlier.file == best.file
            and earlier.order < best.order
        ):
            return earlier
    return best


def _weaker(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
    catalog: Catalog,
) -> Choice | tuple[Candidate, float]:
    """Decide where no error is certain to have ended the job."""
    failed = record is not None and record.state not in {"UNKNOWN", "COMPLETED"}
    well = any(noise.ends_well(log) for log in logs)
    weak = [x for x in candidates if x.role in {"symptom", "hint"}]
    if not failed and well:
        weak = [
            x
            for x in weak
            if x.role == "symptom"
            and x.after < SURVIVED_AFTER
            and x.cause.priority >= _BEATS_SUCCESS
        ]
    if not failed:
        weak = [x for x in weak if x.role == "symptom" or x.after < SURVIVED_AFTER]
    survived = [x for x in candidates if x.role == "cause"]
    best = _best_weak(weak)
    crashes = [x for x in survived if x.cause.category == "crash"]
    if best is not None and best.cause.id in _SIGKILL_CAUSES and crashes:
        # The worker that was lost told how it died; others may have written since.
        return crashes[-1], crashes[-1].cause.confidence * 0.9
    if best is not None and best.cause.id in _SIGKILL_CAUSES and is_near_memory_limit(record):
        near = replace(best, cause=catalog["peak-near-limit"], role="cause")
        return near, near.cause.confidence
    strong = best is not None and best.cause.priority >= _STRONG_SYMPTOM
    if best is not None and (strong or not survived):
        return best, best.cause.confidence
    if survived and (failed or not well):
        last = max(survived, key=lambda x: (x.order, x.cause.priority))
        return last, last.cause.confidence * 0.6
    if best is not None:
        return best, best.cause.confidence
    if failed or not any(log.lines for log in logs):
        return Choice(None, 0.2)
    return Choice(None, 0.7 if well else 0.5, success=True, others=_notable(candidates))


def _best_weak(weak: list[Candidate]) -> Candidate | None:
    """Return the strongest symptom or hint; what an exit code may mean comes after text."""
    strong = [x for x in weak if not x.from_record and x.cause.priority >= _STRONG_SYMPTOM]
    told = [x for x in weak if not x.from_record or x.cause.role == x.role]
    among = told if strong else weak
    return max(among, key=lambda x: (x.cause.priority, x.order), default=None)


def _with_line(chosen: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """Give what only the record says the line of the log that says the same."""
    if not chosen.from_record:
        return chosen
    same = [
        x for x in candidates if not x.from_record and x.cause.category == chosen.cause.category
    ]
    best = max(same, key=lambda x: (x.cause.priority, x.order), default=None)
    if best is None:
        return chosen
    cause = best.cause if best.cause.priority >= chosen.cause.priority else chosen.cause
    if chosen.role != "verdict":
        cause = best.cause
    return replace(best, cause=cause)


def _adjust(chosen: Candidate, confidence: float, record: JobRecord | None) -> float:
    """Trust more what record and log agree on, less what one weak line says."""
    if record is not None and chosen.role == "hint" and record.state == "FAILED":
        return min(confidence, 0.7)
    if record is not None and record.is_failed and not chosen.from_record:
        return min(0.99, confidence + 0.02)
    return confidence


def _notable(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    rank = {"verdict": 0, "cause": 1, "symptom": 2, "hint": 3, "harmless": 4}
    named = [x for x in candidates if not x.from_record]
    return tuple(sorted(named, key=lambda x: (rank[x.role], -x.cause.priority, -x.order)))
