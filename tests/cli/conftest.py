"""The command line as a program, in an environment that the caller can't change; its chat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.fake_assistant import FakeAssistant, ScriptedInput, Talk

Run = Callable[..., subprocess.CompletedProcess[str]]

_ARGV = [sys.executable, "-m", "llm_scheduler"]

_PROGRAMS = {
    "name_error": (
        "def band_gap(temperature):\n    return 1 / temprature\n\n\nprint('start')\nband_gap(3)\n"
    ),
    "missing_module": "import llm_scheduler_has_no_such_module\n",
    "missing_file": "open('/nonexistent/cross_sections.csv')\n",
    "fine": "print('all done')\n",
}


@pytest.fixture
def cli_env(tmp_path: Path) -> dict[str, str]:
    """Return all that a program needs to start, and nothing of the caller's."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TERM": "dumb",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "XDG_STATE_HOME": str(home / "state"),
    }


@pytest.fixture
def cli_argv() -> list[str]:
    """Return the beginning of a command line."""
    return list(_ARGV)


@pytest.fixture
def cli(cli_env: dict[str, str], tmp_path: Path) -> Run:
    """Return a function that runs the command line in `tmp_path`."""

    def run(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
        env = cli_env | dict(options.pop("env", {}))  # type: ignore[call-overload]
        values: dict[str, object] = {"stdin": subprocess.DEVNULL, "timeout": 600, "cwd": tmp_path}
        if "input" in options:
            del values["stdin"]
        return subprocess.run(  # type: ignore[call-overload]
            [*_ARGV, *args],
            env=env,
            text=True,
            capture_output=True,
            check=False,
            **values | options,
        )

    return run


@pytest.fixture
def make_log(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the log of a program that really runs."""

    def make(program: str, path: Path | str) -> Path:
        script = tmp_path / "programs" / f"{program}.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text(_PROGRAMS[program])
        log = tmp_path / path
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            subprocess.run(
                [sys.executable, "-I", str(script)],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={"PATH": os.defpath},
                check=False,
                timeout=300,
            )
        return log

    return make


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    """Return a function that makes a session of the chat with an assistant that a test plays."""
    made: list[Talk] = []

    def make(*turns: Any, typed: tuple[str, ...] = (), keys: bool = True) -> Talk:
        made.append(Talk(FakeAssistant(*turns), ScriptedInput(*typed, keys=keys)))
        return made[-1]

    yield make
    for each in made:
        each.session.close()
