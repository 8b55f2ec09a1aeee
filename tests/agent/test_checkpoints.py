"""`PruningSaver`: what is written at once, what is held, and what the loop never waits for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from llm_scheduler.agent import checkpoints
from llm_scheduler.agent.checkpoints import PruningSaver, open_saver
from llm_scheduler.agent.threads import ThreadList
from tests.agent.talking import WAIT_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.sqlite"


@pytest.fixture
async def saver(path: Path) -> AsyncIterator[PruningSaver]:
    opened = await open_saver(path)
    yield opened
    await opened.aclose()


def rows(path: Path, table: str) -> list[str]:
    """Return what another process finds: the ids of the checkpoints to which rows belong."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(f"SELECT checkpoint_id FROM {table} ORDER BY 1").fetchall()
    finally:
        connection.close()
    return [name for (name,) in found]


def config_of(number: int | None, thread_id: str = "chat") -> Any:
    names = {"thread_id": thread_id, "checkpoint_ns": ""}
    return {"configurable": names | ({} if number is None else {"checkpoint_id": f"{number:06}"})}


async def put(
    saver: PruningSaver,
    number: int,
    text: str = "Why?",
    thread_id: str = "chat",
    source: str = "loop",
) -> Any:
    checkpoint = empty_checkpoint()
    checkpoint["id"] = f"{number:06}"
    checkpoint["channel_values"] = {"messages": [HumanMessage(text, id="1")]}
    before = config_of(number - 1 if number else None, thread_id)
    return await saver.aput(before, checkpoint, {"source": source, "step": number}, {})


async def put_writes(saver: PruningSaver, number: int, channel: str = "messages") -> None:
    answer = [AIMessage("Because.", id="2")]
    await saver.aput_writes(config_of(number), [(channel, answer)], f"task-{channel}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_step_is_written_at_once_and_alone(saver: PruningSaver, path: Path) -> None:
    for number in range(3):
        await put(saver, number)
        assert rows(path, "checkpoints") == [f"{number:06}"]


async def test_what_tasks_did_goes_with_the_end_of_their_step(
    saver: PruningSaver, path: Path
) -> None:
    await put(saver, 0)
    await put_writes(saver, 0)
    await put(saver, 1)
    await put_writes(saver, 1)
    assert rows(path, "checkpoints") == ["000001"]
    found = await saver.aget_tuple(config_of(None))
    assert found is not None
    assert [value[0].text for _, _, value in found.pending_writes or ()] == ["Because."]
    assert rows(path, "writes") == ["000001"]


async def test_what_a_task_did_is_written_while_its_step_goes_on(
    saver: PruningSaver, path: Path
) -> None:
    await put(saver, 0)
    await put_writes(saver, 0)
    await until(lambda: rows(path, "writes") == ["000000"])


async def test_an_interrupt_is_written_at_once(saver: PruningSaver, path: Path) -> None:
    await put(saver, 0)
    await put_writes(saver, 0, "__interrupt__")
    assert rows(path, "writes") == ["000000"]


async def test_an_input_is_found_before_its_first_step(saver: PruningSaver, path: Path) -> None:
    saved = await put(saver, 0, source="input")
    assert saved == config_of(0)
    found = await saver.aget_tuple(config_of(None))
    assert found is not None
    assert found.checkpoint["channel_values"]["messages"][0].text == "Why?"
    assert rows(path, "checkpoints") == ["000000"]


async def test_closing_writes_what_is_held(path: Path) -> None:
    threads = ThreadList(path)
    threads.touch("chat", message="Why?", turn_id="turn-1")
    opened = await open_saver(path)
    await put(opened, 0, source="input")
    opened.count_tokens("chat", 100, 7)
    await opened.aclose()
    assert rows(path, "checkpoints") == ["000000"]
    known = threads.get("chat")
    threads.close()
    assert known is not None
    assert (known.input_tokens, known.output_tokens) == (100, 7)


async def test_a_deleted_thread_stays_deleted(saver: PruningSaver, path: Path) -> None:
    await put(saver, 0)
    await put_writes(saver, 0)
    await saver.adelete_thread("chat")
    assert await saver.aget_tuple(config_of(None)) is None
    assert rows(path, "writes") == []


async def test_counts_come_with_the_next_step(path: Path, saver: PruningSaver) -> None:
    threads = ThreadList(path)
    threads.touch("chat", message="Why?", turn_id="turn-1")
    for _ in range(2):
        saver.count_tokens("chat", 100, 7)
    await put(saver, 0)
    known = threads.get("chat")
    threads.close()
    assert known is not None
    assert (known.input_tokens, known.output_tokens) == (200, 14)


async def test_the_loop_goes_on_while_another_process_holds_the_file(
    saver: PruningSaver, path: Path
) -> None:
    await put(saver, 0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(put(saver, number, f"message {number}")) for number in (1, 2)]
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert not any(task.done() for task in waiting)
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
    assert rows(path, "checkpoints") == ["000002"]
    await put(saver, 3)  # the loop does it itself again
    assert rows(path, "checkpoints") == ["000003"]


async def test_a_cancelled_turn_leaves_no_transaction_open(saver: PruningSaver, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(put(saver, 0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    other.execute("COMMIT")
    await put(saver, 1)
    other.execute("BEGIN IMMEDIATE")  # nobody holds it
    other.execute("ROLLBACK")
    other.close()
    assert rows(path, "checkpoints") == ["000001"]


async def test_large_conversations_are_the_workers(
    saver: PruningSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_worker: list[Any] = []
    do_in_worker = saver._do_in_worker

    async def watch(*arguments: Any) -> Any:
        in_worker.append(arguments)
        return await do_in_worker(*arguments)

    monkeypatch.setattr(saver, "_do_in_worker", watch)
    await put(saver, 0, "x" * (checkpoints.LARGE_CHARS + 1))
    assert in_worker == []  # nobody knew
    await put(saver, 1, "short again")
    assert len(in_worker) == 1
    await put(saver, 2)
    await put(saver, 0, thread_id="another")
    assert len(in_worker) == 1


async def test_the_log_is_written_back(saver: PruningSaver, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    saver.conn.execute("PRAGMA wal_autocheckpoint=0")  # what would help out is not there
    largest, number = 0, 0
    async with asyncio.timeout(WAIT_S):
        # When all of it is written back the next step begins it anew, and cuts it.
        while not largest or log.stat().st_size >= largest:
            for _ in range(50):
                await put(saver, number, "x" * 4000)
                number += 1
            largest = max(largest, log.stat().st_size)
            await asyncio.sleep(0.01)
