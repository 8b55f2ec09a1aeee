"""Where a model is asked, told by its name and address, and which key belongs there.

A key is given for one place: a server, or a provider. Settings come in layers, and a
layer that names another place does not take the key of the layers below it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

PROVIDERS = frozenset(
    {
        "anthropic",
        "anthropic_bedrock",
        "azure_ai",
        "azure_openai",
        "baseten",
        "bedrock",
        "bedrock_converse",
        "cohere",
        "deepseek",
        "fireworks",
        "google_anthropic_vertex",
        "google_genai",
        "google_vertexai",
        "groq",
        "huggingface",
        "ibm",
        "litellm",
        "meta",
        "mistralai",
        "nvidia",
        "ollama",
        "openai",
        "openrouter",
        "perplexity",
        "together",
        "upstage",
        "xai",
    }
)
"""Those that ``init_chat_model`` knows; other words before a colon belong to the name."""
_ALIASES = {"google": "google_genai", "gemini": "google_genai"}
_BEGINNINGS = {
    **dict.fromkeys(("gpt-", "o1", "o3", "o4", "chatgpt"), "openai"),
    "claude": "anthropic",
    # LangChain means Vertex AI, which few have.
    "gemini": "google_genai",
    **dict.fromkeys(("mistral", "mixtral"), "mistralai"),
    "command": "cohere",
    "deepseek": "deepseek",
    "grok": "xai",
}
"""How names begin that need no provider before them."""
KEY_FIELDS = ("api_key", "api_key_file")


def split_name(text: str) -> tuple[str, str]:
    """Split ``provider:name``; names such as ``llama3.1:8b`` have no provider."""
    first, colon, rest = text.strip().partition(":")
    first = first.replace("-", "_").lower()
    first = _ALIASES.get(first, first)
    if colon and rest and first in PROVIDERS:
        return rest, first
    return text.strip(), ""


def guess_provider(name: str) -> str:
    """Return the provider of a name without one; empty when it is not known."""
    low = name.lower()
    return next((found for start, found in _BEGINNINGS.items() if low.startswith(start)), "")


def safe_url(url: str) -> str:
    """Return a URL without user, password and query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that can't be read"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def join_layers(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of two layers together, those of the upper one first.

    What belongs to the place that the lower layer named, its key above all, is left out
    where the upper layer names another one.
    """
    joined = {**lower, **upper}
    has_key = any(name in upper for name in KEY_FIELDS)
    is_moved = _names_another_place(lower, upper, has_key=has_key)
    if has_key or is_moved:
        # A key file of the upper layer is before a key of the lower one, too.
        joined |= {name: upper.get(name) for name in KEY_FIELDS}
    if is_moved and "base_url" not in upper:
        joined["base_url"] = None
        fallback = joined.get("fallback")
        if "fallback" not in upper and isinstance(fallback, str) and not split_name(fallback)[1]:
            joined["fallback"] = None  # a name that only that server knows
    return joined


def _names_another_place(
    lower: Mapping[str, Any], upper: Mapping[str, Any], *, has_key: bool
) -> bool:
    """Tell whether the upper layer asks another server or provider than the lower one."""
    if not (_server(lower) or _provider(lower)):
        return False  # the lower one names no place yet
    if "base_url" in upper:
        return _server(upper) != _server(lower)
    if not upper.get("model"):
        return False
    if not _server(lower):
        return _provider(upper) != _provider(lower)
    named = _named_provider(upper)
    if not named:
        return False  # a name that this server knows
    # With a key beside it the provider itself is meant, not what is behind the server.
    return has_key or bool(lower.get("model") and named != _named_provider(lower))


def _server(layer: Mapping[str, Any]) -> str:
    return str(layer.get("base_url") or "").strip().rstrip("/")


def _named_provider(layer: Mapping[str, Any]) -> str:
    return split_name(str(layer.get("model") or ""))[1]


def _provider(layer: Mapping[str, Any]) -> str:
    name, provider = split_name(str(layer.get("model") or ""))
    return provider or guess_provider(name)
