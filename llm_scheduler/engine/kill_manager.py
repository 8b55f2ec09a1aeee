"""Cancelling jobs whose log shows an error, without stopping the event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from adaptive_scheduler._server_support.common import log
from adaptive_scheduler._server_support.kill_manager import (
    logs_with_string_or_condition_async,
)
from adaptive_scheduler.server_support import KillManager as EngineKillManager
from adaptive_scheduler.utils import _remove_or_move_files, sleep_unless_task_is_done

from llm_scheduler.engine.failure_watch import FailureWatch


class _LogList:
    """What the engine's search for errors asks of a database: the logs of live jobs.

    The engine's database knows the logs of a job only once the job has asked for its
    learner; the watch knows them from its submission on.
    """

    def __init__(self, watch: FailureWatch) -> None:
        self._rows = [
            {
                "job_id": attempt.job_id,
                "job_name": attempt.job_name,
                "output_logs": list(attempt.log_files),
                "log_fname": "",
            }
            for attempt in watch.attempts.values()
            if not attempt.leftover
        ]

    def as_dicts(self) -> list[dict[str, Any]]:
        return self._rows


class KillManager(EngineKillManager):
    """The engine's `KillManager`, with every blocking call in a thread.

    What it cancels is a failure with a reason: the watch is told before the job is
    cancelled, and the logs are kept before they are moved or deleted.
    """

    def __init__(self, *args: Any, watch: FailureWatch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watch = watch

    async def _manage(self) -> None:
        while True:
            try:
                await self._look_once()
            except asyncio.CancelledError:
                raise
            except Exception as exc:  # noqa: BLE001 - the loop must outlive a bad log
                log.exception("got exception in kill manager", exception=str(exc))
            if await sleep_unless_task_is_done(self.database_manager.task, self.interval):
                return

    async def _look_once(self) -> None:
        found = await logs_with_string_or_condition_async(self.error, _LogList(self.watch))
        files: list[str] = []
        names: list[str] = []
        for job_name, logs in found:
            attempt = self.watch.find(job_name)
            if attempt is None or attempt.gone_at is not None:
                continue  # it has ended by itself
            attempt.killed_because = self._reason()
            attempt.kill_pattern = self.error if isinstance(self.error, str) else ""
            await asyncio.to_thread(self.watch.keeper.follow, [attempt])
            names.append(job_name)
            files.extend(file for file in logs if file)
        if not names:
            return
        await asyncio.to_thread(
            self.scheduler.cancel,
            names,
            with_progress_bar=False,
            max_tries=self.max_cancel_tries,
        )
        await asyncio.to_thread(
            _remove_or_move_files,
            {Path(file) for file in files if Path(file).exists()},
            with_progress_bar=False,
            move_to=self.move_to,
        )
        self.cancelled.extend(names)
        self.deleted.extend(files)

    def _reason(self) -> str:
        if isinstance(self.error, str):
            return f"its log contains {self.error!r}"
        return f"{getattr(self.error, '__name__', 'kill_on_error')} found an error in its log"
