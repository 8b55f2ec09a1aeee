"""A learner as an object: its function, where that stands, and its data.

Nothing is unpickled here, and no function of the learner is called but those that tell
about its data; each may fail, and the rest is told all the same.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_scheduler.errors import LogError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.tools.run_view import LearnerInfo

MAX_SOURCE_BYTES = 2_000_000
MAX_COUNTED = 1_000_000
_MAX_BOUNDS_CHARS = 300
_STATUS_BYTES = 1 << 16
_STATUS_KEYS = ("timestamp", "elapsed_time", "npoints", "latest_loss", "nlearners", "mem_usage")


Source = tuple[str, int, str]


def describe_learner(learner: Any, fname: str) -> LearnerInfo:
    """Describe a learner of ``adaptive``; what can't be found out is left empty."""
    n_points = _attempt(lambda: int(learner.npoints))
    return replace(
        describe_function(learner, fname),
        n_points=n_points,
        loss=_loss(learner) if n_points else None,
        n_nan=_attempt(lambda: count_not_finite(getattr(_innermost(learner), "data", None))),
    )


def describe_function(
    learner: Any, fname: str, sources: dict[int, Source] | None = None
) -> LearnerInfo:
    """Describe what of a learner does not change while it learns.

    Parameters
    ----------
    learner, fname
        The learner and its file.
    sources
        Where the functions of other learners stand, by their id: most have the same.
    """
    known = {} if sources is None else sources
    info = _attempt(lambda: _describe_function(learner, fname, known))
    kind = type(learner).__name__
    return info or LearnerInfo(fname=fname, kind=kind, problem="It can't be described.")


def _describe_function(learner: Any, fname: str, sources: dict[int, Source]) -> LearnerInfo:
    inner = _innermost(learner)
    function = _unwrap(getattr(inner, "function", None))
    if id(function) not in sources:
        sources[id(function)] = find_source(function)
    file, line, source = sources[id(function)]
    return LearnerInfo(
        fname=fname,
        kind=type(learner).__name__,
        function=getattr(function, "__qualname__", "") or type(function).__qualname__,
        module=str(getattr(function, "__module__", "") or ""),
        source=source,
        file=file,
        line=line,
        by_value=is_by_value(function),
        bounds=_describe_bounds(inner),
        problem="" if source else "The source of its function is not in any file.",
    )


def is_by_value(function: Any) -> bool:
    """Say whether cloudpickle hands a copy of a function to the jobs.

    It does so for all that can't be imported by its name: what is defined in a notebook,
    in the script that was started, or inside another function.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or not name:
        return True
    pickle = sys.modules.get("cloudpickle")
    registered = pickle.list_registry_pickle_by_value() if pickle else set()
    if any(module.__name__ == x or module.__name__.startswith(f"{x}.") for x in registered):
        return True
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return not callable(found) or _plain(found) is not _plain(function)


def _plain(function: Any) -> Any:
    """Return the function in a method, and inside decorators."""
    return inspect.unwrap(getattr(function, "__func__", function))


def find_source(function: Any) -> Source:
    """Return the file, the first line and the text of a function.

    The file is read anew: it may have been edited since the function was imported.
    """
    if function is None:
        return "", 0, ""
    try:
        file = inspect.getsourcefile(function) or ""
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, SyntaxError, IndexError):
        return "", 0, ""
    source, path = "".join(lines), Path(file)
    if not path.is_file():  # a cell of a notebook
        return "", 0, source
    present = present_source(path, getattr(function, "__qualname__", ""))
    return (str(path), *(present or (first, source)))


def present_source(path: Path, name: str) -> tuple[int, str] | None:
    """Return the first line and the text of a function as its file has it now."""
    try:
        # No FIFO, which would never answer.
        if not path.is_file() or path.stat().st_size > MAX_SOURCE_BYTES:
            return None
        text = path.read_text(encoding="utf-8")
        body: Any = ast.parse(text).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    node: Any = None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for part in name.split("."):
        found = [n for n in body if isinstance(n, kinds) and n.name == part]
        if not found:
            return None
        node = found[-1]  # the last one wins when the module is imported
        body = node.body
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, "".join(text.splitlines(keepends=True)[first - 1 : node.end_lineno])


def _innermost(learner: Any) -> Any:
    """Return the learner inside a `DataSaver`, or the first of a `BalancingLearner`."""
    for _ in range(5):
        many = getattr(learner, "learners", None)
        inner = many[0] if isinstance(many, list | tuple) and many else None
        inner = inner or getattr(learner, "__dict__", {}).get("learner")
        if inner is None:
            break
        learner = inner
    return learner


def _unwrap(function: Any) -> Any:
    for _ in range(20):
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    is_object = not inspect.isroutine(function) and not inspect.isclass(function)
    return type(function) if function is not None and is_object else function


def _describe_bounds(learner: Any) -> str:
    for name in ("bounds", "sequence"):
        value = getattr(learner, name, None)
        if value is None:
            continue
        if name == "sequence":
            return f"a sequence of {len(value)} values" if hasattr(value, "__len__") else ""
        text = _attempt(functools.partial(repr, value)) or ""
        more = "" if len(text) <= _MAX_BOUNDS_CHARS else " ..."
        return text[:_MAX_BOUNDS_CHARS] + more
    return ""


def _loss(learner: Any) -> float | None:
    loss = _attempt(lambda: float(learner.loss()))
    return loss if loss is not None and math.isfinite(loss) else None


def count_not_finite(data: Any) -> int | None:
    """Count the points whose value is, or holds, no finite number."""
    if not isinstance(data, Mapping):
        return None
    values = list(data.values())[:MAX_COUNTED]
    return sum(not _is_finite(value) for value in values)


def _is_finite(value: Any) -> bool:
    if isinstance(value, complex):
        return math.isfinite(value.real) and math.isfinite(value.imag)
    if isinstance(value, int | float):
        return math.isfinite(value)
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
        return _is_finite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, Mapping) or all(map(_is_finite, value.values()))


def _attempt(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a learner may be of any class
        return None


def read_last_status(log_file: str) -> dict[str, str]:
    """Return what a job wrote about itself last: its points, its loss, its time.

    Parameters
    ----------
    log_file
        The engine's own log of a job, JSON by lines.
    """
    try:
        if Path(log_file).is_symlink():
            return {}
        with LogReader(log_file) as reader:
            lines = reader.read_end(_STATUS_BYTES, 0).splitlines()
    except LogError:
        return {}
    for line in reversed(lines):
        if b"current status" not in line:
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and entry.get("event") == "current status":
            return {key: str(entry[key])[:80] for key in _STATUS_KEYS if key in entry}
    return {}
