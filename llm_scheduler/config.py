"""Settings, and the only place that reads the environment.

Settings come from, later ones first: arguments, environment variables
(``LLM_SCHEDULER_MODEL``, ``_BASE_URL``, ``_API_KEY``, ``_MODE``, ``_STATE_DIR``,
``_CATALOG`` and so on: each setting's name in capitals), the user's ``config.toml``,
the site's ``config.toml``, defaults.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from platformdirs import PlatformDirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from llm_scheduler.errors import ConfigError
from llm_scheduler.model_places import join_layers, safe_url

SettingsT = TypeVar("SettingsT", bound="LLMSettings")

APP = "llm-scheduler"
PREFIX = "LLM_SCHEDULER_"

Mode = Literal["read-only", "approve", "yolo"]

_LONGEST_SHOWN = 20
"""Keys are longer; a value that long is not repeated in an error."""
_KEY_VARIABLE = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_KEY|SECRET_KEY|TOKEN)$", re.IGNORECASE)
"""Variables such as ``OPENAI_API_KEY``, ``AWS_SECRET_ACCESS_KEY`` and ``HF_TOKEN``."""
_LIKE_A_KEY = re.compile(r"(?:sk-|AIza|gsk_|xai-|hf_)[\w-]{16,}")


class LLMSettings(BaseModel):
    """Which model to ask, and what it may do.

    Nothing is sent to a model that is not named here.
    """

    # An error must not repeat what was given: it may be a key in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str | None = None
    """As ``init_chat_model`` takes it, for example ``"openai:gpt-4.1"``; ``None``
    for rules only."""
    base_url: str | None = None
    """Of an OpenAI-compatible server (vLLM, llama.cpp, Ollama); `model` is then the
    name that it knows."""
    api_key: SecretStr | None = Field(default=None, repr=False)
    """For the place that `model` and `base_url` name. Without it, the provider's own
    variable (``OPENAI_API_KEY``, ...) is used, except with `base_url`: that key is for
    another server."""
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

    @field_validator(
        "api_key_file", "threads_dir", "roots", "state_dir", "catalog_dirs", check_fields=False
    )
    @classmethod
    def _expand_home(cls, value: Path | tuple[Path, ...] | None) -> Any:
        if isinstance(value, tuple):
            return tuple(_expand(path) for path in value)
        return value and _expand(value)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, safe_url(value) if name == "base_url" and value else value

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
        folders = _folders(env)
        layers = [_read_file(folder / "config.toml") for folder in folders]
        values: dict[str, Any] = reduce(join_layers, [*layers, _from_environment(env)])
        if not isinstance(values.get("catalog_dirs", []), list):
            raise ConfigError("Setting catalog_dirs must be a list of folders.")
        values["catalog_dirs"] = (
            *(folder / "catalog" for folder in folders if (folder / "catalog").is_dir()),
            *values.get("catalog_dirs", ()),
            *(Path(entry) for entry in env.get(PREFIX + "CATALOG", "").split(os.pathsep) if entry),
        )
        values.setdefault("state_dir", PlatformDirs(APP, appauthor=False).user_state_dir)
        _check(values)
        try:
            settings = cls(**values)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = ".".join(map(str, first["loc"]))
            # What was given is not repeated: it may be a key in the wrong place.
            raise ConfigError(f"Setting {name}: {first['msg']}.") from None
        return _with_key(settings)

    def llm(self, **changes: Any) -> LLMSettings:
        """Return the part that concerns the model, with these values instead.

        A key is for one place only: it is left out where `changes` name another one.

        Raises
        ------
        ConfigError
            The key's file can't be used.

        """
        values = {name: getattr(self, name) for name in LLMSettings.model_fields}
        return _with_key(LLMSettings(**join_layers(values, changes)))


def own_places(environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return the files and folders in which these settings lie, also those not there yet."""
    env = os.environ if environment is None else environment
    found = []
    key_files: list[object] = [env.get(PREFIX + "API_KEY_FILE")]
    for folder in _folders(env):
        found += [folder / "config.toml", folder / "catalog"]
        with suppress(ConfigError):
            key_files.append(_read_file(folder / "config.toml").get("api_key_file"))
    found += [_expand(Path(file)) for file in key_files if isinstance(file, str) and file]
    return tuple(found)


def environment_keys(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return what the variables hold that are named like keys of any server."""
    env = os.environ if environment is None else environment
    return frozenset(value.strip() for name, value in env.items() if _KEY_VARIABLE.search(name))


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


def _with_key(settings: SettingsT) -> SettingsT:
    """Return settings with the key that their file holds, unless they name one."""
    if settings.api_key or not settings.api_key_file:
        return settings
    return settings.model_copy(update={"api_key": SecretStr(read_key(settings.api_key_file))})


def _expand(path: Path) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path fails without a home


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


def _folders(env: Mapping[str, str]) -> list[Path]:
    """Folders with a ``config.toml``, the site's first."""
    if env.get(PREFIX + "CONFIG_DIR"):
        return [Path(env[PREFIX + "CONFIG_DIR"])]
    dirs = PlatformDirs(APP, appauthor=False)
    return [Path(dirs.site_config_dir), Path(dirs.user_config_dir)]


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
        given = str(values["mode"])
        shown = f"={given!r}" if len(given) <= _LONGEST_SHOWN else ""
        raise ConfigError(
            f"Setting mode{shown} is unknown; available: {', '.join(get_args(Mode))}.",
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
    if isinstance(llm, str) and _LIKE_A_KEY.match(llm.strip()):
        raise ConfigError("llm= was given what looks like a key; give the name of a model.")
    if isinstance(llm, str) and llm.strip():
        return settings.llm(model=llm.strip(), chat_model=None)
    if isinstance(llm, LLMSettings):
        return settings.llm(**{name: getattr(llm, name) for name in llm.model_fields_set})
    if callable(getattr(llm, "ainvoke", None)) and hasattr(llm, "bind_tools"):
        return settings.llm(model=None, chat_model=llm)
    given = repr(llm) if llm == "" else type(llm).__name__
    raise ConfigError(
        f"llm= was given {given}, which is no model. Give 'auto', 'offline', a name such as "
        "'openai:gpt-4.1', a LangChain chat model, or llm_scheduler.LLMSettings(...).",
    )
