"""Errors that can't be true: a log may claim that something is missing which is there.

A job prints what it likes, so its log can hold a traceback that never happened, written
to have ``safe_load`` replaced by ``unsafe_load``. So nothing that the log says of classes
and modules is believed: what stands on the line is looked up in the user's files and in
what is installed, without running any of it. Where that does not tell whether the name is
missing, nobody but the user can.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from llm_scheduler.agent.known_members import (
    Module,
    SourceClass,
    SourceFunction,
    Thing,
    class_has,
    definition,
    find_module,
    function_takes,
    loaded_classes,
    member_of,
    module_has,
)
from llm_scheduler.agent.name_suggestions import is_nearest
from llm_scheduler.agent.parsed_source import ParsedSource

_CLASS = re.compile(r"(?:^|type object )'(\w+)' (?:object )?has no attribute")
_INJECTED = frozenset(("profile", "display", "get_ipython", "snakemake", "_"))
"""Names that profilers, notebooks and other programs give to what they run."""
_LITERALS: dict[type[ast.AST], type] = {
    ast.Dict: dict, ast.DictComp: dict, ast.List: list, ast.ListComp: list, ast.Set: set,
    ast.SetComp: set, ast.Tuple: tuple, ast.JoinedStr: str,
}  # fmt: skip
_BUILTIN_CLASSES: dict[str, type] = {
    found.__name__: found for found in (dict, list, set, frozenset, tuple, str, bytes, int, float)
}
_MAX_DEPTH = 10

Look = Callable[[ParsedSource, int, str, str], bool | None]
"""Whether the word on a line is there: ``False`` only where it is shown to be missing and
the hint is shown to be there; ``None`` where that can't be told."""


def names_class_that_has(message: str, word: str) -> bool:
    """Tell whether a class of the name that a message says has the word after all."""
    named = _CLASS.search(message)
    return named is not None and any(hasattr(found, word) for found in loaded_classes(named[1]))


def look_up_name(source: ParsedSource, line: int, word: str, hint: str) -> bool | None:
    """Look up a name that is said to be not defined."""
    if hasattr(builtins, word):
        return True
    folder = Path(source.file).parent
    for star in source.stars():
        module = find_module(star.module or "", folder) if not star.level else None
        if module is not None and module_has(module, word, folder):
            return True
    is_clear = not source.makes_names() and word not in _INJECTED
    return False if is_clear and is_nearest(word, hint, source.names_at(line)) else None


def look_up_attribute(source: ParsedSource, line: int, word: str, hint: str) -> bool | None:
    """Look up an attribute in what stands before the dot."""
    found = [
        _thing(node.value, source, line)
        for node in source.nodes
        if isinstance(node, ast.Attribute) and node.attr == word and node.end_lineno == line
    ]
    folder = Path(source.file).parent
    answers = [_has(thing, word, folder) for thing in found]
    if True in answers:
        return True
    if answers != [False] or source.stars() or not _has(found[0], hint, folder):
        return None
    thing = found[0]
    # A program may set attributes of its own modules from anywhere.
    return None if isinstance(thing, Module) and thing.is_own else False


def _has(thing: Thing | None, word: str, folder: Path) -> bool | None:
    if isinstance(thing, Module):
        return module_has(thing, word, folder)
    if isinstance(thing, (SourceClass, type)):
        return class_has(thing, word)
    return None


def look_up_keyword(source: ParsedSource, line: int, word: str, hint: str) -> bool | None:
    """Look up a keyword argument in the function that the line calls with it."""
    called = [
        _thing(node.func, source, line)
        for node in source.nodes
        if isinstance(node, ast.Call)
        and any(x.arg == word and x.lineno == line for x in node.keywords)
    ]
    functions = [found for thing in called for found in _functions_of(thing)]
    if any(function_takes(function, word) for function in functions):
        return True
    if len(called) != 1 or not isinstance(called[0], SourceFunction) or source.stars():
        return None
    is_missing = function_takes(functions[0], word) is False
    return False if is_missing and function_takes(functions[0], hint) else None


def _functions_of(thing: Thing | None) -> Iterator[SourceFunction]:
    if isinstance(thing, SourceFunction):
        yield thing
    elif isinstance(thing, SourceClass):
        for node in thing.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                yield SourceFunction(node, thing.source)


def look_up_import(source: ParsedSource, line: int, word: str, hint: str) -> bool | None:
    """Look up an imported name in the module that the line names."""
    folder = Path(source.file).parent
    for node in source.nodes:
        if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
            continue
        if any(alias.name == word and alias.lineno == line for alias in node.names):
            module = find_module(node.module, folder)
            there = module_has(module, word, folder) if module is not None else None
            if module is None or there is not False:
                return there
            # What stands in the folder of this process need not be what jobs import.
            is_near = not module.is_own or Path(module.file).is_relative_to(folder)
            return False if is_near and module_has(module, hint, folder) else None
    return None


def look_up_module(source: ParsedSource, _line: int, word: str, _hint: str) -> bool | None:
    """Look up a module; that none is found says nothing of the place where jobs run."""
    return True if find_module(word, Path(source.file).parent) is not None else None


def look_up_text(_source: ParsedSource, _line: int, _word: str, _hint: str) -> bool | None:
    """Look up a key or an option, of which only the user knows what it should be."""
    return None


# -- what an expression stands for -------------------------------------------------------


def _thing(node: ast.expr, source: ParsedSource, line: int, depth: int = 0) -> Thing | None:
    """Return the module, class or function that an expression is, or is an instance of."""
    if depth > _MAX_DEPTH:
        return None
    folder = Path(source.file).parent
    if isinstance(node, ast.Name):
        return _named(node.id, source, line, depth)
    if isinstance(node, ast.Attribute):
        owner = _thing(node.value, source, line, depth + 1)
        return member_of(owner, node.attr, folder) if isinstance(owner, Module) else None
    if isinstance(node, ast.Call):
        made = _thing(node.func, source, line, depth + 1)
        return made if isinstance(made, (SourceClass, type)) else None
    if isinstance(node, ast.Constant):
        return type(node.value)
    return _LITERALS.get(type(node))


def _named(name: str, source: ParsedSource, line: int, depth: int) -> Thing | None:
    node = source.only_binding(name)
    if isinstance(node, ast.alias):
        return _imported(node, source)
    if node is not None and (found := definition(source, name)) is not None:
        return found
    if isinstance(node, ast.Name):
        around = source.parent(node)
        if isinstance(around, ast.Assign) and around.targets == [node]:
            return _thing(around.value, source, line, depth + 1)
        return None
    if node is None and name in _BUILTIN_CLASSES and not source.binds(name):
        return _BUILTIN_CLASSES[name]
    return _class_of_self(name, source, line)


def _imported(alias: ast.alias, source: ParsedSource) -> Thing | None:
    folder = Path(source.file).parent
    around = source.parent(alias)
    if isinstance(around, ast.ImportFrom):
        if around.level or not around.module:
            return None
        module = find_module(around.module, folder)
        return member_of(module, alias.name, folder) if module is not None else None
    name = alias.name if alias.asname else alias.name.split(".", 1)[0]
    return find_module(name, folder)


def _class_of_self(name: str, source: ParsedSource, line: int) -> SourceClass | None:
    """Return the class whose method has this first argument."""
    function = source.scopes_at(line)[-1]
    if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        around = source.parent(function)
        first = [argument.arg for argument in function.args.args[:1]]
        if isinstance(around, ast.ClassDef) and first == [name] and not function.decorator_list:
            return SourceClass(around, source)
    return None
