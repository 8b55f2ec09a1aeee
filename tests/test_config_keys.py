"""Keys in settings: never repeated, and sent only to the place they were given for."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_scheduler.agent.model_choice import make_models
from llm_scheduler.config import LLMSettings, make_llm_settings
from llm_scheduler.errors import ConfigError
from llm_scheduler.testing.scripted_model import ScriptedModel, say
from tests.test_config import KEY, folder, load

__all__ = ["folder"]


@pytest.mark.parametrize(
    "given",
    [
        {"apikey": KEY},
        {"api_key": [KEY]},
        {"api_key": {"v": KEY}},
        {"mode": KEY},
        {"max_retries": KEY},
        {"base_url": [KEY]},
    ],
    ids=str,
)
def test_no_error_repeats_what_may_be_a_key(folder, given):
    with pytest.raises(ValueError, match=next(iter(given))) as of_arguments:
        LLMSettings(**given)
    (folder / "config.toml").touch(0o600)
    name, value = next(iter(given.items()))
    shown = f'{{v = "{KEY}"}}' if isinstance(value, dict) else str(value).replace("'", '"')
    shown = f'"{shown}"' if isinstance(value, str) else shown
    with pytest.raises(ConfigError, match=name) as of_the_file:
        load(folder, f"{name} = {shown}\n")
    for error in (of_arguments.value, of_the_file.value, of_the_file.value.__cause__):
        assert KEY not in f"{error}{error!r}"


def test_a_number_given_as_a_key_is_not_repeated(folder):
    (folder / "config.toml").touch(0o600)
    with pytest.raises(ConfigError, match="api_key") as caught:
        load(folder, "api_key = 1234567890\n")
    assert "1234567890" not in str(caught.value)


@pytest.mark.parametrize("llm", [{"api_key": KEY}, [KEY], KEY], ids=["dict", "list", "text"])
def test_what_is_no_model_is_not_repeated(folder, llm):
    with pytest.raises(ConfigError) as caught:
        make_llm_settings(llm, load(folder))
    assert KEY not in str(caught.value)


def test_the_password_of_an_address_is_not_shown(folder):
    for url in ("http://ann:hunter2@h:1/v1", "http://h:1/v1?key=hunter2"):
        settings = load(folder, LLM_SCHEDULER_BASE_URL=url)
        assert settings.base_url == url
        for shown in (settings, settings.llm()):
            assert "hunter2" not in f"{shown} {shown!r}"
            assert "http://h:1/v1" in repr(shown)


OPENAI = {"model": "openai:gpt-4.1", "api_key": KEY}
SERVER = {"model": "qwen", "base_url": "http://h/v1", "api_key": KEY, "fallback": "small"}


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        # base_url, whether the key is kept, fallback
        (OPENAI, {"model": "qwen", "base_url": "http://h/v1"}, ("http://h/v1", False, None)),
        (OPENAI, {"base_url": "http://h/v1"}, ("http://h/v1", False, None)),
        (OPENAI, {"model": "groq:llama"}, (None, False, None)),
        (OPENAI, {"model": "claude-sonnet-4-5"}, (None, False, None)),
        (OPENAI, {"model": "gpt-4.1-mini"}, (None, True, None)),
        (OPENAI, {"model": "openai:o3", "fallback": "openai:x"}, (None, True, "openai:x")),
        (SERVER, {"model": "openai:gpt-4.1"}, (None, False, None)),
        (SERVER, {"model": "llama3.1:8b"}, ("http://h/v1", True, "small")),
        (SERVER, {"base_url": "http://h/v1/"}, ("http://h/v1/", True, "small")),
        (SERVER, {"base_url": "http://other/v1"}, ("http://other/v1", False, "small")),
        (SERVER, {"mode": "yolo"}, ("http://h/v1", True, "small")),
        (SERVER | {"fallback": "openai:x"}, {"model": "openai:y"}, (None, False, "openai:x")),
        # What names no place yet waits for one.
        ({"api_key": KEY}, {"model": "openai:gpt-4.1"}, (None, True, None)),
        ({"api_key": KEY}, {"model": "qwen", "base_url": "http://h"}, ("http://h", True, None)),
        ({"api_key": KEY, "model": "qwen"}, {"base_url": "http://h"}, ("http://h", True, None)),
        ({"base_url": "http://h"}, {"model": "openai:x"}, ("http://h", False, None)),
    ],
)
def test_a_key_is_for_the_place_that_it_was_given_for(folder, lower, upper, expected):
    """Whether the layers are file and environment, or settings and argument."""
    (folder / "config.toml").touch(0o600)
    text = "".join(f'{name} = "{value}"\n' for name, value in lower.items())
    variables = {f"LLM_SCHEDULER_{name.upper()}": value for name, value in upper.items()}
    for settings in (
        load(folder, text, **variables),
        make_llm_settings(LLMSettings(**upper), load(folder, text)),
        load(folder, text).llm(**upper),
    ):
        found = (settings.base_url, settings.api_key is not None, settings.fallback)
        assert found == expected


def test_a_layer_with_a_key_of_its_own_names_its_place_whole(folder):
    text = 'model = "openai:site"\nbase_url = "http://site/v1"\n'
    mine = LLMSettings(model="openai:gpt-4.1", api_key=KEY)
    settings = make_llm_settings(mine, load(folder, text))
    assert (settings.base_url, settings.api_key.get_secret_value()) == (None, KEY)


async def test_no_server_gets_the_key_of_another(folder):
    (folder / "config.toml").touch(0o600)
    text = f'model = "openai:gpt-4.1"\napi_key = "{KEY}"\n'
    with ScriptedModel() as server:
        server.script(*[say("hello")] * 3)
        elsewhere = {"model": "qwen", "base_url": server.base_url}
        variables = {f"LLM_SCHEDULER_{name.upper()}": value for name, value in elsewhere.items()}
        for settings in (
            load(folder, text, **variables).llm(),
            make_llm_settings(LLMSettings(**elsewhere), load(folder, text)),
            load(folder).llm(**elsewhere, api_key="for-this-server"),
        ):
            (model,) = make_models(settings)
            await model.ainvoke("hello")
            await model.http_async_client.aclose()
    sent = [request.headers for request in server.requests]
    assert KEY not in str(sent)
    assert ["for-this-server" in str(headers) for headers in sent] == [False, False, True]


def test_a_key_file_is_before_a_key_of_a_lower_layer(folder):
    key = folder / "key"
    key.touch(0o600)
    key.write_text("of-the-file")
    (folder / "config.toml").touch(0o600)
    settings = load(folder, f'api_key = "{KEY}"\n', LLM_SCHEDULER_API_KEY_FILE=str(key))
    assert settings.api_key.get_secret_value() == "of-the-file"
    both = load(folder, LLM_SCHEDULER_API_KEY=KEY, LLM_SCHEDULER_API_KEY_FILE=str(key))
    assert both.api_key.get_secret_value() == KEY


def test_the_home_folder_may_be_written_short(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "key").touch(0o600)
    (folder / "key").write_text(KEY)
    mine = LLMSettings(api_key_file="~/key", roots=("~/run", "/x"), threads_dir="~")
    settings = make_llm_settings(mine, load(folder))
    assert settings.api_key.get_secret_value() == KEY
    assert (settings.roots, settings.threads_dir) == ((folder / "run", Path("/x")), folder)
    loaded = load(folder, 'state_dir = "~/s"\ncatalog_dirs = ["~/c"]\n')
    assert (loaded.state_dir, loaded.catalog_dirs) == (folder / "s", (folder / "c",))
