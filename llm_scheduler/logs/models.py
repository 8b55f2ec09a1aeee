"""What is read out of logs: numbered lines, tracebacks, the digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class LogLine(NamedTuple):
    """One line of a log, decoded, without ANSI codes, cut when very long."""

    file: str
    """Path as it was given."""
    number: int
    """From 1."""
    text: str


class Frame(NamedTuple):
    """One frame of a traceback."""

    file: str
    """The source file named by the frame."""
    line: int
    function: str
    source: str = ""
    """The source line under it, where printed."""
    is_library: bool = False
    """Whether the file belongs to Python or to an installed package."""
    log_line: int = 0
    """Line number of the frame in the log."""


# These are not frozen: that would take three times as long to make, for each small log.
@dataclass(slots=True)
class Traceback:
    """One exception that was printed, with what caused it."""

    file: str
    """The log."""
    first_line: int
    last_line: int
    exception: str
    """Class name as printed, for example ``numpy.linalg.LinAlgError``."""
    message: str
    """Text after the class name; its first line for messages of several lines."""
    message_line: int
    """Line number of the line with the exception's name."""
    frames: tuple[Frame, ...] = ()
    """Outermost first."""
    notes: tuple[str, ...] = ()
    """Lines after the message that belong to it (notes, rest of the message)."""
    cause: Traceback | None = None
    """The exception printed before "direct cause" / "During handling", or inside
    a remote traceback of a pool worker."""
    count: int = 1
    """How often the same traceback stands in the log."""
    language: str = "python"
    rank: str = ""
    """What a launcher put before its lines, for example ``[rank3]:``."""
    n_ranks: int = 0
    """How many ranks printed it, where a launcher tells them apart."""
    lines: frozenset[int] = field(default=frozenset(), repr=False)
    """Numbers of all its lines in the log, of its repeats too."""

    @property
    def root(self) -> Traceback:
        """The exception at the start of the chain."""
        found = self
        while found.cause is not None:
            found = found.cause
        return found

    @property
    def user_frame(self) -> Frame | None:
        """The innermost frame that is not a library's."""
        for frame in reversed(self.frames):
            if not frame.is_library:
                return frame
        return None


@dataclass(slots=True)
class LogText:
    """What one log yields to rules: its telling lines and tracebacks, bounded."""

    file: str
    lines: tuple[LogLine, ...]
    """In order: the head, every line that may tell something with the lines
    around it, the tail. At most some thousands, however large the file."""
    tracebacks: tuple[Traceback, ...] = ()
    n_bytes: int = 0
    """Size of the file (uncompressed where compressed)."""
    n_lines: int = 0
    """Lines seen; exact when `complete`."""
    complete: bool = True
    """Whether every byte was scanned."""
    problem: str = ""
    """Why the log could not be read, for example ``is a FIFO``; empty when it could."""
    alarms: frozenset[int] | None = None
    """Numbers of the lines in `lines` that hold an alarm word (see `alarms.WORDS`) or
    a given literal; the others hold none. ``None`` when unknown: the log was not
    scanned. Says nothing of lines whose number is 0."""


@dataclass(slots=True)
class LogDigest:
    """A bounded text of what matters in the logs of one job."""

    text: str
    """At most ``max_chars`` characters."""
    fingerprint: str
    evidence: tuple[LogLine, ...] = ()
    """The lines that tell most, best first."""
    tracebacks: tuple[Traceback, ...] = ()
    files: tuple[str, ...] = ()
    n_bytes: int = 0
    n_lines: int = 0
    omitted: dict[str, int] = field(default_factory=dict)
    """What was left out, with counts, for example ``{"lines": 1200}``."""
    problems: tuple[str, ...] = ()
    """Logs that could not be read, and why."""
    n_known: int = 0
    """Telling lines that were set back because a successful job printed them too."""
