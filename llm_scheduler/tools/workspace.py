"""`Workspace`: the folders that tools may look into and change, and nothing beside them."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.credentials import why_credential
from llm_scheduler.tools.file_reading import (
    MAX_LOOKED_AT,
    TEMPORARY,
    check_changeable,
    check_text,
    explain,
    list_names,
    read_file,
)
from llm_scheduler.tools.start_files import why_not_written
from llm_scheduler.tools.visible import is_plain_name, read_escapes, show_name
from llm_scheduler.tools.walk import Place, Walker, is_inside

MAX_READ_BYTES = 10_000_000
MAX_CHANGE_BYTES = 1_000_000
_OF_AGENT = re.compile(r"/(?:[0-9a-f]{16}(?:/|$)|budget\.sqlite)", re.IGNORECASE)
"""What lies in the folder of all runs' conversations: a folder for each, the budget of a day."""
_TRIES = 3
_SIDE_FILES = ("-journal", "-wal", "-shm")
_SIMILAR_NAMES = 3
T = TypeVar("T")


class Workspace:
    """The allowed folders, with the limits that hold in them.

    Parameters
    ----------
    roots
        Folders that may be read and changed; relative paths are looked for in each,
        the first first.
    refused
        Files and folders inside of them that may not, such as our own databases.
    agent_folders
        Folders with those of several runs, where each run has a folder.
    run_name
        The run whose logs may be read, and are not written.
    max_read_bytes
        Size of the largest file that is read as text.
    max_change_bytes
        Size of the largest file that is changed, moved, deleted or made.

    """

    def __init__(
        self,
        roots: Sequence[Path | str],
        refused: Sequence[Path | str] = (),
        *,
        agent_folders: Sequence[Path | str] = (),
        run_name: str = "",
        max_read_bytes: int = MAX_READ_BYTES,
        max_change_bytes: int = MAX_CHANGE_BYTES,
    ) -> None:
        self.roots = tuple(dict.fromkeys(_resolve(root) for root in roots))
        self.home = _home()
        self.max_read_bytes = max_read_bytes
        self.max_change_bytes = max_change_bytes
        self._refused = tuple(_resolve(path) for path in refused)
        self._agent_folders = tuple(_resolve(path) for path in agent_folders)
        self._run_name = run_name
        self._walker = Walker(self.roots, self.home)

    # -- places ----------------------------------------------------------------------

    @contextmanager
    def open(self, path: str, *, follow_last: bool = True) -> Iterator[Place]:
        """Open the folder that holds a path, checked to be one that may be looked at.

        Parameters
        ----------
        path
            As the model wrote it: absolute, or relative to one of the roots.
        follow_last
            Whether a symlink at the end is followed.

        Raises
        ------
        ToolError
            It is outside of the roots, holds secrets, or can't be reached.

        """
        with self._walker.open(self._choose(path, follow_last), follow_last=follow_last) as place:
            self._check(place)
            yield place

    def visit(self, path: str, do: Callable[[Place], T], *, follow_last: bool = True) -> T:
        """Do something that changes nothing with an opened place.

        Raises
        ------
        ToolError
            As `open`, or the system refuses.

        """
        for tries_left in reversed(range(_TRIES)):
            try:
                with self.open(path, follow_last=follow_last) as place:
                    return do(place)
            except OSError as exc:
                # NFS: what was opened has been replaced on the server; look again.
                if exc.errno != errno.ESTALE or not tries_left:
                    raise explain(path, exc) from exc
        raise AssertionError

    def _choose(self, path: str, follow_last: bool) -> str:
        """Return the absolute path that is meant."""
        if not path.strip():
            path = "."
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        if not self.roots:
            raise ToolError("No folder is allowed; the user can set `roots`.")
        names = dict.fromkeys([path, read_escapes(path, name=True)])
        tries = [
            name if name.startswith("/") else f"{root}/{name}"
            for name in names
            for root in self.roots
        ]
        found = {place: self._is_there(place, follow_last) for place in dict.fromkeys(tries)}
        there = [place for place, is_there in found.items() if is_there]
        possible = [place for place, is_there in found.items() if is_there is False]
        return [*there, *possible, *tries][0]

    def _is_there(self, path: str, follow_last: bool) -> bool | None:
        """Tell whether something is at a path; ``None`` when it can't be reached."""
        try:
            with self._walker.open(path, follow_last=follow_last) as place:
                return place.info is not None
        except (ToolError, OSError):
            return None

    def root_of(self, path: str) -> str:
        """Return the innermost root that holds a resolved path; empty when none does."""
        return self._walker.root_of(path)

    def shorten(self, path: str) -> str:
        """Return a resolved path as it is shown: relative to the first root where it can be."""
        first = self.roots[0] if self.roots else "/"
        if path == first:
            return "."
        short = path[len(first) :].lstrip("/") if is_inside(path, first) else path
        return show_name(short)

    # -- what is refused -------------------------------------------------------------

    def why_secret(self, path: str) -> str:
        """Say why a resolved path is not to be looked at; empty when it may be."""
        if any(is_inside(path, own) for own in self._own_paths(path)) or any(
            _OF_AGENT.match(path[len(folder.rstrip("/")) :])
            for folder in self._agent_folders
            if is_inside(path, folder)
        ):
            return "it belongs to llm_scheduler itself"
        return why_credential(path)

    def _own_paths(self, path: str) -> Iterator[str]:
        root = self.root_of(path)
        for own in self._refused:
            if not is_inside(root, own):
                yield own
                yield from (own + ending for ending in _SIDE_FILES)

    def _check(self, place: Place) -> None:
        for path in (place.path, *place.links):
            if why := self.why_secret(path):
                raise ToolError(f"{show_name(path)} is refused: {why}.")
        known = self._identities(place.path)
        own = {(place.info.st_dev, place.info.st_ino)} if place.info is not None else set()
        if not known.isdisjoint(own.union(place.on_the_way)):
            raise ToolError(
                f"{show_name(place.path)} is refused: under another name it is a file or "
                "folder that holds secrets."
            )
        if place.info is not None and place.info.st_dev in _virtual_devices():
            raise ToolError(f"{show_name(place.path)} is no file on a disk.")

    def is_secret_place(self, place: Place) -> bool:
        """Tell whether what a walk through a folder found is not to be looked at."""
        try:
            self._check(place)
        except ToolError:
            return True
        return False

    def _identities(self, path: str) -> set[tuple[int, int]]:
        """Return device and inode of what is refused, to know it by a bind mount or link."""
        found = set()
        in_home = [f"{self.home}/{name}" for name in (".ssh", ".gnupg", ".aws", ".kube")]
        for refused in (*self._own_paths(path), *in_home):
            if not is_inside(self.root_of(path), refused):
                with suppress(OSError, ValueError):
                    info = Path(refused).lstat()
                    found.add((info.st_dev, info.st_ino))
        return found

    def why_not_written(self, path: str, *, is_removal: bool = False) -> str:
        """Say why other programs obey a resolved path; empty when it may be changed."""
        root = self.root_of(path)
        return why_not_written(
            path, root=root, home=self.home, run_name=self._run_name, is_removal=is_removal
        )

    def check_writable(self, place: Place, *, is_removal: bool = False) -> None:
        """Check that what stands at a place, or will, may be changed.

        Raises
        ------
        ToolError
            It is no regular file, has a second name, or other programs obey it.

        """
        shown = show_name(place.path)
        if place.path in self.roots or place.name in (".", ""):
            raise ToolError(f"{shown} is an allowed folder itself; it is not changed.")
        if not is_plain_name(place.path):
            raise ToolError(
                f"{shown} has characters in its name that don't show; it is not changed."
            )
        if why := self.why_not_written(place.path, is_removal=is_removal):
            raise ToolError(
                f"{shown} is never changed by a tool: {why}. Tell the user what to change there."
            )
        if place.name.startswith((TEMPORARY, ".nfs")):
            raise ToolError(f"{shown} is a temporary file of the system or of llm_scheduler.")
        if place.is_file:
            check_changeable(place)

    # -- reading -----------------------------------------------------------------------

    def read(self, path: str) -> tuple[str, bytes]:
        """Return the resolved path and the content of a text file.

        Raises
        ------
        ToolError
            It is not there, no regular file, too large, binary, secret or unreadable.

        """

        def read(place: Place) -> tuple[str, bytes]:
            if place.info is None:
                raise self.missing(place)
            content = read_file(place, self.max_read_bytes)
            check_text(place.path, content)
            return place.path, content

        return self.visit(path, read)

    def missing(self, place: Place) -> ToolError:
        """Return the error for a file that is not there, with names that resemble it."""
        names = []
        with suppress(OSError):
            names = list_names(place, limit=MAX_LOOKED_AT)[0]
        folded = {name.casefold(): name for name in names if not name.startswith(TEMPORARY)}
        close = difflib.get_close_matches(
            place.name.casefold(), folded, n=_SIMILAR_NAMES, cutoff=0.6
        )
        shown = show_name(place.name)
        folder = self.shorten(place.path.rpartition("/")[0] or "/")
        if close:
            similar = ", ".join(repr(show_name(folded[name])) for name in close)
            return ToolError(f"{shown!r} is not there in {folder}; similar: {similar}.")
        return ToolError(
            f"{shown!r} is not there in {folder} (list_files shows what is, and search_files "
            "finds text in files)."
        )


def _resolve(path: Path | str) -> str:
    return os.path.realpath(os.path.expanduser(path))  # noqa: PTH111 - Path fails without a home


def _home() -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() fails where there is none
    return os.path.realpath(home) if home.startswith("/") else ""


def _virtual_devices() -> set[int]:
    """Return the devices of /proc and /sys, which may be mounted elsewhere too."""
    found = set()
    for path in ("/proc", "/sys"):
        with suppress(OSError):
            info = Path(path).stat()
            if info.st_dev != Path("/").stat().st_dev:
                found.add(info.st_dev)
    return found
