"""What can be done with an opened place: list names, read the file, say what stands there."""

from __future__ import annotations

import errno
import os
import stat

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.credentials import holds_private_key
from llm_scheduler.tools.stopping import check_stop
from llm_scheduler.tools.visible import show_name
from llm_scheduler.tools.walk import Place, open_at, stat_at

TEMPORARY = ".llm-scheduler-"
"""How the names of files start that are being written and not yet in place."""
MAX_LOOKED_AT = 5000
"""Names in a folder that are looked at to help with an error."""
_OPEN_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_CHUNK_BYTES = 1 << 20
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symlink",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def list_names(place: Place, *, limit: int) -> tuple[list[str], bool]:
    """Return the sorted names beside a place, and whether there were more."""
    descriptor = open_at(".", os.O_RDONLY | os.O_DIRECTORY, place.folder)
    try:
        names: list[str] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                check_stop()
                if len(names) >= limit:
                    return sorted(names), True
                names.append(entry.name)
        return sorted(names), False
    finally:
        os.close(descriptor)


def read_file(place: Place, max_bytes: int) -> bytes:
    """Return the content of the regular file at a place, and of nothing else.

    Raises
    ------
    ToolError
        It is no regular file, too large, or was replaced in this moment.

    """
    assert place.info is not None
    shown = show_name(place.path)
    if not place.is_file:
        raise ToolError(f"{shown} is {kind_of(place.info)}, not a file.")
    # Opening a pipe or a device would wait or do something, so it is looked at before.
    descriptor = open_at(place.name, _OPEN_TO_READ, place.folder)
    try:
        info = os.fstat(descriptor)
        if (info.st_dev, info.st_ino) != (place.info.st_dev, place.info.st_ino):
            raise ToolError(f"{shown} was replaced while it was opened; try again.")
        if info.st_size > max_bytes:
            raise ToolError(
                f"{shown} is too large: {info.st_size:,} bytes; the limit is {max_bytes:,}."
            )
        chunks, n_bytes = [], 0
        while n_bytes <= max_bytes and (chunk := os.read(descriptor, _CHUNK_BYTES)):
            check_stop()
            chunks.append(chunk)
            n_bytes += len(chunk)
    finally:
        os.close(descriptor)
    if n_bytes > max_bytes:
        raise ToolError(f"{shown} is too large: it grew over {max_bytes:,} bytes.")
    content = b"".join(chunks)
    if holds_private_key(content):
        raise ToolError(f"{shown} is refused: there is a private key in it.")
    return content


def check_text(path: str, content: bytes) -> None:
    """Check that a file is text.

    Raises
    ------
    ToolError
        It holds NUL characters and is not UTF-16.

    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    if b"\0" in content:
        raise ToolError(
            f"{show_name(path)} is binary ({len(content):,} bytes); text tools can't be used on it."
        )


def check_changeable(place: Place) -> None:
    """Check that the file at a place has one name only and no special rights.

    Raises
    ------
    ToolError
        It has a second name, which may be outside, or runs as another user.

    """
    assert place.info is not None
    shown = show_name(place.path)
    if place.info.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise ToolError(f"{shown} runs with the rights of another user; it is not changed.")
    if place.info.st_nlink > 1 + _count_leftovers(place):
        raise ToolError(
            f"{shown} has {place.info.st_nlink} names (hard links), and others may be outside "
            "of the allowed folders; it is not changed. write_file can make a copy of it under "
            "a new name."
        )


def _count_leftovers(place: Place) -> int:
    """Count second names that a killed process of ours left beside a new file."""
    assert place.info is not None
    if place.info.st_nlink == 1:
        return 0
    own = (place.info.st_dev, place.info.st_ino)
    names = [
        name for name in list_names(place, limit=MAX_LOOKED_AT)[0] if name.startswith(TEMPORARY)
    ]
    infos = [info for name in names if (info := stat_at(name, place.folder)) is not None]
    return sum((info.st_dev, info.st_ino) == own for info in infos)


def kind_of(info: os.stat_result) -> str:
    """Say what stands at a place, when it is no regular file."""
    return _KINDS.get(stat.S_IFMT(info.st_mode), "no regular file")


def explain(path: str, exc: OSError) -> ToolError:
    """Translate an error of the system into words that help."""
    shown = show_name(path)
    if exc.errno in (errno.EACCES, errno.EPERM):
        return ToolError(f"{shown}: permission denied; the user's rights don't allow it.")
    if exc.errno in _NO_ROOM:
        return ToolError(f"{shown}: the disk is full or the quota is used up; nothing was changed.")
    if exc.errno == errno.EFBIG:
        return ToolError(f"{shown}: a file of this size is not allowed; nothing was changed.")
    if exc.errno == errno.EROFS:
        return ToolError(f"{shown}: the file system can only be read.")
    if exc.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENOENT):
        return ToolError(f"{shown} was moved or replaced in this moment; try again.")
    return ToolError(f"{shown}: {exc.strerror or exc}.")
