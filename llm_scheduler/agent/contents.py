"""What files held before and after each change, compressed, named by its SHA-256.

Whoever writes or removes here holds the desk's lock, so that nothing which is about
to be needed is swept away.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from llm_scheduler.errors import StoreError

_LEVEL = 6
_PARTIAL = ".partial"


class Contents:
    """A folder of contents.

    Parameters
    ----------
    folder
        Made when something is first kept, readable by this user only.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, contents: Iterable[bytes]) -> list[str]:
        """Keep contents so that they outlive a crash; what is there already stays.

        Returns
        -------
        The name of each, in the order given.

        Raises
        ------
        StoreError
            They can't be written, for example because the disk is full.

        """
        names = []
        is_new = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for content in contents:
                name = sha256(content).hexdigest()
                names.append(name)
                if not (self.folder / name).exists():
                    self._write(name, zlib.compress(content, _LEVEL))
                    is_new = True
            if is_new:
                _flush_folder(self.folder)
        except OSError as exc:
            raise StoreError(f"The journal in {self.folder} can't be written: {exc}") from exc
        return names

    def _write(self, name: str, data: bytes) -> None:
        partial = self.folder / f"{secrets.token_hex(8)}{_PARTIAL}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(partial, flags, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / name)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise

    def get(self, name: str) -> bytes:
        """Return the content of this name.

        Raises
        ------
        StoreError
            It is gone or damaged.

        """
        path = self.folder / name
        try:
            content = zlib.decompress(path.read_bytes())
        except (OSError, zlib.error) as exc:
            raise StoreError(f"{path}, a part of the journal, can't be read: {exc}") from exc
        if sha256(content).hexdigest() != name:
            raise StoreError(f"{path}, a part of the journal, is damaged.")
        return content

    def remove_unused(self, used: Collection[str]) -> int:
        """Remove what no change needs any more, and what a crash left half written.

        Returns
        -------
        How many files are removed.

        """
        count = 0
        with suppress(OSError):
            for entry in os.scandir(self.folder):
                if entry.name not in used and entry.is_file(follow_symlinks=False):
                    with suppress(OSError):
                        Path(entry.path).unlink()
                        count += 1
        return count


def _flush_folder(folder: Path) -> None:
    """Write the names in the folder to the disk; some file systems don't know how."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
