"""The keys that are in use: no text that goes to a model, or comes from one, may hold them.

Redaction knows keys by their form or by the words before them; these are known as they
are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import SecretStr

from llm_scheduler.agent.model_choice import NO_KEY
from llm_scheduler.config import LLMSettings, environment_keys

LEAST_CHARS = 8
"""Shorter ones stand for "none", such as ``EMPTY``, and may be words of any text."""


def find_keys(
    settings: LLMSettings, models: Iterable[Any] = (), *, least_chars: int = LEAST_CHARS
) -> tuple[str, ...]:
    """Return the keys of the settings, of chat models, and of the environment.

    A model that is not made yet takes its key from there, and people mistake one for another.
    """
    secrets = [settings.api_key]
    for model in (settings.chat_model, *models):
        fields = getattr(type(model), "model_fields", ())
        secrets += [getattr(model, name, None) for name in fields]
    values = {s.get_secret_value() for s in secrets if isinstance(s, SecretStr)}
    values = (values | environment_keys()) - {NO_KEY}
    # The longest first: one may be the beginning of another.
    return tuple(sorted((v for v in values if len(v) >= least_chars), key=len, reverse=True))
