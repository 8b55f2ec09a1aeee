"""The form of a cause: what the TOML files of the catalogue may say."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from llm_scheduler.diagnosis.models import Category, RemedyKind
from llm_scheduler.engine.records import FAILED_STATES, LIVE_STATES

Role = Literal["cause", "verdict", "symptom", "hint", "harmless"]
"""What a match proves.

``cause``: a root cause. ``verdict``: the scheduler's own word on how the job
ended. ``symptom``: a consequence; something else went wrong before.
``hint``: an error that programs often survive. ``harmless``: noise.
"""

Language = Literal[
    "",
    "python",
    "c#",
    "c++",
    "dart",
    "elixir",
    "fortran",
    "go",
    "haskell",
    "java",
    "javascript",
    "julia",
    "lua",
    "matlab",
    "nim",
    "ocaml",
    "octave",
    "perl",
    "php",
    "r",
    "ruby",
    "rust",
    "swift",
]
"""Languages whose failures the parsers of `logs` name; empty for none."""

STATES = FAILED_STATES | LIVE_STATES | {"COMPLETED", "UNKNOWN"}
"""States that a record can have."""

_MIN_EXIT_CODE = -30
"""PBS has codes below 0 for jobs that it ended itself."""
_MAX_SIGNAL = 64
_MAX_EXIT_CODE = 256 + _MAX_SIGNAL
"""PBS adds 256 to the number of the signal that ended a job."""
_EXCEPTION = re.compile(r"\*|[^\W\d][\w$]*")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RemedyTemplate(_Frozen):
    """A remedy whose texts may name ``{fields}`` of the match."""

    kind: RemedyKind
    summary: str = Field(min_length=1)
    """``[[A {field}]]||B`` is A where the field is known, else B."""
    details: str = ""
    memory_factor: float | None = Field(default=None, gt=1)
    """Propose this many times the memory that the job had."""
    time_factor: float | None = Field(default=None, gt=1)
    """Propose this many times the time limit that the job had."""
    exclude_nodes: StrictBool = False
    """Propose to leave out the nodes of the job."""


class RecordCondition(_Frozen):
    """What of the scheduler's record belongs to a cause; one of a list suffices."""

    states: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()
    signals: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    """Regular expressions for the scheduler's reason."""

    @field_validator("states")
    @classmethod
    def _known_states(cls, states: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [state for state in states if state not in STATES]
        if wrong:
            msg = f"{wrong[0]!r} is no state of a job; there are: {', '.join(sorted(STATES))}"
            raise ValueError(msg)
        return states

    @field_validator("exit_codes")
    @classmethod
    def _possible_codes(cls, codes: tuple[int, ...]) -> tuple[int, ...]:
        wrong = [code for code in codes if not _MIN_EXIT_CODE <= code <= _MAX_EXIT_CODE]
        if wrong:
            msg = f"{wrong[0]} is no exit code; write 0 to 255, or what PBS says (256 + signal)"
            raise ValueError(msg)
        return codes

    @field_validator("signals")
    @classmethod
    def _possible_signals(cls, signals: tuple[int, ...]) -> tuple[int, ...]:
        wrong = [number for number in signals if not 1 <= number <= _MAX_SIGNAL]
        if wrong:
            msg = f"{wrong[0]} is no signal; they go from 1 to {_MAX_SIGNAL}"
            raise ValueError(msg)
        return signals


class Cause(_Frozen):
    """One entry of the catalogue."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    category: Category
    title: str = Field(min_length=1)
    role: Role = "cause"
    priority: int = Field(default=50, ge=0, le=100)
    """Decides between causes that the same lines could mean; higher wins."""
    beats: tuple[str, ...] = ()
    """Ids of consequences: where both are found, this cause is the root of them."""
    confidence: float = Field(default=0.8, ge=0, le=1)
    patterns: tuple[str, ...] = ()
    """RE2 expressions, searched in each line of at most 2,000 characters."""
    exceptions: tuple[str, ...] = ()
    """Class names without module; ``*`` takes what no other cause takes."""
    exceptions_language: Language = ""
    """Takes exceptions of this language that no other cause takes."""
    frame_function: str = ""
    """Only for tracebacks whose innermost frames name this function."""
    frame_file: str = ""
    """Only for tracebacks whose innermost frame lies in a file of this name."""
    frame_source: str = ""
    """With `frame_file`: or whose innermost source line holds this text."""
    wrapper: StrictBool = False
    """Says only that something else failed: it takes its line from every other cause."""
    submission: StrictBool = False
    """Said when a job is submitted; in logs only where a submitting command says it."""
    record: RecordCondition | None = None
    explanation: str = ""
    remedies: tuple[RemedyTemplate, ...] = ()
    example: str = ""
    """A text of a log that this cause explains; checked by the tests."""
    near_misses: tuple[str, ...] = ()
    """Texts of logs that look alike and must not be taken by this cause."""
    example_record: dict[str, Any] = Field(default_factory=dict)
    """Fields of a `JobRecord` that this cause explains, where no text proves it."""
    near_miss_record: dict[str, Any] = Field(default_factory=dict)
    """Fields of a `JobRecord` that look alike and must not be taken by this cause."""
    source: str = ""
    """Where the wording comes from: the program's source file or a page of its manual."""

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if not title.isprintable():
            msg = "must be one line without control characters"
            raise ValueError(msg)
        return title

    @field_validator("exceptions")
    @classmethod
    def _class_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in names if not _EXCEPTION.fullmatch(name)]
        if wrong:
            short = wrong[0].rsplit(".", 1)[-1]
            near = f"; write {short!r}" if _EXCEPTION.fullmatch(short) else ""
            msg = f"{wrong[0]!r} is no name of a class without its module{near}"
            raise ValueError(msg)
        return names

    @field_validator("patterns")
    @classmethod
    def _bounded(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern or len(pattern) > 600:
                msg = f"pattern {pattern[:60]!r} must have 1 to 600 characters"
                raise ValueError(msg)
        return patterns
