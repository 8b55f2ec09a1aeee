"""`local_run`: a run on this machine, as easy as `slurm_run`."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.errors import UsageError
from llm_scheduler.managers.run_manager import RunManager

_MAX_PARENT_CHARS = 60


def local_run(
    learners: list[Any],
    fnames: list[Any],
    *,
    name: str = "adaptive-scheduler",
    folder: str | Path = "",
    cores: int | tuple[int | Callable[[], int], ...] = 1,
    max_cores: int | None = None,
    memory: str | tuple[str | Callable[[], str | None] | None, ...] | None = None,
    time: str | tuple[str | Callable[[], str | None] | None, ...] | None = None,
    num_threads: int | tuple[int | Callable[[], int], ...] = 1,
    executor_type: Any = "process-pool",
    extra_env_vars: Any = None,
    extra_script: Any = None,
    keep_running: bool = False,
    goal: Any = None,
    llm: object = "auto",
    restart_cancelled: bool = False,
    max_restarts: int | None = None,
    url: str | None = None,
    save_interval: float = 60,
    log_interval: float = 60,
    job_manager_interval: float = 2,
    kill_on_error: Any = None,
    cleanup_first: bool = True,
    save_dataframe: bool = True,
    extra_scheduler_kwargs: dict[str, Any] | None = None,
    extra_run_manager_kwargs: dict[str, Any] | None = None,
    **run_manager_kwargs: Any,
) -> RunManager:
    """Run learners as jobs on this machine; nothing starts before ``start()``.

    Each of ``cores``, ``memory``, ``time``, ``num_threads``, ``executor_type``,
    ``extra_env_vars`` and ``extra_script`` is one value for all learners or a tuple
    with one per learner, whose elements may be functions that are called when the
    job is submitted.

    Parameters
    ----------
    learners
        The learners.
    fnames
        Files to save them in, one each.
    name
        Name of the run and of its jobs.
    folder
        Folder for logs, the database and job scripts.
    cores
        Cores per job.
    max_cores
        Cores that all jobs use at once; by default all that this process may use.
    memory
        Limit for all processes of a job together, for example ``"2GB"``.
    time
        Time limit, for example ``"00:30:00"``.
    keep_running
        Whether jobs go on when this process ends. By default they end with it.
    goal
        As for ``adaptive_scheduler.slurm_run``.
    llm, restart_cancelled, max_restarts
        As for `RunManager`.
    url
        Where jobs ask for their learner; by default a socket that only this user can
        reach.
    **run_manager_kwargs
        Further arguments of ``adaptive_scheduler.RunManager``.

    """
    resources = {
        "cores": cores,
        "memory": memory,
        "time": time,
        "num_threads": num_threads,
        "executor_type": executor_type,
        "extra_env_vars": extra_env_vars,
        "extra_script": extra_script,
    }
    _check_arguments(name, learners, fnames, resources)
    # Absolute: a notebook that changes its folder must not lose its jobs.
    folder = Path(folder).expanduser().absolute()
    absolute = [_absolute(fname) for fname in fnames]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"folder={str(folder)!r} can't be made: {exc.strerror}.") from exc
    scheduler = LocalScheduler(
        **resources,
        max_cores=max_cores,
        keep_running=keep_running,
        log_folder=folder / "logs",
        batch_folder=folder / "batch_scripts",
        root=folder / "jobs",
        **(extra_scheduler_kwargs or {}),
    )
    private = None if url else _private_folder()
    arguments: dict[str, Any] = {
        "goal": goal,
        "url": url or f"ipc://{private}/database",
        "save_interval": save_interval,
        "log_interval": log_interval,
        "job_name": name,
        "job_manager_interval": job_manager_interval,
        "kill_on_error": kill_on_error,
        "move_old_logs_to": folder / "old_logs",
        "db_fname": folder / f"{name}.db.json",
        "cleanup_first": cleanup_first,
        "save_dataframe": save_dataframe,
        **run_manager_kwargs,
        **(extra_run_manager_kwargs or {}),
    }
    run_manager = RunManager(
        scheduler,
        learners,
        absolute,
        llm=llm,
        restart_cancelled=restart_cancelled,
        max_restarts=max_restarts,
        **arguments,
    )
    run_manager.database_manager.named_fnames = list(fnames)
    if private is not None:
        weakref.finalize(run_manager, shutil.rmtree, private, ignore_errors=True)
    return run_manager


def _check_arguments(
    name: str,
    learners: list[Any],
    fnames: list[Any],
    resources: dict[str, Any],
) -> None:
    if " " in name or "/" in name or not name:
        raise UsageError(f"The name {name!r} must be a word without spaces and slashes.")
    if len(learners) != len(fnames):
        raise UsageError(
            f"There are {len(learners)} learners and {len(fnames)} fnames; give one file each.",
        )
    for resource, value in resources.items():
        if isinstance(value, tuple) and len(value) != len(learners):
            raise UsageError(
                f"{resource} has {len(value)} elements for {len(learners)} learners; give one "
                "element for each learner, or one value for all.",
            )


def _absolute(fname: Any) -> Any:
    if isinstance(fname, list | tuple):  # of a BalancingLearner
        return [str(Path(name).expanduser().absolute()) for name in fname]
    return str(Path(fname).expanduser().absolute())


def _private_folder() -> Path:
    """Make a folder for the socket that no other user can look into.

    What comes over the socket is unpickled, and the machine is shared with strangers.
    The path of a socket may have about 100 characters, so it can't lie in the run's
    folder.
    """
    wanted = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108 - mkdtemp
    usable = (p for p in wanted if p and len(p) < _MAX_PARENT_CHARS and os.access(p, os.W_OK))
    return Path(tempfile.mkdtemp(prefix="llm-scheduler-", dir=next(usable, None)))
