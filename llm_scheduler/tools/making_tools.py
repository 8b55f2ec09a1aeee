"""Makes LangChain's tools of our functions."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel

from llm_scheduler.tools.stopping import run_stoppable


def make_tool(func: Callable[..., str], schema: type[BaseModel] | None = None) -> BaseTool:
    """Return the tool of a function; a call of it that is cancelled ends soon.

    Parameters
    ----------
    func
        Its name is the tool's; so are its signature and docstring without a schema.
    schema
        The arguments, with the tool's description as docstring.

    """

    async def run(**arguments: object) -> str:
        return await run_stoppable(func, **arguments)

    return StructuredTool.from_function(
        func=func,
        coroutine=run,
        name=func.__name__,
        description=schema.__doc__ if schema is not None else None,
        args_schema=schema,
    )
