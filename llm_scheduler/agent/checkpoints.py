"""`PruningSaver`: LangGraph's checkpoints in SQLite, of which only the latest is kept.

Every step of a turn saves the whole conversation; without this, 50 turns of 2 kB take
40 MB. Conversations go on from their latest state only, so that is what is kept.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.sqlite import SqliteSaver

from llm_scheduler.agent.threads import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
    )

T = TypeVar("T")


class PruningSaver(SqliteSaver):
    """Keeps the latest checkpoint of each thread, for a graph that runs on a loop.

    One thread does all the work, an operation at a time and each as a whole: LangGraph's
    own asynchronous one goes back and forth for every statement, and a turn that is
    cancelled in between leaves a transaction open that locks out everybody else.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llm-scheduler-threads")

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the latest checkpoint of a thread."""
        return await self._do(self.get_tuple, config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint and remove the earlier ones of its thread."""
        return await self._do(self._put_last, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what one task of a step has done."""
        await self._do(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread."""
        await self._do(self.delete_thread, thread_id)

    async def aclose(self) -> None:
        """Finish what is under way and close the file."""
        try:
            await self._do(self.conn.close)
        except RuntimeError:  # Python is ending: its threads are gone, and with them what they did
            self.conn.close()
        self._worker.shutdown(wait=False)

    async def _do(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._worker, function, *arguments))

    def _put_last(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saved = self.put(config, checkpoint, metadata, new_versions)
        names = config["configurable"]
        where = (str(names["thread_id"]), names["checkpoint_ns"], checkpoint["id"])
        earlier = "WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?"
        with self.cursor() as cursor:
            cursor.execute(f"DELETE FROM checkpoints {earlier}", where)  # noqa: S608 - a literal
            cursor.execute(f"DELETE FROM writes {earlier}", where)  # noqa: S608 - a literal
        return saved


async def open_saver(path: Path) -> PruningSaver:
    """Open the file of conversations.

    Raises
    ------
    StoreError
        It can't be used.

    """
    return PruningSaver(await asyncio.to_thread(connect, path))
