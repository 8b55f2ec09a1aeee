"""Whether a near miss looks like what its cause takes: one that shares no word proves nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from llm_scheduler.diagnosis.catalog import Catalog
from llm_scheduler.diagnosis.causes import Cause
from llm_scheduler.diagnosis.patterns import literals_of

_WORD = re.compile(r"[^\W_]{2,}")
_NO_WORD = re.compile(r"\(\?P<\w+>|\\[A-Za-z]|\{\d+(?:,\d*)?\}")
"""Of a pattern: names of groups, classes like ``\\d``, and counts."""
_FIRST_IDEOGRAPH = "\u2e80"
_COMMON = frozenset(
    {
        *("the", "and", "for", "with", "not", "was", "from", "this", "that", "has", "have", "had"),
        *("are", "were", "you", "your", "can", "could", "will", "its", "but", "into", "all", "any"),
        *(
            "one",
            "two",
            "new",
            "see",
            "use",
            "used",
            "using",
            "than",
            "then",
            "when",
            "which",
            "been",
        ),
        *("being", "did", "does"),
    },
)
_ENOUGH = 4
_TELLING, _GENERAL = 2, 1
_MAX_TELLING_SHARE = 0.05
"""Words of more causes (error, file, cannot) are general: it takes two for a telling one."""
_MIN_RARE = 7
_MAX_RARE_SHARE = 0.012


def resembles(text: str, cause: Cause, catalog: Catalog) -> bool:
    """Tell whether a text shares words with what a cause takes.

    These are a plain text of a pattern, two telling words, or a rare one.
    """
    low = text.lower()
    literals = {literal for pattern in cause.patterns for literal in literals_of(pattern)}
    if any(literal in low for literal in literals if " " in literal or len(literal) >= _MIN_RARE):
        return True
    own = _words_of_cause(cause)
    common = _words_of([text]) & own
    counts = _count_words(catalog)
    most = _MAX_RARE_SHARE * len(catalog)
    if any(len(word) >= _MIN_RARE and counts[word] <= most for word in common):
        return True

    def weigh(words: set[str]) -> int:
        telling = sum(counts[word] <= _MAX_TELLING_SHARE * len(catalog) for word in words)
        return _TELLING * telling + _GENERAL * (len(words) - telling)

    # Some causes have hardly a word of their own.
    return bool(common) and weigh(common) >= min(_ENOUGH, weigh(own))


@lru_cache(maxsize=4)
def _count_words(catalog: Catalog) -> Counter[str]:
    """Return in how many causes each word stands."""
    return Counter(word for cause in catalog for word in _words_of_cause(cause))


def _words_of_cause(cause: Cause) -> set[str]:
    patterns = _words_of(_NO_WORD.sub(" ", pattern) for pattern in cause.patterns)
    texts = _words_of([cause.example, *cause.exceptions])
    # A number of a pattern is meant ("signal 11"), one of an example is any.
    return patterns | {word for word in texts if not word.isdigit()}


def _words_of(texts: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(" ".join(texts).lower()):
        if word[0] >= _FIRST_IDEOGRAPH:  # written without spaces: two signs make a word
            found.update(word[i : i + 2] for i in range(len(word) - 1))
        elif (len(word) > 2 or word.isdigit()) and word not in _COMMON:
            found.add(word.removesuffix("s") if len(word) > 3 else word)
    return found
