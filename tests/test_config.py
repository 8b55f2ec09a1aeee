"""Settings: where they come from, which of them wins, what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from llm_scheduler import config
from llm_scheduler.config import LLMSettings, Settings, make_llm_settings, own_places
from llm_scheduler.errors import ConfigError

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder that ``LLM_SCHEDULER_CONFIG_DIR`` names."""
    path = tmp_path / "config"
    path.mkdir()
    return path


def load(folder: Path, text: str = "", **environment: str) -> Settings:
    if text:
        (folder / "config.toml").write_text(text)
    return Settings.load({"LLM_SCHEDULER_CONFIG_DIR": str(folder), **environment})


def test_defaults(folder):
    settings = load(folder)
    assert settings.model is None
    assert settings.mode == "approve"
    assert settings.catalog_dirs == ()
    assert settings.state_dir == Path(
        platformdirs.user_state_dir("llm-scheduler", appauthor=False),
    )
    assert load(folder, LLM_SCHEDULER_MODEL="").model is None


def test_the_file_is_read(folder):
    text = f'model = "openai:x"\nbase_url = "http://h/v1"\nmode = "yolo"\napi_key = "{KEY}"\n'
    (folder / "config.toml").touch(0o600)
    settings = load(folder, text)
    assert (settings.model, settings.base_url, settings.mode) == (
        "openai:x",
        "http://h/v1",
        "yolo",
    )
    assert settings.api_key.get_secret_value() == KEY


def test_the_environment_wins_over_the_file(folder):
    settings = load(
        folder,
        'model = "openai:file"\nmode = "yolo"\nstate_dir = "/file"\n',
        LLM_SCHEDULER_MODEL="openai:environment",
        LLM_SCHEDULER_MODE="read-only",
        LLM_SCHEDULER_STATE_DIR="~/state",
        LLM_SCHEDULER_BASE_URL="http://environment",
        LLM_SCHEDULER_API_KEY=KEY,
    )
    assert settings.model == "openai:environment"
    assert settings.mode == "read-only"
    assert settings.state_dir == Path("~/state").expanduser()
    assert settings.base_url == "http://environment"
    assert settings.api_key.get_secret_value() == KEY


@pytest.fixture
def site_and_user(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Return the folders of the site and of the user, both empty."""
    site, user = tmp_path / "site", tmp_path / "user"
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(site))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user))
    folders = site / config.APP, user / config.APP
    for path in folders:
        path.mkdir(parents=True)
    dirs = config.PlatformDirs(config.APP, appauthor=False)
    if (dirs.site_config_dir, dirs.user_config_dir) != tuple(map(str, folders)):
        pytest.skip("this system does not use the XDG folders")
    return folders


def test_the_users_file_wins_over_the_sites(site_and_user):
    site, user = site_and_user
    (site / "config.toml").write_text('model = "openai:site"\nbase_url = "http://site"\n')
    assert Settings.load({}).model == "openai:site"
    (user / "config.toml").write_text('model = "openai:user"\n')
    settings = Settings.load({})
    assert (settings.model, settings.base_url) == ("openai:user", "http://site")
    assert Settings.load({"LLM_SCHEDULER_MODEL": "openai:env"}).model == "openai:env"


def test_catalog_folders_of_the_site_come_first(site_and_user, tmp_path):
    site, user = site_and_user
    for path in (site, user):
        (path / "catalog").mkdir()
    (user / "config.toml").write_text('catalog_dirs = ["/from/the/file"]\n')
    extra = os.pathsep.join([str(tmp_path / "one"), "", str(tmp_path / "two")])
    assert Settings.load({"LLM_SCHEDULER_CATALOG": extra}).catalog_dirs == (
        site / "catalog",
        user / "catalog",
        Path("/from/the/file"),
        tmp_path / "one",
        tmp_path / "two",
    )


def test_the_named_folder_replaces_both_others(site_and_user, folder):
    for path in site_and_user:
        (path / "config.toml").write_text('model = "openai:other"\n')
    assert load(folder).model is None


def test_the_processes_own_environment_is_the_default(folder, monkeypatch):
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(folder))
    monkeypatch.setenv("LLM_SCHEDULER_MODEL", "openai:mine")
    assert Settings.load().model == "openai:mine"


def test_an_unknown_setting_is_named_with_the_known_ones(folder):
    with pytest.raises(ConfigError, match=r"'modle' is unknown; available: .*model"):
        load(folder, 'modle = "openai:x"\n')


@pytest.mark.parametrize("source", ["file", "environment"])
def test_an_unknown_mode_is_named_with_the_known_ones(folder, source):
    with pytest.raises(ConfigError, match=r"mode='wild'.*read-only, approve, yolo"):
        if source == "file":
            load(folder, 'mode = "wild"\n')
        else:
            load(folder, LLM_SCHEDULER_MODE="wild")


@pytest.mark.parametrize("content", [b"model = \n", b"\xff\xfe\x00"], ids=["syntax", "bytes"])
def test_what_is_no_toml_is_said_with_its_path(folder, content):
    (folder / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml is not valid TOML"):
        load(folder)


def test_a_file_that_can_not_be_read_is_said_with_its_path(folder):
    (folder / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml can't be read: Is a directory"):
        load(folder)


def test_a_config_folder_that_is_a_file_holds_no_settings(tmp_path):
    (tmp_path / "file").touch()
    assert load(tmp_path / "file").model is None


def test_the_key_is_never_shown(folder):
    settings = load(folder, LLM_SCHEDULER_API_KEY=KEY, LLM_SCHEDULER_MODEL="openai:x")
    for shown in (settings, settings.llm(), LLMSettings(model="openai:x", api_key=KEY)):
        assert KEY not in repr(shown)
        assert KEY not in str(shown)
        assert KEY not in shown.model_dump_json()


def test_the_files_of_the_settings_are_known(site_and_user, folder):
    site, user = site_and_user
    (user / "config.toml").write_text('api_key_file = "/keys/mine"\n')
    env = {"LLM_SCHEDULER_API_KEY_FILE": "/keys/other"}
    named = {place for f in (site, user) for place in (f / "config.toml", f / "catalog")}
    assert set(own_places(env)) == {*named, Path("/keys/mine"), Path("/keys/other")}
    (folder / "config.toml").write_text("no toml")
    assert own_places({"LLM_SCHEDULER_CONFIG_DIR": str(folder)}) == (
        folder / "config.toml",
        folder / "catalog",
    )


def test_auto_without_a_model_is_rules_only(folder):
    settings = make_llm_settings("auto", load(folder, 'mode = "read-only"\n'))
    assert (settings.model, settings.mode, settings.has_model) == (None, "read-only", False)


def test_auto_takes_the_model_of_the_settings(folder):
    text = 'model = "openai:x"\nfallback = "openai:y"\ncalls_per_run = 7\n'
    settings = make_llm_settings("auto", load(folder, text, LLM_SCHEDULER_API_KEY=KEY))
    assert (settings.model, settings.fallback, settings.calls_per_run) == (
        "openai:x",
        "openai:y",
        7,
    )
    assert settings.api_key.get_secret_value() == KEY


def test_offline_and_nothing_ask_no_model(folder):
    loaded = load(folder, 'model = "openai:x"\nmode = "yolo"\n')
    for llm in ("offline", None):
        settings = make_llm_settings(llm, loaded)
        assert (settings.has_model, settings.mode) == (False, "yolo")


def test_arguments_win_and_the_rest_comes_from_the_settings(folder):
    loaded = load(folder, 'model = "openai:x"\nbase_url = "http://h/v1"\ntimeout_s = 5\n')
    mine = LLMSettings(model="openai:mine", mode="yolo", roots=(folder,))
    settings = make_llm_settings(mine, loaded)
    assert (settings.model, settings.mode, settings.roots) == ("openai:mine", "yolo", (folder,))
    assert (settings.base_url, settings.timeout_s) == ("http://h/v1", 5)
    assert make_llm_settings("openai:named", loaded).model == "openai:named"


def test_a_chat_model_is_taken_as_it_is(folder):
    class Model:
        def bind_tools(self): ...

        async def ainvoke(self): ...

    model = Model()
    settings = make_llm_settings(model, load(folder, 'model = "openai:x"\n'))
    assert settings.chat_model is model
    assert settings.model is None
    assert settings.has_model


def test_a_key_in_a_file_that_others_can_read_is_refused(folder):
    key = folder / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o644)
    text = f'model = "openai:x"\napi_key_file = "{key}"\n'
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load(folder, text)
    assert KEY not in str(caught.value)
    key.chmod(0o600)
    assert load(folder, text).api_key.get_secret_value() == KEY
    mine = LLMSettings(model="openai:x", api_key_file=key)
    assert make_llm_settings(mine, load(folder, "mode = 'yolo'")).api_key.get_secret_value() == KEY


def test_a_key_in_settings_that_others_can_read_is_refused(folder):
    (folder / "config.toml").write_text(f'api_key = "{KEY}"\n')
    (folder / "config.toml").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load(folder)


@pytest.mark.parametrize("make", ["empty", "missing", "fifo"])
def test_a_key_file_without_a_key_is_a_clear_error(folder, make):
    key = folder / "key"
    if make == "empty":
        key.touch(0o600)
    elif make == "fifo":
        os.mkfifo(key, 0o600)
    with pytest.raises(ConfigError, match="key"):
        load(folder, f'api_key_file = "{key}"\n')


def test_numbers_and_roots_come_from_the_environment(folder, tmp_path):
    roots = os.pathsep.join([str(tmp_path / "a"), "~/b"])
    settings = load(
        folder,
        LLM_SCHEDULER_ROOTS=roots,
        LLM_SCHEDULER_CALLS_PER_DAY="3",
        LLM_SCHEDULER_MONEY_PER_RUN="0.5",
    )
    assert settings.roots == (tmp_path / "a", Path("~/b").expanduser())
    assert (settings.calls_per_day, settings.money_per_run) == (3, 0.5)
    with pytest.raises(ConfigError, match="calls_per_day"):
        load(folder, LLM_SCHEDULER_CALLS_PER_DAY="many")


@pytest.mark.parametrize("text", ["model = 3", 'catalog_dirs = "x"', "mode = 7"])
def test_a_value_of_the_wrong_kind_is_a_clear_error(folder, text):
    (folder / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=text.split()[0]):
        load(folder)


@pytest.mark.parametrize("llm", [7, object()], ids=["number", "object"])
def test_what_is_no_model_at_all_is_refused(folder, llm):
    with pytest.raises(ConfigError):
        make_llm_settings(llm, load(folder))
