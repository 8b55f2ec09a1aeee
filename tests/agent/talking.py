"""An agent over real files, with a model that is scripted, and short ways to talk to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.tools import BaseTool, tool

from llm_scheduler.agent.agent import Agent
from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.events import Done, Event, Failed, Notice, TextDelta
from llm_scheduler.agent.places import open_agent_folder
from llm_scheduler.agent.retries import Patience
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ToolError
from llm_scheduler.testing import scripted_model
from llm_scheduler.tools import file_changes
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.file_tools import file_tools
from llm_scheduler.tools.file_write_tools import FILE_WRITE_TOOLS
from llm_scheduler.tools.workspace import Workspace
from tests.agent.failed_programs import ListedRun

E = TypeVar("E")

MODEL = "model.py"
BEFORE = "def f(x):\n    return 1 / x\n"
AFTER = "def f(x):\n    return 1 / (x + 1e-9)\n"
EDIT = {"path": MODEL, "old_text": "1 / x", "new_text": "1 / (x + 1e-9)", "reason": "Zero."}
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""Of the budget: a day that ends in the middle of a test would give back what was spent."""
EDITING = scripted_model.call_tools(scripted_model.tool("replace_text", **EDIT))
WAIT_S = 120
"""A limit costs nothing where all goes well, and a busy machine may stand still for long."""


async def reach(event: threading.Event) -> None:
    """Wait for something on the server's side."""
    assert await asyncio.to_thread(event.wait, WAIT_S)


def put_forward(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Let the clock of a loop jump, called on the loop: what waits for so long is over.

    A time limit that is really short is over, too, when a machine stands still, and
    perhaps before anything was asked.
    """
    # From the real clock each time: one jump on top of the other would nest without end.
    ahead_s = loop.time() - time.monotonic() + seconds
    loop.time = lambda: time.monotonic() + ahead_s  # type: ignore[method-assign]


async def _no_sleep(_: float) -> None:
    return


AT_ONCE = Patience(sleep=_no_sleep, jitter=lambda: 0.5)


class FileExecutor:
    """Plans and carries out changes of files."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def plan(self, tool: str, arguments: Mapping[str, Any]) -> PlannedChange:
        return file_changes.plan_file_change(self.workspace, tool, dict(arguments))

    def states_now(self, change: PlannedChange) -> tuple[State, ...]:
        return file_changes.states_now(self.workspace, change)

    def apply(self, change: PlannedChange) -> None:
        file_changes.apply(self.workspace, change)

    def finish(self, change: PlannedChange) -> None:
        file_changes.finish(self.workspace, change)

    def can_apply(self, change: PlannedChange) -> bool:
        return not change.is_about_run


class Talk:
    """An agent in a folder; what it looked at is in `looked`."""

    def __init__(
        self,
        folder: Path,
        settings: LLMSettings,
        *,
        run: ListedRun | None = None,
        rules: Any = None,
        read_tools: Sequence[BaseTool] = (),
        real_files: bool = False,
        models: Any = None,
    ) -> None:
        self.path = folder
        self.work = folder / "work"
        self.work.mkdir(exist_ok=True)
        self.settings = settings
        self.looked: list[str] = []
        self.folder = open_agent_folder(settings, folder / "state", folder / "a.sqlite", mounts="")
        workspace = Workspace([self.work])
        self.desk = ApprovalDesk(self.folder, FileExecutor(workspace), settings)
        looks = file_tools(workspace, 6000) if real_files else self._look_tools()
        self.run = run or ListedRun(self.work, [])
        self.day = AgentDatabase(folder / "day.sqlite", is_durable=False)
        self.budget = Budget(
            self.folder.database, settings, run_id="a", day_database=self.day, now=lambda: NOON
        )
        self.agent = Agent(
            settings,
            self.folder,
            desk=self.desk,
            run=self.run,
            read_tools=[*looks, *read_tools],
            write_tools=FILE_WRITE_TOOLS,
            budget=self.budget,
            models=models,
            rules=rules,
            patience=AT_ONCE,
        )

    def _look_tools(self) -> list[BaseTool]:
        @tool
        def read_file(path: str, first_line: int = 1) -> str:
            """Read a file."""
            self.looked.append(path)
            if path == "breaks":
                raise RuntimeError("the disk is on fire")
            try:
                return (self.work / path).read_text()
            except OSError as exc:
                raise ToolError(f"{path!r} can't be read from line {first_line}: {exc}") from exc

        @tool
        def list_jobs() -> str:
            """List the jobs."""
            self.looked.append("jobs")
            return "12 failed"

        return [read_file, list_jobs]

    def write(self, name: str = MODEL, text: str = BEFORE) -> Path:
        path = self.work / name
        path.write_text(text)
        return path

    def read(self, name: str = MODEL) -> str:
        return (self.work / name).read_text()

    async def say(self, message: str | None, thread: str = "chat-1") -> list[Event]:
        return [event async for event in self.agent.stream(message, thread)]

    async def say_till_given_up(self, message: str, silent: scripted_model.Gate) -> list[Event]:
        """Talk to a model that falls silent, and let the time pass until it is given up."""
        failed: list[Event] = []
        self.agent.subscribe(lambda e: failed.append(e) if isinstance(e, Failed) else None)
        task = asyncio.create_task(self.say(message))
        await reach(silent.reached)

        async def pass_time() -> None:
            if not failed:  # what follows has limits of its own
                put_forward(asyncio.get_running_loop(), self.settings.timeout_s + 1)

        while not failed and not task.done():
            # Again, as between two pieces of an answer nobody waits.
            await self.agent._loop.call(pass_time())
            await asyncio.sleep(0.05)
        return await task

    def close(self) -> None:
        self.agent.close()
        self.folder.close()
        self.day.close()


def of_kind(events: Sequence[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in of_kind(events, TextDelta))


def end_of(events: Sequence[Event]) -> Done:
    assert isinstance(events[-1], Done)
    assert len(of_kind(events, Done)) == 1
    return events[-1]


def problem_of(events: Sequence[Event]) -> Failed:
    (failed,) = of_kind(events, Failed)
    assert end_of(events).status == "failed"
    return failed


def notices_of(events: Sequence[Event]) -> str:
    return "\n".join(event.text for event in of_kind(events, Notice))
