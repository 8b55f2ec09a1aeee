"""Did the program go on? Which lines after an error count as life, and which as noise."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate

from llm_scheduler.diagnosis.causes import Role
from llm_scheduler.logs.models import LogText, Traceback

_I = re.IGNORECASE

_WENT_ON = re.compile(
    r"\bwarn(?:ing)?\b|\bretry(?:ing)?\b|\bwill retry\b|\bignor(?:ing|ed)\b|\bskipp(?:ing|ed)\b"
    r"|\bcontinu(?:ing|e with)\b|\brecover(?:ed|ing)\b|\bfall(?:ing)? ?back\b|\bcaught\b"
    r"|\bhandled\b|\bdeprecat|\b(?:INFO|DEBUG)\b|\b(?:0|no) errors?\b|\bgoing on\b"
    r"|\bthis is expected\b|\bas expected\b|\bintentional",
    _I,
)
"""Words of programs that met an error and live on."""

_FORWARDED = re.compile(r"\bCaught \w+ in (?:DataLoader|replica|pin memory)", _I)
"""PyTorch's words for an exception of a worker that it raises again."""

_ALWAYS_NOISE = re.compile(
    r"^\s*$|^\s|^[-=*#_~+.|>]{3,}|^\W*$"
    r"|^(?:srun|slurmstepd|slurmd|salloc|sbatch|wandb|PBS|=>> PBS)\b"
    r"|^(?:real|user|sys)\s+[\d.m]+s?$|^(?:done|end|bye|finished)\.?$"
    r"|^(?:Resource usage summary|The output \(if any\)|Your job looked like|Sender: LSF"
    r"|Subject: Job|Job <|Started at|Terminated at|Results reported|TERM_|Read file <|PS:)"
    r"|^(?:Please check the spelling|It is also possible|Also make sure|#%Module|While processing)"
    r"|^(?:To initialize your shell|Currently supported shells|See 'conda|IMPORTANT: You may)"
    r"|^(?:Primary job|mpirun|mpiexec|prterun|Per user-direction|Proc: \[|with errorcode|NOTE: inv"
    r"|You may or may not|exactly when|Local host|Exit code|Process name|a non-zero exit)"
    r"|^(?:Stacktrace|Call Trace|Backtrace|\[?\d+\]? +\[?0x|#\d+ |in expression starting|at \S+\()"
    r"|\(unknown line\)|^\S+ at \S+\(|^\S+ at \S+:\d+|^unknown function \(ip"
    r"|^(?:JobID|Job ID|Start|End|Cluster|State|Nodes|Cores|CPU|Memory|Elapsed|Exit)\b.{0,20}:"
    r"|\d+%\|.*\||\bit/s\b|^Setting OMP_NUM_THREADS|^(?:Segmentation|Aborted|Killed|Terminated)\b",
)
"""Lines that say nothing about life: frames, reports of schedulers, progress bars."""

_ALARM = re.compile(
    r"error|exception|traceback|fatal|fail|abort|killed|exit(?:ed)? (?:code|status|with)|signal"
    r"|core dump",
    _I,
)

_SITE = re.compile(r"^/(?:software|opt|usr|etc|apps?|cvmfs|sw|cm)/|easybuild|/[lL]mod/")

_SEVERAL = re.compile(
    r"(?i:\brank ?\d)|\bmpirun\b|\bmpiexec\b|MPI_|local_rank|SLURM_(?:LOCALID|PROCID)"
    r"|torch[./]distributed|^\[?\d+\]?: |Process \w*(?:Process|PoolWorker)-\d+|Exception in thread"
    r"|srun: error: \S+: tasks? \S+:|Global rank",
)

_SUCCESS = re.compile(
    r"\b(?:job|all|calculation|simulation|run|training|everything|computation) (?:is |has )?"
    r"(?:done|finished|complete[d]?|ended)\b|\bcompleted\b|\bsuccess(?:ful|fully)?\b"
    r"|\bgoal reached\b|\bnormal termination\b|\btraining complete\b|^\s*(?:all )?done[.!]?\s*$"
    r"|\bfinished\b|^real\s+[\d.m]+",
    _I,
)

_TAIL = 25


def went_on(text: str) -> bool:
    """Tell whether the words of a line say that the program lives on."""
    return _WENT_ON.search(text) is not None and _FORWARDED.search(text) is None


def is_life(text: str) -> bool:
    """Tell whether a line is ordinary output of a program."""
    return _ALWAYS_NOISE.search(text) is None and _ALARM.search(text) is None


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

    def __init__(self, log: LogText, roles: dict[int, Role]) -> None:
        self._log = log
        self._numbers = [line.number for line in log.lines]
        self._spans = self._find_spans()
        loose, strict = [], []
        for index, line in enumerate(log.lines):
            noisy = index in self._spans or _ALWAYS_NOISE.search(line.text) is not None
            role = roles.get(index)
            loose.append(not (noisy or role is not None or _ALARM.search(line.text)))
            # A message of another command after a traceback: the script had moved on.
            strict.append(role == "hint" or not (noisy or role or _ALARM.search(line.text)))
        self._loose = self._sum(loose)
        self._strict = self._sum(strict)

    def _find_spans(self) -> set[int]:
        """Return the indices of lines that belong to tracebacks."""
        inside: set[int] = set()
        for traceback in self._log.tracebacks:
            link: Traceback | None = traceback
            while link is not None:
                first, last = self.index_of(link.first_line), self.index_of(link.last_line)
                inside.update(
                    index
                    for index in range(first, last + 1)
                    if index < len(self._numbers)
                    and (
                        self._log.lines[index].text[:1] in {" ", "\t"}
                        or self._numbers[index] == link.message_line
                    )
                )
                inside.update(
                    self.index_of(frame.log_line) for frame in link.frames if frame.log_line
                )
                link = link.cause
        return inside

    def _sum(self, alive: list[bool]) -> list[int]:
        """Add up living lines, with those that the scan left out between them."""
        weights = []
        for index, lives in enumerate(alive):
            gap = self._numbers[index] - self._numbers[index - 1] - 1 if index else 0
            # Thinned-out repeats of an error leave a gap between two lines of noise.
            counts = gap > 0 and (lives or alive[index - 1])
            weights.append(int(lives) + (gap if counts else 0))
        return list(accumulate(weights))

    def after(self, index: int) -> tuple[int, int]:
        """Return how many living lines follow a line, counted loosely and strictly."""
        if not self._loose:
            return 0, 0
        index = min(max(index, 0), len(self._loose) - 1)
        return self._loose[-1] - self._loose[index], self._strict[-1] - self._strict[index]

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
        before = self.index_of(_outermost(traceback).first_line) - 1
        return 0 <= before < len(self._numbers) and "Exception in thread" in (
            self._log.lines[before].text
        )

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
    return went_on(text) and not re.search(r"\bwarn|INFO|DEBUG|deprecat", text, _I)
