"""Did the program go on? Which lines after an error count as life, and which as noise."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import re2

from llm_scheduler.diagnosis.causes import Role
from llm_scheduler.logs.models import LogText, Traceback


def _compile(expression: str, *, ignore_case: bool = True) -> Any:
    """Compile with RE2: these run on every line that was kept, and `re` is slow at words."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    return re2.compile(expression, options)


_WENT_ON = _compile(
    r"\bwarn(?:ing)?\b|\bretry(?:ing)?\b|\bwill retry\b|\bignor(?:ing|ed)\b|\bskipp(?:ing|ed)\b"
    r"|\bcontinu(?:ing|e with)\b|\brecover(?:ed|ing)\b|\bfall(?:ing)? ?back\b"
    r"|\bcaught\b|\bhandled\b|\bdeprecat|\b(?:INFO|DEBUG)\b|\b(?:0|no) errors?\b|\bgoing on\b"
    r"|\b[A-Z][a-z]+Warning: |\bthis is expected\b|\bas expected\b|\bintentional",
)
"""Words of programs that met an error and live on."""

_MILD = _compile(r"\bwarn|INFO|DEBUG|deprecat")

_FORWARDED = _compile(
    r"\bcaught \w+ in (?:DataLoader|replica|pin memory)|\bwatchdog caught\b|\bcaught signal\b"
)
"""What PyTorch and UCX catch and then end the program by."""

_ALWAYS_NOISE = _compile(
    r"^\s*$|^\s|^[-=*#_~+.|>]{3,}|^[^\pL\pN_]*$"
    r"|^srun: (?:error|fatal|warning|Job step aborted|Terminating|First task|interrupt|forcing)"
    r"|^(?:slurmstepd|slurmd|salloc|sbatch|wandb|PBS|=>> PBS)\b"
    r"|^(?:real|user|sys)\s+[\d.m]+s?$|^(?:done|end|bye|finished)\.?$"
    r"|^(?:Resource usage summary|The output \(if any\)|Your job looked like|Sender: LSF"
    r"|Subject: Job|Job <|Started at|Terminated at|Results reported|TERM_|Read file <|PS:)"
    r"|^(?:Please check the spelling|It is also possible|Also make sure|#%Module|While processing)"
    r"|^(?:To initialize your shell|Currently supported shells|See 'conda|IMPORTANT: You may)"
    r"|^(?:Primary job|mpirun|mpiexec|prterun|Per user-direction|Proc: \[|with errorcode|NOTE: inv"
    r"|You may or may not|exactly when|Local host|Exit code|Process name|a non-zero exit)"
    r"|^(?:Stacktrace|Call Trace|Backtrace|\[?\d+\]? +\[?0x|#\d+ |in expression starting|at \S+\()"
    # The table below a Fortran error, and glibc's list of frames.
    r"|\bUnknown\s+Unknown\b|^Image +PC +Routine|^\S+ +[0-9A-Fa-f]{12,16} +\S"
    r"|^\S+\((?:\S*\+0x[0-9a-f]+)?\) ?\[0x|^\[\S+:\d+\] (?:\[ ?\d+\]|\*\*\*)"
    r"|\(unknown line\)|^\S+ at \S+\(|^\S+ at \S+:\d+|^unknown function \(ip"
    r"|^(?:JobID|Job ID|Start|End|Cluster|State|Nodes|Cores|CPU|Memory|Elapsed|Exit)\b.{0,20}:"
    r"|\d+%\|.*\||\bit/s\b|^Setting OMP_NUM_THREADS|^(?:Segmentation|Aborted|Killed|Terminated)\b",
    ignore_case=False,
)
"""Lines that say nothing about life: frames, reports of schedulers, progress bars."""

_PREFIX = re.compile(
    r"^(?:\[[\w.:-]{1,40}\]:?[ ]?|\d{1,5}:(?:[ ]|$)"
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?\]?:?(?:[ ]|$))+",
)
"""The mark of the rank or node that wrote a line, as ``srun -l`` and MPI put it, and
the time of a line."""

_PROGRESS = _compile(
    r"\b(?:epoch|iter(?:ation)?|step|batch|generation|cycle)s?\b\W{0,3}\d|\d+/\d+ \[",
)
"""Words of a program in the middle of its work."""
_PROGRESS_WEIGHT = 3

_ALARM = _compile(
    r"error|exception|traceback|fatal|fail|abort|killed|exit(?:ed)? (?:code|status|with)|signal"
    r"|core dump|\berreur|\bfehler",
)

_SAYS_ERROR = _compile(
    r"\b(?:error|erreur|fehler|fatal|aborted|aborting|failed|failure|panic)\b"
    r"|\w(?:Error|Exception)\b",
)
_NO_ERROR = _compile(
    r"\bno (?:error|failure)|\b0 (?:error|fail)|(?:errors?|failed|failures?) ?[=:] ?[-+\d.]"
    r"|\berrors? [-+]?\d*\.\d|\berrors? \d+[eE][-+]\d"
    r"|\berrors? (?:rate|bar|norm|metric|estimate|model|log|file|function|tolerance)s?\b"
    r"|(?:mean|squared?|absolute|relative|standard|rms|max(?:imum)?|training|test|l2) errors?\b"
    r"|--\w|/\w*error|\berror\w*/|\.(?:err|error)\b|\w_error\b|\berror_\w",
)
"""Quantities, options and names with the word error in them."""

_SITE = _compile(
    r"^/(?:software|opt|usr|etc|apps?|cvmfs|sw|cm)/|easybuild|/[lL]mod/", ignore_case=False
)

_SEVERAL = _compile(
    r"(?i:\brank ?\d)|\bmpirun\b|\bmpiexec\b|MPI_|local_rank|SLURM_(?:LOCALID|PROCID)"
    r"|torch[./]distributed|^\[?\d+\]?: |Process \w*(?:Process|PoolWorker)-\d+|Exception in thread"
    r"|srun: error: \S+: tasks? \S+:|Global rank",
    ignore_case=False,
)

_SUCCESS = _compile(
    r"\b(?:job|all|calculation|simulation|run|training|everything|computation) (?:is |has )?"
    r"(?:done|finished|complete[d]?|ended)\b|\bcompleted\b|\bsuccess(?:ful|fully)?\b"
    r"|\bgoal reached\b|\bnormal termination\b|\btraining complete\b|^\s*(?:all )?done[.!]?\s*$"
    r"|\bfinished\b|^real\s+[\d.m]+",
)

_TAIL = 25
_NUMBERS = re.compile(r"[\d.:]+")
_SHAPE_CHARS = 32


def went_on(text: str) -> bool:
    """Tell whether the words of a line say that the program lives on."""
    return _WENT_ON.search(text) is not None and _FORWARDED.search(text) is None


def is_life(text: str) -> bool:
    """Tell whether a line is ordinary output of a program."""
    return _ALARM.search(text) is None and not _is_noise(text)


def _is_noise(text: str) -> bool:
    if _ALWAYS_NOISE.search(text) is not None:
        return True
    bare = without_prefix(text)
    return len(bare) < len(text) and _ALWAYS_NOISE.search(bare) is not None


def says_error(text: str) -> bool:
    """Tell whether a line, of whatever program, says that something failed."""
    found = _SAYS_ERROR.search(text) is not None
    return found and _NO_ERROR.search(text) is None and not went_on(text)


def without_prefix(text: str) -> str:
    """Return a line without the rank, the node and the time before it."""
    return _PREFIX.sub("", text)


def is_parallel(logs: list[LogText]) -> bool:
    """Tell whether several processes or threads wrote the logs."""
    return any(_SEVERAL.search(line.text) for log in logs for line in log.lines)


def ends_well(log: LogText) -> bool:
    """Tell whether the last lines of a log speak of success."""
    return any(
        _SUCCESS.search(line.text) and not _ALARM.search(line.text) for line in log.lines[-_TAIL:]
    )


class Flow:
    """The lines of one log, each counted as life of the program or as noise."""

    def __init__(
        self,
        log: LogText,
        roles: dict[int, Role],
        prints: Sequence[Traceback] = (),
    ) -> None:
        self._log = log
        self._numbers = [line.number for line in log.lines]
        self._spans = self._find_spans(prints or log.tracebacks)
        # Of several processes one may go on where another one died.
        weight = 1 if is_parallel([log]) else _PROGRESS_WEIGHT
        loose, strict = [], []
        for index, line in enumerate(log.lines):
            noisy = index in self._spans or _is_noise(line.text)
            role = roles.get(index)
            alarm = _ALARM.search(line.text) is not None
            value = weight if _PROGRESS.search(line.text) else 1
            loose.append(0 if noisy or role is not None or alarm else value)
            # A message of another command after a traceback: the script had moved on.
            strict.append(value if role == "hint" or not (noisy or role or alarm) else 0)
        self._loose = self._sum(loose)
        self._strict = self._sum(strict)

    def _find_spans(self, tracebacks: Sequence[Traceback]) -> set[int]:
        """Return the indices of lines that belong to tracebacks."""
        inside: set[int] = set()
        for traceback in tracebacks:
            link: Traceback | None = traceback
            while link is not None:
                inside.update(self._lines_of(link))
                link = link.cause
        return inside

    def _lines_of(self, link: Traceback) -> Iterator[int]:
        first, last = self.index_of(link.first_line), self.index_of(link.last_line)
        for index in range(first, min(last + 1, len(self._numbers))):
            text = without_prefix(self._log.lines[index].text)
            if text[:1] in {" ", "\t"} or self._numbers[index] == link.message_line:
                yield index
        yield from (self.index_of(frame.log_line) for frame in link.frames if frame.log_line)

    def _sum(self, alive: list[int]) -> list[int]:
        """Add up living lines, with those that the scan left out between them."""
        weights = []
        for index, lives in enumerate(alive):
            gap = self._numbers[index] - self._numbers[index - 1] - 1 if index else 0
            # Thinned-out repeats of an error leave a gap between two lines of noise.
            counts = gap > 0 and (lives > 0 or alive[index - 1] > 0)
            weights.append(lives + (gap if counts else 0))
        return list(accumulate(weights))

    def after(self, index: int) -> tuple[int, int]:
        """Return how many living lines follow a line, counted loosely and strictly."""
        if not self._loose:
            return 0, 0
        index = min(max(index, 0), len(self._loose) - 1)
        return self._loose[-1] - self._loose[index], self._strict[-1] - self._strict[index]

    def resumes(self, index: int) -> bool:
        """Tell whether lines like those before a place come again after it.

        A script's own last words look unlike the output of the program before.
        """
        shapes = self._living_shapes
        before = {shape for at, shape in shapes if at < index}
        return any(at > index and shape in before for at, shape in shapes)

    @cached_property
    def _living_shapes(self) -> list[tuple[int, str]]:
        return [
            (i, _shape(self._log.lines[i].text))
            for i in range(1, len(self._numbers))
            if self._loose[i] > self._loose[i - 1]
        ]

    def index_of(self, number: int) -> int:
        """Return where the line of a number stands among the kept lines."""
        return bisect_left(self._numbers, number) if number else len(self._numbers)

    def after_traceback(self, traceback: Traceback) -> tuple[int, int]:
        """Return how many living lines follow a traceback, loosely and strictly.

        What stands at the margin below the message may be a note or the next
        output of the program; it counts as output, unless it reads like a part
        of the message.
        """
        last = traceback.last_line
        if traceback.notes and not _has_parts(traceback):
            last = traceback.message_line
        return self.after(self.index_of(max(last, traceback.message_line)))

    def is_of_thread(self, traceback: Traceback) -> bool:
        """Tell whether the line before a traceback says that one thread ended by it."""
        return "Exception in thread" in self._line_before(traceback)

    def is_ignored(self, traceback: Traceback) -> bool:
        """Tell whether Python itself says that it ignores an exception, as at its end."""
        return "Exception ignored in" in self._line_before(traceback)

    def _line_before(self, traceback: Traceback) -> str:
        before = self.index_of(_outermost(traceback).first_line) - 1
        return self._log.lines[before].text if 0 <= before < len(self._numbers) else ""

    def text_of(self, exception: Traceback) -> str:
        """Return the log's own line with the exception's name."""
        index = self.index_of(exception.message_line)
        if index < len(self._numbers) and self._numbers[index] == exception.message_line:
            return self._log.lines[index].text
        return ""

    def inside_traceback(self, index: int) -> bool:
        """Tell whether a line is part of a traceback."""
        return index in self._spans

    def is_survivable(self, traceback: Traceback) -> bool:
        """Tell whether the words around a traceback say that it was caught.

        Also for tracebacks of the cluster's own scripts, which some sites print
        at the start of every job.
        """
        before = self.index_of(_outermost(traceback).first_line) - 1
        if 0 <= before < len(self._numbers):
            text = self._log.lines[before].text
            if before not in self._spans and went_on(text) and "Warning:" not in text:
                return True
        after = self.index_of(traceback.message_line) + 1
        if after < len(self._numbers) and _says_so(self._log.lines[after].text):
            return True
        frames = traceback.root.frames
        is_site = bool(frames) and all(_SITE.search(frame.file) for frame in frames)
        is_code = any("-packages/" in frame.file for frame in frames)
        return is_site and not is_code and after < len(self._numbers)


def _shape(text: str) -> str:
    """Return the beginning of a line without its numbers."""
    return _NUMBERS.sub("0", text[:_SHAPE_CHARS])


def _outermost(traceback: Traceback) -> Traceback:
    """Return the exception of a chain that was printed first."""
    while traceback.cause is not None and traceback.cause.first_line < traceback.first_line:
        traceback = traceback.cause
    return traceback


def _has_parts(traceback: Traceback) -> bool:
    """Tell whether a message announces the lines that follow it."""
    message = traceback.message.rstrip()
    return not message or message[-1] in ":,([{" or any(map(_ALARM.search, traceback.notes))


def _says_so(text: str) -> bool:
    return went_on(text) and not _MILD.search(text)
