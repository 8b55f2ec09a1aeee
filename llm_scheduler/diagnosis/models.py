"""The results of diagnosis: `Diagnosis`, its evidence, its remedies."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Category = Literal[
    "out_of_memory",
    "gpu_out_of_memory",
    "time_limit",
    "cancelled",
    "preempted",
    "node_failure",
    "missing_module",
    "missing_shared_library",
    "command_not_found",
    "file_not_found",
    "permission_denied",
    "disk_full",
    "code_error",
    "syntax_error",
    "numerical_error",
    "crash",
    "mpi_failure",
    "gpu_error",
    "network_error",
    "invalid_submission",
    "license_unavailable",
    "configuration_error",
    "killed",
    "success",
    "unknown",
]
"""The root cause, in one word of a closed list."""

CATEGORIES: tuple[str, ...] = get_args(Category)

RemedyKind = Literal["code", "resources", "environment", "resubmit", "support", "inspect"]
"""What a remedy asks for: edit code, ask for other resources, mend the
environment, submit again, ask the cluster's support, or look closer."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Frozen):
    """One line that proves something."""

    file: str
    """Path of the log as it was given; empty when the line is the scheduler's record."""
    line: int
    """Line number from 1; 0 when the text does not come from a file."""
    text: str


class Remedy(_Frozen):
    """One thing to do about a failure."""

    kind: RemedyKind
    summary: str
    """One line in the imperative."""
    details: str = ""
    """Markdown, with commands where they help."""
    resources: dict[str, Any] = Field(default_factory=dict)
    """For ``resources``: the new values under the engine's names, for example
    ``{"memory": "8GB"}``, ``{"time": "02:00:00"}`` or ``{"exclude": "node7"}``."""
    file: str = ""
    """For ``code``: the source file to edit, where known."""
    line: int = 0


class Diagnosis(_Frozen):
    """Why a job failed, with the lines that prove it."""

    job_id: str | None = None
    category: Category
    cause: str
    """Identifier of the cause in the catalogue, for example ``python-name-error``."""
    title: str
    """One line."""
    explanation: str = ""
    """Markdown."""
    evidence: tuple[Evidence, ...] = ()
    """Best proof first."""
    confidence: float = Field(ge=0, le=1)
    doubts: tuple[str, ...] = ()
    """Why the confidence is not higher, a sentence each; empty where nothing speaks
    against the diagnosis."""
    source: Literal["rules", "model"] = "rules"
    remedies: tuple[Remedy, ...] = ()
    """Most likely to help first."""
    fingerprint: str = ""
    """Equal for the same failure with other numbers, paths and nodes in it."""
