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

import re
from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.accounting import is_completed, is_near_memory_limit
from llm_scheduler.diagnosis.candidates import SURVIVED_AFTER as SURVIVED_AFTER
from llm_scheduler.diagnosis.candidates import Candidate, is_general
from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.choices import Choice
from llm_scheduler.diagnosis.doubts import weigh
from llm_scheduler.diagnosis.going_on import takes_instead
from llm_scheduler.diagnosis.origins import find_origin
from llm_scheduler.diagnosis.outlived import is_outlived, is_overtaken, is_passed, without_refuted
from llm_scheduler.diagnosis.readability import has_text
from llm_scheduler.diagnosis.restarts import of_last_attempt, without_earlier_runs
from llm_scheduler.diagnosis.roots import pick_root, put_roots_first, put_spoilers_first
from llm_scheduler.diagnosis.unfinished import why_no_success
from llm_scheduler.diagnosis.woven import is_woven, without_frames
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.models import LogText

_LAST_WORDS = 20
"""So many lines a script may write after its program has failed."""

_HINT_SURVIVED_AFTER = 4
_TOOL, _TOOL_SURVIVED_AFTER = "shell-tool-file-missing", 3
_SCRIPT_LINES = 2
_TELLING = 0.4
"""Hints below this confidence explain no failure that nothing else speaks of."""
_BEYOND_PROGRAMS = 80
"""Verdicts of this priority and above hold whatever the program says."""

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
_BEGINS = re.compile(r"(?i)\W*(?:[\w.-]{1,40}: )?(?:fatal |critical )?error\b ?[:(!]")
_TERMINATED = re.compile(r"\bSIGTERM\b|\b[Ss]ignal:? 15\b|\bTerminated\b|\bSIGINT\b")
_SAYS_NOTHING = "step-failed"
_STEP = "step-cancelled"
"""Where a person cancels a job, the log says so of the job, too; srun cancels a step
alone when a task of it has failed."""
_VAGUE = frozenset({"unknown", "mpi_failure"})
"""Consequences of these kinds tell less than any words of the program before them."""
_BARE = frozenset({_STEP, "fortran-error-stop"})
"""So do these: they only say that the end was wanted."""
_ENDED = frozenset({"time_limit", "cancelled"})
_OF_JOB = re.compile(r"\bJOB \d+ ON \S+ CANCELLED AT \S+(?: DUE TO TIME LIMIT)? \*\*\*")
_TIMED = frozenset({"time_limit", "cancelled", "preempted", "node_failure"})


def choose(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
    catalog: Catalog,
) -> Choice:
    """Return the root cause among all that logs and record suggest, and how sure it is."""
    known = without_refuted(of_last_attempt(candidates, logs, record), logs)
    last_run = without_earlier_runs(known, logs, record)
    candidates = put_roots_first(last_run)
    choice = _decide(candidates, logs, record, catalog)
    chosen = choice.candidate
    if chosen is not None:
        chosen = _with_line(chosen, candidates)
        others = tuple(found for found in _notable(candidates) if found is not chosen)
        # Consequences that the root stands for are still worth showing.
        places = {(found.file, found.order) for found in candidates}
        others += _notable([x for x in known if (x.file, x.order) not in places])
        choice = replace(choice, candidate=chosen, others=others)
    elif choice.success:
        # Errors of earlier runs in the same log are worth a doubt.
        choice = replace(choice, others=_notable(candidates if last_run == known else known))
    choice = weigh(choice, logs, record)
    if choice.candidate is not None and is_woven(choice.candidate, logs):
        choice = replace(choice, candidate=without_frames(choice.candidate))
    return choice


def _decide(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
    catalog: Catalog,
) -> Choice:
    completed = is_completed(record) or (record is None and any(map(noise.is_told_done, logs)))
    verdict = _best_verdict(candidates, record)
    # Processes with a log each die each in its own log.
    parallel = noise.is_parallel(list(logs)) or sum(bool(log.tracebacks) for log in logs) > 1
    fatal = _fatal(candidates, verdict, completed=completed)
    if not (record and record.is_failed):
        fatal = _not_outlived(fatal, logs, candidates)
    fatal = put_spoilers_first(fatal, candidates)
    if verdict is not None and not _is_beaten(verdict, fatal, parallel=parallel):
        return Choice(verdict, rival=_exception_under(verdict, fatal))
    if fatal:
        root, rival = pick_root(fatal, logs, parallel=parallel, among=candidates)
        origin = find_origin(root, candidates)
        return Choice(origin, over=verdict, rival=root if origin is not root else rival)
    if completed:
        return Choice(None, success=True)
    choice = _weaker(candidates, logs, record, catalog)
    ended = _told_end(candidates) if record is None and choice.candidate is None else None
    if ended is None or any(map(noise.ends_well, logs)):
        return choice
    return Choice(ended, survived=True)


def _told_end(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the last word of the scheduler that it ended the job itself, not a step of it.

    Lines after it may be of the next job that wrote to the same log; where those say
    nothing of an end, this one is what the log tells.
    """
    ended = [x for x in candidates if x.role == "verdict" and x.cause.category in _ENDED]
    return max((x for x in ended if _OF_JOB.search(x.text)), key=lambda x: x.order, default=None)


def _not_outlived(
    fatal: list[Candidate],
    logs: Sequence[LogText],
    candidates: Sequence[Candidate],
) -> list[Candidate]:
    """Return the errors that no word of success and no bar of progress after them belies."""
    fatal = [x for x in fatal if not (is_general(x.cause) and is_overtaken(x, logs))]
    if not any(noise.ends_well(log) for log in logs):
        return fatal
    if _only_script_ended(logs):
        return [
            x for x in fatal if not is_general(x.cause) or _is_last(x) or _is_after_end(x, logs)
        ]
    fatal = [x for x in fatal if not is_general(x.cause) or _is_after_end(x, logs)]
    return [x for x in fatal if not is_outlived(x, logs, candidates)]


def _exception_under(verdict: Candidate, fatal: Sequence[Candidate]) -> Candidate | None:
    """Return the exception that is the program's last word under a time limit."""
    if verdict.cause.category != "time_limit":
        return None
    raised = [x for x in fatal if x.traceback is not None and not x.in_thread]
    return max(raised, key=lambda x: x.order, default=None)


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
    best = max(found, key=lambda x: (x.cause.priority, not x.from_record, x.order), default=None)
    if best is None or best.from_record:
        return best
    # One end is told by every node or step; the first line of it stands for all.
    same = [
        x
        for x in found
        if x.cause is best.cause and x.file == best.file and x.strictly_after == best.strictly_after
    ]
    return min(same, key=lambda x: x.order)


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
        if candidate.after >= (SURVIVED_AFTER if candidate.resumed else _LAST_WORDS):
            continue
        if is_general(candidate.cause) and candidate.after >= _HINT_SURVIVED_AFTER:
            continue
        if completed and (candidate.traceback is None or candidate.in_thread):
            continue
        if verdict is not None and (
            _TERMINATED.search(candidate.text)
            or (verdict.file == candidate.file and candidate.order > verdict.order)
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


def _weaker(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    record: JobRecord | None,
    catalog: Catalog,
) -> Choice:
    """Decide where no error is certain to have ended the job."""
    failed = record is not None and record.state != "UNKNOWN" and not is_completed(record)
    well = any(noise.ends_well(log) for log in logs)
    weak = _usable_weak(candidates, logs, failed=failed, well=well)
    if well and not weak:
        weak = [x for x in candidates if is_general(x.cause) and _is_after_end(x, logs)]
    survived = [x for x in candidates if x.role == "cause" and (failed or x.traceback is not None)]
    best = _best_weak(weak)
    crashes = [x for x in survived if x.cause.category == "crash"]
    if best is not None and best.cause.id in _SIGKILL_CAUSES and crashes:
        # The worker that was lost told how it died; others may have written since.
        return Choice(crashes[-1])
    if best is not None and best.cause.id in _SIGKILL_CAUSES and is_near_memory_limit(record):
        return Choice(replace(best, cause=catalog["peak-near-limit"], role="cause"))
    reason = _reason_of(best, candidates, logs)
    if reason is not None:
        return Choice(reason)
    strong = best is not None and best.cause.priority >= _STRONG_SYMPTOM
    if best is not None and (strong or not survived):
        return Choice(best)
    if survived and (failed or not well):
        return Choice(max(survived, key=lambda x: (x.order, x.cause.priority)), survived=True)
    if best is not None:
        return Choice(best)
    silence = "" if failed or well else why_no_success(logs)
    return Choice(None, success=not (failed or silence) and has_text(logs), silence=silence)


def _reason_of(
    symptom: Candidate | None,
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
) -> Candidate | None:
    """Return the error that stands before its consequence, with nothing going on between.

    Other programs, or a workflow around them, may have written on after both.
    """
    if symptom is None or symptom.role != "symptom" or symptom.from_record:
        return None
    kind = symptom.cause.category
    vague = (kind in _VAGUE or symptom.cause.id in _BARE) and not is_general(symptom.cause)
    before = [
        replace(x, after=symptom.after, strictly_after=symptom.strictly_after)
        for x in candidates
        if (x.role == "cause" or (vague and is_general(x.cause) and not x.said_to_live))
        and x.file == symptom.file
        and x.order < symptom.order
        and x.after - symptom.after < _HINT_SURVIVED_AFTER
    ]
    return pick_root(before, logs, parallel=noise.is_parallel(list(logs)))[0] if before else None


def _usable_weak(
    candidates: Sequence[Candidate],
    logs: Sequence[LogText],
    *,
    failed: bool,
    well: bool,
) -> list[Candidate]:
    """Return the symptoms and hints that may tell of this end."""
    weak = [x for x in candidates if x.role in {"symptom", "hint"}]
    if failed:
        return weak
    if well and _only_script_ended(logs):
        weak = [
            x
            for x in weak
            if (x.cause.priority >= _BEATS_SUCCESS and x.role == "symptom") or is_general(x.cause)
        ]
        return [x for x in weak if _is_last(x) or x.cause.priority >= _STRONG_SYMPTOM]
    if well:
        return [
            x
            for x in weak
            if x.role == "symptom"
            and x.after < SURVIVED_AFTER
            and x.cause.priority >= _BEATS_SUCCESS
            and not (x.traceback is not None and is_outlived(x, logs, candidates))
        ]
    weak = [x for x in weak if _is_last_word(x)]
    return [x for x in weak if not is_passed(x, logs)]


def _only_script_ended(logs: Sequence[LogText]) -> bool:
    """Tell whether what sounds like success is the script's own last line."""
    good = [log for log in logs if noise.ends_well(log)]
    return bool(good) and all(map(noise.only_script_ended, good))


def _is_last(found: Candidate) -> bool:
    """Tell whether only the end of the script follows."""
    return found.after <= _SCRIPT_LINES and not found.said_to_live


def _is_after_end(found: Candidate, logs: Sequence[LogText]) -> bool:
    """Tell whether a log ends with an error that stands below the word of success.

    What was finished then was a step before it, as a compiler's.
    """
    if found.after or found.said_to_live or _BEGINS.match(found.text) is None:
        return False
    ends = [noise.end_of(log) for log in logs if log.file == found.file]
    return bool(ends) and all(end is not None and end < found.order for end in ends)


def _is_last_word(weak: Candidate) -> bool:
    """Tell whether an error that programs may survive can have been the end."""
    if weak.role == "symptom" and not is_general(weak.cause):
        return weak.after < SURVIVED_AFTER or weak.cause.priority >= _STRONG_SYMPTOM
    if weak.said_to_live:
        calm = "Warning: " in weak.text or takes_instead(weak.text)
        return weak.after == 0 and weak.traceback is None and not calm
    lived = _TOOL_SURVIVED_AFTER if weak.cause.id == _TOOL else _HINT_SURVIVED_AFTER
    return weak.after < lived and weak.cause.confidence >= _TELLING


def _best_weak(weak: list[Candidate]) -> Candidate | None:
    """Return the strongest symptom or hint; what an exit code may mean comes after text."""
    strong = [x for x in weak if not x.from_record and x.cause.priority >= _STRONG_SYMPTOM]
    told = [x for x in weak if not x.from_record or x.cause.role == x.role]
    among = told if strong else weak
    # That a task failed is known anyway: any words of a program tell more.
    among = [x for x in among if x.cause.id != _SAYS_NOTHING] or among
    return max(among, key=lambda x: (not x.known, x.cause.priority, x.order), default=None)


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


def _notable(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    rank = {"verdict": 0, "cause": 1, "symptom": 2, "hint": 3, "harmless": 4}
    named = [x for x in candidates if not x.from_record]
    return tuple(sorted(named, key=lambda x: (rank[x.role], -x.cause.priority, -x.order)))
