"""Secrets that can be told by their own form: the keys of known vendors.

Each form has a start that is hardly found elsewhere. Expressions are linear: what
may repeat without bound can't start again inside itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

Span = tuple[int, int]

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
_ALONE = r"(?:(?<![\w-])|(?<=\\[nrtbf]))"
_A, _W, _H = "[A-Za-z0-9]", r"[\w-]", "[0-9a-f]"

_PLAIN = (
    (r"sk-(?:ant|proj|svcacct|admin|or|lf)-", _W, 8),  # OpenAI, Anthropic, OpenRouter
    (r"[sr]k_(?:live|test)_", _A, 8),  # Stripe
    ("whsec_", "[A-Za-z0-9+/]", 16),
    ("gh[pousr]_", _A, 16),
    ("github_pat_", r"\w", 16),
    (r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt)-", r"[\w.-]", 12),
    ("GR1348941", _W, 12),
    ("ATBB", _A, 20),  # Bitbucket
    ("AT[AC]TT3", r"[\w=-]", 20),
    (r"xox[abeoprs](?:\.xox[bp])?-", _W, 8),
    (r"xapp-\d-", _W, 8),
    ("AIza", _W, 30),
    (r"ya29\.", r"[\w.-]", 16),
    ("1//0", _W, 24),  # refresh token of Google
    ("GOCSPX-", _W, 16),
    ("dckr_[po]at_", _W, 12),
    ("do[opr]_v1_", _H, 24),
    ("dapi", _H, 30),
    ("hv[sbr]\\.", r"[\w-]", 20),  # Vault
    ("AGE-SECRET-KEY-1", "[A-Z0-9]", 16),
    ("nvapi-", _W, 24),
    ("lsv2_(?:pt|sk)_", r"\w", 16),
    ("wandb_v1_", r"\w", 16),
    ("gl(?:c|sa)_", r"[\w+/=]", 24),  # Grafana
    ("pcsk_", r"\w", 24),
    ("shp(?:at|ca|pa|ss)_", _H, 24),
    ("sntry[su]_", r"[\w+/=]", 24),
    ("PMAK-", _W, 24),
    (r"tskey-\w{2,10}-", _W, 12),
    (r"pscale_(?:tkn|pw|oauth)_", r"[\w.-]", 24),
    ("dp\\.(?:pt|st|ct)\\.", r"[\w.-]", 24),
    ("rubygems_", _H, 32),
    ("figd_", _W, 24),
    (r"key-(?=[0-9a-f]{32}(?![0-9a-f]))", _H, 32),  # Mailgun
    ("(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)", r"[\w+/=%-]", 16),  # AWS session
    ("eyJhcGlf", r"[\w+/=-]", 16),  # Neptune: base64 of JSON
)
"""Starts that are no words, the characters that follow, and how many at least."""

_MIXED = (
    ("hf_", _A, 16),
    ("api_org_", _A, 20),
    ("npm_", _A, 20),
    ("pypi-", _W, 32),
    ("r8_", _A, 20),
    ("gsk_", _A, 20),
    ("pplx-", _A, 20),
    ("xai-", _A, 20),
    ("fw_", _A, 22),
    ("tvly-", _W, 20),
    ("secret_", _A, 32),  # Notion
    ("ntn_", _A, 32),
    ("pn[ub]_", _A, 24),  # Prefect
    ("lin_api_", _A, 24),
    ("sbp_", _H, 32),
    ("KGAT_", _A, 20),  # Kaggle
)
"""Starts that names may have too: the rest must look drawn by lot."""


def _join(forms: tuple[tuple[str, str, int], ...], *, cut: bool = False) -> str:
    if cut:  # how much of it is there is not known
        return "|".join(f"{start}{body}*$" for start, body, _ in forms)
    return "|".join(f"{start}{body}{{{least},}}" for start, body, least in forms)


_PLAIN_TOKEN = re.compile(f"{_START}(?:{_join(_PLAIN)})", re.ASCII)
_MIXED_TOKEN = re.compile(
    rf"{_START}(?:{_join(_MIXED)}|sk-[A-Za-z0-9_-]{{16,}}|SK[0-9a-f]{{32}}(?![0-9a-f]))", re.ASCII
)
_CUT_TOKEN = re.compile(
    rf"{_START}(?:{_join((*_PLAIN[:-3], *_PLAIN[-2:], *_MIXED[:10]), cut=True)}"
    r"|(?:AKIA|ASIA)[A-Z0-9]*$|eyJ[\w-]*(?:\.[\w-]*){0,2}$|sk-(?!learn)[\w-]*$)",
    re.ASCII,
)
_PARTS = re.compile(
    rf"{_ALONE}(?:eyJ[\w-]{{8,}}\.[\w-]{{4,}}(?:\.[\w-]*)?"  # JSON web token
    r"|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|[MNO][A-Za-z0-9_-]{22,27}\.[\w-]{6}\.[\w-]{27,}"  # Discord
    r"|\d{8,10}:[\w-]{34,36}(?![\w-])"  # Telegram
    r"|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])"  # Mailgun
    r"|[0-9a-f]{32}-us\d{1,2}\b"  # Mailchimp
    r"|\w{14}\.atlasv1\.[\w-]{20,}"  # Terraform
    r"|pat\w{14}\.[0-9a-f]{32,}"  # Airtable
    r"|\w{3}8Q~[\w~.-]{24,}"  # Azure
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9]))",
    re.ASCII,
)
_AFTER_AWS_ID = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9+/\n]{1,20}([A-Za-z0-9+/]{40})(?![A-Za-z0-9+/])"
)
_STORAGE_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")  # Azure
_WANDB = re.compile(
    r"(?i)\bwandb\b.{0,60}?\b(?:login|key)\b.{0,24}?(?<![0-9a-f])([0-9a-f]{40})(?![0-9a-f])"
)
_KAGGLE = re.compile(r"(?i)\\*\"key\\*\"\s{0,3}:\s{0,3}\\*\"([0-9a-f]{32})(?![0-9a-f])")
_WEBHOOK = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|webhook\.office\.com/webhookb2/"
    r"|discord(?:app)?\.com/api/webhooks/\d{1,30}/|api\.telegram\.org/bot)([\w/:@-]{8,})",
    re.ASCII,
)
_GROUPED = ((_AFTER_AWS_ID, "A"), (_WANDB, "andb"), (_KAGGLE, "ey"), (_WEBHOOK, "/"))

PREFILTER = (
    "|".join(start.partition("(?=")[0] for start, _, _ in (*_PLAIN, *_MIXED) if start != "secret_")
    + r"|sk-|SK[0-9a-f]{32}|eyJ|SG\.|\.[\w-]{6}\.[\w-]{27}|[0-9]{8}:[\w-]{34}"
    r"|[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}|[0-9a-f]{16}-us[0-9]|\.atlasv1\.|pat\w{14}\.|8Q~"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]|[A-Za-z0-9+/]==|secret_[A-Za-z0-9]{16}"
    r"|hooks\.slack\.com|/api/webhooks/|webhook\.office|api\.telegram|(?i:wandb\b.*[0-9a-f]{40})"
    r"|(?i:key\\*\"\s*:\s*\\*\"[0-9a-f]{32})"
)
"""Occurs in each line that holds one of the forms; the same for `re` and RE2."""


def is_mixed(text: str) -> bool:
    """Tell whether a text has digits among letters, or letters of both cases."""
    has_digit = any(char.isdigit() for char in text)
    has_lower = text != text.upper()
    has_upper = text != text.lower()
    return (has_digit and (has_lower or has_upper)) or (has_lower and has_upper)


def has_digits_and_letters(text: str) -> bool:
    """Tell whether a text has both."""
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)


def find_tokens(text: str, *, cut_end: bool = False) -> Iterator[Span]:
    """Find keys by their form.

    Parameters
    ----------
    text
        One line.
    cut_end
        Whether the text goes on behind its end, so that a key may be cut there.
    """
    for found in chain(_PLAIN_TOKEN.finditer(text), _PARTS.finditer(text)):
        yield found.span()
    for found in _MIXED_TOKEN.finditer(text):
        token = found.group()
        if (has_digits_and_letters if token[:3] == "sk-" else is_mixed)(token[3:]):
            yield found.span()
    if "==" in text:
        for found in _STORAGE_KEY.finditer(text):
            if is_mixed(found.group()):
                yield found.span()
    for pattern, mark in _GROUPED:
        if mark in text or mark.upper() in text:
            yield from (found.span(1) for found in pattern.finditer(text))
    if cut_end and (found_cut := _CUT_TOKEN.search(text)):
        yield found_cut.span()
