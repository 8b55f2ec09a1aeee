"""Names become models, and a key goes nowhere but to its own server."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from llm_scheduler.agent.model_choice import (
    close_models,
    describe_model,
    find_context_tokens,
    make_models,
    name_of,
)
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import ModelError
from llm_scheduler.testing.scripted_model import ScriptedModel, repeat, say

KEY = "sk-proj-q8Zt31xVb7Ls0dKwRm2YnUa9"
OTHER = "sk-proj-another0provider1key2that3stays"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI", "GROQ"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)


async def send(settings: LLMSettings) -> None:
    models = make_models(settings)
    for made in models:
        await made.ainvoke("hello")
    await close_models(models)


@pytest.mark.parametrize(
    ("name", "base_url", "kind", "sent"),
    [
        ("openai:gpt-4.1", None, "ChatOpenAI", "gpt-4.1"),
        ("gpt-4.1", None, "ChatOpenAI", "gpt-4.1"),
        ("llama3.1:8b", "http://localhost:11434/v1", "ChatOpenAI", "llama3.1:8b"),
        (
            "meta-llama/Llama-3.3-70B",
            "http://gpu1:8000/v1",
            "ChatOpenAI",
            "meta-llama/Llama-3.3-70B",
        ),
        ("openai:qwen", "http://gpu1:8000/v1", "ChatOpenAI", "qwen"),
    ],
)
async def test_names(name: str, base_url: str | None, kind: str, sent: str) -> None:
    models = make_models(LLMSettings(model=name, base_url=base_url, api_key=KEY))
    assert [type(model).__name__ for model in models] == [kind]
    assert name_of(models[0]) == sent
    assert models[0].max_retries == 0
    await close_models(models)


@pytest.mark.parametrize(
    ("name", "package", "kind"),
    [
        ("anthropic:claude-sonnet-4-5", "langchain_anthropic", "ChatAnthropic"),
        ("google:gemini-2.5-pro", "langchain_google_genai", "ChatGoogleGenerativeAI"),
        ("gemini-2.5-pro", "langchain_google_genai", "ChatGoogleGenerativeAI"),
        ("ollama:llama3", "langchain_ollama", "ChatOllama"),
    ],
)
def test_names_of_extras(name: str, package: str, kind: str) -> None:
    pytest.importorskip(package)
    models = make_models(LLMSettings(model=name, api_key=KEY))
    assert [type(model).__name__ for model in models] == [kind]
    assert KEY not in repr(models) + str(models)


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        (LLMSettings(), "missing", "LLM_SCHEDULER_MODEL"),
        (LLMSettings(model="groq:llama"), "missing", "pip install langchain-groq"),
        (LLMSettings(model="my-own-model"), "missing", "set base_url"),
        (LLMSettings(model="x", base_url="localhost:8000/v1"), "missing", "is no address"),
        (LLMSettings(model="openai:gpt-4.1"), "key", "OPENAI_API_KEY"),
        (LLMSettings(model="openai:gpt-4.1"), "key", "api_key_file"),
        (
            LLMSettings(model="qwen", base_url="http://gpu1/v1", api_key=KEY, fallback="openai:x"),
            "key",
            "OPENAI_API_KEY",  # the key is that of base_url
        ),
    ],
)
def test_what_is_missing(settings: LLMSettings, kind: str, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        make_models(settings)
    assert caught.value.kind == kind


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from langchain.chat_models import base

    base._get_chat_model_creator.cache_clear()
    monkeypatch.setitem(sys.modules, "langchain_anthropic", None)
    with pytest.raises(ModelError, match=r"pip install 'llm-scheduler\[anthropic\]'"):
        make_models(LLMSettings(model="anthropic:claude-sonnet-4-5", api_key=KEY))
    base._get_chat_model_creator.cache_clear()


async def test_a_given_model_is_taken_as_it_is(model: ScriptedModel) -> None:
    given = object()
    settings = LLMSettings(chat_model=given, fallback="openai:gpt-4.1", api_key=None)
    assert make_models(settings.model_copy(update={"fallback": None})) == [given]
    assert describe_model(settings) == "object, else openai:gpt-4.1"


async def test_base_url_never_gets_the_key_of_the_provider(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-provider")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-provider")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {OTHER}\nAuthorization: {OTHER}")
    model.script(repeat(say("hi")))
    await send(LLMSettings(model="openai:qwen", base_url=model.base_url))
    sent = str(dict(model.requests[0].headers))
    assert OTHER not in sent
    assert model.requests[0].headers["authorization"] == "Bearer no-key-needed"
    assert "of-the-provider" not in sent


async def test_base_url_gets_its_own_key_and_so_does_a_fallback_there(
    model: ScriptedModel,
) -> None:
    model.script(repeat(say("hi")))
    settings = LLMSettings(model="qwen", base_url=model.base_url, api_key=KEY, fallback="small")
    await send(settings)
    assert [r.model for r in model.requests] == ["qwen", "small"]
    assert {r.headers["authorization"] for r in model.requests} == {f"Bearer {KEY}"}


async def test_fallback_at_a_provider_gets_the_key_of_that_provider(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    settings = LLMSettings(model="qwen", base_url=model.base_url, api_key=KEY, fallback="openai:x")
    models: list[Any] = make_models(settings)
    assert [m.openai_api_key.get_secret_value() for m in models] == [KEY, OTHER]
    assert [m.openai_api_base for m in models] == [model.base_url, None]
    await close_models(models)


async def test_a_client_of_the_user_is_not_closed(model: ScriptedModel) -> None:
    import openai
    from langchain_openai import ChatOpenAI

    http = openai.DefaultAsyncHttpxClient()
    given = ChatOpenAI(
        model="x", base_url=model.base_url, api_key="k", http_async_client=http, max_retries=0
    )
    await close_models(make_models(LLMSettings(chat_model=given)))
    assert not http.is_closed
    ours = make_models(LLMSettings(model="x", base_url=model.base_url))
    await close_models(ours)
    assert ours[0].http_async_client.is_closed  # type: ignore[attr-defined] - an OpenAI model
    await http.aclose()


def test_a_model_of_the_user_in_two_event_loops(model: ScriptedModel) -> None:
    import asyncio

    from langchain_openai import ChatOpenAI

    model.script(repeat(say("hi")))
    given = ChatOpenAI(
        model="x", base_url=model.base_url, api_key=KEY, max_retries=0, temperature=0.25
    )
    for _ in range(2):
        asyncio.run(send(LLMSettings(chat_model=given)))
    assert [request.body["temperature"] for request in model.requests] == [0.25, 0.25]
    assert model.requests[1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(make_models(LLMSettings(chat_model=given)))


async def test_keys_are_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = LLMSettings(model="qwen", base_url=f"http://u:{OTHER}@gpu1/v1?k={KEY}", api_key=KEY)
    models = make_models(settings)
    shown = [repr(settings), str(settings), describe_model(settings), repr(models), str(models)]
    shown += [str(models[0].model_dump()), caplog.text]
    assert not [text for text in shown if KEY in text.replace(settings.base_url or "", "")]
    assert OTHER not in describe_model(settings)
    await close_models(models)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (LLMSettings(), "none"),
        (LLMSettings(model="openai:gpt-4.1"), "openai:gpt-4.1"),
        (LLMSettings(model="q", base_url="http://u:p@h:8000/v1?key=x"), "q at http://h:8000/v1"),
        (LLMSettings(model="q", base_url="http://h:x/v1"), "q at a URL that can't be read"),
        (LLMSettings(model="a", fallback="b"), "a, else b"),
    ],
)
def test_describe(settings: LLMSettings, text: str) -> None:
    assert describe_model(settings) == text


class _Known:
    profile = {"max_input_tokens": 128_000}  # noqa: RUF012 - as LangChain's models have it


def test_context() -> None:
    assert find_context_tokens(LLMSettings(model="x", context_tokens=4000), _Known()) == 4000
    assert find_context_tokens(LLMSettings(model="x"), _Known()) == 128_000
    assert find_context_tokens(LLMSettings(model="x"), object()) == 8000


def test_models_of_two_event_loops(model: ScriptedModel, settings_for: Any) -> None:
    """LangChain's shared HTTP client fails in the second loop; ours are not shared."""
    import asyncio

    model.script(repeat(say("hi")))
    settings = settings_for(model)
    for _ in range(2):
        asyncio.run(send(settings))
    assert len(model.requests) == 2
