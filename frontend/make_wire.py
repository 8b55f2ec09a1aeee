"""Writes ``src/wire.ts`` from ``llm_scheduler/widgets/messages.py``.

    python frontend/make_wire.py [--check]

With ``--check`` nothing is written, and the exit status says whether the file is what
the protocol gives.
"""

from __future__ import annotations

import inspect
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from llm_scheduler.widgets import messages

TARGET = Path(__file__).parent / "src" / "wire.ts"
_HEAD = """\
// Made from llm_scheduler/widgets/messages.py by frontend/make_wire.py; do not edit.

export const PROTOCOL = {protocol};
"""
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def type_text(annotation: Any) -> str:
    """Return a type of Python as TypeScript writes it."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is Any:
        return "unknown"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(argument) for argument in arguments))
    if origin is list:
        inner = type_text(arguments[0])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<{type_text(arguments[0])}, {type_text(arguments[1])}>"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation.__name__
    raise TypeError(f"no TypeScript for {annotation!r}")


def interface_text(model: type[BaseModel]) -> str:
    """Return one message as an interface."""
    doc = (inspect.getdoc(model) or "").partition("\n\n")[0].replace("\n", " ")
    lines = [f"/** {doc} */", f"export interface {model.__name__} {{"]
    is_request = issubclass(model, messages._Request)
    for name, field in model.model_fields.items():
        # What a view sends may leave defaults away; what it gets is always whole.
        optional = "?" if is_request and not field.is_required() and name != "type" else ""
        lines.append(f"  {name}{optional}: {type_text(field.annotation)};")
    return "\n".join([*lines, "}"])


def wire_text() -> str:
    """Return the whole file."""
    parts = [_HEAD.format(protocol=messages.PROTOCOL)]
    for name, value in vars(messages).items():
        if name.startswith("_") or name in ("Any", "Literal", "PROTOCOL"):
            continue
        if inspect.isclass(value) and issubclass(value, BaseModel):
            if value is not BaseModel:
                parts.append(interface_text(value))
        elif get_origin(value) in (Literal, Union, types.UnionType):
            parts.append(f"export type {name} = {type_text(value)};")
    return "\n\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def main() -> int:
    """Write or check the file."""
    text = wire_text()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET} is not what the protocol gives; run frontend/make_wire.py.")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
