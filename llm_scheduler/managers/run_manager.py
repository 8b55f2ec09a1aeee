"""`RunManager`: the engine's, with every failure seen, explained and shown."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from adaptive_scheduler.server_support import RunManager as EngineRunManager

from llm_scheduler.config import Settings, make_llm_settings
from llm_scheduler.diagnosis.catalog import load_catalog
from llm_scheduler.diagnosis.catalog_files import say_problems
from llm_scheduler.engine.database_manager import DatabaseManager
from llm_scheduler.engine.kill_manager import KillManager
from llm_scheduler.engine.log_keeper import LogKeeper
from llm_scheduler.errors import LLMSchedulerError, StoreError, UsageError
from llm_scheduler.managers.failure_store import open_store
from llm_scheduler.managers.job_manager import JobManager
from llm_scheduler.managers.job_queue import JobQueue
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.managers.recovery import drop_open, keep_logs
from llm_scheduler.managers.run_facts import RunFacts
from llm_scheduler.managers.run_parts import (
    cancel_namesakes,
    make_database_manager,
    make_job_manager,
    make_kill_manager,
)
from llm_scheduler.managers.snapshot import JobRow, make_rows

log = logging.getLogger(__name__)

_BOOKKEEPING_S = 2.0
_SETTLE_S = 180.0
"""A run does not wait longer for diagnoses; the next session makes those left."""
_FOLLOW_UP_S = 60.0
"""Nor for a model that hangs; it is asked again when the run goes on."""
# By name: panels are a layer above and know of managers, not the reverse.
_PANEL = "llm_scheduler.widgets.run_panel"
_FALLBACK = "llm_scheduler.widgets.fallback_html"


class RunManager(EngineRunManager):
    """The engine's `RunManager`, joined to an `LLMManager`.

    Parameters
    ----------
    scheduler, learners, fnames, **kwargs
        As for ``adaptive_scheduler.RunManager``.
    llm
        ``"auto"`` for the model of the settings when there is one, ``"offline"`` for
        rules only.
    restart_cancelled
        Whether jobs that a person cancelled are started again; by default they are
        not, and the panel says so.
    max_restarts
        How often a learner is started again after failing; ``None`` leaves it to the
        engine's ``max_fails_per_job``.

    Attributes
    ----------
    llm_manager : LLMManager
        The failures, their diagnoses and groups.

    """

    job_manager: JobManager
    database_manager: DatabaseManager
    kill_manager: KillManager | None
    start_time: float | None
    end_time: float | None
    _shown_box: Any = None
    """The panel that the run shows as the value of a cell."""

    def __init__(
        self,
        scheduler: Any,
        learners: list[Any],
        fnames: list[Any],
        *,
        llm: object = "auto",
        restart_cancelled: bool = False,
        max_restarts: int | None = None,
        **kwargs: Any,
    ) -> None:
        settings = Settings.load()
        llm_settings = make_llm_settings(llm, settings)
        # A wrong file is said now, not after a failure.
        catalog_problem = say_problems(load_catalog(settings.catalog_dirs).problems)
        if catalog_problem:
            log.warning("%s", catalog_problem)
        job_name = kwargs.get("job_name", "adaptive-scheduler")
        if max_restarts is not None and max_restarts < 0:
            raise UsageError(f"max_restarts={max_restarts} makes no sense; give 0 or more.")
        store, store_problem = open_store(kwargs.get("db_fname"), job_name, settings.state_dir)
        keeper = LogKeeper(store.path.with_suffix(".logs"))
        # The engine's clean-up cancels jobs of earlier sessions and deletes their logs.
        with suppress(StoreError):  # said by the manager below
            keep_logs(store, keeper, JobQueue(scheduler))
        if kwargs.get("cleanup_first"):
            cancel_namesakes(job_name, RunManager)
            with suppress(StoreError):
                drop_open(store)
        self._keeper = keeper
        super().__init__(scheduler, learners, fnames, **kwargs)
        self.restart_cancelled = restart_cancelled
        self.max_restarts = max_restarts
        self.llm_manager = LLMManager(
            store,
            settings=llm_settings,
            catalog_dirs=settings.catalog_dirs,
            problem=" ".join(filter(None, [store_problem, catalog_problem])),
            state_dir=settings.state_dir,
        )
        self.llm_manager.join(self.release, keeper.success, RunFacts(self))
        self._make_managers()

    def _make_managers(self) -> None:
        """Put our managers in the place of the engine's."""
        self.database_manager = make_database_manager(self)
        self.job_manager = make_job_manager(
            self.job_manager,
            self.job_names,
            self.database_manager,
            keeper=self._keeper,
            llm_manager=self.llm_manager,
            restart_cancelled=self.restart_cancelled,
            max_restarts=self.max_restarts,
        )
        self.kill_manager = make_kill_manager(self.kill_manager, self.job_manager)

    # -- running ------------------------------------------------------------------

    def _setup(self) -> None:
        if not self.llm_manager.is_started:
            self.llm_manager.start()
        super()._setup()
        self.end_time = None

    async def _manage(self) -> None:
        jobs, database = self.job_manager.task, self.database_manager.task
        assert jobs is not None
        assert database is not None
        while not jobs.done():
            if database.done() and not database.cancelled() and database.exception():
                # At once: a job that starts now would ask somebody else for its learner.
                self.llm_manager.set_problem(
                    "database",
                    f"Jobs can't reach this manager at {self.url}: {database.exception()}",
                )
                jobs.cancel()
                await asyncio.wait([jobs])
                break
            self._note_start_times()
            watched = [jobs] if database.done() else [jobs, database]
            await asyncio.wait(
                watched,
                timeout=_BOOKKEEPING_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        self._note_start_times()
        self.end_time = time.time()
        # People of the engine wait for this task: it ends when all is explained.
        await self.llm_manager.settled(_SETTLE_S)
        await self.llm_manager.followed_up(_FOLLOW_UP_S)
        self.llm_manager.cancel()
        await asyncio.to_thread(self.llm_manager.end_run)
        if not database.done():
            self.database_manager.cancel()
        if self.kill_manager is not None:
            self.kill_manager.cancel()
        if not jobs.cancelled() and jobs.exception() is not None:
            self.llm_manager.set_problem("jobs", f"{jobs.exception()}")

    def _note_start_times(self) -> None:
        """Keep how long jobs waited in the queue, as the engine does."""
        requests = self.job_manager._request_times
        for job in self.database_manager.as_dicts():
            name, started = job["job_name"], job["start_time"]
            if started is not None and name in requests:
                self._job_start_time_dict[name, started] = requests.pop(name)

    def wait(self, timeout_s: float | None = None) -> str:
        """Run until every job has ended and every failure is explained; for scripts.

        Parameters
        ----------
        timeout_s
            Longest time to wait in seconds; ``None`` for no limit.

        Returns
        -------
        The status.

        Raises
        ------
        UsageError
            An event loop is running already, as in a notebook: use
            ``await run_manager.finished()`` there.

        """
        if self.task is None:
            raise UsageError("The run is not started; call `run_manager.start()` first.")
        assert self.ioloop is not None
        if self.ioloop.is_running():
            raise UsageError(
                "wait() can't be used in a notebook, where it would stop everything; "
                "use `await run_manager.finished()`.",
            )
        return self.ioloop.run_until_complete(self._finish(timeout_s))

    async def finished(self, timeout_s: float | None = None) -> str:
        """Wait until every job has ended and every failure is explained.

        Returns
        -------
        The status; ``"running"`` when the time was not enough for all of it.

        """
        if self.task is None:
            raise UsageError("The run is not started; call `run_manager.start()` first.")
        tasks = [task for task in (self.task, self.job_manager.task) if task is not None]
        _, running = await asyncio.wait(tasks, timeout=timeout_s)
        return "running" if running else self.status()

    async def _finish(self, timeout_s: float | None) -> str:
        status = await self.finished(timeout_s)
        if status != "running":
            await self.close()
        return status

    async def close(self) -> None:
        """End the tasks and processes that serve this run; its failures stay readable.

        Jobs are not touched: see `cancel`.
        """
        self.llm_manager.cancel()
        if self.task is not None:
            self.task.cancel()
        tasks = [m.task for m in (self.llm_manager, *self._parts(), self) if m.task is not None]
        for part in self._parts():
            if part.task is not None:
                part.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.llm_manager.close_assistant)

    def cancel(self) -> None:
        """Cancel the tasks and the jobs in the queue; they count as ended, not as failed."""
        self.job_manager.watch.drop_all()
        submitting = self.job_manager.starter.drop()
        with suppress(Exception):  # a full disk must not keep jobs running
            attempts = self.job_manager.watch.attempts.values()
            self.llm_manager.store.write_attempts([*attempts, *submitting])
        # The engine would overlook suspended and completing jobs.
        with suppress(LLMSchedulerError):
            self.job_manager.queue.cancel(self.job_manager.watch.attempts.values())
        super().cancel()
        self.llm_manager.cancel()
        self.llm_manager.end_run()

    def cleanup(self, *, remove_old_logs_folder: bool = False) -> None:
        """Remove log and batch files; the logs of failures are kept for the panel."""
        if hasattr(self, "llm_manager"):
            self._keeper.follow(self.job_manager.watch.attempts.values())
        super().cleanup(remove_old_logs_folder=remove_old_logs_folder)

    def release(self, learners: Sequence[str | int] | None = None) -> None:
        """Start learners again that are held back.

        Parameters
        ----------
        learners
            Their indices or files; all of them by default.

        """
        held = list(self.database_manager.held)
        if learners is not None:
            wanted = {str(learner) for learner in learners}
            held = [
                index
                for index in held
                if str(index) in wanted
                or wanted.intersection(self.database_manager.learner_files(index))
                or str(self.fnames[index]) in wanted
            ]
        if not held:
            return
        self.job_manager.n_started = 0
        self.job_manager.release(held)
        if self.task is None:
            return
        if self.task.done():
            self._start_again()
        elif self.job_manager.task is not None and self.job_manager.task.done():
            # Its failures are being explained; the run starts anew when that is done.
            self.task.add_done_callback(self._start_when_ended)

    def _start_when_ended(self, task: asyncio.Task[Any]) -> None:
        if self.task is task and not task.cancelled():
            self._start_again()

    def _parts(self) -> list[Any]:
        """Return the managers of jobs, learners and errors in logs."""
        parts = [self.job_manager, self.database_manager, self.kill_manager]
        return [part for part in parts if part is not None]

    def _start_again(self) -> None:
        for manager in (*self._parts(), self):
            if manager.task is not None:
                if manager.task.done() and not manager.task.cancelled():
                    manager.task.exception()  # read it, or asyncio complains
                manager.task = None
        explaining = self.llm_manager.task
        if explaining is not None and (explaining.done() or explaining.cancelling()):
            self.llm_manager.task = None
        self.llm_manager.set_problem("jobs", "")
        self.start()

    # -- what people see -------------------------------------------------------------

    def status(self) -> str:
        """Return "not yet started", "running", "finished", "failed" or "cancelled".

        "failed" also when jobs ended and learners did not reach their goal.
        """
        task = self.job_manager.task
        if task is None:
            return "not yet started"
        if not task.done() or (self.task is not None and not self.task.done()):
            return "running"
        if self.end_time is None:
            self.end_time = time.time()
        if task.cancelled():
            failed = "database" in self.llm_manager.problem_topics
            return "failed" if failed else "cancelled"
        if task.exception() is not None or not self.database_manager.is_done():
            return "failed"
        return "finished"

    def elapsed_time(self) -> float:
        """Return the seconds since the start, or between start and end."""
        if self.start_time is None:
            return 0.0
        return (self.end_time or time.time()) - self.start_time

    def snapshot(self) -> list[JobRow]:
        """Return one row per learner: what its job does, or why it failed."""
        return make_rows(self)

    def info(self, format: Literal["text", "widget", "data"] = "widget") -> Any:  # noqa: A002
        """Show the engine's panel with the failures below, or return text or data."""
        if format != "widget":
            return super().info(format)
        from IPython import display

        if text := self._text_for_terminal():
            print(text)
            return None
        box = self.info_box()
        display.display(box)  # type: ignore[no-untyped-call]
        box.was_shown()
        return box

    def info_box(self) -> Any:
        """Return the panel without showing it."""
        from adaptive_scheduler.widgets import info

        run_panel = importlib.import_module(_PANEL).run_panel
        # The engine would show a style sheet beside it, for scroll bars of the classic notebook.
        panel = info(self, display_widget=False, disable_widgets_output_scrollbar=False)
        return run_panel(panel, self.llm_manager, self.snapshot)

    def __repr__(self) -> str:
        return f"RunManager({self.job_name!r})"

    def _text_for_terminal(self) -> str:
        """Return what to show where no widgets are; empty where they are."""
        fallback = importlib.import_module(_FALLBACK)
        if fallback.has_front_end():
            return ""
        text: str = fallback.fallback_text(self.llm_manager, self.snapshot())
        return text

    def _repr_mimebundle_(self, **_: Any) -> Any:
        # The engine's `_repr_html_` shows its panel and returns nothing.
        if text := self._text_for_terminal():
            return {"text/plain": text}, {}
        if self._shown_box is None or self._shown_box.is_closed:
            self._shown_box = self.info_box()
        data, metadata = self._shown_box._repr_mimebundle_()
        return {**data, "text/plain": repr(self)}, metadata

    def _repr_html_(self) -> Any:
        return self._repr_mimebundle_()[0].get("text/html")
