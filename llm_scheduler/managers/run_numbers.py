"""Which run of its name it is, in the file of its failures: each has a budget of its own."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from llm_scheduler.errors import StoreError

if TYPE_CHECKING:
    from llm_scheduler.managers.failure_store import FailureStore


class PresentRun:
    """Returns the number of the run that goes on; the last one known where it can't be read."""

    def __init__(self, store: FailureStore) -> None:
        self._store = store
        self._number = store.run_number()

    def __call__(self) -> int:
        """Look again."""
        with suppress(StoreError):
            self._number = self._store.run_number()
        return self._number


def read_run(db: sqlite3.Connection) -> tuple[int, bool]:
    """Return the number of the present run, and whether it has ended."""
    row = db.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
    if row is None:
        return 1, False
    number, _, state = str(row[0]).partition(" ")
    return int(number), state == "ended"


def write_run(db: sqlite3.Connection, number: int, *, has_ended: bool) -> None:
    """Write the same down; for a transaction."""
    state = "ended" if has_ended else "open"
    db.execute("INSERT OR REPLACE INTO meta VALUES ('run', ?)", (f"{number} {state}",))
