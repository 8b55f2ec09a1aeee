"""Lines with a word of failure that tell of none: counts of zero, tests, probes of a system."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_scheduler.diagnosis.words import compile_words

_NONE = compile_words(
    # Where a count stands: at the start of a part, or after a word that counts. A bare
    # noun before it is named by the number: "trial 0 failed" tells of a failure.
    r"(?:^\W*|\d\d:\d\d(?:[.,]\d+)? +|[,;:|/\]>)-] +|[(\[]|\b(?:and|or|but|plus|with|of|for|in"
    r"|is|are|was|were|be|been|had|has|have|got|gave|found|total|totals?:|only|still|so far|info"
    r"|summary|result|passed|skipped|succeeded|completed|finished|ended|reported|produced"
    r"|encountered|detected|generated|counted|raised|made|contains?|contained|shows?|showed"
    r"|returned|gives?) )"
    r"0 (?:(?:jobs?|tests?|tasks?|runs?|files?|items?|cases?|checks?|steps?|samples?|points?"
    r"|examples?|suites?) )?(error|fail)"
    r"|\b(?:errors?|failed|failures?) +0(?:\s*$|[,;)|]| +\w+ +\d)",
)
"""Failures that were counted, and there was none."""
_SOME = compile_words(
    # The two sides of a sum, in either order, with nothing else but other counts on the line.
    r"(?:^|[:|=] *|\W{2,})\d+ (?:ok|pass(?:ed|es|ing)?|succe(?:ss(?:es|ful)?|eded))"
    r"(?:[,;/| ]+\d+ \w+)*[,;/| ]+[1-9]\d* (?:fail(?:ed|ures?|s|ing)?|errors?)\W*$"
    r"|\b(?:ok|pass(?:ed|es)?|succe(?:ss(?:es|ful)?|eded)) ?[:=] ?\d+"
    r"(?:[,;/| ]+\w+ ?[:=] ?\d+)*[,;/| ]+(?:fail(?:ed|ures?|s)?|errors?) ?[:=] ?[1-9]"
    r"|^# fail(?:ed)? +[1-9]|(?-i:\[ *FAIL(?:ED)? *\])"
    # One part of the work by its name, as ``FAIL node17`` or ``FAILED: //src:core``.
    r"|^\s*(?-i:FAIL(?:ED)?)(?::|:? +[\w./:-]*[A-Za-z][\w./:-]*) *$"
    r"|^\s*(?-i:FAIL(?:ED)?): *\S*/",
)
"""Sums and marks of parts of the work that failed."""
_ATTEMPT = compile_words(r"\b(?:attempt|try|retry|round|pass|trial) ?#?\d")
"""Others may follow."""
_MARKED = compile_words(
    r"\b(?:ERROR|FATAL|CRITICAL|SEVERE)\b(?: *[:\]\[|)>-]| +[A-Z]?[a-z0-9])"
    r"|^\W*(?i:error|fatal|critical) ?[:!]",
    ignore_case=False,
)
"""The level that a logging program gives to errors; titles go on in capitals."""

_TEST = compile_words(
    # unittest, nose, cargo: the result behind the dots.
    r"\.\.\. ?(?:(?i:ok)|expected failure|(?i:skip(?:ped)?)\b.*|ignored\b.*)\s*$"
    # pytest, with the test's name before or after; the reason may hold anything.
    r"|::.* (?:XFAIL|PASSED|SKIPPED)\b|^(?:\[gw\d+\] )?(?:\[ *\d+%\] )?(?:XFAIL|PASSED|SKIPPED) "
    r"|^\S+::\S+ (?:xfail|skipped)\b"
    # automake, DejaGnu, Go, Jest, GoogleTest.
    r"|^(?:PASS|XFAIL|SKIP|UNSUPPORTED|UNTESTED|KFAIL)(?:: | src/| test)|^\s*--- (?:PASS|SKIP): "
    r"|^=== RUN |^\s*\[ *(?:OK|RUN|SKIPPED|PASSED|DISABLED) *\] |^\s*[✓✔√] "
    # TAP, and where Perl says of a test that is to fail that it failed.
    r"|^\s*ok \d+\b|^\s*not ok\b.*# ?(?i:todo|skip)\b|^\s*#\s+Failed \(TODO\)"
    r"|^\s*#\s+at \S+ line \d+\.$"
    # CTest, Meson, Julia's head of a table.
    r"|^\s*\d+/\d+ +Test +#\d+: .*(?:Passed|\*\*\*Skipped|\(Disabled\))|^\s+Start +\d+: "
    r"|^\s*\d+/\d+ .* (?:OK|EXPECTEDFAIL|SKIP) +[\d.]+ ?s\b"
    r"|^Test Summary: +\|.*\bPass\b.*\bTotal\b",
    ignore_case=False,
)
"""One test, which ended as it was to end."""
_PROBE = compile_words(
    # Autoconf, R CMD check.
    r"^(?:\* |configure: )?checking .*\.\.\. ?(?:\([\w ]+\) ?|\[[\w./]+\] )?"
    r"(?:yes|no|ok|OK|done|none(?: \w+)?|NONE|NOTE|[/-]\S*)$"
    # CMake, Meson.
    r"|^-- (?:Looking for|Performing Test|Check(?:ing)?|Detecting|Could NOT find|Try) "
    r"|^(?:Checking (?:if|for|whether)|Compiler for|Has header|Header|Program|Library"
    r"|(?:Run-time )?[Dd]ependency) .*(?::| found:) (?:YES|NO)\b"
    # Cargo: names of packages.
    r"|^\s+(?:Compiling|Checking|Downloaded|Fresh) \S+ v\d",
    ignore_case=False,
)
"""What configure scripts and builds ask a system; any answer will do."""
_EXPECTED = compile_words(
    r"\bexpected[ _]failures? ?[=:]? ?\d+|\b\d+ xfailed\b|\b\d+ failed as expected\b"
    r"|# of expected failures\s+\d+|\bfailed as expected so marking it as not failed\b"
)
"""Failures in the sum of a test run that the tests ask for."""

_PENDING_SUM = re.compile(r"\s+[1-9]\d* pending\s*", re.ASCII)
_PENDING = re.compile(r"\s+- \S.*")


def counts_none(text: str) -> str:
    """Return ``error`` or ``fail`` where a line counts none of them, else nothing."""
    if "0" not in text:
        return ""
    found = _NONE.search(text)
    if found is None or _MARKED.search(text) is not None:
        return ""
    return (found[1] or "fail").lower()


def counts_failures(text: str) -> bool:
    """Tell whether a line sums up the parts of the work, and some of them failed."""
    if "ail" not in text and "AIL" not in text:
        return False
    return _SOME.search(text) is not None and _ATTEMPT.search(text) is None


def is_expected(text: str) -> bool:
    """Tell whether a line gives the result of a test or a probe that is as it should be."""
    return _TEST.search(text) is not None or _PROBE.search(text) is not None


def without_expected(text: str) -> str:
    """Return a line without the failures in it that tests ask for."""
    return _EXPECTED.sub("", text)


def find_skipped_tests(texts: Sequence[str]) -> set[int]:
    """Return the places of the names of tests that Mocha listed and did not run.

    What a test is to prove, ``- throws an error when the file is missing``, did not happen.
    """
    ends = [i for i, text in enumerate(texts) if _PENDING_SUM.fullmatch(text) is not None]
    return {i for end in ends[-1:] for i in range(end) if _PENDING.fullmatch(texts[i])}
