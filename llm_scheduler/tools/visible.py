r"""Text as it is shown: what can't be seen, or turns text around, stands as an escape.

A name or a line must not look like another one. Control characters, ANSI, signs that
change the direction of text, characters without width and blanks that are no space are
written as Python writes them: ``\x1b``, ``\u202e``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MAYBE_HIDDEN = re.compile(r"[^\t\n\x20-\x7e]")
_HIDDEN_KINDS = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])
# Letters and marks that fonts draw as nothing.
_BLANK = frozenset(
    [
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|r)")
_MAX_CODE = 0x10FFFF


@lru_cache(maxsize=4096)
def _is_hidden(char: str) -> bool:
    if char in "\t\n ":
        return False
    return unicodedata.category(char) in _HIDDEN_KINDS or ord(char) in _BLANK


def _escape(char: str) -> str:
    if char == "\r":
        return "\\r"
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def show_text(text: str) -> str:
    """Return text of one or more lines with escapes for what does not show."""

    def show(found: re.Match[str]) -> str:
        char = found.group()
        return _escape(char) if _is_hidden(char) else char

    return _MAYBE_HIDDEN.sub(show, text)


def show_name(name: str) -> str:
    """Return a path or a name on one line, with escapes for what does not show."""
    return show_text(name).replace("\n", "\\n").replace("\t", "\\t")


def has_hidden(text: str) -> bool:
    """Tell whether there are characters that do not show, besides newline and tab."""
    return any(_is_hidden(found.group()) for found in _MAYBE_HIDDEN.finditer(text))


def is_plain_name(name: str) -> bool:
    """Tell whether a path shows as it is, with nothing hidden in it."""
    return show_name(name) == name


def read_escapes(text: str, *, name: bool = False) -> str:
    """Turn the escapes of `show_text`, or of `show_name`, back into characters."""

    def read(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2) or found.group(3)
        if code is None:
            return "\r"
        number = int(code, 16)
        if number > _MAX_CODE or not _is_hidden(chr(number)):
            return found.group()
        return chr(number)

    if name:
        text = text.replace("\\n", "\n").replace("\\t", "\t")
    return _ESCAPE.sub(read, text)
