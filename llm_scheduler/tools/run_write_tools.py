"""The tools that change a run, as the model is offered them.

They carry out nothing: the gate turns each call into a change that is planned, shown
and decided.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

from langchain_core.tools import BaseTool, StructuredTool

from llm_scheduler.errors import ToolError

_Learners = Annotated[
    list[str],
    "'learner 3', 'job 12', files, keys of list_groups, or 'failed' for all that failed.",
]
_Reason = Annotated[str, "Why, in one sentence, for the person who decides."]


def set_resources(
    learners: _Learners,
    reason: _Reason,
    memory: Annotated[str, "For example '8GB'; empty to leave it."] = "",
    time: Annotated[str, "Time limit, for example '02:00:00'; empty to leave it."] = "",
    exclude: Annotated[str, "Nodes to avoid, for example 'node7,node9'; empty for none."] = "",
) -> NoReturn:
    """Let the next jobs of learners ask for other memory, time or nodes.

    Running jobs are not touched. Learners that failed also need restart_learners.
    """
    _refuse("set_resources", learners, reason, memory, time, exclude)


def restart_learners(learners: _Learners, reason: _Reason) -> NoReturn:
    """Start learners again that failed or are held; do it after the cause is mended."""
    _refuse("restart_learners", learners, reason)


def _refuse(tool: str, *_: object) -> NoReturn:
    raise ToolError(f"{tool} has to be decided first; it was called past the gate.")


RUN_WRITE_TOOLS: list[BaseTool] = [
    StructuredTool.from_function(function) for function in (set_resources, restart_learners)
]
"""Offered in all modes but read-only."""
