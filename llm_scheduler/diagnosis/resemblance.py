"""Whether a near miss looks like what its cause takes: one that shares no word proves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.causes import Cause

_WORD = re.compile(r"[^\W_]{2,}")
_NO_WORD = re.compile(r"\(\?P<\w+>|\\[A-Za-z]")
"""Of a pattern: names of groups, and classes like ``\\d``."""
_FIRST_IDEOGRAPH = "\u2e80"
_COMMON = frozenset(
    "the and for with not was from this that has have had are were you your can could will its "
    "but into all any one two new see use used using than then when which been being did does"
    .split(),
)  # fmt: skip
_ENOUGH = 2
_MIN_RARE = 7
_MAX_RARE_SHARE = 0.012


def resembles(text: str, cause: Cause, catalog: Catalog) -> bool:
    """Tell whether a text shares two telling words, or a rare one, with a cause's own texts."""
    common = _words_of([text]) & _words_of_cause(cause)
    if len(common) >= _ENOUGH:
        return True
    counts = _count_words(catalog)
    most = _MAX_RARE_SHARE * len(catalog)
    return any(len(word) >= _MIN_RARE and counts[word] <= most for word in common)


@lru_cache(maxsize=4)
def _count_words(catalog: Catalog) -> Counter[str]:
    """Return in how many causes each word stands."""
    return Counter(word for cause in catalog for word in _words_of_cause(cause))


def _words_of_cause(cause: Cause) -> set[str]:
    patterns = (_NO_WORD.sub(" ", pattern) for pattern in cause.patterns)
    return _words_of([cause.example, *patterns, *cause.exceptions])


def _words_of(texts: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(" ".join(texts).lower()):
        if word[0] >= _FIRST_IDEOGRAPH:  # written without spaces: two signs make a word
            found.update(word[i : i + 2] for i in range(len(word) - 1))
        elif (len(word) > 2 or word.isdigit()) and word not in _COMMON:
            found.add(word.removesuffix("s") if len(word) > 3 else word)
    return found
