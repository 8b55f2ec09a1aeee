"""Errors that can't be true: a log may claim that something is missing which is there.

A job prints what it likes, so its log can hold a traceback that never happened, written
to have ``safe_load`` replaced by ``unsafe_load``. What Python says to be missing is
looked up here, without running anything: in the modules that this process has loaded,
and in the sources of those that it has not.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

_MODULE = re.compile(r"module '([\w.]+)' has no attribute|cannot import name '\w+' from '([\w.]+)'")
_CLASS = re.compile(r"(?:^|type object )'(\w+)' (?:object )?has no attribute")
_MAX_SOURCE_BYTES = 1_000_000


def is_there(message: str, word: str) -> bool:
    """Tell whether what an error says to be missing is there after all.

    Parameters
    ----------
    message
        Python's words, such as ``module 'os' has no attribute 'remove'``.
    word
        The name in them that is said to be missing.

    Returns
    -------
    ``False`` also where nothing is known: jobs may use what is not installed here.

    """
    if named := _MODULE.search(message):
        return _module_has(named[1] or named[2], word)
    if named := _CLASS.search(message):
        return any(hasattr(found, word) for found in _classes(named[1]))
    return hasattr(builtins, word) and f"name '{word}' is not defined" in message


def _module_has(name: str, word: str) -> bool:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return word in vars(loaded)
    file = _find_source(name)
    try:
        if file is None or file.stat().st_size > _MAX_SOURCE_BYTES:
            return False
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    binds = rf"^\s*(?:(?:async\s+)?def|class)\s+{word}\b|^\s*{word}\s*(?::[^=\n]*)?=(?!=)"
    imports = rf"^\s*(?:from\s+[\w.]+\s+)?import\b[^\n]*\b{word}\b|^\s*{word},?\s*$"
    return re.search(f"{binds}|{imports}", text, re.MULTILINE) is not None


def _find_source(name: str) -> Path | None:
    """Return the source of a module; unlike `importlib.util.find_spec` this imports nothing."""
    path: list[str] | None = None
    spec: Any = None
    for i in range(1, name.count(".") + 2):
        try:
            spec = PathFinder.find_spec(".".join(name.split(".")[:i]), path)
        except (ImportError, ValueError, OSError):
            return None
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    origin = spec.origin or ""
    return Path(origin) if origin.endswith(".py") and Path(origin).is_file() else None


def _classes(name: str) -> Iterator[type]:
    """Find the classes of a name, built in or in what is loaded."""
    for module in (builtins, *list(sys.modules.values())):
        found = getattr(module, "__dict__", {}).get(name)
        if isinstance(found, type):
            yield found
