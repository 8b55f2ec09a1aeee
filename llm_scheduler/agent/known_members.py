"""What modules, classes and functions have, looked up in sources and in what is loaded.

Nothing is imported. Of the user's own modules only the files count: what this process
has loaded may be older.
"""

from __future__ import annotations

import ast
import builtins
import sys
import sysconfig
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from llm_scheduler.agent.parsed_source import NotSure, ParsedSource, names_in, read_source


@dataclass(frozen=True, slots=True)
class Module:
    """A module that a job would import."""

    name: str
    file: str
    """Its source; empty where it has none."""
    is_own: bool
    """Whether it stands beside the user's file, and not among what is installed."""


@dataclass(frozen=True, slots=True)
class SourceClass:
    """A class in a source file."""

    node: ast.ClassDef
    source: ParsedSource


@dataclass(frozen=True, slots=True)
class SourceFunction:
    """A function in a source file."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    source: ParsedSource


_MAX_NAME = 200
_MAX_STARS = 3
_INSTALLED = ("site-packages", "dist-packages", sysconfig.get_path("stdlib"))
"""What is in the paths of modules that the user has not written."""

Thing = Module | SourceClass | SourceFunction | type
"""What a name stands for."""


def find_module(name: str, folder: Path) -> Module | None:
    """Return a module as a program in a folder would find it."""
    if len(name) > _MAX_NAME or not all(part.isidentifier() for part in name.split(".")):
        return None
    for base in (folder, Path.cwd()):
        path = base.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if _is(Path.is_file, file):
                return Module(name, str(file), is_own=True)
    spec = _find_spec(name)
    if spec is not None:
        origin = spec.origin or ""
        source = origin if origin.endswith(".py") else ""
        return Module(name, source, is_own=not any(x in origin for x in _INSTALLED))
    loaded_from = str(getattr(sys.modules.get(name), "__file__", None) or "")
    if name in sys.builtin_module_names or any(x in loaded_from for x in _INSTALLED):
        return Module(name, "", is_own=False)  # such as os.path
    folders = (base.joinpath(*name.split(".")) for base in (folder, Path.cwd()))
    return Module(name, "", is_own=True) if any(_is(Path.is_dir, x) for x in folders) else None


def _is(check: Callable[[Path], bool], path: Path) -> bool:
    try:
        return check(path)
    except OSError:
        return False


def _find_spec(name: str) -> Any:
    """Find a module; unlike `importlib.util.find_spec` this imports no parents."""
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
    return spec


def module_has(module: Module, word: str, folder: Path, depth: int = 0) -> bool | None:
    """Tell whether a module has a name; ``None`` where that can't be told."""
    if find_module(f"{module.name}.{word}", folder) is not None:
        return True
    loaded = _loaded(module)
    if loaded is not None:
        return _loaded_has(loaded, word)
    source = parse_file(module.file)
    if source is None:
        return None
    if word in names_in(source.tree):
        return True
    for star in source.stars():
        other = find_module(star_name(star, module), folder) if depth < _MAX_STARS else None
        if other is not None and module_has(other, word, folder, depth + 1):
            return True
    return None if source.makes_names() else False


def star_name(star: ast.ImportFrom, inside: Module) -> str:
    """Return the full name of the module from which another takes all names."""
    if not star.level:
        return star.module or ""
    is_package = Path(inside.file).name == "__init__.py"
    parts = inside.name.split(".")[: len(inside.name.split(".")) + is_package - star.level]
    return ".".join([*parts, star.module] if star.module else parts)


def _loaded(module: Module) -> types.ModuleType | None:
    found = sys.modules.get(module.name)
    if found is None or module.is_own:
        return None
    file = getattr(found, "__file__", None) or ""
    return found if not module.file or file == module.file else None


def _loaded_has(module: types.ModuleType, word: str) -> bool | None:
    if word in vars(module):
        return True
    missing = False if type(module) is types.ModuleType else None
    try:
        # As numpy does for names of old; a program that has the word in it asks the same.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(module, word)
    except AttributeError:
        return missing
    except Exception:  # noqa: BLE001 - a module does there what it likes
        return None
    return True


def parse_file(file: str) -> ParsedSource | None:
    """Return the parsed source of a file; ``None`` where that is not possible."""
    try:
        return ParsedSource(file, read_source(file)) if file else None
    except NotSure:
        return None


def member_of(module: Module, name: str, folder: Path) -> Thing | None:
    """Return what a name in a module stands for, where that is clear."""
    inner = find_module(f"{module.name}.{name}", folder)
    if inner is not None:
        return inner
    found = vars(_loaded(module) or object).get(name)
    if isinstance(found, type):
        return found
    if isinstance(found, types.ModuleType):
        return find_module(found.__name__, folder)
    source = parse_file(module.file)
    return definition(source, name) if source is not None else None


def definition(source: ParsedSource, name: str) -> Thing | None:
    """Return the class or the function that a file defines under a name."""
    node = source.only_binding(name)
    if node is None or source.parent(node) is not source.tree:
        return None
    if isinstance(node, ast.ClassDef):
        return SourceClass(node, source)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return SourceFunction(node, source)
    return None


def class_has(found: SourceClass | type, word: str) -> bool | None:
    """Tell whether a class or its instances have a name; ``None`` where that can't be told."""
    if isinstance(found, type):
        if hasattr(found, word):
            return True
        # Instances of other classes get attributes as they like.
        return False if found.__module__ == "builtins" else None
    is_set = any(
        isinstance(node, ast.Attribute) and node.attr == word and not isinstance(node.ctx, ast.Load)
        for node in found.source.nodes
    )
    return True if is_set or word in names_in(found.node) else None


def function_takes(found: SourceFunction, word: str) -> bool | None:
    """Tell whether a function takes a keyword; ``None`` where that can't be told."""
    arguments = found.node.args
    if word in (argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)):
        return True
    return None if arguments.kwarg is not None or found.node.decorator_list else False


def loaded_classes(name: str) -> Iterator[type]:
    """Find the classes of a name, built in or in what is loaded."""
    for module in (builtins, *list(sys.modules.values())):
        found = getattr(module, "__dict__", {}).get(name)
        if isinstance(found, type):
            yield found
