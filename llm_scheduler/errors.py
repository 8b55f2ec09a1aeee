"""The whole tree of errors.

LLMSchedulerError
├── UsageError            a call or a command line makes no sense
├── ConfigError           a setting is wrong or asks for what is not there
├── CatalogError          a file of the catalogue of causes is wrong
├── LogError              a log file can't be read
├── StoreError            the database of failures can't be used
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
    """The database of failures can't be opened, or a newer version wrote it."""


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
