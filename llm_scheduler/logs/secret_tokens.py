"""Secrets that can be told by their own form: the keys of known vendors.

Each form has a start that is hardly found elsewhere. Expressions are linear: what
may repeat without bound can't start again inside itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from llm_scheduler.logs.secret_forms import MIXED, PLAIN

Span = tuple[int, int]

# A loop over the characters would take long where names of secrets follow each other.
_DIGIT = re.compile("[0-9]")
_LETTER = re.compile(r"[^\W\d_]")
_MAX_CUT = 600
"""A longer key is known as one without its end."""
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
_ALONE = r"(?:(?<![\w-])|(?<=\\[nrtbf]))"


def _is_word(start: str) -> bool:
    """Tell starts that lines may end with, or that need what follows to be whole."""
    return "(?=" in start or start in {"fw_", "secret_", "dapi"}


def _join(forms: tuple[tuple[str, str, int], ...], *, cut: bool = False) -> str:
    if cut:  # how much of it is there is not known
        return "|".join(f"{start}{body}*$" for start, body, _ in forms if not _is_word(start))
    return "|".join(f"{start}{body}{{{least},}}" for start, body, least in forms)


_PLAIN_TOKEN = re.compile(f"{_START}(?:{_join(PLAIN)})", re.ASCII)
_MIXED_TOKEN = re.compile(
    rf"{_START}(?:{_join(MIXED)}|sk-[A-Za-z0-9_-]{{16,}}|SK[0-9a-f]{{32}}(?![0-9a-f]))", re.ASCII
)
_CUT_TOKEN = re.compile(
    rf"{_START}(?:{_join((*PLAIN, *MIXED), cut=True)}"
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
_WANDB_LOGIN = re.compile(
    r"(?ai)\bwandb\s{1,4}login\s(?:[^|&;\n]{0,80}\s)?(?=[a-z_]{0,128}\d)(?=[\d_]{0,128}[a-z])"
    r"(\w{32,128})(?![\w/.:-])"
)
_KAGGLE = re.compile(r"(?i)\\*\"key\\*\"\s{0,3}:\s{0,3}\\*\"([0-9a-f]{32})(?![0-9a-f])")
_WEBHOOK = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|webhook\.office\.com/webhookb2/"
    r"|discord(?:app)?\.com/api/webhooks/\d{1,30}/|api\.telegram\.org/bot)([\w/:@-]{8,})",
    re.ASCII,
)
_GROUPED = (
    (_AFTER_AWS_ID, "A"),
    (_WANDB, "andb"),
    (_WANDB_LOGIN, "andb"),
    (_KAGGLE, "ey"),
    (_WEBHOOK, "/"),
)


def is_mixed(text: str) -> bool:
    """Tell whether a text has digits among letters, or letters of both cases."""
    has_digit = _DIGIT.search(text) is not None
    has_lower = text != text.upper()
    has_upper = text != text.lower()
    return (has_digit and (has_lower or has_upper)) or (has_lower and has_upper)


def has_digits_and_letters(text: str) -> bool:
    """Tell whether a text has both."""
    return _DIGIT.search(text) is not None and _LETTER.search(text) is not None


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
    if cut_end and (found_cut := _CUT_TOKEN.search(text, max(0, len(text) - _MAX_CUT))):
        yield found_cut.span()
