"""Which lines of a log tell most: a general order of worth, without a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llm_scheduler.logs.alarms import STRONG
from llm_scheduler.logs.models import LogLine, LogText, Traceback
from llm_scheduler.logs.tracebacks import find_tracebacks, traceback_key

KILLED = 100
UNCAUGHT = 90
CANCELLED = 80
PLAIN = 70
CAUGHT = 50
SITE = 40
FOLLOWING = 35
WEAK = 30
WARNING = 12

_I = re.IGNORECASE
_KILLED = re.compile(
    r"DUE TO|oom[-_ ]kill|OOM Killed|Out Of Memory$|exceeded .{0,20}(?:memory|limit)"
    r"|PBS: job killed|memory limit \(\d+|job killed:"
    r"|TERM_(?:MEM|RUN|CPU|PROCESS|SWAP|FORCE|OWNER|ADMIN|EXTERNAL)"
    r"|sbatch: error|Batch job submission failed|NODE FAILURE|PREEMPT|walltime \d+ exceeded"
    r"|Unable to (?:create step|allocate)|error: execve|invalid interpreter",
    _I,
)
_SCHEDULER = re.compile(r"slurmstepd|srun:|sbatch:|salloc:|PBS|TERM_|qsub|LSF|condor|SGE", _I)
_CANCELLED = re.compile(r"\bCANCELLED\b.{0,40}\b(?:AT|BY)\b|signal 15|\bscancel\b", _I)
_PLAIN = re.compile(
    r"segmentation fault|core dumped|bus error|illegal instruction|floating point exception"
    r"|^\S*:? ?(?:line \d+: +\d+ )?killed\b|out of memory|can't open file|cannot open shared object"
    r"|command not found|no such file|permission denied|no space left|quota exceeded|forrtl:"
    r"|not permitted|connection refused|unknown host|name or service not known|bad interpreter"
    r"|exec format error|stale file handle|input/output error|no module named|are unknown"
    r"|stack smashing|double free|assertion .{0,200}failed|\babort(?:ed|ing)?\b|panic"
    r"|\b(?:fatal|error|exception|err)\b ?[:(!\]]|\w(?:Error|Exception)\b ?:|license"
    r"|undefined (?:symbol|reference)|Error (?:while|in|termination)|^(?:usage|error)\b"
    r"|(?-i:\bERROR\b|\bCRITICAL\b|\bFATAL\b)",
    _I,
)
# Scripts of the cluster itself may print a traceback at the start of every job.
_SITE = re.compile(r"^/(?:software|etc|cvmfs|sw|cm)/|easybuild|/[lL]mod/")
_FOLLOWING = re.compile(
    r"Exited with exit code|exit status|mpirun noticed|Primary job|MPI_ABORT was invoked"
    r"|non-zero exit|returned exit code|task \d+.{0,40}?: (?:Terminated|Killed|Aborted)"
    r"|step aborted|Waiting up to|CalledProcessError|ChildFailedError|BrokenProcessPool"
    r"|exitcode|SIGTERM|Terminating job|tasks? \d+.{0,40}running|error termination|Execution halted"
    r"|launch\.py|elastic|TerminatedWorkerError",
    _I,
)
_WARNING = re.compile(
    r"warn|deprecat|\bignor|\bretry|will be|\bINFO\b|\bDEBUG\b|\b0 (?:errors|failed)|no errors?\b"
    r"|\bhandled|error[_ ]?(?:rate|bar|=|: ?[\d.])|tolerance|exceptions? \(0|skipp",
    _I,
)
_HEADER = "raceback (most recent call last):"
_START = 160
_NORMAL_AFTER = 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """A line with its worth."""

    score: int
    line: LogLine
    traceback: Traceback | None = None
    count: int = 1


def score_line(text: str) -> int:
    """Rate one line that belongs to no traceback; 0 when it tells nothing."""
    if _CANCELLED.search(text) and ("DUE TO" not in text or "DUE TO JOB REQUEUE" in text):
        # A step may be cancelled because another one failed; a job is on purpose.
        return CANCELLED + ("JOB" in text)
    if _KILLED.search(text) and (_SCHEDULER.search(text) or "kill" in text.lower()):
        return KILLED
    if text.endswith(_HEADER) or not (STRONG.search(text) or _PLAIN.search(text)):
        return 0
    # What a line is about stands at its start; the rest may quote anything.
    if _FOLLOWING.search(text, 0, _START):
        return FOLLOWING
    if _WARNING.search(text, 0, _START):
        return WARNING
    return PLAIN if _PLAIN.search(text) else WEAK


def rank_lines(texts: Iterable[LogText]) -> list[Ranked]:
    """Return the telling lines of the logs of one job, best first.

    A reason given by the scheduler comes before a traceback that ended the
    program, and this before one the program went on from; of equals the first.
    """
    ranked: list[Ranked] = []
    for text in texts:
        printed = find_tracebacks(text.lines)
        inside = covered_lines(printed)
        ends = {traceback_key(tb): tb.last_line for tb in printed}
        for traceback in text.tracebacks:
            end = ends.get(traceback_key(traceback), traceback.last_line)
            caught = _goes_on(text, end, inside)
            ranked += _rank_traceback(text, traceback, caught=caught)
        for line in text.lines:
            if line.number not in inside and (score := score_line(line.text)):
                ranked.append(Ranked(score, line))
    return _spread(ranked)


def covered_lines(tracebacks: Sequence[Traceback]) -> set[int]:
    """Return the numbers of the lines that belong to tracebacks."""
    inside: set[int] = set()
    for traceback in tracebacks:
        link: Traceback | None = traceback
        while link is not None:
            inside.update(range(link.first_line, link.last_line + 1))
            link = link.cause
    return inside - {0}


def chain_of(traceback: Traceback) -> list[Traceback]:
    """Return a traceback and its causes, the root first."""
    chain = [traceback]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    return chain[::-1]


def _goes_on(text: LogText, end: int, inside: set[int]) -> bool:
    """Whether the program seems to have gone on after a traceback."""
    normal = 0
    for line in text.lines:
        if line.number <= end or line.number in inside:
            continue
        if line.text.strip(" *-=#_") and not score_line(line.text):
            normal += 1
            if normal > _NORMAL_AFTER:
                return True
    return False


def _rank_traceback(text: LogText, traceback: Traceback, *, caught: bool) -> list[Ranked]:
    by_number = {line.number: line for line in text.lines}
    chain = chain_of(traceback)
    ranked: list[Ranked] = []
    for i, link in enumerate(dict.fromkeys((chain[0], chain[-1]))):
        line = by_number.get(link.message_line)
        if line is None or not link.exception:
            continue
        score = CAUGHT if caught else UNCAUGHT
        if _FOLLOWING.search(f"{link.exception}: "):
            score = FOLLOWING
        elif _is_ignored(by_number, link) or _is_of_site(link):
            score = SITE
        ranked.append(Ranked(score - 2 * i, line, traceback, traceback.count))
    return ranked


def _is_of_site(traceback: Traceback) -> bool:
    """Whether a script of the cluster failed, not the user's program."""
    return bool(traceback.frames) and all(_SITE.search(x.file) for x in traceback.frames)


def _is_ignored(by_number: dict[int, LogLine], traceback: Traceback) -> bool:
    """Whether Python itself says that it ignored the exception."""
    before = by_number.get(traceback.first_line - 1)
    return before is not None and "Exception ignored" in before.text


def _spread(ranked: list[Ranked]) -> list[Ranked]:
    """Sort by worth; equal texts once, and each kind first once, then again."""
    order = sorted(ranked, key=lambda r: (-r.score, r.line.number == 0))
    seen: dict[str, int] = {}
    unique: list[Ranked] = []
    for entry in order:
        key = re.sub(r"\d+", "#", entry.line.text)
        if key in seen:
            known = unique[seen[key]]
            count = known.count + entry.count
            unique[seen[key]] = Ranked(known.score, known.line, known.traceback, count)
        else:
            seen[key] = len(unique)
            unique.append(entry)
    firsts: list[Ranked] = []
    rest: list[Ranked] = []
    kinds: set[int] = set()
    for entry in unique:
        (rest if entry.score in kinds or entry.score < CAUGHT else firsts).append(entry)
        kinds.add(entry.score)
    return firsts + rest
