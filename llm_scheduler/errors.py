"""The whole tree of errors.

LLMSchedulerError
├── UsageError            a call or a command line makes no sense
├── ConfigError           a setting is wrong or asks for what is not there
├── CatalogError          a file of the catalogue of causes is wrong
├── LogError              a log file can't be read
├── StoreError            a database of ours can't be used
├── ToolError             a tool can't do what the model asked; its text goes to the model
│   └── ChangedSince      ... because a file is not any more what was shown
├── ModelError            the model can't be asked, or answers nothing that can be used
│   └── BudgetSpent       ... because a limit on calls, tokens or money is reached
└── SchedulerError        a scheduler's command failed
    ├── CommandMissing    ... because it is not installed
    ├── CommandTimedOut   ... because it did not answer
    └── SubmissionRefused ... because the scheduler does not accept the job
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class LLMSchedulerError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(LLMSchedulerError, ValueError):
    """A function or a command was called with values that make no sense."""


class ConfigError(LLMSchedulerError):
    """A setting is wrong, or asks for something that is not installed."""


class CatalogError(LLMSchedulerError):
    """A file of the catalogue of causes is wrong; `path` names the file."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


class LogError(LLMSchedulerError):
    """A log file can't be read; `path` names it and `reason` says why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


class StoreError(LLMSchedulerError):
    """A database of ours can't be opened, or a newer version wrote it."""


class ToolError(LLMSchedulerError):
    """A tool can't do what the model asked; the text is the message to the model."""


class ChangedSince(ToolError):
    """What is there is not any more what was shown; `path` names the first that differs."""

    def __init__(self, message: str, *, path: Path | str = "") -> None:
        super().__init__(message)
        self.path = str(path)


class TooManyChanges(ToolError):
    """So many changes were proposed in one turn that no more may be."""


class ModelError(LLMSchedulerError):
    """The model can't be asked, or answers nothing that can be used.

    `kind` is a short word for what happened (``"refused"``, ``"timeout"``,
    ``"rate-limit"``, ``"key"``, ``"context"``, ``"server"``, ``"answer"``,
    ``"missing"``) and `may_pass` says whether asking again later can help.
    """

    def __init__(self, message: str, *, kind: str = "server", may_pass: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.may_pass = may_pass


class BudgetSpent(ModelError):
    """A limit on calls, tokens or money is reached; the rules go on alone."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="budget", may_pass=False)


class SchedulerError(LLMSchedulerError):
    """A command of the scheduler failed; `argv`, `returncode` and `stderr` say how."""

    def __init__(
        self,
        message: str,
        *,
        argv: Sequence[str] = (),
        returncode: int | None = None,
        stderr: str = "",
    ) -> None:
        super().__init__(message)
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr


class CommandMissing(SchedulerError):
    """The command is not installed on this machine."""


class CommandTimedOut(SchedulerError):
    """The command did not answer within its time limit."""


class SubmissionRefused(SchedulerError):
    """The scheduler did not accept a job; `stderr` holds its own words."""
