"""The values of names in a line: where they start and end, and which only stand for something."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_scheduler.logs.secret_tokens import Span

MAX_NAME = 60
_MAX_PATH = 400
MAX_BARE = 512
"""A longer value without quotes ends at the next blank only."""
_OPEN = re.compile(r"[bruf]{0,2}(\\*(?:\"\"\"|'''|['\"]))", re.IGNORECASE)
BARE = re.compile(r"[^\s'\"<>]+", re.ASCII)  # a byte of UTF-8 may look like a blank
_NEXT_FIELD = re.compile(r"[,;&](?=\s*[\w.-]{1,40}\\*[\"']?[=:])|;$|[,;\\]+$|\\[nrt]|%26")
PROSE = re.compile(
    "a|accepted|an|and|are|argument|as|at|authentication|authorization|be|been|bool|by|bytes|"
    "can|cannot|change|changed|check|could|default|denied|deprecated|did|does|empty|entered|"
    "error|expired|fail|failed|failure|false|field|flag|for|found|from|has|have|if|ignored|in|"
    "incorrect|input|int|invalid|is|it|its|login|may|mismatch|missing|must|needed|nil|no|none|"
    "not|null|object|of|ok|on|option|optional|or|please|policy|prompt|provided|rejected|"
    "required|requires|reset|set|should|str|string|supplied|than|that|the|this|to|too|true|"
    "type|unable|undefined|unknown|unset|updated|user|using|valid|was|were|when|will|with|"
    "wrong|yes|your"
)
_PLACEHOLDER = re.compile(
    r"[*.•x]{2,}|[*?!.,:;(\[{-]|<[a-z][a-z _-]*>?|\$\{?[A-Za-z_][A-Z_]*\}?|%\(?\w*\)?s|\{\w*\}"
    r"|\{\{.*|\$\(.*|\$\{\{.*|[|>][+-]?|\\",
    re.IGNORECASE,
)
CODE = re.compile(
    r"(?:self|args?|config|cfg|os|settings|opts?|options|params|env|ctx|kwargs|conf|parsed|data)"
    r"[.\[(]|[a-z_][\w.]*\((?:$|[a-z_]*\)?[,)]?$)|(?:get|load|read|fetch|getpass|input|str|len|int"
    r"|Optional|SecretStr|Field|Secret|list|tuple|dict|torch|np|jax|jnp|tensor|array)\w*[.\[(]"
)
NUMBER = re.compile(r"[-+]?[\d.,:/%xeE()-]+\s?[a-zµ/%]{0,8}")
PATH = re.compile(
    r"(?:~|\.{1,2})?/[\w./+@-]*|[A-Za-z]:\\.*|\w[\w-]*(?:/[\w.-]+)+\.\w{1,6}", re.ASCII
)


def name_before(text: str, at: int) -> str:
    """Return the part of a name that stands before its telling word."""
    first = at
    while first > max(0, at - MAX_NAME) and (text[first - 1].isalnum() or text[first - 1] in "_-."):
        first -= 1
    return text[first:at]


def take_value(text: str, pos: int, limit: int = MAX_BARE) -> tuple[Span, bool]:
    """Return where a value starts and ends, and whether it stands in quotes."""
    opened = _OPEN.match(text, pos)
    if opened is None:
        bare = BARE.match(text, pos, pos + limit)
        if bare is None:
            return (pos, pos), False
        value = bare.group()
        if stop := _NEXT_FIELD.search(value):
            value = value[: stop.start()]
        if "(" not in value and "[" not in value and "{" not in value:
            value = value.rstrip(")]}")
        return (pos, pos + len(value)), False
    quote, start = opened.group(1), opened.end()
    end = text.find(quote, start)
    while end > start and quote == '"' and _is_escaped(text, end):
        end = text.find(quote, end + 1)
    return (start, end if end >= 0 else len(text)), True


def _is_escaped(text: str, at: int) -> bool:
    count = 0
    while text[at - 1 - count] == "\\" and count < 8:
        count += 1
    return count % 2 == 1


def find_ends(text: str, name_at: int, span: Span, quoted: bool) -> Iterator[int]:
    """Tell where a value may end: of a name that is a part of a path, also at a slash."""
    yield span[1]
    if quoted or (slash := text.find("/", *span)) <= span[0]:
        return
    frame = text.rfind('File "', max(0, name_at - _MAX_PATH), name_at)
    word = name_at - len(name_before(text, name_at)) - 1
    if (word >= 0 and text[word] == "/") or (frame >= 0 and '"' not in text[frame + 6 : name_at]):
        yield slash


def stands_for_something(value: str) -> bool:
    """Tell whether a value is a mark: hidden already, a variable, a placeholder."""
    return "[redacted]".startswith(value[:10]) or _PLACEHOLDER.fullmatch(value) is not None
