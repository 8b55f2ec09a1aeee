"""Secrets out of text, before it is shown to anyone but the owner of the log."""

from __future__ import annotations

import re

REDACTED = "[redacted]"
"""What stands in the place of a secret."""

_NAMES = (
    r"(?:[\w-]*(?:password|passwd|passphrase|secret|api[_-]?key|apikey|access[_-]?key"
    r"|private[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|session[_-]?token"
    r"|credential)s?|pwd|[\w-]+[_-]token|token|[\w-]+_KEY|[\w-]+_PAT)"
)
_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_KNOWN = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{40,}"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
    r"|dop_v1_[a-f0-9]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",  # JSON web token
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|x-api-key|cookie|set-cookie)(['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+",
)
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)([^\s/@:'\"]{0,200}):([^\s/@'\"]{1,200})@")
_QUERY = re.compile(
    r"(?i)([?&](?:sig|signature|token|key|api_key|access_token|auth|password"
    r"|x-amz-[a-z-]*(?:signature|credential|token))=)[^&\s'\"]+",
)
_ASSIGNED = re.compile(
    rf"(?i)(?<![\w-])({_NAMES})(['\"]?\s*(?:=|:)\s*|\s+(?:is|was)\s+)"
    r"(?!None\b|null\b|true\b|false\b|\[redacted\]|\s*$)"
    r"(\"[^\"\n]{1,500}\"?|'[^'\n]{1,500}'?|[^\s,;'\"\])}]{4,})",
)
_OPTION = re.compile(rf"(?i)(?<![\w-])(--?(?=[a-z]){_NAMES})(\s+)(?!-)(\S+)")


def redact(text: str) -> str:
    """Replace keys, tokens, passwords and private keys by ``[redacted]``."""
    text = _BLOCK.sub(REDACTED, text)
    text = _URL.sub(rf"\1\2:{REDACTED}@", text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", text)
    text = _KNOWN.sub(REDACTED, text)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _OPTION.sub(rf"\1\2{REDACTED}", text)
    return _ASSIGNED.sub(_hide_value, text)


def _hide_value(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    # "token: unexpected" is prose, "token: 8f3a..." is not.
    is_prose = ":" in between or between.strip() in {"is", "was"}
    if is_prose and value.isalpha() and name.lower() in {"token", "secret", "credentials", "pwd"}:
        return found.group()
    if name.lower().endswith("_key") and not re.search(r"(?i)api|access|secret|private", name):
        is_secret = len(value) >= 16 and re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
        if not is_secret:
            return found.group()
    quote = value[0] if value[0] in "\"'" else ""
    close = quote if quote and value.endswith(quote) and len(value) > 1 else ""
    return f"{name}{between}{quote}{REDACTED}{close}"
