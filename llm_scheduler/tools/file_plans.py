"""What a call of a write tool would change, planned against what is there now."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.change import ChangeKind, PlannedChange, State, diff_states
from llm_scheduler.tools.diffs import count_changed
from llm_scheduler.tools.file_arguments import (
    DeleteFile,
    FileArguments,
    MakeDirectory,
    MoveFile,
    ReplaceText,
    WriteFile,
    read_arguments,
)
from llm_scheduler.tools.file_reading import check_text, kind_of, read_file
from llm_scheduler.tools.start_files import find_warning
from llm_scheduler.tools.text_files import (
    check_no_placeholder,
    check_still_hidden,
    find_hidden,
    read_text,
    replace_once,
)
from llm_scheduler.tools.visible import has_hidden, is_plain_name, show_name
from llm_scheduler.tools.walk import MissingFolder, Place
from llm_scheduler.tools.workspace import Workspace

_MAX_DEPTH = 20
_MAX_NAME_BYTES = 255
_UMASK = re.compile(r"^Umask:\s*([0-7]+)", re.MULTILINE)
_FALLBACK_UMASK = 0o077
_CODE = (".py", ".pyx", ".ipynb", ".jl", ".r", ".c", ".cpp", ".f90", ".lua")
_SCRIPTS = (".sh", ".sbatch", ".batch", ".slurm", ".pbs", ".job", ".bash", ".csh")


def plan_file_change(
    workspace: Workspace, tool: str, arguments: Mapping[str, Any]
) -> PlannedChange:
    """Say what a call of a write tool would change; changes nothing.

    Raises
    ------
    ToolError
        It can't be done or is not allowed; the text says what to do instead.

    """
    call = read_arguments(tool, arguments)
    planners: dict[type[FileArguments], Callable[[Workspace, Any], PlannedChange]] = {
        ReplaceText: _plan_replace,
        WriteFile: _plan_write,
        MoveFile: _plan_move,
        DeleteFile: _plan_delete,
        MakeDirectory: _plan_directory,
    }
    return planners[type(call)](workspace, call)


# -- one tool each ---------------------------------------------------------------------


def _plan_replace(workspace: Workspace, call: ReplaceText) -> PlannedChange:
    before = workspace.visit(call.path, lambda place: _existing(workspace, place))
    check_text(before.target, before.content)
    shown = workspace.shorten(before.target)
    content = replace_once(shown, before.content, call.old_text, call.new_text)
    return _plan_edit(workspace, "replace_text", before, content)


def _plan_write(workspace: Workspace, call: WriteFile) -> PlannedChange:
    before = workspace.visit(call.path, lambda place: _existing_or_absent(workspace, place))
    _check_size(workspace, before.target, len(call.content))
    shown = workspace.shorten(before.target)
    if before.what == "file":
        check_text(before.target, before.content)
        file = read_text(before.content)
        text = call.content.replace("\r\n", "\n")
        content = file.bom + file.encode(text.replace("\n", file.newline), shown)
        check_no_placeholder(shown, file.text, text)
        check_still_hidden(shown, file.text, text)
        if content == before.content:
            raise ToolError(f"{shown} already holds exactly this; nothing would change.")
        return _plan_edit(workspace, "write_file", before, content)
    check_no_placeholder(shown, "", call.content)
    try:
        content = call.content.encode()
    except UnicodeEncodeError as exc:
        raise ToolError("The content holds characters that can't be written.") from exc
    _check_size(workspace, before.target, len(content))
    check_text(before.target, content)
    after = State(target=before.target, what="file", content=content, mode=0o666 & ~_umask())
    n_lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    return _plan(
        "write_file", "create", f"Write the new file {shown} ({_lines(n_lines)})", before, after
    )


def _plan_edit(workspace: Workspace, tool: str, before: State, content: bytes) -> PlannedChange:
    _check_size(workspace, before.target, len(content))
    check_text(before.target, content)
    after = before.model_copy(update={"content": content})
    n_lines = count_changed(before.content, content)
    summary = f"Edit {workspace.shorten(before.target)} ({_lines(n_lines)})"
    return _plan(tool, "edit", summary, before, after)


def _plan_move(workspace: Workspace, call: MoveFile) -> PlannedChange:
    before = workspace.visit(
        call.path, lambda place: _existing(workspace, place, is_removal=True), follow_last=False
    )

    def look(place: Place) -> State:
        if place.is_folder:
            raise ToolError(
                f"{show_name(place.path)} is a folder; new_path must be the whole new path, "
                "with the name of the file."
            )
        if place.info is not None:
            raise ToolError(f"{show_name(place.path)} is there already; move or delete it first.")
        return _absent(workspace, place)

    target = workspace.visit(call.new_path, look, follow_last=False)
    old, new = workspace.shorten(before.target), workspace.shorten(target.target)
    moved = before.model_copy(update={"target": target.target})
    gone = State(target=before.target, what="absent", mode=0)
    return _plan("move_file", "move", f"Move {old} to {new}", (before, target), (gone, moved))


def _plan_delete(workspace: Workspace, call: DeleteFile) -> PlannedChange:
    before = workspace.visit(
        call.path, lambda place: _existing(workspace, place, is_removal=True), follow_last=False
    )
    after = State(target=before.target, what="absent", mode=0)
    summary = f"Delete {workspace.shorten(before.target)} ({len(before.content):,} bytes)"
    return _plan("delete_file", "delete", summary, before, after)


def _plan_directory(workspace: Workspace, call: MakeDirectory) -> PlannedChange:
    paths = _missing_folders(workspace, call.path)
    mode = 0o777 & ~_umask()
    before = tuple(State(target=path, what="absent", mode=0) for path in paths)
    after = tuple(State(target=path, what="directory", mode=mode) for path in paths)
    summary = f"Make the folder {workspace.shorten(paths[-1])}"
    return _plan("make_directory", "make_directory", summary, before, after)


def _missing_folders(workspace: Workspace, path: str) -> list[str]:
    """Return the folders to make, the outermost first, each checked."""
    path = path.rstrip("/") or path
    names: list[str] = []
    while len(names) < _MAX_DEPTH:
        try:
            found = workspace.visit(path, lambda place: _folder_or_absent(workspace, place))
        except MissingFolder:
            above, _, name = path.rstrip("/").rpartition("/")
            if name in ("", ".", "..") or not above:
                raise
            names.append(name)
            path = above
            continue
        if found.what == "directory" and not names:
            raise ToolError(f"{workspace.shorten(found.target)} is there already.")
        start = [] if found.what == "directory" else [found.target]
        base = found.target
        for name in reversed(names):
            base = f"{base}/{name}"
            start.append(base)
        for made in start:
            _check_new(workspace, made)
        return start
    raise ToolError(f"Too many folders are missing on the way to {show_name(path)}.")


# -- what is there -------------------------------------------------------------------------


def _existing(workspace: Workspace, place: Place, *, is_removal: bool = False) -> State:
    """Return the state of a file that may be changed."""
    if place.info is None:
        raise workspace.missing(place)
    if not place.is_file:
        raise ToolError(f"{show_name(place.path)} is {kind_of(place.info)}, not a file.")
    workspace.check_writable(place, is_removal=is_removal)
    content = read_file(place, workspace.max_change_bytes)
    mode = stat.S_IMODE(place.info.st_mode) & 0o777
    return State(target=place.path, what="file", content=content, mode=mode)


def _existing_or_absent(workspace: Workspace, place: Place) -> State:
    return _absent(workspace, place) if place.info is None else _existing(workspace, place)


def _folder_or_absent(workspace: Workspace, place: Place) -> State:
    if place.is_folder:
        return State(target=place.path, what="directory")
    if place.info is not None:
        raise ToolError(f"{show_name(place.path)} is {kind_of(place.info)}, not a folder.")
    return _absent(workspace, place)


def _absent(workspace: Workspace, place: Place) -> State:
    _check_new(workspace, place.path)
    workspace.check_writable(place)
    return State(target=place.path, what="absent", mode=0)


def _check_new(workspace: Workspace, path: str) -> None:
    name = path.rpartition("/")[2]
    if why := workspace.why_secret(path) or workspace.why_not_written(path):
        raise ToolError(f"{show_name(path)} is refused: {why}.")
    if not is_plain_name(path) or name != name.strip():
        raise ToolError(
            f"{show_name(path)}: names of new files have no control characters, no "
            "invisible ones and no blanks at the ends."
        )
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        raise ToolError(f"The name {name[:60]!r}... is too long; use up to 255 bytes.")


def _check_size(workspace: Workspace, path: str, n_bytes: int) -> None:
    if n_bytes > workspace.max_change_bytes:
        raise ToolError(
            f"{show_name(path)} would have {n_bytes:,} bytes; tools write up to "
            f"{workspace.max_change_bytes:,}."
        )


def _umask() -> int:
    """Return what new files of this process don't allow, without changing it for a moment."""
    with suppress(OSError):
        found = _UMASK.search(Path("/proc/self/status").read_text())
        if found:
            return int(found.group(1), 8)
    return _FALLBACK_UMASK


# -- the plan -------------------------------------------------------------------------------


def _plan(
    tool: str,
    kind: ChangeKind,
    summary: str,
    before: State | tuple[State, ...],
    after: State | tuple[State, ...],
) -> PlannedChange:
    befores = before if isinstance(before, tuple) else (before,)
    afters = after if isinstance(after, tuple) else (after,)
    return PlannedChange(
        tool=tool,
        kind=kind,
        summary=summary,
        diff=diff_states(befores, afters),
        risk=_describe_risk(kind, befores, afters),
        before=befores,
        after=afters,
    )


def _lines(n_lines: int) -> str:
    return f"{n_lines:,} line{'' if n_lines == 1 else 's'}"


def _describe_risk(kind: ChangeKind, before: tuple[State, ...], after: tuple[State, ...]) -> str:
    """Say what could go wrong, what needs a second look first."""
    warnings = list(_find_warnings(kind, before, after))
    usual = _usual_risk(kind, after[-1].target)
    if not warnings:
        return usual
    return f"High risk: {'; '.join(warnings)}. {usual}"


def _find_warnings(
    kind: ChangeKind, before: tuple[State, ...], after: tuple[State, ...]
) -> list[str]:
    warnings = []
    for old, new in zip(before, after, strict=True):
        name = show_name(new.target.rpartition("/")[2])
        if new.what != "absent":
            warning = find_warning(new.target, is_new=old.what == "absent")
            warnings += [f"{name}: {warning}"] if warning else []
        if kind not in ("edit", "create"):
            continue
        old_text, new_text = read_text(old.content).text, read_text(new.content).text
        if new.mode & 0o111:
            warnings.append(f"{name} is a program that can be started")
        if has_hidden(new_text) and not has_hidden(old_text):
            warnings.append("the new text has characters that don't show; they stand as escapes")
        if old.content and (gone := len(find_hidden(old_text)) - len(find_hidden(new_text))) > 0:
            warnings.append(f"removes {_lines(gone)} with passwords or keys")
    return warnings


def _usual_risk(kind: ChangeKind, path: str) -> str:
    ending = Path(path).suffix.lower()
    if kind == "delete":
        return "Whatever still reads the file will fail; undo brings it back."
    if kind == "move":
        return "Whatever still uses the old name will fail."
    if kind == "make_directory":
        return "Little: an empty folder."
    if ending in _CODE:
        return "Jobs that load it run the new code from their next start."
    if ending in _SCRIPTS:
        return "Jobs that are started with it run what it says."
    return "Jobs that read it get the new contents."
