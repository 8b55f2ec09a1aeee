"""A model whose answers the test writes down, and settings that name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.config import LLMSettings
from llm_scheduler.testing.scripted_model import ScriptedModel
from tests.agent.desk_files import Bench, wait_for_no_disk
from tests.agent.talking import Talk

SettingsFor = Callable[..., LLMSettings]
MakeTalk = Callable[..., Talk]
MakeBench = Callable[..., Bench]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Provide a scripted model; the test fails when its script is not used up."""
    with ScriptedModel() as server:
        yield server
    # Leaving the block closes the server and checks the script.


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFor:
    """Return a function that makes the settings which name a scripted model."""

    def make(server: ScriptedModel, **values: Any) -> LLMSettings:
        given: dict[str, Any] = {
            "model": "openai:scripted",
            "base_url": server.base_url,
            "api_key": "sk-scripted-key",
            "threads_dir": tmp_path / "threads",
            "timeout_s": 120,
            # Tests let the time pass, and some of them more often than is needed.
            "total_timeout_s": 1_000_000,
            "max_retries": 0,
        }
        return LLMSettings(**given | values)

    return make


@pytest.fixture
def talk_with(tmp_path: Path, settings_for: SettingsFor) -> Iterator[MakeTalk]:
    """Return a function that makes an agent which asks a scripted model."""
    made: list[Talk] = []

    def make(
        server: ScriptedModel, *, options: dict[str, Any] | None = None, **values: Any
    ) -> Talk:
        made.append(Talk(tmp_path, settings_for(server, **values), **(options or {})))
        return made[-1]

    yield make
    for talk in made:
        talk.close()


@pytest.fixture
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    """Return a function that opens a desk over a file that can be changed."""
    wait_for_no_disk(monkeypatch)
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(tmp_path, **settings))
        made[-1].write()
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """Provide a desk over a file that can be changed, in the mode ``approve``."""
    return make_bench()
