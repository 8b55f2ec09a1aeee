"""Secrets whose name goes on behind its telling word: ``TOKEN_FOO=...``, ``--password-db ...``.

What follows the word may as well tell of something else than the secret itself, a
number of tokens or the file of a password, so more is asked of these values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_scheduler.logs.secret_forms import HELD
from llm_scheduler.logs.secret_tokens import Span, has_digits_and_letters, is_mixed
from llm_scheduler.logs.secret_values import (
    CODE,
    MAX_BARE,
    NUMBER,
    PATH,
    PROSE,
    find_ends,
    stands_for_something,
    take_value,
)

_MAX_JUDGED = 128
"""A longer value is judged by its start: names may follow each other in it."""
_NAME = rf"(?<![A-Za-z0-9])(?P<word>{HELD})s?(?P<rest>(?:[_.-][a-z0-9]{{1,40}}){{1,6}})"
_ASSIGNED = re.compile(
    rf"{_NAME}(?:\\*['\"]?\]?\s{{0,8}}(?P<sign>=>|[+?]=|=(?!=)|:=|:(?!:)|%3D)\s{{0,8}})",
    re.IGNORECASE | re.ASCII,
)
_GIVEN = re.compile(
    rf"(?:(?<![\w-])--(?:[a-z0-9]{{1,20}}[_-]){{0,4}}|\b(?:setenv|ENV|set\s-[a-z]{{0,4}}x)\s+\w{{0,40}}?)"
    rf"{_NAME}(?P<sign>\s{{1,8}})(?![-=:])",
    re.IGNORECASE | re.ASCII,
)
"""Options of commands, and variables as csh, fish and Dockerfiles set them."""
_ABOUT = re.compile(
    r"(?:address|arn|auth|backend|budget|bytes|cache|chars|class|cls|cols?|columns?|config|conf"
    r"|counts?|counter|dataset|dim|dir|directory|dtype|emb|embeddings?|enabled?|endpoint|env"
    r"|error|exp|expir\w*|field|files?|filename|folder|format|group|header|helper|host|hint|ids?|idx"
    r"|index|issuer|kind|labels?|len|length|levels?|limits?|loc|location|loss|manager|mapping|max"
    r"|method|min|mode|model|names?|num|owner|parser|path|per|policy|ports?|prefix|profile|prompt"
    r"|provider|rates?|ratio|ref|refresh|region|reset|sizes?|source|state|stats?|status|stores?"
    r"|strategy|streams?|suffix|tests?|time|timeout|ttl|types?|uri|urls?|usage|username|version"
    r"|vault|volume|weights?|width|window"
    r"|c|cc|cpp|go|h|java|js|json|log|pem|pub|pyc?|rb|rs|sh|toml|ts|txt|ya?ml)",
    re.IGNORECASE,
)
"""Last words of names that tell what belongs to a secret, or of files."""
_SUM = re.compile(r"(?:hash|sum|checksum|digest|fingerprint|md5|sha\d{1,3})", re.IGNORECASE)
_VERSION = re.compile(r"v?\d+(?:\.\w+)+(?:=\S+)?|\d{4}-\d\d-\d\d\S*", re.ASCII)
_RUN = re.compile(r"[a-z0-9]{8,}", re.IGNORECASE | re.ASCII)
_SWITCH = re.compile(r"(?<=[a-z])[0-9]|(?<=[0-9])[a-z]", re.IGNORECASE | re.ASCII)
_KEY = re.compile(r"(?=.{0,99}[a-z])(?=.{0,99}[A-Z])(?=.{0,99}[0-9])[A-Za-z0-9]{20,}")
"""No name and no hash: a secret, whatever its name ends with."""
_EXPRESSION = re.compile(r"[^(\[]{0,600}[(\[]|[a-z]+(?:_[a-z0-9]+){2,}$")
_SYNTAX = re.compile(r"[<\[({|\\&*]")
"""How values of languages and lists begin."""


def find_held(text: str) -> Iterator[Span]:
    """Find the values of names that hold a word of secrets, in one line."""
    for pattern in (_ASSIGNED, _GIVEN):
        pos = 0
        while (found := pattern.search(text, pos)) is not None:
            pos = found.end()
            span, quoted = take_value(text, pos, _MAX_JUDGED)
            for end in find_ends(text, found.start("word"), span, quoted):
                if not _is_secret(found, text[span[0] : end], quoted):
                    continue
                if not quoted and end - pos >= _MAX_JUDGED:
                    end = take_value(text, pos, MAX_BARE)[0][1]
                yield span[0], end
                pos = max(pos, end)
                break


def _is_secret(found: re.Match[str], value: str, quoted: bool) -> bool:
    """Tell a secret from numbers, paths, words and what only stands for a secret."""
    bare = value.strip().rstrip(".,;:!?")
    word, rest = found["word"].lower(), found["rest"]
    last = re.split("[_.-]", rest)[-1]
    is_password = word.startswith("pass")
    if len(bare) < 6 or (_ABOUT.fullmatch(last) and not _KEY.fullmatch(bare)):
        return False
    if " " in bare and not (quoted and is_password and _is_variable(found)):
        return False
    if not is_password and _SUM.fullmatch(last):
        return False
    if stands_for_something(bare) or PROSE.fullmatch(bare.lower()) or _SYNTAX.match(bare):
        return False
    if any(form.fullmatch(bare) for form in (NUMBER, PATH, _VERSION)):
        return False
    if not quoted and any(form.match(bare) for form in (CODE, _EXPRESSION)):
        return False
    if word == "token" and not _is_variable(found):
        return _is_drawn(bare)
    if has_digits_and_letters(bare):
        return True
    if quoted or ("=" in found["sign"] and _is_variable(found)):
        if is_password or word.startswith("secret"):
            return bare != bare.upper()
        return len(bare) >= 8 and is_mixed(bare)
    return False


def _is_drawn(value: str) -> bool:
    """Tell what was drawn by lot; models have parts and settings named after their tokens."""
    runs = _RUN.findall(value)
    return any(len(_SWITCH.findall(run)) >= 2 and is_mixed(run) for run in runs)


def _is_variable(found: re.Match[str]) -> bool:
    """Tell the name of an environment variable."""
    return (found["word"] + found["rest"]).isupper()
