"""Finding the file of the run that a command is about."""

from __future__ import annotations

from pathlib import Path

from llm_scheduler.errors import UsageError

ENDING = ".failures.sqlite"


def find_run_file(given: str | None, folder: Path) -> Path:
    """Return the file of the run that is meant.

    Raises
    ------
    UsageError
        There is none, or there are several.

    """
    where = Path(given) if given else folder
    if not where.is_dir():
        return where
    found = sorted(where.glob(f"*{ENDING}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"There is no run in {str(where)!r}: no file *{ENDING}. Name the file of a run; "
            "RunManager.info() shows where it is."
        )
    names = ", ".join(path.name for path in found[:10])
    raise UsageError(f"There are {len(found)} runs in {str(where)!r}; name one of {names}.")
