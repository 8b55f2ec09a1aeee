"""Settings, and the only place that reads the environment.

Settings come from, later ones first: arguments, environment variables
(``LLM_SCHEDULER_MODEL``, ``_BASE_URL``, ``_API_KEY``, ``_MODE``, ``_STATE_DIR``,
``_CATALOG``), the user's ``config.toml``, the site's ``config.toml``, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from platformdirs import PlatformDirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from llm_scheduler.errors import ConfigError

APP = "llm-scheduler"
PREFIX = "LLM_SCHEDULER_"

Mode = Literal["read-only", "approve", "yolo"]


class LLMSettings(BaseModel):
    """Which model to ask, and what it may do.

    Nothing is sent to a model that is not named here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    """As ``init_chat_model`` takes it, for example ``"openai:gpt-4.1"``; ``None``
    for rules only."""
    base_url: str | None = None
    api_key: SecretStr | None = Field(default=None, repr=False)
    mode: Mode = "approve"
    roots: tuple[Path, ...] = ()
    """Folders that tools may read and, when approved, write."""


class Settings(BaseModel):
    """All settings of this user on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    base_url: str | None = None
    api_key: SecretStr | None = Field(default=None, repr=False)
    mode: Mode = "approve"
    state_dir: Path
    """Local folder for what must not lie on a network file system."""
    catalog_dirs: tuple[Path, ...] = ()
    """Folders with further causes, the site's first, the user's last."""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the files and the environment.

        Raises
        ------
        ConfigError
            A file is no TOML, or a value is not allowed.

        """
        env = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        folders = [Path(folder) for folder in _folders(env)]
        for folder in folders:
            values |= _read_file(folder / "config.toml")
        for name in ("model", "base_url", "api_key", "mode", "state_dir"):
            if env.get(PREFIX + name.upper()):
                values[name] = env[PREFIX + name.upper()]
        if not isinstance(values.get("catalog_dirs", []), list):
            raise ConfigError("Setting catalog_dirs must be a list of folders.")
        values["catalog_dirs"] = (
            *(folder / "catalog" for folder in folders if (folder / "catalog").is_dir()),
            *(Path(entry).expanduser() for entry in values.get("catalog_dirs", ())),
            *(Path(entry) for entry in env.get(PREFIX + "CATALOG", "").split(os.pathsep) if entry),
        )
        state_dir = values.get("state_dir") or PlatformDirs(APP, appauthor=False).user_state_dir
        values["state_dir"] = Path(state_dir).expanduser()
        _check(values)
        try:
            return cls(**values)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise ConfigError(f"Setting {name}={first['input']!r}: {first['msg']}.") from exc

    def llm(self) -> LLMSettings:
        """Return the part that concerns the model."""
        return LLMSettings(
            model=self.model,
            base_url=self.base_url,
            api_key=self.api_key,
            mode=self.mode,
        )


def _folders(env: Mapping[str, str]) -> list[str]:
    """Folders with a ``config.toml``, the site's first."""
    if env.get(PREFIX + "CONFIG_DIR"):
        return [env[PREFIX + "CONFIG_DIR"]]
    dirs = PlatformDirs(APP, appauthor=False)
    return [dirs.site_config_dir, dirs.user_config_dir]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise ConfigError(f"{path} can't be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _check(values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        allowed = ", ".join(sorted(Settings.model_fields))
        raise ConfigError(f"Setting {unknown[0]!r} is unknown; available: {allowed}.")
    if values.get("mode", "approve") not in get_args(Mode):
        raise ConfigError(
            f"Setting mode={values['mode']!r} is unknown; available: {', '.join(get_args(Mode))}.",
        )


def make_llm_settings(llm: object, settings: Settings) -> tuple[LLMSettings, str]:
    """Turn the ``llm=`` argument into settings, and a sentence about what is missing.

    Parameters
    ----------
    llm
        ``"auto"`` (the model of the settings, when there is one), ``"offline"``
        (rules only), or a model.

    Returns
    -------
    The settings and, when a model is named in them that can't be asked, why.

    Raises
    ------
    ConfigError
        A model was asked for in the call: this version has rules only.

    """
    missing = (
        "This version explains failures by rules only and can't ask a model yet; "
        "leave `llm` away or use llm='offline'."
    )
    if llm is None or llm == "offline":
        return LLMSettings(mode=settings.mode), ""
    if llm == "auto":
        if settings.model is None:
            return settings.llm(), ""
        sentence = (
            f"The model {settings.model!r} of the settings is not asked: this version "
            "explains failures by rules only."
        )
        return LLMSettings(mode=settings.mode), sentence
    if isinstance(llm, LLMSettings) and llm.model is None:
        return llm, ""
    shown = llm.model if isinstance(llm, LLMSettings) else llm
    raise ConfigError(f"llm={shown!r} names a model. {missing}")
