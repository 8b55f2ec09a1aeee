"""A desk over real files, and over a run whose resources are one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.approval import Approval
from llm_scheduler.agent.desk import ApprovalDesk
from llm_scheduler.agent.places import open_agent_folder
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ChangedSince, ToolError
from llm_scheduler.tools import file_changes
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.workspace import Workspace

MODEL = "model.py"
BEFORE = "def f(x):\n    return 1 / x\n"
AFTER = "def f(x):\n    return 1 / (x + 1e-9)\n"
EDIT = {"path": MODEL, "old_text": "1 / x", "new_text": "1 / (x + 1e-9)", "reason": "Zero."}
LEARNER = "learner:/data/a.pickle"


def wait_for_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait until the disk has it: what processes see of files is the same."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


class CountingExecutor:
    """Carries out changes and writes down each one that it begins.

    Parameters
    ----------
    folder
        Holds the workspace ``work``, the file ``run.json`` with the resources of a
        learner, and ``effects``.
    owns_run
        Whether this process can change the run.

    """

    def __init__(self, folder: Path, *, owns_run: bool = True) -> None:
        (folder / "work").mkdir(exist_ok=True)
        self.workspace = Workspace([folder / "work"])
        self.owns_run = owns_run
        self._run = folder / "run.json"
        self._effects = folder / "effects"

    def plan(self, tool: str, arguments: Mapping[str, Any]) -> PlannedChange:
        if tool != "set_resources":
            return file_changes.plan_file_change(self.workspace, tool, dict(arguments))
        before = self._learner()
        after = before.model_copy(
            update={"content": json.dumps({"memory": arguments["memory"]}).encode()}
        )
        return PlannedChange(
            tool=tool,
            kind="resources",
            summary=f"Ask for memory {arguments['memory']}",
            diff="",
            risk="",
            before=(before,),
            after=(after,),
        )

    def states_now(self, change: PlannedChange) -> tuple[State, ...]:
        if change.is_about_run:
            if not self.owns_run:
                raise ToolError("The run is elsewhere.")
            return (self._learner(),)
        return file_changes.states_now(self.workspace, change)

    def apply(self, change: PlannedChange) -> None:
        self._note("apply")
        if not change.is_about_run:
            file_changes.apply(self.workspace, change)
        elif self.states_now(change) != change.before:
            raise ChangedSince("The resources have changed.", path=LEARNER)
        else:
            self._run.write_bytes(change.after[0].content)

    def finish(self, change: PlannedChange) -> None:
        self._note("finish")
        file_changes.finish(self.workspace, change)

    def can_apply(self, change: PlannedChange) -> bool:
        return self.owns_run or not change.is_about_run

    def _learner(self) -> State:
        content = self._run.read_bytes() if self._run.exists() else b"{}"
        return State(target=LEARNER, what="learner", content=content)

    def _note(self, what: str) -> None:
        with self._effects.open("a") as file:
            file.write(f"{what} {os.getpid()}\n")


class Bench:
    """A desk, its folder, and short ways to use both."""

    def __init__(
        self,
        folder: Path,
        *,
        owns_run: bool = True,
        on_step: Callable[[str], object] | None = None,
        **settings: Any,
    ) -> None:
        self.path = folder
        self.work = folder / "work"
        self.settings = LLMSettings(**settings)
        self.folder = open_agent_folder(
            self.settings, folder / "state", folder / "a.failures.sqlite", mounts=""
        )
        # What a killed process has written the kernel still has; only the power may not fail.
        self.folder.database._connection.execute("PRAGMA synchronous=OFF")
        self.executor = CountingExecutor(folder, owns_run=owns_run)
        self.desk = ApprovalDesk(self.folder, self.executor, self.settings, on_step=on_step)
        self._calls = 0

    def write(self, name: str = MODEL, text: str = BEFORE) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str = MODEL) -> str:
        return (self.work / name).read_text()

    def propose(
        self, tool: str = "replace_text", *, thread: str = "chat", turn: str = "t1", **given: Any
    ) -> Approval:
        call_id = given.pop("call_id", None)
        must_ask = given.pop("must_ask", False)
        if call_id is None:
            self._calls += 1
            call_id = f"call-{os.getpid()}-{self._calls}"
        arguments = given or EDIT
        if tool != "set_resources":
            arguments = {"reason": "So it works."} | arguments
        return self.desk.propose(
            thread_id=thread,
            turn_id=turn,
            call_id=call_id,
            tool=tool,
            arguments=arguments,
            reason=str(arguments.get("reason", "")),
            must_ask=must_ask,
        )

    def effects(self) -> list[str]:
        """Say what was begun: ``apply`` or ``finish``, for each time."""
        path = self.path / "effects"
        return (
            [line.split()[0] for line in path.read_text().split("\n")[:-1]] if path.exists() else []
        )

    def audit(self) -> list[dict[str, Any]]:
        """Return the lines of the audit; fails on one that is half written."""
        path = self.folder.audit_file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def events(self) -> list[str]:
        return [line["event"] for line in self.audit()]

    def close(self) -> None:
        self.folder.close()
