"""Checks of what is installed and configured: Python, the engine, causes, model, widgets."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from urllib.parse import urlsplit

from llm_scheduler.config import Settings
from llm_scheduler.engine.commands import run_command
from llm_scheduler.errors import ConfigError, LLMSchedulerError, SchedulerError
from llm_scheduler.managers.doctor.check import Check

_OLDEST_PYTHON = (3, 11)
_IMPORT_LIMIT_S = 50.0
_MAX_PROBLEMS = 3


def check_python(name: str) -> Check:
    """Check that Python is new enough."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        return Check(name, "error", detail, f"Use Python {wanted} or newer.")
    return Check(name, "ok", detail)


def check_engine(name: str) -> Check:
    """Check that adaptive and adaptive-scheduler are installed and can be imported."""
    packages = ("adaptive-scheduler", "adaptive")
    versions = {package: find_version(package) for package in packages}
    absent = [package for package, version in versions.items() if version is None]
    if absent:
        advice = f"Run `pip install {' '.join(absent)}`."
        return Check(name, "error", f"{' and '.join(absent)} not installed", advice)
    detail = f"{versions['adaptive-scheduler']}, with adaptive {versions['adaptive']}"
    # In another process: a broken compiled library can take the interpreter down.
    argv = [sys.executable, "-W", "ignore", "-c", "import adaptive, adaptive_scheduler"]
    try:
        done = run_command(argv, timeout_s=_IMPORT_LIMIT_S)
    except SchedulerError as exc:
        return Check(name, "warning", f"{detail}; importing it: {exc}", "Try again.")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        advice = "Run `pip install --force-reinstall adaptive-scheduler adaptive`."
        return Check(name, "error", f"{detail}, but importing it fails: {last}", advice)
    return Check(name, "ok", detail)


def check_catalog(name: str) -> Check:
    """Check that the causes load, the cluster's and the user's own ones too."""
    from llm_scheduler.diagnosis.catalog import load_catalog

    settings = _load_settings()
    folders = settings.catalog_dirs if settings else ()
    catalog = load_catalog(folders)
    own = f", with those in {', '.join(map(str, folders))}" if folders else ""
    if catalog.problems:
        wrong = "; ".join(map(str, catalog.problems[:_MAX_PROBLEMS]))
        more = len(catalog.problems) - _MAX_PROBLEMS
        wrong += f"; and {more} more" if more > 0 else ""
        advice = "Run `llm-scheduler catalog check` and mend it; the other causes are used."
        return Check(name, "error", f"{len(catalog)} known causes{own}; {wrong}", advice)
    return Check(name, "ok", f"{len(catalog)} known causes{own}")


def check_reading(name: str) -> Check:
    """Check with what logs are searched, and which compressed ones can be read."""
    from llm_scheduler.logs.compression import find_zstd
    from llm_scheduler.logs.engines import make_engine

    engine = make_engine("auto", n_bytes=1 << 40).name
    advice = []
    if engine != "hyperscan":
        advice.append("Run `pip install hyperscan` if it runs here: large logs are read faster.")
    kinds = "gzip, bzip2, xz"
    if find_zstd() is not None:
        kinds += ", zstd"
    else:
        advice.append("For logs in zstd run `pip install zstandard`.")
    detail = f"searched by {engine}; compressed ones: {kinds}"
    return Check(name, "ok" if not advice else "missing", detail, " ".join(advice))


def check_settings(name: str) -> Check:
    """Check that the settings can be read."""
    try:
        settings = Settings.load()
    except ConfigError as exc:
        return Check(name, "error", str(exc), "Mend the setting named there.")
    return Check(name, "ok", f"mode {settings.mode}, state folder {settings.state_dir}")


def check_model(name: str) -> Check:
    """Check whether a model is configured; its key is never shown."""
    settings = _load_settings()
    if settings is None:
        return Check(name, "warning", "unknown, as the settings can't be read", "See settings.")
    if settings.model is None:
        detail = "none configured: failures are explained by rules, nothing leaves the machine"
        return Check(name, "missing", detail)
    # A base URL may hold a password, so only the host is shown.
    host = urlsplit(settings.base_url).hostname if settings.base_url else None
    detail = f"{settings.model}{f' at {host}' if host else ''}"
    from llm_scheduler.agent.model_choice import make_models

    try:
        make_models(settings.llm())
    except LLMSchedulerError as exc:
        return Check(name, "warning", detail, str(exc))
    return Check(name, "ok", detail)


def check_widgets(name: str) -> Check:
    """Check what the notebook panels need."""
    parts = {part: find_version(part) for part in ("ipywidgets", "jupyterlab", "anywidget")}
    detail = ", ".join(f"{part} {version}" for part, version in parts.items() if version)
    if parts["ipywidgets"] is None:
        advice = "Run `pip install ipywidgets`; without it there are no panels."
        return Check(name, "warning", f"ipywidgets not installed; {detail}".rstrip("; "), advice)
    if parts["jupyterlab"] is None and find_version("notebook") is None:
        advice = "For notebooks run `pip install 'llm-scheduler[notebook]'`."
        return Check(name, "missing", f"{detail}; jupyterlab not installed here", advice)
    return Check(name, "ok", detail)


def find_version(package: str) -> str | None:
    """Return the installed version of a package, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _load_settings() -> Settings | None:
    try:
        return Settings.load()
    except ConfigError:
        return None  # `check_settings` says what is wrong
