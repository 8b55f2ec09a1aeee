"""The engine's database of learners, without its traps."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import zmq
from adaptive_scheduler._server_support.database_manager import SimpleDatabase, _ensure_str
from adaptive_scheduler.server_support import DatabaseManager as EngineDatabaseManager
from adaptive_scheduler.utils import cloudpickle_learners


class DatabaseManager(EngineDatabaseManager):
    """A `DatabaseManager` whose rows only `JobManager` declares failed.

    Differences from the engine's: a row that waits for a new attempt does not point
    at the logs of the previous one; a requeued job may ask for its learner again;
    learners can be held back; an existing database is read when it is not to be
    overwritten.
    """

    _db: SimpleDatabase | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held: dict[int, str] = {}
        """Learners that are not started, by index, with the reason in a sentence."""
        self.named_fnames: list[Any] | None = None
        """The files as the user named them, when `fnames` holds their absolute paths."""

    def _setup(self) -> None:
        if self._db is not None:  # started again after it had ended
            return
        self._db = self._read_existing()
        if self._db is None:
            self.create_empty_db()
        self._total_learner_size, self._pickling_time = cloudpickle_learners(
            self.learners,
            self.fnames,
            initializers=self.initializers,
            with_progress_bar=self.with_progress_bar,
        )

    def _read_existing(self) -> SimpleDatabase | None:
        """Read the file, when it is not to be overwritten and is about these learners."""
        if self.overwrite_db or not self.db_fname.exists():
            return None
        database = SimpleDatabase(self.db_fname)
        if [entry.fname for entry in database.all()] != _ensure_str(self.fnames):
            return None
        # What jobs of the earlier session still do is found out anew: `adopt`.
        database.update(
            {"job_id": None, "job_name": None, "is_pending": False},
            [index for index, entry in enumerate(database.all()) if not entry.is_done],
        )
        return database

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
        known = sorted(index for index in indices if index < len(rows))
        self.failed.extend(dict(vars(rows[index])) for index in known)
        self._db.update({"job_id": None, "job_name": None, "is_pending": False}, set(known))

    def mark_requeued(self, index: int, job_name: str) -> None:
        """Expect the job of this learner to ask for its learner once more."""
        if self._db is not None and not self.is_learner_done(index):
            self._db.update(
                {"job_id": None, "job_name": job_name, "is_pending": True},
                [index],
            )

    def is_learner_done(self, index: int) -> bool:
        """Say whether the learner reached its goal.

        Of a learner that only an earlier session had, it is not known.
        """
        rows = self._db.all() if self._db is not None else []
        return index < len(rows) and rows[index].is_done

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

    def adopt(
        self,
        index: int,
        job_name: str,
        job_id: str | None,
        *,
        is_waiting: bool = False,
    ) -> None:
        """Note that a job of an earlier session works on this learner, or will."""
        assert self._db is not None
        if is_waiting:
            self.mark_requeued(index, job_name)
        elif not self.is_learner_done(index):
            self._db.update({"job_name": job_name, "job_id": job_id, "is_pending": False}, [index])

    def set_output_logs(self, index: int, logs: Iterable[str]) -> None:
        """Point the row of a submitted job at the logs it will write."""
        assert self._db is not None
        self._db.update({"output_logs": list(logs)}, [index])

    def has_learner(self, index: int, files: tuple[str, ...]) -> bool:
        """Say whether the learner with this index is saved in these files."""
        return index < len(self.fnames) and self.learner_files(index) == files

    def learner_files(self, index: int) -> tuple[str, ...]:
        """Return the files of a learner, as the user named them."""
        fname = (self.named_fnames or self.fnames)[index]
        many = isinstance(fname, list | tuple)
        return tuple(str(Path(name)) for name in (fname if many else [fname]))

    async def _manage(self) -> None:
        try:
            await super()._manage()
        except zmq.ZMQError as exc:
            # The engine leaves its socket open when the address is in use.
            for frame, _ in traceback.walk_tb(exc.__traceback__):
                if isinstance(left_open := frame.f_locals.get("socket"), zmq.Socket):
                    left_open.close(linger=0)
            raise

    def _stop_requests(self, fnames: Any) -> None:
        # Without a running loop the engine's debounced save leaves a coroutine that
        # is never awaited; a save is due anyway.
        if fnames:
            assert self._db is not None
            self._db._last_save_time = 0.0
            super()._stop_requests(fnames)
