"""Several expressions looked for in one pass over a short text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_Match = Callable[[bytes], Sequence[int] | None]


class PatternSet:
    """Tells which of its expressions occur in a text.

    Expressions keep to what `re` and RE2 read alike: no groups that look
    around, no references back. Compiled when first used: it is felt at import.

    Parameters
    ----------
    sources
        The expressions.
    is_exact
        Whether the case of letters matters.
    """

    def __init__(self, sources: Sequence[str], *, is_exact: bool = False) -> None:
        self._sources = tuple(sources)
        self._is_exact = is_exact
        self._match: _Match | None = None

    def find(self, text: str) -> Sequence[int]:
        """Return the places of the expressions that occur in the text."""
        return self.find_raw(text.encode(errors="replace"))

    def find_raw(self, data: bytes) -> Sequence[int]:
        """Return the places of the expressions that occur in the bytes."""
        match = self._match
        if match is None:
            match = self._match = _compile(self._sources, is_exact=self._is_exact)
        return match(data) or ()


def _compile(sources: Sequence[str], *, is_exact: bool) -> _Match:
    raws = [source.encode("latin-1") for source in sources]
    try:
        import re2
    except ImportError:
        return _compile_re(raws, re.NOFLAG if is_exact else re.IGNORECASE)
    options = re2.Options()
    options.max_mem = 64 << 20
    options.case_sensitive = is_exact
    options.never_capture = True
    # Bytes in both: no letter but those of ASCII has another case.
    options.encoding = re2.Options.Encoding.LATIN1
    found = re2.Set.SearchSet(options)
    for raw in raws:
        found.Add(raw)
    found.Compile()
    match: _Match = found.Match
    return match


def _compile_re(raws: Sequence[bytes], flags: re.RegexFlag) -> _Match:
    compiled = [re.compile(raw, flags) for raw in raws]
    return lambda raw: [i for i, pattern in enumerate(compiled) if pattern.search(raw)]
