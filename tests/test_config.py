"""Settings: where they come from, which of them wins, what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from llm_scheduler import config
from llm_scheduler.config import LLMSettings, Settings, make_llm_settings
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


def test_auto_without_a_model_is_rules_only(folder):
    settings, sentence = make_llm_settings("auto", load(folder, 'mode = "read-only"\n'))
    assert (settings.model, settings.mode, sentence) == (None, "read-only", "")


def test_auto_with_a_model_asks_none_and_says_so(folder):
    settings, sentence = make_llm_settings("auto", load(folder, 'model = "openai:x"\n'))
    assert settings.model is None
    assert settings.api_key is None
    assert "'openai:x'" in sentence


def test_offline_asks_none_and_is_silent(folder):
    settings, sentence = make_llm_settings("offline", load(folder, 'model = "openai:x"\n'))
    assert (settings.model, sentence) == (None, "")


def test_settings_without_a_model_are_taken_as_they_are(folder):
    mine = LLMSettings(mode="yolo", roots=(folder,))
    assert make_llm_settings(mine, load(folder)) == (mine, "")


@pytest.mark.parametrize("llm", ["openai:x", LLMSettings(model="openai:x", api_key=KEY)])
def test_a_model_in_the_call_is_refused_with_what_to_do(folder, llm):
    with pytest.raises(ConfigError, match=r"llm='openai:x' .*llm='offline'") as caught:
        make_llm_settings(llm, load(folder))
    assert KEY not in str(caught.value)


def test_nothing_is_rules_only(folder):
    assert make_llm_settings(None, load(folder))[0].model is None


@pytest.mark.parametrize("text", ["model = 3", 'catalog_dirs = "x"', "mode = 7"])
def test_a_value_of_the_wrong_kind_is_a_clear_error(folder, text):
    (folder / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=text.split()[0]):
        load(folder)


@pytest.mark.parametrize("llm", [7, object()], ids=["number", "object"])
def test_what_is_no_model_at_all_is_refused(folder, llm):
    with pytest.raises(ConfigError):
        make_llm_settings(llm, load(folder))
