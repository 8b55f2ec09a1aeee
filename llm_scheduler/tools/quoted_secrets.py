"""Secrets in shell scripts that stand in quotes over several lines.

Redaction looks at lines, so it would hide the first line of such a value only.
"""

from __future__ import annotations

import re

from llm_scheduler.logs.redaction import REDACTED, redact

_QUOTED = re.compile(
    r"(?P<name>(?<![\w-])--?[\w-]{1,60}[= \t]|\b\w{1,100}=)\$?"
    r"(?P<value>\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^']*')",
    re.DOTALL | re.ASCII,
)
# Of many lines it is no number, file or switch, so a word after the telling one means little.
_TELLING = re.compile(
    r"\w*(?:secret|password|passwd|passphrase|credential)s?(?=_\w+=)", re.IGNORECASE
)
_MAX_TOLD = 500
"""So much of a value tells whether it is a secret."""


def hide_quoted(text: str) -> str:
    """Return a text with as many lines, but without such values."""
    return _QUOTED.sub(_hide, text) if "\n" in text else text


def _hide(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if "\n" not in value or not _is_secret(name, value):
        return found.group()
    quote = value[0]
    lines = "\n".join([REDACTED] * (value.count("\n") + 1))
    return f"{name}{quote}{lines}{quote}"


def _is_secret(name: str, value: str) -> bool:
    quote, inner = value[0], value[1:-1].replace("\n", " ").strip()[:_MAX_TOLD]
    telling = _TELLING.match(name)
    name = f"{telling.group()}=" if telling else name
    return redact(f"{name}{quote}{inner}{quote}") == f"{name}{quote}{REDACTED}{quote}"
