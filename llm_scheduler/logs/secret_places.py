"""Secrets that can be told by their place: addresses, headers, command lines, files."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from llm_scheduler.logs.secret_forms import CRYPT
from llm_scheduler.logs.secret_lists import flatten_lists
from llm_scheduler.logs.secret_tokens import Span, has_digits_and_letters, is_mixed

# The tag of an image of a container is followed by `@sha256:`.
_URL = re.compile(
    r"(?ai)//(?:(?<=[a-z0-9+]://)|(?<![\w:/]//))[^\s/@:'\"<>]{0,200}:([^\s/'\"<>]{1,300})(?<!\[)@"
    r"(?!sha\d+:)"
)
# ``user:password@host``, but no time, no address of mail with a label before it.
_USER_AT_HOST = re.compile(
    r"(?ai)(?<![\w.@/:+-])(?!(?:e-?)?mail(?:-?to)?:|to:|from:|cc:|bcc:|by:|author:|contact:|sip:"
    r"|xmpp:|maintainer:|owner:|support:|user:|ssh:|git:)[a-z][\w.+-]{0,60}:([^\s:/@'\"<>,;]{6,100})"
    r"@(?:\d{1,3}(?:\.\d{1,3}){3}|[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,8}\.[a-z]{2,24})(?![\w-])"
)
_URL_USER = re.compile(r"(?ai)://([^\s/@:'\"<>?#]{20,300})(?::x-oauth-basic)?@")
_ORACLE = re.compile(r"(?ai)(?:jdbc:oracle:\w{1,8}:|\bsqlplus\s+)[\w.-]{1,60}/([^\s@'\"/]{1,100})@")
_LOGIN_AT = re.compile(r"(?a):[^\s:/@]{6,100}@\w")
_ORACLE_TOOL = re.compile(r"(?ai)\b(?:sqlplus|sqlldr|expdp|impdp)\b")
_ORACLE_WORD = re.compile(r"(?ai)oracle|\bora-\d")
_ORACLE_LOGIN = re.compile(r"(?ai)(?<![\w./@$-])[a-z]\w{0,30}/([^\s@'\"/]{1,100})@(?=[\w/])")
_PAIR = re.compile(
    r"(?ai)(?:(?<!o)auth|creds?|credentials?|login)\\*['\"]?\s{0,3}[=:]?\s{0,3}"
    r"(?P<open>[(\[])\s{0,3}[bu]?\\*['\"][^'\"\\]{0,100}\\*['\"]\s{0,3},\s{0,3}[bu]?\\*(?P<quote>['\"])"
    r"(?P<value>(?:(?!\\{0,4}(?P=quote)).){1,200})"
)
_QUERY = re.compile(
    r"(?ai)(?:[?&;]|%26|&amp;)(?:sig|signature|token|key|api[_-]?key|access[_-]?token|auth"
    r"|id[_-]?token|refresh[_-]?token|password|passwd|pwd|secret|client[_-]?secret|code|apikey"
    r"|x-(?:amz|goog)-[a-z-]{0,20}(?:signature|credential|token)|awsaccesskeyid)(?:=|%3D)"
    r"([^&\s'\"<>]{4,})",
)
_HEADER = re.compile(
    r"(?ai)(?<![a-z])(?:(?:proxy-)?authorization|x-(?:api|auth|vault|amz-security|goog-api"
    r"|subscription)"
    r"-?(?:key|token)|private-token|job-token|ocp-apim-subscription-key|(?:set-)?cookie2?)"
    r"\\*['\"]?\s{0,3}[:=,]\s{0,3}(?:[bu](?=['\"]))?\\*['\"]?([^\r\n'\"]+)",
)
_COOKIE = re.compile(r"(?ai)(?<![a-z])(?:set-)?cookie2?\\*['\"]?\s*[:=]?")
_SCHEME = re.compile(
    r"(?ai)(?:bearer|basic|token|digest|negotiate|apikey|ntlm|bot|aws4\S*|ssws)\s+\S"
)
_BEARER = re.compile(r"(?ai)\b(?:bearer|negotiate|flyv1)(?:\s{1,4}|%20)([A-Za-z0-9._~+/=-]{8,})")
_BASIC = re.compile(r"(?ai)\bbasic(?:\s{1,4}|%20)([A-Za-z0-9+/_-]{8,}={0,2})")
_VALUE = r"(\"[^\"]{1,200}\"?|'[^']{1,200}'?|[^\s'\"]{1,200})"
_AUTH = re.compile(
    r"(?ai)(?<![a-z0-9-])auth\\*['\"]?\s{0,3}[:=]\s{0,3}\\*['\"]?([a-z0-9+/_-]{8,}={0,2})"
)
"""In the configuration of docker and npm: base64 of ``user:password``."""
_COMMANDS = tuple(
    re.compile(rf"(?a)\b{program}\b[^|\n]{{0,200}}?\s{option}{_VALUE}")
    for program, option in (
        ("(?:docker|podman)\\s+login", "-p\\s*(?!-)"),
        ("(?:sshpass|mongo(?:sh|dump|restore)?|mosquitto_pub)", "-p\\s*(?!-)"),
        ("(?:singularity|apptainer)", "--docker-password(?:=|\\s{1,8})"),
        ("mysql(?:dump|admin|import)?", "-p(?=\\S)"),
        ("(?:redis-cli)", "-a\\s+"),
        ("(?:7z|7za|7zr)", "-p(?=\\S)"),
        ("(?:zip|unzip)", "-P\\s*"),
        ("(?:ldap(?:search|add|modify|whoami))", "-w\\s*"),
        ("openssl", "-(?:passin|passout|pass|k)\\s+(?:pass:)?(?!(?:file|env|fd|stdin)\\b)"),
        ("ipmitool", "-P\\s*"),
        ("xfreerdp", "/p:"),
    )
)
_USER_OPTION = re.compile(
    r"(?a)\b(?:curl|lftp|smbclient|wget|http|mount\.cifs)\b[^|\n]{0,400}?"
    rf"\s(?:-u\s*|-U\s*|--(?:proxy-)?user(?:=|\s{{1,8}})){_VALUE}"
)
_ECHO = re.compile(
    rf"(?a)\b(?:echo|printf)\s+(?:-n\s+)?{_VALUE}\s*\|\s*(?:sudo\s+-S|kinit|docker\s+login|passwd"
    r"|gh\s+auth|\S*cryptsetup|apptainer|singularity|gpg|ssh-add)"
)
_NETRC = re.compile(
    r"(?a)\b(?:machine\s+\S{1,200}\s+|default\s+)?(?:login|account)\s+\S{1,200}\s+password\s+(\S+)"
)
_NETRC_LINE = re.compile(r"(?a)\s*password\s+(\S+)\s*")
_SAID = re.compile(r"(?ai)\bpass(?:word|phrase)\s+(?![/~.<$\[])([^\s'\"]{8,200})")
_PGPASS = re.compile(
    r"(?a)(?<!\S)[\w.*-]{1,200}:(?:\d{4,5}|\*):(?:\*|[\w-]{0,60}[A-Za-z][\w-]{0,60}):[\w*.-]{1,80}:(\S+)\s*$"
)
_KERBEROS = re.compile(
    r"(?ai)\b(?:aes(?:128|256)-(?:cts|sha)[\w-]*|arcfour-hmac[\w-]*|rc4-hmac|des3-[\w-]+)"
    r"[\s:,()]+(?:0x)?([0-9a-f]{32,64})\b"
)
_X_COOKIE = re.compile(r"(?a)MIT-MAGIC-COOKIE-1\W{1,8}([0-9a-f]{16,})")
_SHADOW = re.compile(
    rf"(\$(?:{CRYPT})\$[\w./,=$+-]{{20,}}|\{{S(?:SHA|MD5)\d{{0,3}}\}}[A-Za-z0-9+/=]{{16,}})",
    re.ASCII,
)


def find_placed(text: str) -> Iterator[Span]:
    """Find secrets by where they stand in one line."""
    if "@" in text:
        yield from _in_addresses(text)
    if "=" in text or "%3" in text:
        yield from (found.span(1) for found in _QUERY.finditer(text))
    yield from _in_headers(text)
    if "-" in text:
        yield from _in_commands(flatten_lists(text))
    if "(" in text or "[" in text:
        yield from _in_pairs(text)
    if "|" in text:
        yield from (found.span(1) for found in _ECHO.finditer(text))
    yield from _in_files(text)


def _in_addresses(text: str) -> Iterator[Span]:
    for pattern in (_URL, _ORACLE):
        yield from (found.span(1) for found in pattern.finditer(text))
    for found in _URL_USER.finditer(text):
        if has_digits_and_letters(found.group(1)):
            yield found.span(1)

    for found in _USER_AT_HOST.finditer(text) if _LOGIN_AT.search(text) else ():
        if has_digits_and_letters(found.group(1)):
            yield found.span(1)
    is_tool = _ORACLE_TOOL.search(text) is not None
    if is_tool or _ORACLE_WORD.search(text) is not None:
        for found in _ORACLE_LOGIN.finditer(text):
            if is_tool or has_digits_and_letters(found.group(1)):
                yield found.span(1)


def _in_pairs(text: str) -> Iterator[Span]:
    """Find the password in ``auth=("user", "password")``."""
    for found in _PAIR.finditer(text):
        # Lists of words are printed for other things too.
        if found["open"] == "(" or has_digits_and_letters(found["value"]):
            yield found.span("value")


def _in_headers(text: str) -> Iterator[Span]:
    for found in _HEADER.finditer(text):
        value = found.group(1).strip()
        if _COOKIE.match(found.group()):
            is_secret = "=" in value
        else:
            is_secret = bool(_SCHEME.match(value)) or has_digits_and_letters(value.split(" ")[0])
        if is_secret and not value.startswith("[redacted"):
            yield found.span(1)
    for found in _BEARER.finditer(text):
        if is_mixed(found.group(1)) or len(found.group(1)) >= 20:
            yield found.span(1)
    for found in _BASIC.finditer(text):
        if _is_login(found.group(1)):
            yield found.span(1)
    for found in _AUTH.finditer(text):
        if _is_encoded_login(found.group(1)):
            yield found.span(1)


def _is_login(value: str) -> bool:
    """Tell whether a text is the base64 of ``user:password``."""
    if is_mixed(value) and any(char.isdigit() for char in value) and len(value) >= 16:
        return True
    return _is_encoded_login(value)


def _is_encoded_login(value: str) -> bool:
    try:
        plain = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_")
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and plain.isascii() and plain.decode().isprintable()


def _in_commands(text: str) -> Iterator[Span]:
    for pattern in _COMMANDS:
        for found in pattern.finditer(text):
            if not found.group(1).startswith(("$", "[redacted", "-")):
                yield found.span(1)
    for found in _USER_OPTION.finditer(text):
        at = re.search("[:,%]", found.group(1))
        if at is not None and found.group(1)[at.end() : at.end() + 1] != "$":
            yield found.start(1) + at.end(), found.end(1)


def _in_files(text: str) -> Iterator[Span]:
    if "pass" in text.lower():
        yield from (found.span(1) for found in _NETRC.finditer(text))
        if (found := _NETRC_LINE.fullmatch(text)) and not found.group(1).rstrip(".,:!").isalpha():
            yield found.span(1)
        for found in _SAID.finditer(text):
            if has_digits_and_letters(found.group(1)):
                yield found.span(1)
    if text.count(":") >= 4 and (found := _PGPASS.search(text)):
        yield found.span(1)
    for pattern in (_KERBEROS, _X_COOKIE, _SHADOW):
        yield from (found.span(1) for found in pattern.finditer(text))
