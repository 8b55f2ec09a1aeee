"""Loading the causes for a command, with a warning about those that are left out."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_scheduler.diagnosis.catalog import Catalog


def load_with_warnings() -> Catalog:
    """Load the causes of the package and of the settings.

    What is wrong in the files is said on standard error, in one line and once.
    """
    from llm_scheduler.config import Settings

    return _load(Settings.load().catalog_dirs)


@lru_cache(maxsize=1)
def _load(folders: tuple[Path, ...]) -> Catalog:
    from llm_scheduler.cli.render import printable
    from llm_scheduler.diagnosis.catalog import load_catalog
    from llm_scheduler.diagnosis.catalog_files import say_problems

    catalog = load_catalog(folders)
    if catalog.problems:
        print(f"Warning: {printable(say_problems(catalog.problems))}", file=sys.stderr)
    return catalog
