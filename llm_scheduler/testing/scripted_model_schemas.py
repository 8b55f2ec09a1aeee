"""What OpenAI's servers refuse in JSON schemas of tools and response formats."""

from __future__ import annotations

from typing import Any

_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
_REFUSED_WHEN_STRICT = ("oneOf", "allOf", "not", "if", "then", "else", "patternProperties")


def find_schema_problem(schema: Any, *, strict: bool) -> str:
    """Return what is wrong with a schema, in the server's words, or nothing."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    return _find_in(schema, schema, (), strict=strict)


def _find_in(part: Any, root: dict[str, Any], where: tuple[str, ...], *, strict: bool) -> str:
    if isinstance(part, bool):
        return ""
    if not isinstance(part, dict):
        return f"In context={where}, {part!r} is not of type 'object', 'boolean'."
    problem = _find_at(part, root) or (_find_unstrict(part) if strict else "")
    if problem:
        return f"In context={where}, {problem}"
    for name, inner in _children(part):
        problem = _find_in(inner, root, (*where, *name), strict=strict)
        if problem:
            return problem
    return ""


def _find_at(part: dict[str, Any], root: dict[str, Any]) -> str:
    kinds = part.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind not in _TYPES:
            return f"'{kind}' is not valid under any of the given schemas."
    if part.get("type") == "array" and "items" not in part and "prefixItems" not in part:
        return "array schema missing items."
    if "$ref" in part and not _resolves(str(part["$ref"]), root):
        return f"reference can only point to definitions defined at the top level: {part['$ref']}."
    if "enum" in part and not part["enum"]:
        return "[] should be non-empty."
    properties = part.get("properties", {})
    if not isinstance(properties, dict):
        return f"{properties!r} is not of type 'object'."
    required = part.get("required", [])
    if not isinstance(required, list):
        return f"{required!r} is not of type 'array'."
    extra = [name for name in required if name not in properties]
    if extra and part.get("type") == "object":
        return f"'required' is required to hold properties only. Extra required key '{extra[0]}'."
    return ""


def _find_unstrict(part: dict[str, Any]) -> str:
    for name in _REFUSED_WHEN_STRICT:
        if name in part:
            return f"'{name}' is not permitted."
    beside = sorted(set(part) - {"$ref"}) if "$ref" in part else []
    if beside:
        return f"$ref cannot have keywords {set(beside[:1])}."
    if "default" in part:
        return "'default' is not permitted."
    if part.get("type") != "object":
        return ""
    if part.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    missing = [name for name in part.get("properties", {}) if name not in part.get("required", [])]
    if missing:
        return (
            "'required' is required to be supplied and to be an array including every key in "
            f"properties. Missing '{missing[0]}'."
        )
    return ""


def _children(part: dict[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for group in ("properties", "$defs", "definitions"):
        inner = part.get(group)
        if isinstance(inner, dict):
            found += [((group, str(name)), value) for name, value in inner.items()]
    for group in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inner = part.get(group)
        if isinstance(inner, list):
            found += [((group, str(i)), value) for i, value in enumerate(inner)]
    found += [((name,), part[name]) for name in ("items", "additionalProperties") if name in part]
    return found


def _resolves(reference: str, root: dict[str, Any]) -> bool:
    if reference == "#":
        return True
    parts = reference.split("/")
    if parts[0] != "#":
        return False
    here: Any = root
    for name in parts[1:]:
        if not isinstance(here, dict) or name not in here:
            return False
        here = here[name]
    return True
