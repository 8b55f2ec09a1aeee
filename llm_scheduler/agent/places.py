"""Where the agent keeps what it must remember: a local folder that only the user can read.

SQLite and file locks are not to be trusted on network file systems, where home
directories of clusters lie, so such a folder is only used where the user asks for it.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import StoreError

_KINDS = {
    "NFS": "nfs nfs4",
    "Lustre": "lustre",
    "GPFS": "gpfs mmfs",
    "BeeGFS": "beegfs fhgfs",
    "PanFS": "panfs",
    "WekaFS": "wekafs",
    "CephFS": "ceph fuse.ceph",
    "GlusterFS": "glusterfs fuse.glusterfs",
    "OrangeFS": "pvfs2 orangefs",
    "SMB": "cifs smb3 smbfs",
    "AFS": "afs",
    "Coda": "coda",
    "9P": "9p",
    "GFS2": "gfs2",
    "OCFS2": "ocfs2",
    "DVS": "dvs",
    "SSHFS": "fuse.sshfs",
    "an automounter": "autofs",
}
_NETWORK = {kind: name for name, kinds in _KINDS.items() for kind in kinds.split()}
_LOCAL_FUSE = frozenset(
    f"fuse.{name}"
    for name in (
        *("fuse-overlayfs", "overlayfs", "mergerfs", "bindfs", "squashfuse"),
        *("ntfs-3g", "zfs", "ext2", "fuse2fs", "gocryptfs", "encfs", "cryfs"),
    )
)
_PRIVATE = 0o700
_MOUNTS = Path("/proc/self/mountinfo")
_SHARED_TMP = Path("/var/tmp")  # noqa: S108 - the folder in it is checked to be ours


@dataclass
class AgentFolder:
    """The folder of one run, with its database open."""

    path: Path
    database: AgentDatabase
    problem: str = ""
    """Why it lies elsewhere than expected, or is not to be trusted; else empty."""

    @property
    def threads_file(self) -> Path:
        """SQLite file of the conversations."""
        return self.path / "threads.sqlite"

    @property
    def audit_file(self) -> Path:
        """One JSON line for each decision and each effect."""
        return self.path / "audit.jsonl"

    @property
    def contents(self) -> Path:
        """Folder with what files held before and after changes."""
        return self.path / "contents"

    @property
    def lock_file(self) -> Path:
        """Locked by whoever carries out a change."""
        return self.path / "changes.lock"

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_agent_folder(
    settings: LLMSettings,
    state_dir: Path,
    run_file: Path,
    *,
    mounts: str | None = None,
    shared_tmp: Path = _SHARED_TMP,
) -> AgentFolder:
    """Open the folder of a run, and make it where it is new.

    Parameters
    ----------
    settings
        `threads_dir` names the folder of all runs, if it is set.
    state_dir
        Used without `threads_dir`, if it is on a local file system.
    run_file
        The file by which the run is known; each has its own folder.
    mounts
        Text as of ``/proc/self/mountinfo``, which is read without it.
    shared_tmp
        Local folder for where `state_dir` is on a network file system.

    Raises
    ------
    StoreError
        No place can be used, or a newer version of this package wrote the database.

    """
    name = sha256(os.fsencode(os.path.realpath(run_file))).hexdigest()[:16]
    if settings.threads_dir is not None:
        folder = settings.threads_dir.expanduser().absolute() / name
        kind = find_network(folder, mounts)
        return _open(folder, _warning(settings.threads_dir, kind) if kind else "")
    folder = state_dir.expanduser().absolute() / "agent" / name
    kind = find_network(folder, mounts)
    if kind:
        why = f"{state_dir} is on {kind}, where a database can be damaged"
    else:
        try:
            return _open(folder)
        except StoreError as exc:
            if "newer version" in str(exc):
                raise
            why = str(exc).rstrip(".")
    advice = "Set `threads_dir` to a local folder to choose another."
    shared = shared_tmp / f"llm-scheduler-{os.getuid()}"
    if find_network(shared_tmp, mounts) == "" and not find_intrusion(shared):
        with suppress(StoreError):
            place = shared / name
            return _open(place, f"{why}; conversations and changes are kept in {place}. {advice}")
    try:
        place = Path(tempfile.mkdtemp(prefix="llm-scheduler-")) / name
    except OSError as exc:
        raise StoreError(f"{why}, and no temporary folder can be made: {exc}") from exc
    return _open(
        place,
        f"{why}; conversations and changes are kept in {place}, where the next session "
        f"will not find them. {advice}",
    )


def _warning(folder: Path, kind: str) -> str:
    return (
        f"Setting threads_dir={str(folder)!r} is on {kind}, a network file system: conversations, "
        "approvals and the journal of changes can be damaged there, and two machines can carry "
        "out the same change. Set it to a folder on a local disk."
    )


def _open(folder: Path, problem: str = "") -> AgentFolder:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
            # An earlier umask or a copy may have opened it to others.
            folder.chmod(_PRIVATE)
    except OSError as exc:
        raise StoreError(f"{folder} can't be used: {exc.strerror or exc}") from exc
    intrusion = find_intrusion(folder)
    if intrusion:
        raise StoreError(f"{folder} can't be used: {intrusion}.")
    return AgentFolder(folder, AgentDatabase(folder / "agent.sqlite"), problem)


def find_intrusion(folder: Path) -> str:
    """Make a private folder and say why it is not ours; empty when it is.

    Where everybody may write, somebody else may have made it first, or a link in its place.
    """
    try:
        folder.mkdir(exist_ok=True, mode=_PRIVATE)
        status = folder.lstat()
    except OSError as exc:
        return str(exc.strerror or exc)
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.getuid():
        return "it belongs to somebody else"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return "others may use it"
    return ""


def find_network(folder: Path, mounts: str | None = None) -> str:
    """Name the network file system that holds a folder; empty on a local one.

    A folder that is not there yet is judged by the one that will hold it.
    """
    place = Path(os.path.realpath(folder))
    for ancestor in (place, *place.parents):
        with suppress(OSError):
            ancestor.stat()  # an automounter mounts it now
            break
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""  # no Linux, where nothing can be told
    _, kind = find_mount(place, parse_mounts(mounts))
    if kind.startswith("fuse.") and kind not in _LOCAL_FUSE:
        return _NETWORK.get(kind, kind)
    return _NETWORK.get(kind, "")


def find_mount(place: Path, mounts: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the mount point that holds a path and its kind; empty texts for none."""
    found = ("", "")
    for point, kind in mounts:
        # A later mount on the same point hides the earlier one.
        if place.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found


def parse_mounts(text: str) -> Sequence[tuple[str, str]]:
    """Return mount points and kinds of file system from ``/proc/self/mountinfo``."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if dash and len(fields) > 4:  # the mount point is the 5th
            point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
            mounts.append((point, right.split(" ")[0]))
    return mounts
