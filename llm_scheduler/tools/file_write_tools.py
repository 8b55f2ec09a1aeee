"""The tools by which a model proposes changes of files; they carry out nothing."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.file_arguments import ARGUMENTS, FileArguments


def _refuse(**_: Any) -> str:
    # A graph without the approval gate must not get past here.
    raise ToolError("Changes are made by the approval desk only, never by the tool itself.")


def _make_tool(name: str, schema: type[FileArguments]) -> BaseTool:
    return StructuredTool.from_function(
        func=_refuse, name=name, description=schema.__doc__ or name, args_schema=schema
    )


FILE_WRITE_TOOLS: list[BaseTool] = [_make_tool(name, schema) for name, schema in ARGUMENTS.items()]
"""Offered to the model in the modes that allow changes."""
