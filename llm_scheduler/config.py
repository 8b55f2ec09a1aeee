"""Settings, and the only place that reads the environment.

Settings come from, later ones first: arguments, environment variables
(``LLM_SCHEDULER_MODEL``, ``_BASE_URL``, ``_API_KEY``, ``_MODE``, ``_STATE_DIR``,
``_CATALOG`` and so on: each setting's name in capitals), the user's ``config.toml``,
the site's ``config.toml``, defaults.
"""

from __future__ import annotations

import os
import stat
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
    """Of an OpenAI-compatible server (vLLM, llama.cpp, Ollama); `model` is then the
    name that it knows."""
    api_key: SecretStr | None = Field(default=None, repr=False)
    """Without it, the provider's own variable (``OPENAI_API_KEY``, ...) is used, except
    with `base_url`: that key is for another server."""
    api_key_file: Path | None = None
    """A file that holds the key and that only you can read."""
    chat_model: Any = Field(default=None, repr=False, exclude=True)
    """A LangChain chat model, instead of `model`."""
    fallback: str | None = None
    """Model that is asked where `model` can't be; same form, and at `base_url` too
    unless it names a provider."""
    mode: Mode = "approve"
    roots: tuple[Path, ...] = ()
    """Folders that tools may read and, when approved, write; the run's folder and the
    working directory when empty."""
    context_tokens: int | None = Field(default=None, ge=2000)
    """How much the model takes in; as LangChain knows it, else 8,000."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest silence of the model, also in the middle of an answer."""
    total_timeout_s: float = Field(default=600.0, gt=0)
    """Longest time that one answer may take."""
    max_retries: int = Field(default=2, ge=0)
    diagnoses_at_once: int = Field(default=2, ge=1)
    calls_per_turn: int = Field(default=40, ge=1)
    """Calls of the model in one turn, after which it has to stop."""
    changes_per_turn: int = Field(default=50, ge=1)
    files_per_turn: int = Field(default=10, ge=1)
    """In YOLO mode, changes of more files than this in one turn are asked for."""
    max_change_bytes: int = Field(default=1_000_000, ge=1)
    calls_per_run: int | None = Field(default=1000, ge=0)
    calls_per_day: int | None = Field(default=5000, ge=0)
    tokens_per_run: int | None = Field(default=5_000_000, ge=0)
    tokens_per_day: int | None = Field(default=20_000_000, ge=0)
    money_per_run: float | None = Field(default=None, ge=0)
    """In the currency of the prices; needs them."""
    money_per_day: float | None = Field(default=None, ge=0)
    input_price: float | None = Field(default=None, ge=0)
    """Of a million tokens that the model reads."""
    output_price: float | None = Field(default=None, ge=0)
    """Of a million tokens that the model writes."""
    threads_dir: Path | None = None
    """Folder for conversations, approvals and the journal of changes; must be on a
    local file system. By default in the state folder, or in ``/var/tmp`` where that is
    on a network file system."""

    @property
    def has_model(self) -> bool:
        """Whether there is a model to ask."""
        return self.model is not None or self.chat_model is not None


class Settings(LLMSettings):
    """All settings of this user on this machine."""

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
        values |= _from_environment(env)
        if not isinstance(values.get("catalog_dirs", []), list):
            raise ConfigError("Setting catalog_dirs must be a list of folders.")
        values["catalog_dirs"] = (
            *(folder / "catalog" for folder in folders if (folder / "catalog").is_dir()),
            *(Path(entry).expanduser() for entry in values.get("catalog_dirs", ())),
            *(Path(entry) for entry in env.get(PREFIX + "CATALOG", "").split(os.pathsep) if entry),
        )
        values.setdefault("state_dir", PlatformDirs(APP, appauthor=False).user_state_dir)
        _check(values)
        for name in ("state_dir", "threads_dir", "api_key_file"):
            if isinstance(values.get(name), str):
                values[name] = Path(values[name]).expanduser()
        values["roots"] = tuple(Path(root).expanduser() for root in values.get("roots", ()))
        if values.get("api_key_file") and not values.get("api_key"):
            values["api_key"] = read_key(values["api_key_file"])
        try:
            return cls(**values)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise ConfigError(f"Setting {name}={first['input']!r}: {first['msg']}.") from exc

    def llm(self, **changes: Any) -> LLMSettings:
        """Return the part that concerns the model, with these values instead."""
        values = {name: getattr(self, name) for name in LLMSettings.model_fields}
        return LLMSettings(**(values | changes))


def read_key(path: Path) -> str:
    """Read a key from a file that only its owner can read.

    Raises
    ------
    ConfigError
        The file can't be read, is empty, or others can read it.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(file.fileno())
            _check_private(path, status)
            key = file.read(10_000).strip() if stat.S_ISREG(status.st_mode) else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"The key in {path} can't be read: {exc}") from exc
    if not key:
        raise ConfigError(f"{path} holds no key.")
    return key


def _check_private(path: Path, status: os.stat_result) -> None:
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(
            f"{path} holds a key and others can read it; run `chmod 600 {path}` first."
        )


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that variables name; empty ones count as not set."""
    names = set(Settings.model_fields) - {"catalog_dirs", "chat_model"}
    values: dict[str, Any] = {
        name: env[PREFIX + name.upper()] for name in names if env.get(PREFIX + name.upper())
    }
    if "roots" in values:
        values["roots"] = [root for root in values["roots"].split(os.pathsep) if root]
    return values


def _folders(env: Mapping[str, str]) -> list[str]:
    """Folders with a ``config.toml``, the site's first."""
    if env.get(PREFIX + "CONFIG_DIR"):
        return [env[PREFIX + "CONFIG_DIR"]]
    dirs = PlatformDirs(APP, appauthor=False)
    return [dirs.site_config_dir, dirs.user_config_dir]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
            if "api_key" in values:
                _check_private(path, os.fstat(file.fileno()))
            return values
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise ConfigError(f"{path} can't be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _check(values: Mapping[str, Any]) -> None:
    allowed = set(Settings.model_fields) - {"chat_model"}
    unknown = sorted(set(values) - allowed)
    if unknown:
        raise ConfigError(
            f"Setting {unknown[0]!r} is unknown; available: {', '.join(sorted(allowed))}.",
        )
    if values.get("mode", "approve") not in get_args(Mode):
        raise ConfigError(
            f"Setting mode={values['mode']!r} is unknown; available: {', '.join(get_args(Mode))}.",
        )
    if not isinstance(values.get("roots", []), list):
        raise ConfigError("Setting roots must be a list of folders.")


def make_llm_settings(llm: object, settings: Settings) -> LLMSettings:
    """Turn the ``llm=`` argument into settings.

    Parameters
    ----------
    llm
        ``"auto"`` (the model of the settings, when there is one), ``"offline"`` or
        ``None`` (rules only), a model's name, a LangChain chat model, or `LLMSettings`
        whose unset fields are taken from the settings.

    Raises
    ------
    ConfigError
        It is none of these.

    """
    if llm is None or llm == "offline":
        return settings.llm(model=None, chat_model=None, fallback=None)
    if llm == "auto":
        return settings.llm()
    if isinstance(llm, str) and llm.strip():
        return settings.llm(model=llm.strip(), chat_model=None)
    if isinstance(llm, LLMSettings):
        given = {name: getattr(llm, name) for name in llm.model_fields_set}
        if given.get("api_key_file") and not given.get("api_key"):
            given["api_key"] = SecretStr(read_key(given["api_key_file"]))
        return settings.llm(**given)
    if callable(getattr(llm, "ainvoke", None)) and hasattr(llm, "bind_tools"):
        return settings.llm(model=None, chat_model=llm)
    raise ConfigError(
        f"llm={llm!r} is no model. Give 'auto', 'offline', a name such as 'openai:gpt-4.1', "
        "a LangChain chat model, or llm_scheduler.LLMSettings(...).",
    )
