"""The page of the settings names each one, with the default that it really has."""

from __future__ import annotations

import re

from llm_scheduler.config import Settings
from tests.doc_examples import DOCS

_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<default>.*?) \| (?P<meaning>.*?) ?\|$", re.MULTILINE)
_IN_WORDS = {"state_dir", "catalog_dirs", "threads_dir", "roots", "context_tokens"}
"""Settings whose default depends on the machine."""


def test_every_setting_is_on_the_page_with_its_default() -> None:
    rows = {row["name"]: row for row in _ROW.finditer((DOCS / "reference/settings.md").read_text())}
    assert set(rows) == set(Settings.model_fields) - {"chat_model"}
    for name, field in Settings.model_fields.items():
        if name in _IN_WORDS | {"chat_model"}:
            continue
        told = rows[name]["default"].strip("`")
        if field.default is None:
            assert told == "none", name
        elif isinstance(field.default, float):
            assert float(told) == field.default, name
        else:
            assert told == str(field.default), name


def test_every_variable_is_read() -> None:
    names = set(Settings.model_fields) - {"catalog_dirs", "chat_model", "api_key_file"}
    given = {
        "model": "m", "base_url": "http://x", "api_key": "k", "fallback": "f", "mode": "yolo",
        "roots": "/a:/b", "state_dir": "/s", "threads_dir": "/t",
    }  # fmt: skip
    env = {f"LLM_SCHEDULER_{name.upper()}": given.get(name, "2000") for name in names}
    settings = Settings.load({**env, "LLM_SCHEDULER_CONFIG_DIR": "/nowhere"})
    for name in names:
        assert getattr(settings, name) != Settings.model_fields[name].default, name
