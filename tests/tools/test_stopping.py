"""A tool ends soon after its turn was cancelled, and does not look for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.logs.reader import LogReader
from llm_scheduler.tools import file_reading, file_search, log_pages
from llm_scheduler.tools.file_tools import file_tools
from llm_scheduler.tools.making_tools import make_tool
from llm_scheduler.tools.stopping import Stopped, check_stop
from llm_scheduler.tools.workspace import Workspace

N_FILES = 30


class Held:
    """Stands for a function that is slow: waits at its first call, and counts."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.n_calls = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.n_calls += 1
        self.reached.set()
        assert self.go_on.wait(120)
        return self.function(*arguments, **named)


@pytest.fixture
def tree(tmp_path: Path) -> Workspace:
    for i in range(N_FILES):
        folder = tmp_path / f"part-{i % 5}"
        folder.mkdir(exist_ok=True)
        (folder / f"model-{i}.py").write_text("beta = 1\n")
    return Workspace([tmp_path])


async def cancel_in(held: Held, call: Callable[[], str]) -> BaseException:
    """Cancel a tool while its function is held; return what its thread ended with."""
    ended: list[BaseException] = []
    has_ended = threading.Event()

    def look() -> str:
        """Look."""
        try:
            return call()
        except BaseException as exc:
            ended.append(exc)
            raise
        finally:
            has_ended.set()

    task = asyncio.create_task(make_tool(look).ainvoke({}))
    assert await asyncio.to_thread(held.reached.wait, 120)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.go_on.set()
    assert await asyncio.to_thread(has_ended.wait, 120)
    return ended[0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("search_files", {"text": "beta"}), ("list_files", {"recursive": True})],
)
async def test_a_search_of_a_tree_ends_at_the_next_file(
    tree: Workspace, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    held = Held(file_search.stat_at)
    monkeypatch.setattr(file_search, "stat_at", held)
    (tool,) = (tool for tool in file_tools(tree, 4000) if tool.name == name)
    run: Any = tool
    assert isinstance(await cancel_in(held, lambda: run.func(**arguments)), Stopped)
    assert held.n_calls == 1


async def test_a_large_folder_and_a_large_file_are_left_as_well(
    tree: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large.txt").write_bytes(b"x" * (3 << 20))
    held = Held(file_reading.os.read)
    monkeypatch.setattr(file_reading.os, "read", held)
    assert isinstance(await cancel_in(held, lambda: str(tree.read("large.txt"))), Stopped)
    assert held.n_calls == 1


async def test_a_log_is_left_at_the_next_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "job.out"
    log.write_bytes(b"line\n")
    with LogReader(log) as reader:
        held = Held(bytes)
        monkeypatch.setattr(reader, "chunks", lambda: (held(b"line\n") for _ in range(9)))
        chunks = log_pages.Chunks(reader, lambda: 0.0, 1.0)
        assert isinstance(await cancel_in(held, lambda: str(list(chunks))), Stopped)
        assert held.n_calls == 1


def test_a_walk_ends_when_the_time_is_over_and_says_so(
    tree: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_search, "MAX_S", 0.0)
    for tool in file_tools(tree, 4000):
        if tool.name != "read_file":
            arguments = {"text": "beta"} if tool.name == "search_files" else {}
            assert "Stopped after 0 seconds" in tool.invoke(arguments)


def test_outside_of_a_call_nothing_is_stopped() -> None:
    check_stop()
