"""Files that are written in full before they get their name, and what is left of them.

A killed process leaves such a file behind; its name says whose it is, and the next
change in the folder takes it away.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from llm_scheduler.tools.file_reading import TEMPORARY, list_names
from llm_scheduler.tools.walk import Place, open_at, stat_at

_NAME = re.compile(re.escape(TEMPORARY) + r"([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.tmp")
_OLD_S = 24 * 3600
"""A file that a process on another machine has not finished for so long is left over."""
_MAX_NAMES = 20_000
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_in_use: set[str] = set()


def _host() -> str:
    return sha256(os.uname().nodename.encode()).hexdigest()[:8]


def _new_name() -> str:
    return f"{TEMPORARY}{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


@contextmanager
def temporary_file(place: Place, content: bytes, mode: int) -> Iterator[str]:
    """Write a file beside a place, with the owner and attributes of what stands there.

    Gives its name; what is not renamed in the block is removed.
    """
    name = _new_name()
    _in_use.add(name)
    try:
        descriptor = open_at(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, place.folder)
        try:
            try:
                _write(descriptor, content)
                _make_like(descriptor, place, mode)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            yield name
        finally:
            with suppress(OSError):
                os.unlink(name, dir_fd=place.folder)
    finally:
        _in_use.discard(name)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_like(descriptor: int, place: Place, mode: int) -> None:
    if place.info is not None:
        own = os.fstat(descriptor)
        if (own.st_uid, own.st_gid) != (place.info.st_uid, place.info.st_gid):
            try:
                os.fchown(descriptor, place.info.st_uid, place.info.st_gid)
            except OSError:  # only root gives files away; the group may be one of ours
                with suppress(OSError):
                    os.fchown(descriptor, -1, place.info.st_gid)
    with suppress(PermissionError):  # file systems of other systems have no modes
        os.fchmod(descriptor, mode)
    if place.info is not None:
        _copy_attributes(place, descriptor)


def _copy_attributes(place: Place, descriptor: int) -> None:
    """Copy access lists and the user's attributes."""
    with suppress(OSError):
        old = open_at(place.name, os.O_RDONLY | os.O_NONBLOCK, place.folder)
        try:
            for name in os.listxattr(old):
                if name.startswith("user.") or name == "system.posix_acl_access":
                    with suppress(OSError):
                        os.setxattr(descriptor, name, os.getxattr(old, name))
        finally:
            os.close(old)


def make_folder(place: Place, mode: int) -> None:
    """Make a folder that has its permissions as soon as it has its name.

    Raises
    ------
    FileExistsError
        Something is there.

    """
    name, folder = _new_name(), place.folder
    _in_use.add(name)
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
        try:
            descriptor = open_at(name, os.O_RDONLY | os.O_DIRECTORY, folder)
            try:
                with suppress(PermissionError):
                    os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)
            # At worst an empty folder that appeared in this moment is replaced.
            if stat_at(place.name, folder) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.rename(name, place.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):
                os.rmdir(name, dir_fd=folder)
            raise
    finally:
        _in_use.discard(name)


def link_new(temporary: str, place: Place) -> None:
    """Give a temporary file the name of a place where nothing may stand.

    Raises
    ------
    FileExistsError
        Something does.

    """
    folder = place.folder
    try:
        os.link(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        # No hard links here: the last look and the renaming are two steps then.
        if stat_at(place.name, folder) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from exc
        os.rename(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder)


def sync_folder(folder: int) -> None:
    """Bring the names in an open folder to the disk."""
    with suppress(OSError):  # not everywhere possible; the content is there already
        descriptor = open_at(".", os.O_RDONLY | os.O_DIRECTORY, folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: int) -> None:
    """Remove what processes that are gone left behind in an open folder."""
    place = Place("", folder, ".", None)
    with suppress(OSError):
        for name in list_names(place, limit=_MAX_NAMES)[0]:
            found = _NAME.fullmatch(name)
            if found and _is_left(name, found.group(1), int(found.group(2)), folder):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                with suppress(OSError):
                    os.rmdir(name, dir_fd=folder)


def _is_left(name: str, host: str, pid: int, folder: int) -> bool:
    info = stat_at(name, folder)
    if info is None or not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
        return False
    if host != _host():
        return time.time() - info.st_mtime > _OLD_S
    if pid == os.getpid():
        return name not in _in_use
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
