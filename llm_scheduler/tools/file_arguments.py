"""What the write tools for files take. The schemas are plain, as small models need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_scheduler.errors import ToolError

_PATH = "Path of the file, relative to the run folder or absolute."
_REASON = "Why this change helps, in one or two sentences for the user."


class _Arguments(BaseModel):
    # An argument that is not known, such as mode="append", must not be left out silently.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReplaceText(_Arguments):
    """Replace one piece of text in a file. Everything else stays as it is."""

    path: str = Field(description=_PATH)
    old_text: str = Field(
        description="The text to replace, exactly as in the file (without line numbers). "
        "It must occur once only: take enough lines around it."
    )
    new_text: str = Field(description="The text that stands there afterwards.")
    reason: str = Field(description=_REASON)


class WriteFile(_Arguments):
    """Write a whole file: a new one, or in place of all that an existing one holds."""

    path: str = Field(description=_PATH)
    content: str = Field(description="All that the file shall hold.")
    reason: str = Field(description=_REASON)


class MoveFile(_Arguments):
    """Move or rename a file. Nothing may be at the new path yet."""

    path: str = Field(description=_PATH)
    new_path: str = Field(description="Where the file shall be.")
    reason: str = Field(description=_REASON)


class DeleteFile(_Arguments):
    """Delete a file. The user can undo it."""

    path: str = Field(description=_PATH)
    reason: str = Field(description=_REASON)


class MakeDirectory(_Arguments):
    """Make a folder, with the folders above it that are missing."""

    path: str = Field(description="Path of the folder, relative to the run folder or absolute.")
    reason: str = Field(description=_REASON)


FileArguments = ReplaceText | WriteFile | MoveFile | DeleteFile | MakeDirectory

ARGUMENTS: dict[str, type[FileArguments]] = {
    "replace_text": ReplaceText,
    "write_file": WriteFile,
    "move_file": MoveFile,
    "delete_file": DeleteFile,
    "make_directory": MakeDirectory,
}
"""The write tools by name."""


def read_arguments(tool: str, arguments: Mapping[str, Any]) -> FileArguments:
    """Check the arguments of a call.

    Raises
    ------
    ToolError
        There is no such tool, or an argument is missing, unknown or of the wrong type.

    """
    schema = ARGUMENTS.get(tool)
    if schema is None:
        raise ToolError(f"There is no tool {tool!r} for files; there are: {', '.join(ARGUMENTS)}.")
    # A change that the user makes or edits needs no reason.
    given = {"reason": "", **arguments}
    try:
        return schema.model_validate(given)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors()
        )
        wanted = ", ".join(schema.model_fields)
        raise ToolError(f"{tool} takes {wanted}. Wrong here: {problems}.") from exc
