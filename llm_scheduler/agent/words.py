"""What a person means who types ``yes`` or ``reject``: decisions in words.

A decision carries something out or ends it for good, so only a message that is nothing
but a decision counts as one. Whatever says more goes to the one who answers the chat.
"""

from __future__ import annotations

import re
from typing import Literal

_PHRASES: dict[str, str] = {
    **dict.fromkeys(
        (
            "accept", "accepted", "agree", "agreed", "allow", "apply", "approve", "approved",
            "confirm", "confirmed", "do it", "do that", "do this", "go ahead", "i accept",
            "i agree", "i approve", "lgtm", "looks good", "looks good to me", "make the change",
            "of course", "ok", "okay", "please do", "sounds good", "sure", "y", "ya", "yea",
            "yeah", "yep", "yes", "yup",
        ),
        "approve",
    ),
    **dict.fromkeys(
        (
            "decline", "declined", "deny", "denied", "do not", "do not apply", "do not approve",
            "do not do", "dont", "dont apply", "dont approve", "dont do", "i decline",
            "i refuse", "i reject", "n", "nah", "never", "no", "no thank you", "no thanks",
            "no way", "nope", "not ok", "not okay", "refuse", "reject", "rejected",
        ),
        "reject",
    ),
    **dict.fromkeys(("it", "please", "that", "thanks", "thank you", "this"), ""),
}  # fmt: skip
"""What each phrase decides; empty for words that decide nothing beside one that does."""

_LONGEST = max(len(phrase.split()) for phrase in _PHRASES)
_MAX_CHARS = 60
_APOSTROPHES = re.compile("['’‘`´]")
_QUOTES = re.compile("^[\\s\"“”'`*_]+|[\\s\"“”'`*_]+$")
_PUNCTUATION = re.compile(r"[\s,.;:!/-]+")


def read_decision(message: str) -> Literal["approve", "reject"] | None:
    """Return what a message decides; ``None`` unless it is a decision and nothing else.

    Parameters
    ----------
    message
        What the user typed. Case, punctuation and politeness do not matter; a question
        ("yes?"), both answers at once, or any word more makes it no decision.

    """
    text = _QUOTES.sub("", message[: _MAX_CHARS + 1])
    if len(message.strip()) > _MAX_CHARS or "?" in text or "\n" in text:
        return None
    words = [word for word in _PUNCTUATION.split(_APOSTROPHES.sub("", text.casefold())) if word]
    decisions = set()
    while words:
        for n_words in range(min(_LONGEST, len(words)), 0, -1):
            decision = _PHRASES.get(" ".join(words[:n_words]))
            if decision is not None:
                break
        else:
            return None
        decisions.add(decision)
        del words[:n_words]
    decisions.discard("")
    if decisions == {"approve"}:
        return "approve"
    return "reject" if decisions == {"reject"} else None
