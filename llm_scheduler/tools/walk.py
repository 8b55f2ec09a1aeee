"""From the path that a model writes to an open folder and a name in it, inside the roots.

The way is gone one name at a time, each opened from the folder before it and never
through a symlink: where one stands it is read and followed by hand, so that each step is
checked. What is checked is what is used, because the folder stays open: a folder or link
that somebody swaps in between changes nothing. ``..`` goes back along the way that was
come, not where the file system says.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.visible import show_name

MAX_LINKS = 40
"""As the kernel follows."""
_MAX_PATH_BYTES = 4096
# Search permission is enough to pass through a folder, and nothing is opened for real.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_VIRTUAL = ("/proc", "/sys", "/dev")


class OutsideError(ToolError):
    """The path leads out of the allowed folders."""


class MissingFolder(ToolError):
    """A folder on the way is not there."""


class NotAFolder(ToolError):
    """Something on the way is no folder."""


@dataclass(frozen=True)
class Place:
    """A name in an open folder."""

    path: str
    """Absolute, without symlinks."""
    folder: int
    """Descriptor of the folder that holds it."""
    name: str
    """``"."`` for a folder that was reached by ``..`` or ``/``."""
    info: os.stat_result | None
    """Of what stands there, a symlink as such; ``None`` when nothing does."""
    links: tuple[str, ...] = ()
    """Paths of the symlinks that were followed."""
    on_the_way: tuple[tuple[int, int], ...] = ()
    """Device and inode of each thing passed, and of the last."""

    @property
    def is_folder(self) -> bool:
        """Whether a folder stands there."""
        return self.info is not None and stat.S_ISDIR(self.info.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether a regular file stands there."""
        return self.info is not None and stat.S_ISREG(self.info.st_mode)


def open_at(name: str, flags: int, folder: int, mode: int = 0o600) -> int:
    """Open a name in an open folder, never through a symlink."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)


def stat_at(name: str, folder: int) -> os.stat_result | None:
    """Look at a name in an open folder, a symlink as such; ``None`` when it is not there."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_inside(path: str, folder: str) -> bool:
    """Whether a resolved path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


class Walker:
    """Goes along paths, and nowhere outside of the roots.

    Parameters
    ----------
    roots
        Absolute paths without symlinks.
    home
        The user's home folder without symlinks: links there may be followed, as a root
        is often known by one (``/home/me/scratch``), but only to end in a root.

    """

    def __init__(self, roots: Sequence[str], home: str) -> None:
        self.roots = tuple(roots)
        self._home = home

    def root_of(self, path: str) -> str:
        """Return the innermost root that holds a resolved path; empty when none does."""
        return max((root for root in self.roots if is_inside(path, root)), key=len, default="")

    @contextmanager
    def open(self, path: str, *, follow_last: bool = True) -> Iterator[Place]:
        """Go along an absolute path and keep the folder at its end open.

        Raises
        ------
        OutsideError
            It leads outside.
        ToolError
            A folder on the way is missing or no folder, or there are too many links.

        """
        way = _Way(self, path)
        try:
            yield way.go(follow_last=follow_last)
        finally:
            way.close()

    def check_reach(self, folder: str, path: str) -> None:
        """Check that a name in a folder may be looked at on the way to a root."""
        root = self.root_of(path)
        if _is_virtual(path) and not _is_virtual(root):
            raise outside(path, self.roots)
        if root:
            return
        # A look at any other name could wake an automounter, and ask a name server
        # for a host that somebody else chose.
        known = [*self.roots, self._home] if self._home not in ("", "/") else self.roots
        is_towards = any(is_inside(place, folder) for place in known)
        if not is_towards and not is_inside(folder, self._home or "\0"):
            raise outside(path, self.roots)


def _is_virtual(path: str) -> bool:
    return any(is_inside(path, top) for top in _VIRTUAL)


def outside(path: str, roots: Sequence[str]) -> OutsideError:
    """Return the error for a path that leads outside."""
    allowed = ", ".join(map(show_name, roots))
    return OutsideError(f"{show_name(path)} is outside of the allowed folders: {allowed}.")


class _Way:
    """One walk: the folders passed so far, open, and the names still to go."""

    def __init__(self, walker: Walker, path: str) -> None:
        self._walker = walker
        self._given = path
        self._check_size()
        self._todo = _names(path)
        self._folders: list[tuple[str, int, tuple[int, int]]] = []
        self._links: list[str] = []

    def _check_size(self) -> None:
        if "\0" in self._given:
            raise ToolError(f"{show_name(self._given)} holds a NUL character; no path does.")
        try:
            size = len(os.fsencode(self._given))
        except UnicodeEncodeError as exc:
            raise ToolError(f"{show_name(self._given)} can't be a path here.") from exc
        if size > _MAX_PATH_BYTES:
            raise ToolError(f"The path is {size:,} bytes long; paths have up to 4,096.")

    @property
    def _path(self) -> str:
        return "/" + "/".join(name for name, _, _ in self._folders[1:])

    def close(self) -> None:
        while self._folders:
            os.close(self._folders.pop()[1])

    def go(self, *, follow_last: bool) -> Place:
        self._enter("/", os.open("/", _PASS))
        while self._todo:
            name = self._todo.pop()
            if name == "..":
                if len(self._folders) > 1:
                    os.close(self._folders.pop()[1])
                continue
            place = self._step(name, follow_last=follow_last)
            if place is not None:
                return place
        if not self._walker.root_of(self._path):
            raise outside(self._given, self._walker.roots)
        folder = self._folders[-1][1]
        return self._place(self._path, ".", os.fstat(folder))

    def _step(self, name: str, *, follow_last: bool) -> Place | None:
        here, folder = self._path, self._folders[-1][1]
        path = f"{here.rstrip('/')}/{name}"
        self._walker.check_reach(here, path)
        is_last = not self._todo
        try:
            info = stat_at(name, folder)
            if info is not None and stat.S_ISLNK(info.st_mode) and (follow_last or not is_last):
                self._follow(path, os.readlink(name, dir_fd=folder))
                return None
            if is_last:
                if not self._walker.root_of(path):
                    raise outside(self._given, self._walker.roots)
                return self._place(path, name, info)
            self._enter(name, open_at(name, _PASS, folder))
        except OSError as exc:
            if not self._walker.root_of(path):
                raise outside(self._given, self._walker.roots) from exc
            raise _blocked(path, exc) from exc
        return None

    def _enter(self, name: str, descriptor: int) -> None:
        info = os.fstat(descriptor)
        self._folders.append((name, descriptor, (info.st_dev, info.st_ino)))

    def _follow(self, path: str, target: str) -> None:
        self._links.append(path)
        if len(self._links) > MAX_LINKS:
            raise ToolError(f"{show_name(self._given)} goes through too many symlinks.")
        if target.startswith("/"):
            while len(self._folders) > 1:
                os.close(self._folders.pop()[1])
        self._todo += _names(target)

    def _place(self, path: str, name: str, info: os.stat_result | None) -> Place:
        passed = [identity for _, _, identity in self._folders]
        if info is not None:
            passed.append((info.st_dev, info.st_ino))
        return Place(path, self._folders[-1][1], name, info, tuple(self._links), tuple(passed))


def _names(path: str) -> list[str]:
    """Return the names of a path, the last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _blocked(path: str, exc: OSError) -> ToolError:
    shown = show_name(path)
    if exc.errno == errno.ENOENT:
        return MissingFolder(f"The folder {shown} is not there; make_directory makes it.")
    if exc.errno in (errno.ENOTDIR, errno.ELOOP):
        return NotAFolder(f"{shown} is no folder.")
    if exc.errno == errno.ENAMETOOLONG:
        return ToolError(f"A name in {shown[:200]!r} is too long.")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return ToolError(f"{shown} can't be entered: permission denied.")
    if exc.errno == errno.ESTALE:
        raise exc
    return ToolError(f"{shown} can't be reached: {exc.strerror}.")
