"""Which model is asked: from settings to LangChain chat models, and what they take in.

A key goes to the server it was given for and nowhere else: a server named by `base_url`
never gets the key that a provider's own variable holds, and a provider never gets the
key of `base_url`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError
from llm_scheduler.logs import redact
from llm_scheduler.model_places import guess_provider, safe_url, split_name

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DEFAULT_CONTEXT_TOKENS = 8000
"""Of a model that LangChain knows nothing about, such as a local one."""
NO_KEY = "no-key-needed"
"""What a server gets that asks for none; the client wants to send something."""

_EXTRAS = {"anthropic": "anthropic", "google_genai": "google", "ollama": "ollama"}
_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "xai": "XAI_API_KEY",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_KEYLESS = frozenset({"ollama"})
"""Providers whose client takes no key; given one, it would show it in its repr."""


_CLIENTS: WeakSet[Any] = WeakSet()
"""HTTP clients that were made here; one of the user's own is not ours to close."""


@dataclass(frozen=True)
class _Choice:
    """One model, where it is, and the key for that place."""

    name: str
    provider: str
    base_url: str | None = None
    key: str | None = None

    @property
    def label(self) -> str:
        return f"{self.provider}:{self.name}" if not self.base_url else self.name


def make_models(settings: LLMSettings) -> list[BaseChatModel]:
    """Return the first choice and, where one is named, the fallback.

    The clients belong to one event loop: make new ones for another.

    Raises
    ------
    ModelError
        No model is named (kind ``"missing"``), its package is not installed
        (``"missing"``), or there is no key for it (``"key"``).

    """
    if not settings.has_model:
        raise ModelError(
            "No model is configured. Set LLM_SCHEDULER_MODEL, for example to 'openai:gpt-4.1', "
            "or pass llm=...; for a server of your own set LLM_SCHEDULER_BASE_URL too.",
            kind="missing",
        )
    if settings.base_url and not settings.base_url.startswith(("http://", "https://")):
        raise ModelError(
            "base_url is no address: it must begin with http:// or https://, for example "
            "'http://localhost:8000/v1'.",
            kind="missing",
        )
    models: list[BaseChatModel] = []
    if settings.chat_model is not None:
        models.append(_with_own_client(settings.chat_model))
    return models + [_make_model(choice, settings) for choice in _choices(settings)]


def describe_model(settings: LLMSettings) -> str:
    """Say which model is asked, for people: no key, no password of a URL."""
    if not settings.has_model:
        return "none"
    text = name_model(settings)
    if settings.base_url and settings.chat_model is None:  # that has an address of its own
        text += f" at {safe_url(settings.base_url)}"
    return f"{text}, else {settings.fallback}" if settings.fallback else text


def name_model(settings: LLMSettings) -> str:
    """Return the name of the first choice."""
    if settings.chat_model is not None:
        return name_of(settings.chat_model)
    return settings.model or ""


def name_of(model: Any) -> str:
    """Return the name that a chat model's server knows it by, or the name of its class."""
    for attribute in ("model_name", "model", "model_id"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name.removeprefix("models/")
    return type(model).__name__


def find_context_tokens(settings: LLMSettings, model: Any = None) -> int:
    """Return how many tokens the model takes in.

    Of the settings, else as LangChain knows it, else 8,000: a local model rarely takes
    less, and one that takes more loses little.
    """
    if settings.context_tokens is not None:
        return settings.context_tokens
    profile = getattr(model, "profile", None)
    size = profile.get("max_input_tokens") if isinstance(profile, dict) else None
    return size if isinstance(size, int) and size > 0 else DEFAULT_CONTEXT_TOKENS


async def close_models(models: Iterable[Any]) -> None:
    """Close the connections of models that `make_models` made, and of no others."""
    for model in models:
        client = getattr(model, "http_async_client", None)
        if client is not None and client in _CLIENTS:
            with suppress(Exception):  # a closed loop or a broken connection is closed, too
                await client.aclose()


def _choices(settings: LLMSettings) -> list[_Choice]:
    key = settings.api_key.get_secret_value() if settings.api_key is not None else None
    choices = []
    if settings.chat_model is None and settings.model is not None:
        name, provider = split_name(settings.model)
        provider = provider or ("openai" if settings.base_url else _find_provider(name))
        choices.append(_Choice(name, provider, settings.base_url, key))
    if settings.fallback:
        name, provider = split_name(settings.fallback)
        if settings.base_url and not provider:
            choices.append(_Choice(name, "openai", settings.base_url, key))
        else:
            provider = provider or _find_provider(name)
            is_same = not settings.base_url and choices and choices[0].provider == provider
            choices.append(_Choice(name, provider, None, key if is_same else None))
    return choices


def _find_provider(name: str) -> str:
    provider = guess_provider(name)
    if not provider:
        raise ModelError(
            f"The provider of model {name!r} is not known. Write it before the name, for example "
            f"'openai:{name}', or set base_url for a server of your own.",
            kind="missing",
        )
    return provider


def _make_model(choice: _Choice, settings: LLMSettings) -> BaseChatModel:
    try:
        if choice.provider == "openai":
            return _make_openai(choice, settings)
        return _make_other(choice, settings)
    except ImportError as exc:
        raise ModelError(_say_missing(choice, exc), kind="missing") from exc
    except ModelError:
        raise
    except Exception as exc:  # noqa: BLE001 - of clients that we can't know
        raise _explain(choice, exc) from None  # its text may hold the key


def _make_openai(choice: _Choice, settings: LLMSettings) -> BaseChatModel:
    import openai
    from langchain_openai import ChatOpenAI

    # LangChain shares one HTTP client between all models of a server and with that
    # between event loops, of which the second fails with "Event loop is closed".
    is_local = bool(choice.base_url) and urlsplit(choice.base_url or "").hostname in _LOOPBACK
    http = openai.DefaultAsyncHttpxClient(
        timeout=settings.timeout_s,
        trust_env=not is_local,  # a cluster's proxy can't reach this machine's loopback
        verify=_trusted(trust_env=not is_local),
    )
    _CLIENTS.add(http)
    arguments: dict[str, Any] = {
        "model": choice.name,
        "max_retries": 0,
        "timeout": settings.timeout_s,
        "stream_usage": True,
        # `bounded_stream` has the time limit. LangChain's own uses `asyncio.wait_for`, which
        # in Python 3.11 loses a cancel that arrives together with a chunk.
        "stream_chunk_timeout": None,
        "http_async_client": http,
        "http_client": _unused(trust_env=not is_local),
    }
    if choice.key:
        arguments["api_key"] = choice.key
    if not choice.base_url:
        return ChatOpenAI(**arguments)
    arguments |= {"base_url": choice.base_url, "use_responses_api": False}
    arguments.setdefault("api_key", NO_KEY)
    model = ChatOpenAI(**arguments)
    for client in (model.root_async_client, model.root_client):
        # Of the environment, and so meant for OpenAI's own server; OPENAI_CUSTOM_HEADERS
        # may hold a key, and there is no other way to leave it out.
        client.organization = client.project = None
        client._custom_headers = {}
    return model


def _with_own_client(model: Any) -> Any:
    """Return a chat model of the user for our event loop.

    One of OpenAI's shares its connections with all others of its kind and with the
    user's own loop; a copy with a client of its own does not. All other models, and
    those whose client the user made, are taken as they are.
    """
    classes = {cls.__name__ for cls in type(model).__mro__}
    client = getattr(model, "root_async_client", None)
    if "BaseChatOpenAI" not in classes or client is None or model.http_async_client is not None:
        return model
    import openai

    http = openai.DefaultAsyncHttpxClient(timeout=client.timeout, verify=_trusted(trust_env=True))
    _CLIENTS.add(http)
    own = client.with_options(http_client=http)
    return model.model_copy(
        update={
            "http_async_client": http,
            "root_async_client": own,
            "async_client": own.chat.completions,
        }
    )


@cache
def _unused(*, trust_env: bool) -> Any:
    """Return the client for calls that block, which LangChain wants to have as well."""
    import openai

    return openai.DefaultHttpxClient(trust_env=trust_env, verify=_trusted(trust_env=trust_env))


@cache
def _trusted(*, trust_env: bool) -> Any:
    """Return the certificates that are trusted; reading them takes longer than all the rest.

    They come from the HTTP library that OpenAI's client is built on, which one it is
    depends on its version.
    """
    import openai

    classes = openai.DefaultAsyncHttpxClient.__mro__
    base = next((cls for cls in classes if cls.__name__ == "AsyncClient"), None)
    library = import_module(base.__module__.partition(".")[0]) if base is not None else None
    make = getattr(library, "create_ssl_context", None)
    return make(trust_env=trust_env) if make is not None else True


def _make_other(choice: _Choice, settings: LLMSettings) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    arguments: dict[str, Any] = {}
    if choice.provider == "ollama":
        arguments["client_kwargs"] = {"timeout": settings.timeout_s}
    else:
        # One try only: Google's client takes 0 for its own default of six.
        arguments["max_retries"] = 1 if choice.provider.startswith("google") else 0
        arguments["timeout"] = settings.timeout_s
    if choice.base_url:
        arguments["base_url"] = choice.base_url
        if choice.provider == "ollama":  # people give the address of its other interface
            arguments["base_url"] = choice.base_url.rstrip("/").removesuffix("/v1")
    if choice.provider not in _KEYLESS:
        key = choice.key or (NO_KEY if choice.base_url else None)
        if key:
            arguments["api_key"] = key
    model = init_chat_model(choice.name, model_provider=choice.provider, **arguments)
    if choice.provider == "anthropic" and not model.anthropic_api_key.get_secret_value():
        # Only the first call would find that out.
        raise ModelError(_say_no_key(choice), kind="key")
    return model


def _explain(choice: _Choice, exc: Exception) -> ModelError:
    text = str(exc)
    if "api_key" in text.lower() or "api key" in text.lower() or "credential" in text.lower():
        return ModelError(_say_no_key(choice), kind="key")
    text = hide(redact(text), [choice.key])
    first = next((line for line in text.splitlines() if line.strip()), type(exc).__name__)
    return ModelError(f"Model {choice.label!r} can't be used: {first[:300]}", kind="missing")


def _say_no_key(choice: _Choice) -> str:
    variable = _VARIABLES.get(choice.provider, f"{choice.provider.upper()}_API_KEY")
    return (
        f"There is no key for {choice.label!r}. Set {variable}, or LLM_SCHEDULER_API_KEY, or "
        "api_key_file to a file with the key that only you can read."
    )


def _say_missing(choice: _Choice, exc: ImportError) -> str:
    extra = _EXTRAS.get(choice.provider)
    if extra:
        install = f"pip install 'llm-scheduler[{extra}]'"
    else:
        package = (exc.name or f"langchain-{choice.provider}").partition(".")[0]
        install = f"pip install {package.replace('_', '-')}"
    return f"Model {choice.label!r} needs a package that is not installed: {install}"


def hide(text: str, keys: Iterable[str | None]) -> str:
    """Take these keys out of a text, whatever they look like."""
    for key in keys:
        if key and key != NO_KEY:
            text = text.replace(key, "[redacted]")
    return text
