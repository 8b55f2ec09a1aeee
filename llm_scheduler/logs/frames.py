"""Frames of tracebacks: their form, and which belong to libraries."""

from __future__ import annotations

import re
from functools import lru_cache

from llm_scheduler.logs.models import Frame

PYTHON_FRAME = re.compile(
    r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d{1,9})(?:, in (?P<func>.*\S|\s))?\s*$',
)
"""A frame as Python prints it; without a function for syntax errors."""
NOTEBOOK_FRAME = re.compile(
    r"^(?:File (?P<file>\S.*?):(?P<line>\d{1,9})(?:, in (?P<func>.+))?"
    r"|(?P<cell>(?:Cell )?In(?:put In)? ?\[\d*\]|Input In \[\d*\])"
    r"(?:, line (?P<cell_line>\d{1,9}))?(?:, in (?P<cell_func>.+))?"
    r"|(?P<old>\S+\.py|<ipython-input-[^>]+>) in (?P<old_func>.+))$",
)
"""A frame as IPython prints it."""

_LIBRARY = re.compile(
    r"site-packages|dist-packages|/lib(?:64)?/python\d|\\lib\\|<frozen|/python\d\.\d+/(?!.*workspace)"
    r"|conda3?/lib/|<__array_function__|<decorator-gen|/lib/python3\.|^/usr/lib|^/usr/share"
    r"|\.julia/packages|share/julia|^\./|/julialang/|/runpy\.py$|^/opt/conda/conda-bld",
)


@lru_cache(maxsize=1024)
def is_library_file(file: str) -> bool:
    """Tell whether a source file belongs to a language or to an installed package."""
    return _LIBRARY.search(file) is not None


def make_frame(
    file: str,
    line: str | int | None,
    function: str | None,
    log_line: int,
    source: str = "",
) -> Frame:
    """Make a frame from what was printed of it."""
    return Frame(
        file,
        int(line or 0),
        (function or "").strip(),
        source,
        is_library_file(file),
        log_line,
    )
