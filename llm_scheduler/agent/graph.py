"""The LangGraph ReAct agent, put together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from langchain.agents import create_agent

from llm_scheduler.agent.gate import Gate
from llm_scheduler.agent.model_calls import ModelCalls
from llm_scheduler.agent.turns import Turn

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


def read_system_prompt() -> str:
    """Return what every conversation begins with."""
    return (files("llm_scheduler.agent") / "prompts" / "system.md").read_text(encoding="utf-8")


def make_graph(
    tools: Sequence[BaseTool], calls: ModelCalls, gate: Gate, saver: BaseCheckpointSaver[Any]
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Return the graph: a call of the model, its tool calls side by side, and again.

    Parameters
    ----------
    tools
        All of them; which ones are offered is decided at each call of the model.
    calls, gate
        What happens at a call of the model and of a tool.
    saver
        Keeps the threads.

    """
    gate.set_tools(tools)
    # `calls` asks the models itself, so the graph is given none.
    model = cast("BaseChatModel", None)
    graph = create_agent(
        model,
        list(tools),
        middleware=[calls, gate],
        context_schema=cast("Any", Turn),
        checkpointer=saver,
    )
    return cast("CompiledStateGraph[Any, Any, Any, Any]", graph)
