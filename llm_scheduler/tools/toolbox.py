"""`Toolbox`: all tools of one run, and the one place where changes are carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_scheduler.errors import ToolError
from llm_scheduler.tools import file_changes, run_changes
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.run_view import RunView
from llm_scheduler.tools.workspace import Workspace

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

READ_CHARS = 6000
"""Longest answer of a tool: a small local model takes in 8,000 tokens."""


class Toolbox:
    """What the agent can look at and change in one run.

    Parameters
    ----------
    workspace
        The folders that may be read and written.
    run
        The run, as its own process or another shell sees it.

    """

    def __init__(self, workspace: Workspace, run: RunView) -> None:
        self.workspace = workspace
        self.run = run

    def read_tools(self, max_chars: int = READ_CHARS) -> list[BaseTool]:
        """Return the tools that only look."""
        # Here, as they load LangChain, which takes a second.
        from llm_scheduler.tools.file_tools import file_tools
        from llm_scheduler.tools.job_tools import job_tools
        from llm_scheduler.tools.learner_tools import learner_tools
        from llm_scheduler.tools.log_tools import log_tools

        return [
            *job_tools(self.run, max_chars),
            *log_tools(self.run, max_chars),
            *learner_tools(self.run, max_chars),
            *file_tools(self.workspace, max_chars),
        ]

    def write_tools(self) -> list[BaseTool]:
        """Return the tools that propose changes; they carry out nothing themselves."""
        from llm_scheduler.tools.file_write_tools import FILE_WRITE_TOOLS
        from llm_scheduler.tools.run_write_tools import RUN_WRITE_TOOLS

        return [*FILE_WRITE_TOOLS, *RUN_WRITE_TOOLS]

    def plan(self, tool: str, arguments: Mapping[str, Any]) -> PlannedChange:
        """Say what a call of a write tool would change.

        Raises
        ------
        ToolError
            It can't be done, or there is no such tool.

        """
        if tool in file_changes.TOOLS:
            return file_changes.plan_file_change(self.workspace, tool, dict(arguments))
        if tool in run_changes.TOOLS:
            return run_changes.plan_run_change(self.run, tool, dict(arguments))
        known = ", ".join(sorted({*file_changes.TOOLS, *run_changes.TOOLS}))
        raise ToolError(f"There is no tool {tool!r} that changes something; there are: {known}.")

    def states_now(self, change: PlannedChange) -> tuple[State, ...]:
        """Return what the targets of a change are like now."""
        if change.is_about_run:
            return run_changes.states_now(self.run, change)
        return file_changes.states_now(self.workspace, change)

    def apply(self, change: PlannedChange) -> None:
        """Carry out a change.

        Raises
        ------
        ChangedSince
            A target is not any more what it was; nothing was changed.

        """
        if change.is_about_run:
            run_changes.apply(self.run, change)
        else:
            file_changes.apply(self.workspace, change)

    def finish(self, change: PlannedChange) -> None:
        """Complete a change in the middle of which the process died."""
        if change.is_about_run:
            run_changes.finish(self.run, change)
        else:
            file_changes.finish(self.workspace, change)

    def can_apply(self, change: PlannedChange) -> bool:
        """Whether this process can carry it out: jobs are changed by the run's own."""
        return self.run.can_control or not change.is_about_run
