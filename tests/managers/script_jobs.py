"""Runs whose jobs are small shell scripts: real jobs of real schedulers, quick to start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import adaptive

from llm_scheduler.engine.local_scheduler import LocalScheduler
from llm_scheduler.managers.run_manager import RunManager

NAME_ERROR = """\
cat <<'LOG'
Traceback (most recent call last):
  File "/home/ann/model.py", line 12, in energy
    return spectrun(x)
           ^^^^^^^^
NameError: name 'spectrun' is not defined. Did you mean: 'spectrum'?
LOG
exit 1
"""
KEY_ERROR = """\
cat <<'LOG'
Traceback (most recent call last):
  File "/home/ann/model.py", line 40, in load
    return table["mu"]
KeyError: 'mu'
LOG
exit 1
"""
HANG = "exec sleep 600\n"
LIMIT_S = 240.0
"""For what a machine with much to do does late; it costs nothing where it is done in time."""


class ScriptScheduler(LocalScheduler):
    """A `LocalScheduler` whose job for learner ``i`` runs ``scripts[i]``."""

    def __init__(self, scripts: Sequence[str], **kwargs: Any) -> None:
        kwargs.setdefault("max_cores", 4)
        super().__init__(cores=(1,) * len(scripts), **kwargs)
        self.scripts = list(scripts)

    def job_script(self, options: dict[str, Any], *, index: int | None = None) -> str:
        assert index is not None
        return f"#!/usr/bin/env bash\n{self.scripts[index]}"


def make_learners(folder: Path, n: int) -> tuple[list[Any], list[str]]:
    learners = [adaptive.Learner1D(abs, bounds=(-1, 1)) for _ in range(n)]
    return learners, [str(folder / f"learner-{i}.pickle") for i in range(n)]


def make_run(folder: Path, scripts: Sequence[str], **kwargs: Any) -> RunManager:
    """A run in a folder; equal arguments give the same run again."""
    scheduler = kwargs.pop("scheduler", None) or ScriptScheduler(
        scripts,
        root=folder / "jobs",
        log_folder=folder / "logs",
        batch_folder=folder / "batch",
    )
    learners, fnames = make_learners(folder, len(scripts))
    values: dict[str, Any] = {
        "job_name": "run",
        "db_fname": folder / "run.db.json",
        "url": f"ipc://{folder}/s",
        "goal": lambda learner: False,
        "kill_on_error": None,
        "cleanup_first": True,
        "move_old_logs_to": folder / "old_logs",
        "job_manager_interval": 0.5,
        "llm": "offline",
        "quiet": True,
        "max_restarts": 0,
    }
    return RunManager(scheduler, learners, fnames, **(values | kwargs))


async def until(condition: Callable[[], Any], limit_s: float = LIMIT_S) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)


async def stop(run: RunManager) -> None:
    """End a run and everything that belongs to it."""
    if run.job_manager.task is not None and not run.job_manager.task.done():
        run.cancel()
    await run.close()
    run.scheduler.close()
