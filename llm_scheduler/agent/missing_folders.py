"""Missing folders of output files: which folder to make so that a program can write.

A file that is missing because nobody made it is not mended by an empty folder, so a
folder is proposed only where the log shows that the program was about to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from llm_scheduler.logs.models import Traceback

_OUTPUT_FOLDER = re.compile(
    r"Cannot save file into a non-existent directory: '(?P<quoted>[^'\\]{1,1000})'"
    r"|Parent directory (?P<plain>[^\s'\"\\]{1,1000}) does not exist"
)
"""What pandas and PyTorch say."""
_NO_FILE = re.compile(r"No such file or directory: '(?P<path>[^'\\]{1,1000})'$")
# A mode that makes the file, or a function that does nothing but write one.
_WRITES = re.compile(
    r"(?:open|File|Dataset)\([^#]{0,500}?['\"](?:[wax][bt]?\+?|[wax]\+[bt]|r?\+?w)['\"]"
    r"|\.(?:to_(?:csv|json|pickle|parquet|hdf|excel|netcdf|zarr|feather)|savefig|savez?\w*|tofile"
    r"|write_(?:text|bytes)|touch|mkdir|imsave|imwrite)\("
)
_MAX_LEVELS = 5


def find_output_folder(chain: Sequence[Traceback]) -> str:
    """Return the folder that a program wanted to write into, as the log names it.

    Parameters
    ----------
    chain
        The exception, then those that it caused.

    Returns
    -------
    ``""`` where the log does not show that one is missing.

    """
    exception = chain[0]
    found = _OUTPUT_FOLDER.search(exception.message)
    if found:
        return found["quoted"] or found["plain"]
    named = _NO_FILE.search(exception.message)
    if exception.exception != "FileNotFoundError" or named is None:
        return ""
    sources = [frame.source for frame in exception.frames[-1:]]
    sources += [x.user_frame.source for x in chain if x.user_frame is not None][:1]
    if not any(_WRITES.search(source[:2000]) for source in sources):
        return ""
    parent = str(Path(named["path"]).parent)
    return parent if parent != "." else ""


def folder_to_make(folder: str, base: Path | None, inside: Iterable[Path]) -> str:
    """Return the path of a missing folder; "" when it is not missing or may not be made.

    Parameters
    ----------
    folder
        As the log names it.
    base
        The job's working folder, for relative names; ``None`` when it is not known.
    inside
        Folders in one of which the outermost missing folder must be.

    """
    path = Path(folder)
    if not path.is_absolute():
        if base is None:
            return ""
        path = base / path
    there = path
    for _ in range(_MAX_LEVELS):
        if there.exists() or there.is_symlink():
            break
        there = there.parent
    if there == path or ".." in path.parts or not there.is_dir():
        return ""
    real = there.resolve()
    is_inside = any(real.is_relative_to(root.resolve()) for root in inside)
    return str(real / path.relative_to(there)) if is_inside else ""
