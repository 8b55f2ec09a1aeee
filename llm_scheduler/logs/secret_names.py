"""Secrets that can be told by the name before them: ``password=...``, ``--token ...``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from llm_scheduler.logs.secret_forms import (
    FOREIGN,
    KEYS,
    OWN_KEYS,
    PASSWORDS,
    WIDE_BLANK,
    WIDE_COLON,
)
from llm_scheduler.logs.secret_lists import flatten_lists
from llm_scheduler.logs.secret_tokens import Span, has_digits_and_letters, is_mixed
from llm_scheduler.logs.secret_values import (
    BARE,
    CODE,
    MAX_BARE,
    MAX_NAME,
    NUMBER,
    PATH,
    PROSE,
    find_ends,
    name_before,
    stands_for_something,
    take_value,
)

_MAX_JUDGED = 128
"""A longer value without quotes is judged by its start: names may follow each other in it."""
_OWNERS = ("db", "user", "login", "mail", "smtp", "ftp", "sql", "root", "admin", "ldap")
"""Right before ``pass`` or ``pw`` they make it a password."""
_NEW_WORD = "(?:(?<![a-z0-9])|" + "|".join(f"(?<={owner})" for owner in _OWNERS) + ")"
_KEYWORDS = (
    rf"(?P<password>{PASSWORDS}|(?-i:(?<=_)PASS))|(?P<key>{KEYS}|{OWN_KEYS})"
    r"|(?P<secret>secret|credential)"
    r"|(?P<token>token|api[_-]?auth|auth[_-]?key)|(?P<weak>(?-i:(?<=_)KEY|(?<=_)PAT))"
    rf"|(?P<foreign>{FOREIGN})|(?P<short>{_NEW_WORD}pass|(?-i:(?<=[a-z])Pass))"
    rf"|(?P<brief>{_NEW_WORD}pw)"
)
_SUFFIX = r"s?(?:[_-]?(?:\d{1,3}|prod|dev|test|staging|old|new|value|string|str|base64|b64)){0,2}"
_SEPARATOR = (
    rf"\\*['\"]?\]?(?:{WIDE_BLANK}?\s{{0,8}}(?:=>|[:+?]=|==?|:|{WIDE_COLON}){WIDE_BLANK}?\s{{0,8}}"
    r"|\s{0,8}<<?-\s{0,8}(?=['\"])"  # of R; without quotes it is code
    r"|%3[AD]|>|\s{1,3}(?:is|was)\s{1,3}(?!['\"])"
    r"|(?<=['\"])\s{0,3},\s{0,3}(?=['\"]))"
)
_ASSIGNED = re.compile(rf"(?:{_KEYWORDS}){_SUFFIX}(?P<sep>{_SEPARATOR})", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(
    rf"(?:{_KEYWORDS}){_SUFFIX}(?P<sep>\\*['\"]?\]?{WIDE_BLANK}?\s{{0,8}}(?:=|:|{WIDE_COLON})"
    r"|\s{1,8}(?=\\\s{0,8}$))"
    r"[ \t]{0,8}(?:\\|\(|[|>][+-]?)?\s{0,8}$",
    re.IGNORECASE | re.ASCII,
)
"""A name at the end of a line, also before the signs by which shells, YAML and code go on."""
_ALONE = re.compile(
    r"\s*(?:-\s)?(?:[bru]{0,2}(?P<quote>['\"])(?P<quoted>(?:(?!(?P=quote)).)+)(?P=quote)"
    r"|(?P<bare>[^\s'\"]+))\s{0,2}[\]})]{0,4}[,;]?\s*(?:\\\s*)?",
    re.ASCII,
)
_TELLING = re.compile(r"[\[({<#*=+~-]|(?ai:\d{1,10}[.@]|[a-z_][\w.-]*[=@:(])")
"""How words begin that programs print on a line of their own: marks, prompts, calls, jobs."""
_TOKEN = re.compile("token", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_OPTION = re.compile(
    r"(?<![\w-])--?(?:[a-z]\w{0,20}[_-]){0,4}"
    rf"(?:(?P<password>{PASSWORDS}|{FOREIGN})|(?P<short>pass)|(?P<key>{KEYS})"
    r"|(?P<secret>secret|credential)s?"
    r"|(?P<token>token|auth))(?P<sep>\s{1,8})(?![-=:])",
    re.IGNORECASE | re.ASCII,
)
_SET = re.compile(
    r"\b(?:setenv|set\s{1,4}-[a-z]{0,4}x[a-z]{0,4})\s{1,8}['\"]?[\w.-]{0,60}?"
    rf"(?:{_KEYWORDS}){_SUFFIX}(?P<sep>['\"]?\s{{1,8}})",
    re.IGNORECASE | re.ASCII,
)
"""How csh, fish and environment modules set a variable."""
_KEY_FILE = re.compile(
    r"id_(?:rsa|dsa|ecdsa|ed25519)\w*(?:\.pub)?|[\w.-]+\.(?:pem|key|pub|p12|crt|asc)"
    r"|(?:ssh|ecdsa)-[a-z0-9-]+",
    re.ASCII,
)
"""Names of files with keys, and of their kinds."""
_ML_NAME = re.compile(
    r"(?<![a-z])(?:pad|eos|bos|unk|sep|cls|mask|next|first|last|special|image|video|audio|start|end|stop|prev"
    r"|previous|current|cur|best|num|n|max|min|per|word|sub|text|input|output|extra|added|prompt"
    r"|subword|context"
    r"|decoder|encoder|target|source|sequence|vision|draft|total|single)[_-]?$",
    re.IGNORECASE,
)
_LOGIN = re.compile("user|login|auth|connect|host|account|server|sql|mail|(?<![a-z])db")
"""Before ``pw``, which else may be a plane wave."""
_OWNED = re.compile(rf"(?:{'|'.join(_OWNERS)})[_.-]?$", re.IGNORECASE)
_ACCESS = re.compile(
    r"(?:(?:^|[_.-])(?:access|o?auth2?|session|refresh|id|api|csrf|login|bearer)[_.-]?"
    r"|(?-i:[a-z](?:Access|O?[Aa]uth|Session|Refresh|Id|Api|Csrf|Login|Bearer)))$",
    re.IGNORECASE,
)
"""Before ``token``, which then gives access."""
_PASSAGE = re.compile(
    r"(?:by|forward|backward|fwd|bwd|first|second|third|last|next|each|single|double|two|multi|one"
    r"|n|num|tests?|all|low|high|opt|optimi[sz]ation|compile|compiler|render|shader|train|eval|warmup"
    r"|dry|final|pre|post|inference|lowering|graph)[_-]?$",
    re.IGNORECASE,
)
"""Before ``pass``, which then is a run over something, or a check."""
_SYNTAX = (
    *("unexpected", "invalid", "illegal", "bad", "unknown", "near", "at", "next", "expected"),
    *("reserved", "unrecognized", "offending", "this", "the", "first", "last", "each", "per"),
    "undefined",
)
_SIGNS = " \t\n!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~"
"""Before ``token``, with one or two signs between, which then is one of a language."""


class Label(NamedTuple):
    """A name whose value does not stand on its line."""

    kind: str
    name: str
    before: str
    at: int
    """Where the name starts in its line."""


def find_named(text: str) -> Iterator[Span]:
    """Find what stands after the name of a secret in one line."""
    yield from _find_assigned(text)
    flat = flatten_lists(text)
    if flat != text:
        yield from _find_assigned(flat)
    if "-" in text:
        yield from _find_options(flat)
    yield from _find_set(text)


def _find_assigned(text: str) -> Iterator[Span]:
    pos = 0
    while (found := _ASSIGNED.search(text, pos)) is not None:
        pos = found.end()
        name, before = _name_of(text, found)
        span, quoted = take_value(text, pos, _MAX_JUDGED)
        first = span[0]
        for end in find_ends(text, found.start(), span, quoted):
            value = text[first:end]
            if not is_secret(_kind(found), name, before, found["sep"], value, quoted):
                continue
            if not quoted and end - pos >= _MAX_JUDGED:
                end = take_value(text, pos, MAX_BARE)[0][1]
            if not quoted and end - pos >= MAX_BARE and (whole := BARE.match(text, pos)):
                end = whole.end()
            yield first, end
            pos = max(pos, end)
            break


def _find_options(text: str) -> Iterator[Span]:
    for found in _OPTION.finditer(text):
        span, quoted = take_value(text, found.end())
        for end in find_ends(text, found.start(), span, quoted):
            value = text[span[0] : end]
            is_metavar = value.isupper() and value.isalpha() and not quoted
            kind = _kind(found)
            before = text[found.start() : found.start(kind)]
            if not is_metavar and is_secret(kind, "--", before, "=", value, quoted):
                yield span[0], end
                break


def _find_set(text: str) -> Iterator[Span]:
    """Find the values in ``setenv NAME value``."""
    for found in _SET.finditer(text):
        span, quoted = take_value(text, found.end())
        kind = _kind(found)
        at = found.start(kind)
        name = name_before(text, at) + text[at : found.start("sep")]
        before = text[max(0, at - MAX_NAME) : at]
        if is_secret(kind, name, before, "=", text[slice(*span)], quoted):
            yield span


def find_label(text: str) -> Label | None:
    """Return the name that a line ends with, if its value stands on the next line."""
    found = _LABEL.search(text)
    if found is None:
        return None
    name, before = _name_of(text, found)
    return Label(_kind(found), name, before, found.start() - len(name_before(text, found.start())))


def find_below(label: Label, above: str, text: str) -> Span | None:
    """Find the value of a label in the line that follows it: one word, or one in quotes."""
    # Launchers put the same before both lines, if it is no time.
    both = zip(_DIGIT.sub("0", above[: label.at]), _DIGIT.sub("0", text), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
    found = _ALONE.fullmatch(text, text.rfind(" ", 0, shared) + 1)
    if found is None:
        return None
    which = "quoted" if found["quote"] else "bare"
    value, quoted = found[which], which == "quoted"
    goes_on = above.rstrip().endswith("\\")
    if not quoted and above.rstrip().endswith("("):
        return None
    if not quoted and not goes_on:
        # A password that is a word can't be told from what a program says next.
        if len(value) < 6 or not has_digits_and_letters(value) or value[-1] in ":)]}>,.":
            return None
        if PATH.fullmatch(value) or _TELLING.match(value):
            return None
    if not is_secret(label.kind, label.name, label.before, "=", value, quoted):
        return None
    return found.span(which)


def _name_of(text: str, found: re.Match[str]) -> tuple[str, str]:
    """Return a name as a whole, and what stands before its telling word."""
    start = found.start()
    name = name_before(text, start) + text[start : found.start("sep")]
    return name, text[max(0, start - MAX_NAME) : start]


def _kind(found: re.Match[str]) -> str:
    return next(name for name, value in found.groupdict().items() if value and name != "sep")


def is_secret(kind: str, name: str, before: str, separator: str, value: str, quoted: bool) -> bool:
    """Tell a secret from prose, numbers, source code and what only stands for a secret."""
    bare = value.strip().rstrip(".,;:!?")
    if not bare or stands_for_something(bare) or (not quoted and CODE.match(bare)):
        return False
    if "," in separator and value[0] == "-":  # in a list, the next option
        return False
    is_word = separator.strip().lower() in {"is", "was"}
    if PROSE.fullmatch(bare.lower()) or (
        is_word and not (has_digits_and_letters(bare) and len(bare) > 5)
    ):
        return False
    if kind == "short":
        return _is_pass(name, before, separator, bare, quoted)
    if kind == "brief":
        if quoted and " " not in bare and re.search("[=:-]", separator) and len(bare) >= 6:
            return _LOGIN.search(before.lower()) is not None
        return _is_owned(before, separator, bare, quoted)
    if kind == "foreign":  # what is no secret after it can't be told by its words
        return quoted or has_digits_and_letters(bare.encode("ascii", "ignore").decode())
    if kind == "password":
        if PATH.fullmatch(bare) and name.lower().endswith("pwd"):
            return False  # the folder
        return separator.strip() != "," or quoted
    if _looks_like_path(bare, name) or NUMBER.fullmatch(bare):
        return False
    if kind == "token":
        return _is_token(name, before, separator, bare, quoted)
    if kind == "weak":
        return len(bare) >= 16 and has_digits_and_letters(bare)
    if _KEY_FILE.fullmatch(bare):
        return False
    is_prose = ":" in separator and not quoted and (bare.isalpha() or " " in bare)
    return len(bare) >= 4 and not (is_prose and not (is_mixed(bare) and len(bare) > 16))


def _is_pass(name: str, before: str, separator: str, value: str, quoted: bool) -> bool:
    """Tell the password named ``pass`` from counts, results and runs over something."""
    if NUMBER.fullmatch(value) and len(value) < 6:
        return False
    if name.startswith("-"):
        return len(value) >= 4 and _PASSAGE.search(before) is None
    if len(value) < 6 or _PASSAGE.search(before) or PATH.fullmatch(value):
        return False
    if _is_owned(before, separator, value, quoted):
        return True
    if quoted:
        return is_mixed(value)
    is_named = ":" in separator and re.search(r"[/_.]", value) is not None  # PASS: test_x1
    return has_digits_and_letters(value) and not is_named and not NUMBER.fullmatch(value)


def _is_owned(before: str, separator: str, value: str, quoted: bool) -> bool:
    """Tell the password of an account or a service, as in ``db_pass`` or ``DB_PW``."""
    if len(value) < 6 or NUMBER.fullmatch(value) or PATH.fullmatch(value):
        return False
    if "{" in value or (not quoted and "(" in value):  # of code, as is a word after a blank
        return False
    is_given = quoted or not separator[-1:].isspace() or has_digits_and_letters(value)
    return is_given and _OWNED.search(before) is not None


def _looks_like_path(value: str, name: str) -> bool:
    # The secret keys of AWS may start with a slash, and hold some.
    if "aws" in name.lower() or (len(value) == 40 and "." not in value and is_mixed(value)):
        return False
    return PATH.fullmatch(value) is not None


def _is_of_syntax(before: str) -> bool:
    words = before.rstrip(_SIGNS)
    return 0 < len(before) - len(words) <= 2 and words.lower().endswith(_SYNTAX)


def _is_token(name: str, before: str, separator: str, value: str, quoted: bool) -> bool:
    """Tell the tokens that give access from those of languages."""
    if value[0] in "<[({|\\" or len(value) < 4 or " " in value:
        return False
    is_drawn = len(value) >= 16 and has_digits_and_letters(value)
    word = _TOKEN.search(name)
    stem = name[: word.start()] if word is not None else name
    if is_drawn or (len(value) >= 20 and is_mixed(value) and value.isalnum() and quoted):
        return True
    if _ML_NAME.search(stem) or name.lower().endswith("tokens") or _is_of_syntax(before):
        return False
    if name == "--" or (name.isupper() and "_" in name):
        return True
    if _ACCESS.search(stem):
        # A word may be the name of a variable, or what a program says of the token.
        is_word = value.replace("-", "").isalpha() and "token" not in value.lower()
        is_given = quoted or separator in {"=", "+=", "?="}
        if has_digits_and_letters(value) or (is_given and is_word and len(value) >= 8):
            return True
    if stem and not stem.isupper():  # my_token, but not subtoken
        return stem[-1] in "_-." and (has_digits_and_letters(value) or (quoted and len(value) > 7))
    return has_digits_and_letters(value) and len(value) >= 6
