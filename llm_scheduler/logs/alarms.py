"""The words that make a line of a log worth keeping.

They only decide what is kept; what it means is decided by the catalogue of
causes. Repeats are thinned out, so a word may be common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

WORDS: tuple[str, ...] = (
    # every language
    "error",
    "exception",
    "traceback",
    "fatal",
    "panic",
    "fail",
    "abort",
    "crash",
    "corrupt",
    "killed",
    "kill event",
    "oom",
    "out of memory",
    "memory exhausted",
    "terminat",
    "segmentation",
    "segfault",
    "sigsegv",
    "sigbus",
    "sigill",
    "sigkill",
    "sigterm",
    "sigfpe",
    "signal",
    "bus error",
    "core dumped",
    "illegal instruction",
    "floating point",
    "backtrace",
    "stacktrace",
    "stack trace",
    "stack overflow",
    "stack smashing",
    "denied",
    "not permitted",
    "cannot",
    "can't",
    "can not",
    "could not",
    "couldn't",
    "unable",
    "no such",
    "not found",
    "not defined",
    "not exist",
    "does not",
    "doesn't",
    "undefined",
    "unknown",
    "unrecognized",
    "unresolved",
    "unexpected",
    "unsupported",
    "unsatisfied",
    "unavailable",
    "not available",
    "invalid",
    "illegal",
    "not allowed",
    "not valid",
    "mismatch",
    "incompatib",
    "missing",
    "required",
    "expected",
    "exceed",
    "limit",
    "quota",
    "no space",
    "disk full",
    "read-only",
    "too many",
    "too large",
    "too long",
    "timeout",
    "timed out",
    "time out",
    "timelimit",
    "refused",
    "unreachable",
    "connection",
    "broken pipe",
    "reset by peer",
    "no route",
    "resolution",
    "expired",
    "rejected",
    "bad interpreter",
    "interpreter",
    "exec format",
    "stale file",
    "input/output",
    "deadlock",
    "overflow",
    "underflow",
    "singular",
    "diverge",
    "not converge",
    "assert",
    "violation",
    "unhandled",
    "uncaught",
    "interrupt",
    "exit code",
    "exit status",
    "exited with",
    "execution halted",
    "giving up",
    "license",
    "requested",
    "no module named",
    "no package",
    "did you mean",
    "usage:",
    "badly",
    "syntax",
    "malloc",
    "std::",
    "what():",
    "caused by",
    "direct cause",
    "during handling",
    "bad termination",
    "throw",
    # schedulers
    "slurmstepd",
    "srun:",
    "sbatch:",
    "cancelled",
    "canceled",
    "preempt",
    "requeue",
    "node_fail",
    "node failure",
    "pbs:",
    "=>>",
    "term_",
    "oom-kill",
    "walltime",
    "cput",
    "due to",
    "sigxcpu",
    # MPI, GPU, Fortran
    "mpi_",
    "mpirun",
    "mpiexec",
    "orted",
    "prterun",
    "pmix",
    "ucx",
    "hydra",
    "nccl",
    "cuda",
    "cublas",
    "cudnn",
    "xid",
    "forrtl",
    "end of file",
    "at line",
    "error termination",
    "severe (",
)
"""General words, in lower case."""

_REGEXES = (
    r", line [0-9]+, in ",
    r'file "[^"\n]+", line [0-9]+',
    r"\.jl:[0-9]+",
    r"stop [1-9]",
    r"\bnan\b",
)
STRONG = re.compile(
    r"error|exception|traceback|fatal|panic|fail|abort|killed|out of memory|denied|cannot|can't"
    r"|no such|not found|segmentation|core dumped|exceed|cancel|no space|terminat|undefined"
    r"|refused|unreachable|timed out|unable|forrtl|oom.kill",
    re.IGNORECASE,
)
"""Words on which a part of a line is kept that a progress bar wrote over."""
_MIN_LITERAL = 3


def clean_literals(literals: Iterable[str]) -> tuple[str, ...]:
    """Return the literals in lower case, sorted, without repeats and very short ones."""
    return tuple(sorted({x.lower() for x in literals if len(x) >= _MIN_LITERAL}))


@lru_cache(maxsize=16)
def make_pattern(literals: tuple[str, ...]) -> Any:
    """Compile the general words and the given literals to one pattern for bytes."""
    words = [w for w in {*WORDS, *literals} if not any(v in w for v in WORDS if v != w)]
    source = "|".join([*map(_escape, sorted(words)), *_REGEXES]).encode()
    try:
        import re2
    except ImportError:  # slower by a factor of twenty, with the same result
        return re.compile(b"(?i)" + source)
    options = re2.Options()
    options.max_mem = 64 << 20
    options.case_sensitive = False
    options.never_capture = True
    return re2.compile(source, options)


def _escape(word: str) -> str:
    """Escape in the way both `re` and `re2` read: every sign but letters and digits."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", word, flags=re.ASCII).replace("\n", r"\n")
