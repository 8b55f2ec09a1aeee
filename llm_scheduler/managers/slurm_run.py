"""`slurm_run`: the engine's, with every failure explained."""

from __future__ import annotations

import functools
import types
from typing import Any

from adaptive_scheduler.server_support import slurm_run as engine_slurm_run

from llm_scheduler.managers.run_manager import RunManager


def slurm_run(
    learners: list[Any],
    fnames: list[Any],
    *,
    llm: object = "auto",
    restart_cancelled: bool = False,
    max_restarts: int | None = None,
    **kwargs: Any,
) -> RunManager:
    """Run learners on a Slurm cluster; nothing is submitted before ``start()``.

    Parameters
    ----------
    learners, fnames, **kwargs
        As for ``adaptive_scheduler.slurm_run``.
    llm, restart_cancelled, max_restarts
        As for `RunManager`.

    """
    make = functools.partial(
        RunManager,
        llm=llm,
        restart_cancelled=restart_cancelled,
        max_restarts=max_restarts,
    )
    # The engine's function as it is, but for the class that it makes at its end. A
    # copy with other globals leaves the engine's own untouched.
    engine = types.FunctionType(
        engine_slurm_run.__code__,
        {**engine_slurm_run.__globals__, "RunManager": make},
        engine_slurm_run.__name__,
        engine_slurm_run.__defaults__,
        engine_slurm_run.__closure__,
    )
    engine.__kwdefaults__ = engine_slurm_run.__kwdefaults__
    run_manager = engine(learners, fnames, **kwargs)
    assert isinstance(run_manager, RunManager)
    return run_manager
