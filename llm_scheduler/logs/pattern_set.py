"""Several expressions looked for in one pass over a short text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_Match = Callable[[bytes], Sequence[int] | None]


class PatternSet:
    """Tells which of its expressions occur in a text, in any case.

    Expressions keep to what `re` and RE2 read alike: no groups that look
    around, no references back. Compiled when first used: it is felt at import.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = tuple(sources)
        self._match: _Match | None = None

    def find(self, text: str) -> Sequence[int]:
        """Return the places of the expressions that occur in the text."""
        match = self._match
        if match is None:
            match = self._match = _compile(self._sources)
        return match(text.encode(errors="replace")) or ()


def _compile(sources: Sequence[str]) -> _Match:
    try:
        import re2
    except ImportError:
        return _compile_re(sources)
    options = re2.Options()
    options.max_mem = 64 << 20
    options.case_sensitive = False
    options.never_capture = True
    # Bytes in both: no letter but those of ASCII has another case.
    options.encoding = re2.Options.Encoding.LATIN1
    found = re2.Set.SearchSet(options)
    for source in sources:
        found.Add(source)
    found.Compile()
    match: _Match = found.Match
    return match


def _compile_re(sources: Sequence[str]) -> _Match:
    compiled = [re.compile(source.encode(), re.IGNORECASE) for source in sources]
    return lambda raw: [i for i, pattern in enumerate(compiled) if pattern.search(raw)]
