"""`PruningSaver`: LangGraph's checkpoints in SQLite, of which only the latest is kept.

Every step of a turn saves the whole conversation; without this, 50 turns of 2 kB take
40 MB. Conversations go on from their latest state only, so that is what is kept.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.sqlite import SqliteSaver

from llm_scheduler.agent.threads import BUSY_TIMEOUT_S, COUNT_TOKENS, WAL_PAGES, connect
from llm_scheduler.errors import StoreError

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
log = logging.getLogger(__name__)

LARGE_CHARS = 300_000
"""A conversation of more is read and written by the worker; the loop would feel it."""
HELD_S = 0.02
"""So long what the end of a step makes needless is not written."""
_PAGE = 4096
_PAGES_OF_A_COMMIT = 6
"""About what a small one adds to the log: rows, their indices, the free list."""
_PRIMARY_CODE = 0xFF


class _Held(NamedTuple):
    """Something that is not written yet."""

    checkpoint: str
    """To which it belongs; later ones have greater ids."""
    write: Callable[[], Any]


class PruningSaver(SqliteSaver):
    """Keeps the latest checkpoint of each thread, for a graph that runs on a loop.

    Operations are done one at a time and each as a whole: LangGraph's own asynchronous
    one goes back and forth for every statement, and a turn that is cancelled in between
    leaves a transaction open that locks out everybody else.

    They take some 0.1 ms, as nothing waits for the disk, and going to another thread and
    back takes three times as long: the loop does them itself. What may take long is the
    worker's: large conversations, waiting for another process that has locked the file,
    and writing the log back.

    The state after a step is written at once, and LangGraph waits for it. What the tasks
    of a step have done, one by one, is removed again with that; as most steps end soon
    after their first task, it is held for a moment, and so are counts of tokens. An
    interrupt, after which no step may end for days, is not.

    Parameters
    ----------
    path
        The SQLite file.

    Raises
    ------
    StoreError
        Of every operation, too: the file can't be used.

    """

    def __init__(self, path: Path) -> None:
        super().__init__(connect(path))
        self._path = path
        self._tidying = self.conn
        try:
            with self._translated():
                self.setup()
            self._tidying = connect(path)
            """A second one, with which the worker writes the log back."""
        except BaseException:
            self.conn.close()
            raise
        self._cursor: sqlite3.Cursor | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llm-scheduler-threads")
        self._n_queued = 0
        """Operations that the worker has not finished; what comes later comes after them."""
        self._large: set[str] = set()
        self._held: dict[str, list[_Held]] = {}
        """By thread; what belongs to a checkpoint before the thread's next one."""
        self._counts: list[tuple[int, int, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._log_pages = 0
        self._set_patience(0)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the latest checkpoint of a thread."""
        thread_id = _thread_of(config)
        await self._write_held(thread_id)
        return await self._do(thread_id, self.get_tuple, config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint and remove the earlier ones of its thread."""
        thread_id = _thread_of(config)
        put = partial(self._put_last, config, checkpoint, metadata, new_versions)
        if metadata.get("source") == "input":
            # LangGraph's own first step follows, which calls nobody.
            self._hold(thread_id, _Held(checkpoint["id"], put))
            return _config_of(config, checkpoint)
        saved = await self._do(thread_id, put)
        later = [one for one in self._held.pop(thread_id, ()) if one.checkpoint >= checkpoint["id"]]
        if later:
            self._held[thread_id] = later
        return saved

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what one task of a step has done."""
        thread_id = _thread_of(config)
        put = partial(self.put_writes, config, writes, task_id, task_path)
        self._hold(thread_id, _Held(str(config["configurable"]["checkpoint_id"]), put))
        if any(channel in WRITES_IDX_MAP for channel, _ in writes):
            await self._write_held(thread_id)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread."""
        self._held.pop(thread_id, None)
        await self._do(thread_id, self.delete_thread, thread_id)

    def count_tokens(self, thread_id: str, input_tokens: int, output_tokens: int) -> None:
        """Add what a call of the model used to what the list of threads tells."""
        self._counts.append((input_tokens, output_tokens, thread_id))
        self._write_soon()

    async def aclose(self) -> None:
        """Finish what is under way and close the file."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._write_all()
            await self._do_in_worker(self._close)
        except RuntimeError:  # Python is ending: its threads are gone, and with them what they did
            self._close()
        self._worker.shutdown(wait=False)

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Hold a transaction, one for all that is called within it; undone when it fails."""
        if self._cursor is not None:
            yield self._cursor
            return
        self._cursor = self.conn.cursor()
        try:
            yield self._cursor
            if transaction:
                n_counts = len(self._counts)
                if n_counts:
                    self._cursor.executemany(COUNT_TOKENS, self._counts[:n_counts])
                self.conn.commit()
                del self._counts[:n_counts]
                self._log_pages += _PAGES_OF_A_COMMIT
        except BaseException:
            self.conn.rollback()
            raise
        finally:
            self._cursor.close()
            self._cursor = None

    # -- what is held ----------------------------------------------------------------

    def _hold(self, thread_id: str, held: _Held) -> None:
        self._held.setdefault(thread_id, []).append(held)
        self._write_soon()

    def _write_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HELD_S, self._begin_writing)

    def _begin_writing(self) -> None:
        self._timer = None
        if self._held or self._counts:
            task = asyncio.get_running_loop().create_task(self._write_all())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write_all(self) -> None:
        try:
            for thread_id in list(self._held):
                await self._write_held(thread_id)
            if self._counts:
                await self._do("", self._write_counts)
        except StoreError as exc:
            # What a step has done is in its checkpoint, for which its turn waits.
            log.warning("what tasks have done can't be written: %s", exc)

    async def _write_held(self, thread_id: str) -> None:
        held = self._held.pop(thread_id, [])
        if held:
            await self._do(thread_id, self._write, held)

    def _write(self, held: Sequence[_Held]) -> None:
        with self.cursor():
            for one in held:
                one.write()

    def _write_counts(self) -> None:
        with self.cursor():
            pass  # a transaction takes them along

    # -- where it is done ------------------------------------------------------------

    async def _do(self, thread_id: str, function: Callable[..., T], *arguments: Any) -> T:
        with self._translated():
            if not self._n_queued and thread_id not in self._large:
                try:
                    return function(*arguments)
                except sqlite3.OperationalError as exc:
                    if not _is_locked(exc):
                        raise
                finally:
                    self._tidy()
            return await self._do_in_worker(self._do_patiently, function, *arguments)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:  # a full disk, one that only lets read, a broken file
            raise StoreError(f"{self._path} can't be used: {exc}") from exc

    async def _do_in_worker(self, function: Callable[..., T], *arguments: Any) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._worker, function, *arguments)
        self._n_queued += 1
        done.add_done_callback(self._leave_queue)
        # It goes on when the caller is cancelled.
        return await asyncio.shield(done)

    def _leave_queue(self, _: asyncio.Future[Any]) -> None:
        self._n_queued -= 1

    def _do_patiently(self, function: Callable[..., T], *arguments: Any) -> T:
        self._set_patience(BUSY_TIMEOUT_S)
        try:
            return function(*arguments)
        finally:
            self._set_patience(0)

    def _set_patience(self, timeout_s: float) -> None:
        self.conn.execute(f"PRAGMA busy_timeout={timeout_s * 1000:.0f}").close()

    def _tidy(self) -> None:
        """Let the worker write the log back into the file, which waits for the disk."""
        if self._log_pages < WAL_PAGES:
            return
        self._log_pages = 0
        try:
            self._worker.submit(self._write_back)
        except RuntimeError:  # Python is ending; the next process does it
            log.debug("the log of conversations is not written back", exc_info=True)

    def _write_back(self) -> None:
        try:
            self._tidying.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except sqlite3.Error as exc:
            log.warning("the log of conversations can't be written back: %s", exc)

    # -- what is done ----------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the latest checkpoint of a thread."""
        found = super().get_tuple(config)
        if found is not None:
            self._note_size(_thread_of(config), found.checkpoint)
        return found

    def _put_last(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread_id = _thread_of(config)
        where = (thread_id, config["configurable"]["checkpoint_ns"], checkpoint["id"])
        earlier = "WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?"
        with self.cursor() as cursor:
            saved = self.put(config, checkpoint, metadata, new_versions)
            cursor.execute(f"DELETE FROM checkpoints {earlier}", where)  # noqa: S608 - a literal
            cursor.execute(f"DELETE FROM writes {earlier}", where)  # noqa: S608 - a literal
        self._log_pages += self._note_size(thread_id, checkpoint) // _PAGE
        return saved

    def _note_size(self, thread_id: str, checkpoint: Checkpoint) -> int:
        messages = checkpoint["channel_values"].get("messages") or ()
        size = sum(len(message.content) for message in messages)
        if size > LARGE_CHARS:
            self._large.add(thread_id)
        else:
            self._large.discard(thread_id)
        return size

    def _close(self) -> None:
        self._tidying.close()
        self.conn.close()


def _thread_of(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


def _config_of(config: RunnableConfig, checkpoint: Checkpoint) -> RunnableConfig:
    names = config["configurable"]
    return {
        "configurable": {
            "thread_id": names["thread_id"],
            "checkpoint_ns": names["checkpoint_ns"],
            "checkpoint_id": checkpoint["id"],
        }
    }


def _is_locked(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


async def open_saver(path: Path) -> PruningSaver:
    """Open the file of conversations.

    Raises
    ------
    StoreError
        It can't be used.

    """

    def make() -> PruningSaver:
        return PruningSaver(path)

    return await asyncio.to_thread(make)
