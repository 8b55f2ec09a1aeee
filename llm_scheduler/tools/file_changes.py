"""Carry out planned changes of files: all of it or nothing, and only on what was shown.

The new content is written beside the file under another name, brought to the disk, and
then put in its place at once, so that no reader and no crash ever meets half a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from llm_scheduler.errors import ChangedSince, ToolError
from llm_scheduler.tools.change import PlannedChange, State
from llm_scheduler.tools.file_arguments import ARGUMENTS
from llm_scheduler.tools.file_plans import plan_file_change
from llm_scheduler.tools.file_reading import check_changeable, explain, read_file
from llm_scheduler.tools.file_writing import (
    link_new,
    make_folder,
    remove_leftovers,
    sync_folder,
    temporary_file,
)
from llm_scheduler.tools.visible import show_name
from llm_scheduler.tools.walk import MissingFolder, NotAFolder, Place, stat_at
from llm_scheduler.tools.workspace import Workspace

__all__ = ["TOOLS", "apply", "finish", "plan_file_change", "states_now"]

TOOLS = frozenset(ARGUMENTS)
"""Names of the tools whose changes are planned and carried out here."""
OTHER_MODE = -1
"""Mode in the state of what is none of ours: a link, a pipe, too large, unreadable."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}

Pair = tuple[State, State]


def states_now(workspace: Workspace, change: PlannedChange) -> tuple[State, ...]:
    """Return what the targets of a change are like now, in their order.

    What can be neither before nor after, such as a symlink, has the mode `OTHER_MODE`.

    Raises
    ------
    ToolError
        A target is not in the allowed folders (any more), or a disk fails.

    """
    limit = _limit(workspace, change)
    return tuple(_state_now(workspace, state.target, limit) for state in change.before)


def apply(workspace: Workspace, change: PlannedChange) -> None:
    """Carry out a change.

    Raises
    ------
    ChangedSince
        Something is not any more what was shown; nothing was changed.
    ToolError
        The system refuses, the disk is full; nothing was changed.

    """
    for old, now in zip(change.before, states_now(workspace, change), strict=True):
        _check_same(old, now)
    _carry_out(workspace, change, list(zip(change.before, change.after, strict=True)))


def finish(workspace: Workspace, change: PlannedChange) -> None:
    """Complete a change in the middle of which a process died.

    Raises
    ------
    ChangedSince
        Something is neither what it was before nor what it becomes; nothing was changed.
    ToolError
        The system refuses.

    """
    left: list[Pair] = []
    now = states_now(workspace, change)
    found = zip(change.before, change.after, now, strict=True)
    for old, new, state in sorted(found, key=_is_removal):
        if state == new and not left:
            continue
        # What comes later is only done by us when all before it is.
        _check_same(old, state)
        left.append((old, new))
    for state in change.before:
        _clear(workspace, state.target)
    _carry_out(workspace, change, left, is_rest=True)


# -- states ------------------------------------------------------------------------------


def _limit(workspace: Workspace, change: PlannedChange) -> int:
    sizes = [len(state.content) for state in (*change.before, *change.after)]
    return max(workspace.max_change_bytes, *sizes)


def _state_now(workspace: Workspace, target: str, limit: int) -> State:
    try:
        return workspace.visit(
            target, lambda place: _state_at(place, target, limit), follow_last=False
        )
    except MissingFolder:
        return State(target=target, what="absent", mode=0)
    except NotAFolder:
        return _other(target)


def _other(target: str) -> State:
    return State(target=target, what="file", mode=OTHER_MODE)


def _state_at(place: Place, target: str, limit: int) -> State:
    if place.path != target:  # a folder on the way is a symlink now
        return _other(target)
    if place.info is None:
        return State(target=target, what="absent", mode=0)
    mode = place.info.st_mode & 0o777
    if place.is_folder:
        return State(target=target, what="directory", mode=mode)
    try:
        return State(target=target, what="file", content=read_file(place, limit), mode=mode)
    except ToolError:
        return _other(target)
    except PermissionError:
        return _other(target)


def _check_same(shown: State, now: State) -> None:
    if now == shown:
        return
    name = show_name(shown.target)
    if shown.what == "absent":
        what = "is there now and was not"
    elif now.what == "absent":
        what = "is not there any more"
    elif now.mode == OTHER_MODE:
        what = "is now something else, or can't be read"
    elif now.what == shown.what and now.content == shown.content:
        what = f"has other permissions now ({now.mode:o} instead of {shown.mode:o})"
    else:
        what = "has changed"
    raise ChangedSince(f"{name} {what} since the change was shown.", path=shown.target)


def _is_removal(states: Sequence[State]) -> bool:
    """Order what is made before what is taken away: a crash between leaves too much."""
    return states[1].what == "absent"


# -- effects -----------------------------------------------------------------------------


def _carry_out(
    workspace: Workspace, change: PlannedChange, pairs: Sequence[Pair], *, is_rest: bool = False
) -> None:
    limit = _limit(workspace, change)
    if not is_rest and change.kind == "move":
        source, target = sorted(pairs, key=lambda pair: pair[0].what == "absent")
        _move(workspace, source, target, limit)
        return
    ordered = sorted(pairs, key=_is_removal)
    done: list[Pair] = []
    try:
        for old, new in ordered:
            _put(workspace, old, new, limit, is_rest=is_rest)
            done.append((old, new))
    except ToolError:
        if not is_rest:
            for old, new in reversed(done):
                with suppress(ToolError):
                    _put(workspace, new, old, limit, is_rest=True)
        raise


def _put(workspace: Workspace, old: State, new: State, limit: int, *, is_rest: bool) -> None:
    """Make one target what it shall be, in a folder that stays open all the time."""
    try:
        with workspace.open(old.target, follow_last=False) as place:
            remove_leftovers(place.folder)
            _check_same(old, _state_at(place, old.target, limit))
            if old.what == "file" and not is_rest:
                check_changeable(place)
            _change(place, old, new)
            sync_folder(place.folder)
    except OSError as exc:
        raise _explain(old, exc) from exc


def _explain(old: State, exc: OSError) -> ToolError:
    name = show_name(old.target)
    if exc.errno == errno.EEXIST:
        return ChangedSince(
            f"{name} is there now and was not since the change was shown.", path=old.target
        )
    if exc.errno == errno.ENOTEMPTY:
        return ChangedSince(f"The folder {name} is not empty; it is kept.", path=old.target)
    return explain(old.target, exc)


def _change(place: Place, old: State, new: State) -> None:
    if new.what == "directory":
        make_folder(place, new.mode)
    elif new.what == "absent" and old.what == "directory":
        os.rmdir(place.name, dir_fd=place.folder)
    elif new.what == "absent":
        _check_untouched(place)
        os.unlink(place.name, dir_fd=place.folder)
    else:
        with temporary_file(place, new.content, new.mode) as temporary:
            if old.what == "absent":
                link_new(temporary, place)
            else:
                _check_untouched(place)
                os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)


def _check_untouched(place: Place) -> None:
    """Check in the last moment that nobody wrote since the content was compared."""
    assert place.info is not None
    now = stat_at(place.name, place.folder)
    if now is None or _touch_marks(now) != _touch_marks(place.info):
        raise ChangedSince(
            f"{show_name(place.path)} has changed since the change was shown.", path=place.path
        )


def _touch_marks(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_mode


def _move(workspace: Workspace, source: Pair, target: Pair, limit: int) -> None:
    """Give the file its new name, then take away the old one; nothing is copied."""
    old, new = source[0], target[1]
    try:
        with (
            workspace.open(old.target, follow_last=False) as here,
            workspace.open(new.target, follow_last=False) as there,
        ):
            remove_leftovers(here.folder)
            remove_leftovers(there.folder)
            _check_same(old, _state_at(here, old.target, limit))
            _check_same(target[0], _state_at(there, new.target, limit))
            check_changeable(here)
            _give_name(here, there, new)
            sync_folder(there.folder)
            sync_folder(here.folder)
    except OSError as exc:
        raise _explain(target[0], exc) from exc


def _give_name(here: Place, there: Place, new: State) -> None:
    _check_untouched(here)
    try:
        os.link(
            here.name,
            there.name,
            src_dir_fd=here.folder,
            dst_dir_fd=there.folder,
            follow_symlinks=False,
        )
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        # Another disk, or one without hard links.
        with temporary_file(there, new.content, new.mode) as temporary:
            link_new(temporary, there)
    try:
        _check_untouched(here)
        os.unlink(here.name, dir_fd=here.folder)
    except (OSError, ToolError):
        with suppress(OSError):
            os.unlink(there.name, dir_fd=there.folder)
        raise


def _clear(workspace: Workspace, target: str) -> None:
    with suppress(ToolError, OSError), workspace.open(target, follow_last=False) as place:
        remove_leftovers(place.folder)
