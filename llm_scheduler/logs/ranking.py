"""Which lines of a log tell most: a general order of worth, without a catalogue."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from llm_scheduler.logs.alarms import STRONG
from llm_scheduler.logs.known import is_known
from llm_scheduler.logs.models import LogLine, LogText, Traceback
from llm_scheduler.logs.pattern_set import PatternSet
from llm_scheduler.logs.ranks import RANK_PREFIX

KILLED = 100
UNCAUGHT = 90
CANCELLED = 80
PLAIN = 70
CAUGHT = 50
SITE = 40
FOLLOWING = 35
WEAK = 30
FAINT = 20
WARNING = 12

_CANCELLED, _KILLED, _SCHEDULER, _TELLING, _PLAIN, _FAINT = range(6)
_PLAIN_WORDS = (
    r"segmentation fault|\bsegfault|core dumped|bus error|illegal instruction"
    r"|floating point exception"
    r"|^\S*:? ?(?:line \d+: +\d+ )?killed\b|out of memory|can't open file|cannot open shared object"
    r"|command not found|no such file|permission denied|no space left|quota exceeded|forrtl:"
    r"|(?:fail(?:ed)?|unable|cannot|can't|could not|couldn't)(?: to)? open\b"
    r"|not permitted|connection refused|unknown host|name or service not known|bad interpreter"
    r"|exec format error|stale file handle|input/output error|no module named|are unknown"
    r"|stack smashing|double free|assertion .{0,200}failed|\babort(?:ed|ing)?\b|panic"
    r"|\b(?:fatal|error|exception|err)\b ?[:(!\]]|\w(?:Error|Exception)\b ?:|license"
    r"|undefined (?:symbol|reference)|Error (?:while|in|termination)|^(?:usage|error)\b"
    r"|(?-i:\bERROR\b|\bCRITICAL\b|\bFATAL\b)"
    # The same words of programs that speak the user's language.
    r"|\b(?:erreur|fehler|errore)\b|introuvable|nicht gefunden|keine berechtigung"
    r"|speicherzugriffsfehler|no existe el"
)
_FAINT_WORDS = (
    r"rejected|unexpected|not enough slots|\bslots that were requested|\bxid\b|mismatch|\binvalid"
    r"|\bunknown\b|unsupported|unrecognized|missing|corrupt|crash|deadlock|overflow|diverge"
    r"|unavailable|expired|not (?:available|defined|allowed|valid)|does not exist|bad termination"
    r"|giving up|not converge|incompatib|interrupt|singular|\bnan\b|timeout"
    r"|(?:conda|pip|module|package).{0,40}could not|notfound: |exited with exit code [1-9]"
)
_KINDS = PatternSet(
    (
        r"\bCANCELLED\b.{0,40}\b(?:AT|BY)\b|signal 15|\bscancel\b",
        (
            r"DUE TO|oom[-_ ]kill|OOM Killed|Out Of Memory$|exceeded .{0,20}(?:memory|limit)"
            r"|PBS: job killed|memory limit \(\d+|job killed:"
            r"|TERM_(?:MEM|RUN|CPU|PROCESS|SWAP|FORCE|OWNER|ADMIN|EXTERNAL)"
            r"|sbatch: error|Batch job submission failed|NODE FAILURE|PREEMPT"
            r"|walltime \d+ exceeded|Unable to (?:create step|allocate)|error: execve"
            r"|invalid interpreter"
        ),
        r"slurmstepd|srun:|sbatch:|salloc:|PBS|TERM_|qsub|LSF|condor|SGE",
        f"{STRONG.pattern}|{_PLAIN_WORDS}",
        _PLAIN_WORDS,
        _FAINT_WORDS,
    ),
)
SCHEDULER = re.compile(r"slurmstepd|srun:|sbatch:|salloc:|PBS: |=>>|TERM_[A-Z]+|\bLSF\b")
"""What a line of the scheduler holds."""
# Scripts of the cluster itself may print a traceback at the start of every job.
_SITE = re.compile(r"^/(?:software|etc|cvmfs|sw|cm)/|easybuild|/[lL]mod/")
_FOLLOWING, _WARNING, _STACK = range(3)
_ABOUT = PatternSet(
    (
        (
            r"Exited with exit code|exit status|mpirun noticed|Primary job|MPI_ABORT was invoked"
            r"|non-zero exit|returned exit code|tasks? \d.{0,45}: (?:Terminated|Killed|Aborted)"
            r"|step aborted|Waiting up to|CalledProcessError|ChildFailedError|BrokenProcessPool"
            r"|exitcode|SIGTERM|Terminating job|tasks? \d+.{0,40}running|error termination"
            r"|Execution halted|launch\.py|elastic|TerminatedWorkerError"
        ),
        (
            r"warn|deprecat|\bignor|\bretry|will be|\bINFO\b|\bDEBUG\b|\b0 errors"
            # A count of none; "trial 0 failed" tells which one did.
            r"|(?:^|[,;:(\[=|]) {0,9}0 failed|\b(?:and|with|passed|done|had|were) +0 failed"
            r"|no errors?\b|\bhandled|error[_ ]?(?:rate|bar|=|: ?(?:[\d.-]|none|null))|tolerance"
            r"|exceptions? \(0|skipp"
            # What programs say of their own licence when they start.
            r"|'licen[cs]e\(\)'|\b(?:public|apache|mit|bsd|free|open) (?:software )?licen[cs]e"
            r"|under the (?:terms|.{0,20}licen[cs]e)"
        ),
        # One frame of a program written in C: the reason stands above it.
        # LSF tells with "Terminated at" when any job ended.
        (
            r"\(\w*\+0x[0-9a-f]+\) ?\[0x|^\s*#\d+ +0x[0-9a-f]+ |^\s+raise \w"
            r"|traceback : To enable|^Terminated at \w{3} \w{3}\b"
        ),
    ),
)
# Parts of titles of which the next line says what they are about.
_FOLLOWING_WORD = re.compile(r"\bfollowing\b", re.IGNORECASE)
_BARE_TITLE = re.compile(
    r"(?:\[\d+\]|\W)*"  # the rank, a frame of stars
    r"(?:(?:\w+ )?fatal (?:\w+ )?error|(?:(?:internal|runtime|input|critical) )?(?:error|fatal))"
    r"\W*(?:\([\w. -]+\)\W*)?$",
    re.IGNORECASE,
)
_ERROR_IN = re.compile(r"\s*Error in \S")
_NUMBERED_TITLE = re.compile(r"\berror +# +\d+$", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    r"[\W\d_]*$|\s*(?:Command|Work dir|Caused by|Tip|Stacktrace)\b|\S* ?\w+\(\w*\)\.{2,}: *$"
)
_HEADER = "raceback (most recent call last):"
_START = 160
_NORMAL_AFTER = 6
_DIGITS = re.compile(r"\d+")
_DEADLY = frozenset({"c++", "fortran", "rust", "go"})
_KEY_CHARS = 300


@dataclass(slots=True)  # not frozen, which doubles the time to make one
class Ranked:
    """A line with its worth."""

    score: int
    line: LogLine
    traceback: Traceback | None = None
    count: int = 1
    known: bool = False
    """Whether a successful job of the same run printed it too."""


@lru_cache(maxsize=4096)
def score_line(text: str) -> int:
    """Rate one line that belongs to no traceback; 0 when it tells nothing."""
    found = _KINDS.find(text)
    if not found:
        return 0
    if _CANCELLED in found and ("DUE TO" not in text or "DUE TO JOB REQUEUE" in text):
        # A step may be cancelled because another one failed; a job is on purpose.
        return CANCELLED + ("JOB" in text)
    if _KILLED in found and (_SCHEDULER in found or "kill" in text.lower()):
        return KILLED + (" JOB " in text)  # what is said of the job counts for its steps
    if not (_TELLING in found or _FAINT in found) or text.endswith(_HEADER):
        return 0
    # What a line is about stands at its start; the rest may quote anything.
    about = _ABOUT.find(text[:_START])
    if _STACK in about:
        return 0
    if _FOLLOWING in about:
        return FOLLOWING
    if _WARNING in about:
        return WARNING
    if _TELLING not in found:
        return FAINT
    return PLAIN if _PLAIN in found else WEAK


def rank_lines(
    texts: Iterable[LogText],
    known: frozenset[str] = frozenset(),
) -> list[Ranked]:
    """Return the telling lines of the logs of one job, best first.

    A reason given by the scheduler comes before a traceback that ended the
    program, and this before one the program went on from; of equals the first.

    Parameters
    ----------
    texts
        Scanned logs of the job.
    known
        What `known_lines` found in the logs of a successful job of the same
        run. Such lines come after all others.
    """
    ranked: list[Ranked] = []
    for text in texts:
        ranked += _rank_text(text)
    if known:
        ranked = [_set_back(entry, known) for entry in ranked]
    return _spread(ranked) if len(ranked) > 1 else ranked


def _rank_text(text: LogText) -> list[Ranked]:
    if text.complete and text.alarms is not None and not (text.alarms or text.tracebacks):
        return []
    inside = covered_lines(text.tracebacks)
    said_after = _lines_after(text.tracebacks)
    ends = [max(tb.lines, default=tb.last_line) for tb in text.tracebacks]
    # Whether a program went on is told by the normal lines behind its tracebacks.
    first_end = min(ends, default=sys.maxsize)
    alarms = text.alarms
    ranked: list[Ranked] = []
    normal: list[int] = []  # numbers of lines that say nothing alarming
    for i, line in _places_to_rate(text, inside, said_after, first_end):
        number = line.number
        if number in inside:
            if number in said_after and (score := score_line(line.text)) >= PLAIN:
                ranked.append(Ranked(score, line))
            continue
        may_tell = alarms is None or number in alarms or not number
        if may_tell and (score := score_line(line.text)):
            ranked.append(Ranked(score, line))
            if score == FAINT:
                normal.append(number or text.n_lines + 1)
            elif score >= WEAK and _announces(line.text):
                ranked += _find_reason(text, i, score, inside)
        elif text.tracebacks and line.text.strip(" *-=#_"):
            normal.append(number or text.n_lines + 1)
    if not text.tracebacks:
        return ranked
    own: list[Ranked] = []
    for traceback, end in zip(text.tracebacks, ends, strict=True):
        # What ends a whole program can't be survived, only its script goes on.
        is_end = traceback.language in _DEADLY
        caught = not is_end and len(normal) - bisect_right(normal, end) > _NORMAL_AFTER
        own += _rank_traceback(text.lines, traceback, caught=caught)
    return own + ranked


def _places_to_rate(
    text: LogText, inside: set[int], said_after: set[int], first_end: int
) -> Iterable[tuple[int, LogLine]]:
    """Return the lines that count, with their places: most hold no alarm and end nothing."""
    if text.alarms is None:
        return enumerate(text.lines)
    if text.complete and text.n_lines == len(text.lines):  # each place is known by its number
        wanted = text.alarms.union(range(first_end + 1, text.n_lines + 1)) - inside
        wanted |= said_after
        return [(number - 1, text.lines[number - 1]) for number in sorted(wanted)]
    wanted = text.alarms | said_after if said_after else text.alarms
    # A line without a number may be anywhere, so it is looked at.
    return [
        (i, line)
        for i, line in enumerate(text.lines)
        if (number := line[1]) in wanted or number > first_end or not number
    ]


def _lines_after(tracebacks: Sequence[Traceback]) -> set[int]:
    """Return the numbers of lines under messages: they may belong to them or not."""
    found: set[int] = set()
    for traceback in tracebacks:
        if traceback.notes:
            found.update(range(traceback.message_line + 1, traceback.last_line + 1))
    return found


@lru_cache(maxsize=1024)  # of a failed log's best lines it is asked again
def _announces(text: str) -> bool:
    """Whether a line is a title: what it is about stands under it."""
    said = text.rstrip()
    if said.endswith(":"):
        return _FOLLOWING_WORD.search(said) is None
    return _BARE_TITLE.match(said) is not None or (
        "#" in said and _NUMBERED_TITLE.search(said) is not None
    )


@lru_cache(maxsize=1024)
def is_title(text: str) -> bool:
    """Whether what a line says is understood with the next line only."""
    return _announces(text) or _ERROR_IN.match(text) is not None


def _find_reason(text: LogText, at: int, score: int, inside: set[int]) -> list[Ranked]:
    """Rate what stands under a line such as "Fatal error:" a little above it."""
    number = text.lines[at].number
    for line in text.lines[at + 1 : at + (6 if "stack:" in text.lines[at].text else 3)]:
        number += 1
        if line.number != number or number in inside:
            break
        if not _SAYS_NOTHING.match(line.text):
            own = score_line(line.text)
            return [] if own >= score else [Ranked(score + 1, line)]
    return []


def _set_back(entry: Ranked, known: frozenset[str]) -> Ranked:
    """Rate what a successful job printed too below all the rest, in the same order."""
    if not is_known(entry.line.text, known):
        return entry
    return replace(entry, score=1 + entry.score // 10, known=True)


def covered_lines(tracebacks: Sequence[Traceback]) -> set[int]:
    """Return the numbers of the lines that belong to tracebacks."""
    inside: set[int] = set()
    for traceback in tracebacks:
        if traceback.lines:
            inside |= traceback.lines
            continue
        for link in chain_of(traceback):
            inside.update(range(link.first_line, link.last_line + 1))
    inside.discard(0)
    return inside


def chain_of(traceback: Traceback) -> list[Traceback]:
    """Return a traceback and its causes, the root first."""
    chain = [traceback]
    while (cause := chain[-1].cause) is not None:
        chain.append(cause)
    chain.reverse()
    return chain


def _rank_traceback(
    lines: Sequence[LogLine],
    traceback: Traceback,
    *,
    caught: bool,
) -> list[Ranked]:
    chain = chain_of(traceback)
    ranked: list[Ranked] = []
    for i, link in enumerate(chain[:1] + chain[1:][-1:]):
        line = find_line(lines, link.message_line)
        if line is None or not link.exception:
            continue
        score = CAUGHT if caught else UNCAUGHT
        if _is_following(link.exception):
            score = FOLLOWING
        elif _is_ignored(lines, link) or _is_of_site(link):
            score = SITE
        ranked.append(Ranked(score - 2 * i, line, traceback, traceback.count))
        below = find_line(lines, link.message_line + 1)
        if below and link.message in below.text and link.message not in line.text:
            ranked.append(Ranked(score - 2 * i - 1, below, traceback, traceback.count))
    return ranked


@lru_cache(maxsize=1024)
def _is_following(exception: str) -> bool:
    """Whether an exception says no more than that something else failed."""
    return _FOLLOWING in _ABOUT.find(f"{exception}: ")


def place_of(lines: Sequence[LogLine], number: int) -> int:
    """Return the place of the first line from a number on."""
    if 0 < number <= len(lines) and lines[number - 1].number == number:
        return number - 1  # as in each log that is kept whole
    return bisect_left(lines, number, key=lambda line: line.number or sys.maxsize)


def find_line(lines: Sequence[LogLine], number: int) -> LogLine | None:
    """Return the line with a number, if it was kept; of those without one the last."""
    if 0 < number <= len(lines) and (line := lines[number - 1])[1] == number:
        return line  # as in each log that is kept whole
    if not number:
        return next((line for line in reversed(lines) if not line.number), None)
    at = place_of(lines, number)
    return lines[at] if at < len(lines) and lines[at].number == number else None


def _is_of_site(traceback: Traceback) -> bool:
    """Whether a script of the cluster failed, not the user's program."""
    frames = traceback.frames
    return bool(frames) and all(_SITE.search(frame.file) for frame in frames)


def _is_ignored(lines: Sequence[LogLine], traceback: Traceback) -> bool:
    """Whether Python itself says that it ignored the exception."""
    before = find_line(lines, traceback.first_line - 1)
    return before is not None and "Exception ignored" in before.text


def _worth_of(entry: Ranked) -> tuple[int, bool]:
    return -entry.score, entry.line[1] == 0


def _spread(ranked: list[Ranked]) -> list[Ranked]:
    """Sort by worth; equal texts once, and each kind first once, then again."""
    order = sorted(ranked, key=_worth_of)
    seen: dict[str, int] = {}
    unique: list[Ranked] = []
    for entry in order:
        key = _key_of(entry.line.text)
        if key in seen:
            first = unique[seen[key]]
            unique[seen[key]] = replace(first, count=first.count + entry.count)
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


@lru_cache(maxsize=1024)
def _key_of(text: str) -> str:
    """Return what is equal in a line that several ranks print."""
    start = found.end() if (found := RANK_PREFIX.match(text)) else 0
    return _DIGITS.sub("#", text[start : start + _KEY_CHARS])
