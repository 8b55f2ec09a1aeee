"""The managers that serve one run: ours, made with what the engine gave to its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adaptive_scheduler._server_support.run_manager import ACTIVE_RUN_MANAGERS

from llm_scheduler.engine.database_manager import DatabaseManager
from llm_scheduler.engine.kill_manager import KillManager
from llm_scheduler.managers.job_manager import JobManager

_OF_JOBS = (
    "scheduler interval max_simultaneous_jobs max_fails_per_job save_dataframe "
    "dataframe_format loky_start_method log_interval save_interval runner_kwargs goal"
)


def make_database_manager(run: Any) -> DatabaseManager:
    """Make what tells jobs their learners, in the place of the engine's."""
    return DatabaseManager(
        url=run.url,
        scheduler=run.scheduler,
        db_fname=run.db_fname,
        learners=run.learners,
        fnames=run.fnames,
        dependencies=run.dependencies,
        overwrite_db=run.overwrite_db,
        initializers=run.initializers,
        with_progress_bar=not run.quiet,
    )


def make_job_manager(
    engine_jobs: Any, job_names: Sequence[str], database: DatabaseManager, **values: Any
) -> JobManager:
    """Make what starts jobs, with the settings of the engine's."""
    given = {name: getattr(engine_jobs, name) for name in _OF_JOBS.split()}
    return JobManager(list(job_names), database, **given, **values)


def make_kill_manager(engine_kills: Any, jobs: JobManager) -> KillManager | None:
    """Make what ends jobs with errors in their logs, where the engine has one."""
    if engine_kills is None:
        return None
    return KillManager(
        engine_kills.scheduler,
        jobs.database_manager,
        error=engine_kills.error,
        interval=engine_kills.interval,
        max_cancel_tries=engine_kills.max_cancel_tries,
        move_to=engine_kills.move_to,
        watch=jobs.watch,
    )


def cancel_namesakes(job_name: str, kind: type[Any]) -> None:
    """End runs of this process with the same name: their jobs are about to be cancelled.

    The engine does so when the new run starts. Until then the old one would take the
    end of its jobs for somebody's doing, and start them again.
    """
    for reference in ACTIVE_RUN_MANAGERS:
        old: Any = reference()
        if not isinstance(old, kind) or old.job_name != job_name or old.task is None:
            continue
        if not old.task.done():
            old.cancel()
