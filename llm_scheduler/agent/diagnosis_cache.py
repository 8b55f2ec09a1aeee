"""One model diagnosis per group, kept in the database for later sessions and kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.diagnosis.models import Diagnosis

FORM = 1
"""Raised when the prompt changes so much that old answers should not be shown."""

_SCHEMA = """CREATE TABLE IF NOT EXISTS model_diagnoses (
    group_key TEXT NOT NULL,
    model TEXT NOT NULL,
    form INTEGER NOT NULL,
    made_at TEXT NOT NULL,
    diagnosis TEXT,
    problem TEXT NOT NULL,
    PRIMARY KEY (group_key, model, form)
)"""


@dataclass(frozen=True)
class Outcome:
    """What the model said about a group."""

    diagnosis: Diagnosis | None
    """``None`` when it said nothing that could be proven."""
    problem: str = ""
    """Why there is none, a sentence."""


class DiagnosisCache:
    """What was asked once and is not asked again.

    Parameters
    ----------
    database
        Of the run.
    model
        Name of the model; another one may know better and is asked anew.

    """

    def __init__(
        self,
        database: AgentDatabase,
        model: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._model = model
        self._now = now
        database.add_schema(_SCHEMA)

    def get(self, group_key: str) -> Outcome | None:
        """Return what was said about a group, ``None`` when nobody asked yet."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT diagnosis, problem FROM model_diagnoses"
                " WHERE group_key = ? AND model = ? AND form = ?",
                (group_key, self._model, FORM),
            ).fetchone()
        if row is None:
            return None
        try:
            return Outcome(Diagnosis.model_validate_json(row[0]) if row[0] else None, row[1])
        except ValidationError:  # of a version with other fields
            return None

    def put(self, group_key: str, outcome: Outcome) -> None:
        """Keep what was said about a group."""
        data = outcome.diagnosis.model_dump_json() if outcome.diagnosis is not None else None
        with self._database.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO model_diagnoses VALUES (?, ?, ?, ?, ?, ?)",
                (group_key, self._model, FORM, self._now().isoformat(), data, outcome.problem),
            )

    def forget(self, group_key: str) -> None:
        """Let the model be asked again about a group."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM model_diagnoses WHERE group_key = ?", (group_key,))
