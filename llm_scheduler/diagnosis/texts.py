"""Templates of texts, and quantities as people read them.

Templates come from the catalogue, values from logs, so values are never
interpreted: no format specification, no attribute access.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTIONAL = re.compile(r"\[\[((?:[^\[\]]|\[(?!\[)|\](?!\]))*)\]\]")
_FIELD = re.compile(r"\{([a-z_]\w*)\}")
_MAX_TITLE = 200
_MAX_VALUE = 160
_SIZE = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,6})?) ?(?P<unit>[KMGTPkmgtp])(?:i?[Bb])?")
_UNITS = (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10))


def render(template: str, values: Mapping[str, str], *, code: bool = False) -> str:
    """Fill in a template.

    Parameters
    ----------
    template
        ``{name}`` is a value. ``[[...]]`` is dropped when a value in it is
        unknown. ``A||B`` is A unless A comes out empty, else B.
    values
        The known values.
    code
        Write values as Markdown code, so that a value with markup in it stays text.
    """
    for part in template.split("||"):
        text = _OPTIONAL.sub(lambda found: _optional(found.group(1), values, code), part)
        text = _FIELD.sub(lambda found: _value(found.group(1), values, code), text)
        text = re.sub(r"\s+", " ", text).strip()
        if text:
            return text
    return ""


def render_title(template: str, values: Mapping[str, str]) -> str:
    """Fill in a title: one line of bounded length."""
    text = render(template, values).rstrip(" :")
    return text if len(text) <= _MAX_TITLE else text[: _MAX_TITLE - 1] + "…"


def fields_of(template: str) -> set[str]:
    """Return the names that a template needs outside of its optional parts."""
    return set(_FIELD.findall(_OPTIONAL.sub("", template)))


def fields_in(template: str) -> set[str]:
    """Return all names of a template, those of its optional parts too."""
    return set(_FIELD.findall(template))


def _optional(text: str, values: Mapping[str, str], code: bool) -> str:
    if all(values.get(name) for name in _FIELD.findall(text)):
        return _FIELD.sub(lambda found: _value(found.group(1), values, code), text)
    return ""


def _value(name: str, values: Mapping[str, str], code: bool) -> str:
    value = re.sub(r"\s+", " ", values.get(name, "")).strip()
    if len(value) > _MAX_VALUE:
        value = value[: _MAX_VALUE - 1] + "…"
    if not code:
        return value
    return quote(value) if value else "it"


def quote(text: str) -> str:
    """Write a text as Markdown code, so that markup in it stays text."""
    return f"`{text.replace('`', chr(39))}`"


def format_bytes(n_bytes: float) -> str:
    """Return a size as ``812 MB`` or ``4.1 GB``; units are powers of 1024, as schedulers count."""
    for unit, size in _UNITS:
        # Peaks lie near the limit: "4.0 GB of 4 GB" tells more than rounded numbers.
        if n_bytes >= size:
            digits = 1 if unit == "GB" and n_bytes < 100 * size and n_bytes % size else 0
            return f"{n_bytes / size:.{digits}f} {unit}"
    return f"{n_bytes:.0f} B"


def parse_bytes(text: str) -> int | None:
    """Return the bytes of a size as programs write it, ``7.28 TiB`` or ``800 MB``."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    return int(float(found["number"]) * 1024 ** ("KMGTP".find(found["unit"].upper()) + 1))


def format_memory_request(n_bytes: float) -> str:
    """Return a size as schedulers take it, rounded up: ``8GB``, ``1600MB``."""
    megabytes = -(-int(n_bytes) // (1 << 20))
    if megabytes >= 4096:
        return f"{-(-megabytes // 1024)}GB"
    return f"{-(-megabytes // 100) * 100 if megabytes > 100 else megabytes}MB"


def format_duration(seconds: float) -> str:
    """Return a time as ``HH:MM:SS``, with more than 24 hours as hours."""
    total = round(seconds)
    return f"{total // 3600:02d}:{total % 3600 // 60:02d}:{total % 60:02d}"


def say_duration(seconds: float) -> str:
    """Return a time as people say it: ``8 s``, ``12 min``, ``3 h 20 min``, ``2 days 4 h``."""
    total = round(seconds)
    if total < 120 and total != 60:
        return f"{total} s"
    if total < 600:
        return _two_units(total, 60, "min", "s")
    minutes = round(total / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _two_units(minutes, 60, "h", "min")
    return _two_units(round(minutes / 60), 24, "days", "h")


def _two_units(amount: int, size: int, large: str, small: str) -> str:
    rest = amount % size
    return f"{amount // size} {large}" + (f" {rest} {small}" if rest else "")


def round_up_time(seconds: float) -> float:
    """Return a time rounded up to what people would ask for."""
    for step, limit in ((60, 1800), (300, 7200), (1800, 86400)):
        if seconds <= limit:
            return -(-seconds // step) * step
    return -(-seconds // 3600) * 3600
