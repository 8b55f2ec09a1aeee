"""The engine's database of learners, without its traps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from adaptive_scheduler.server_support import DatabaseManager as EngineDatabaseManager


class DatabaseManager(EngineDatabaseManager):
    """A `DatabaseManager` whose rows only `JobManager` declares failed.

    Differences from the engine's: a row that waits for a new attempt does not point
    at the logs of the previous one; a requeued job may ask for its learner again;
    learners can be held back; an existing database is read when it is not to be
    overwritten.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held: dict[int, str] = {}
        """Learners that are not started, by index, with the reason in a sentence."""

    def _setup(self) -> None:
        if self._db is not None:  # started again after it had ended
            return
        if self.db_fname.exists() and not self.overwrite_db:
            self._load_existing()
        else:
            super()._setup()

    def _load_existing(self) -> None:
        from adaptive_scheduler._server_support.database_manager import (
            SimpleDatabase,
            _ensure_str,
        )
        from adaptive_scheduler.utils import cloudpickle_learners

        database = SimpleDatabase(self.db_fname)
        wanted = _ensure_str(self.fnames)
        if [entry.fname for entry in database.all()] != wanted:
            super()._setup()
            return
        self._db = database
        self._total_learner_size, self._pickling_time = cloudpickle_learners(
            self.learners,
            self.fnames,
            initializers=self.initializers,
            with_progress_bar=self.with_progress_bar,
        )

    def update(self, queue: dict[str, dict[str, str]] | None = None) -> None:
        """Do nothing: a job that is not in the queue need not have failed.

        The engine's panel and its kill manager call this with a queue that leaves
        out suspended and completing jobs.
        """

    def mark_failed(self, indices: Collection[int]) -> None:
        """Free the learners with these indices for another attempt."""
        if self._db is None or not indices:
            return
        rows = self._db.all()
        self.failed.extend(dict(vars(rows[index])) for index in indices)
        self._db.update(
            {"job_id": None, "job_name": None, "is_pending": False},
            set(indices),
        )

    def mark_requeued(self, index: int, job_name: str) -> None:
        """Expect the job of this learner to ask for its learner once more."""
        if self._db is not None and not self._db.all()[index].is_done:
            self._db.update(
                {"job_id": None, "job_name": job_name, "is_pending": True},
                [index],
            )

    def is_learner_done(self, index: int) -> bool:
        """Say whether the learner reached its goal."""
        return self._db is not None and self._db.all()[index].is_done

    def startable(self) -> list[int]:
        """Return the learners that wait for a job, in order."""
        if self._db is None:
            return []
        return [
            index
            for index, row in enumerate(self._db.all())
            if row.job_name is None
            and row.job_id is None
            and not row.is_done
            and not row.is_pending
            and index not in self.held
            and self._db.dependencies_satisfied(row)
        ]

    def mark_submitted(self, index: int, job_name: str) -> None:
        """Note that a job for this learner is being submitted.

        This comes before the submission: a job that starts at once would otherwise
        be told that there is no learner for it.
        """
        assert self._db is not None
        self._db.update(
            {
                "job_name": job_name,
                "job_id": None,
                "is_pending": True,
                "log_fname": None,
                "output_logs": [],
                "start_time": None,
            },
            [index],
        )

    def adopt(self, index: int, job_name: str, job_id: str | None) -> None:
        """Note that a job of an earlier session still works on this learner."""
        assert self._db is not None
        if not self._db.all()[index].is_done:
            self._db.update({"job_name": job_name, "job_id": job_id, "is_pending": False}, [index])

    def set_output_logs(self, index: int, logs: Iterable[str]) -> None:
        """Point the row of a submitted job at the logs it will write."""
        assert self._db is not None
        self._db.update({"output_logs": list(logs)}, [index])

    def learner_files(self, index: int) -> tuple[str, ...]:
        """Return the files of a learner."""
        fname = self.fnames[index]
        many = isinstance(fname, list | tuple)
        return tuple(str(Path(name)) for name in (fname if many else [fname]))

    def _stop_requests(self, fnames: Any) -> None:
        # Without a running loop the engine's debounced save leaves a coroutine that
        # is never awaited; a save is due anyway.
        if fnames:
            assert self._db is not None
            self._db._last_save_time = 0.0
            super()._stop_requests(fnames)
