"""Lists of quoted words, as Python and JSON print the arguments of a command."""

from __future__ import annotations

import re

_ITEM = r"[bu]?(?:'[^'\n]*'|\"[^\"\n]*\")"
_LIST = re.compile(rf"[\[(]\s*{_ITEM}\s*,\s*(?:{_ITEM}\s*,?\s*)+", re.ASCII)
_WORD = re.compile(r"[bu]?(?:'([^']*)'|\"([^\"]*)\")")
_INNER = str.maketrans(" \t\"'", "\x01" * 4)


def flatten_lists(text: str) -> str:
    r"""Return a text with its lists as a shell has them; each character keeps its place.

    ``['prog', '-p', 'a b']`` becomes ``[ prog    -p    a\x01b ]``: a blank within an
    argument is not one between two of them.
    """
    return _LIST.sub(_flatten, text)


def _flatten(found: re.Match[str]) -> str:
    out = []
    pos = 0
    listed = found.group()
    for word in _WORD.finditer(listed):
        which = 1 if word.group(1) is not None else 2
        out += [" " * (word.start(which) - pos), word.group(which).translate(_INNER)]
        pos = word.end(which)
    out.append(" " * (len(listed) - pos))
    return "".join(out)
