"""Failures, and groups of failures with one cause: the values that panels show."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from llm_scheduler.diagnosis.models import Category, Diagnosis
from llm_scheduler.engine.records import JobRecord


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Frozen):
    """One failed attempt to run a job."""

    attempt: str
    """Identifier of the attempt; one job id that ran twice has two attempts."""
    job_id: str | None
    """``None`` when the scheduler refused the submission."""
    job_name: str
    learners: tuple[str, ...]
    """Files of the learners that the job worked on."""
    failed_at: datetime
    """Aware, in UTC."""
    nodes: tuple[str, ...] = ()
    log_files: tuple[str, ...] = ()
    """Readable copies of the logs of this attempt."""
    record: JobRecord | None = None
    diagnosis: Diagnosis | None = None
    """``None`` while the diagnosis is under way."""
    rules_diagnosis: Diagnosis | None = None
    """What the rules said, where `diagnosis` is the model's."""
    known: bool = False
    """Whether an earlier session already reported it."""
    held: bool = False
    """Whether the learner is kept from being started again (a person cancelled
    the job, or the restart limit is reached)."""
    killed_because: str = ""
    """Why the kill manager cancelled it; empty when it did not."""
    kill_pattern: str = ""
    """The text in the log that made it do so."""
    note: str = ""
    """What the job manager did about it, in a sentence."""

    @property
    def by_rules(self) -> Diagnosis | None:
        """What the rules say: what a model says must never be taken for it."""
        if self.diagnosis is not None and self.diagnosis.source == "rules":
            return self.diagnosis
        return self.rules_diagnosis


class FailureGroup(_Frozen):
    """Failures with the same cause."""

    key: str
    """Stable identifier: the cause and the fingerprint."""
    category: Category
    title: str
    count: int
    n_known: int = 0
    """How many of them an earlier session reported."""
    learners: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = ()
    job_names: tuple[str, ...] = ()
    first_seen: datetime
    last_seen: datetime
    nodes: tuple[str, ...] = ()
    bad_node: str | None = None
    """The one node on which all of many failures happened, while other jobs ran
    elsewhere; ``None`` when the node does not explain it."""
    representative: Diagnosis
    """The best proven diagnosis of the group."""
    notes: tuple[str, ...] = ()
