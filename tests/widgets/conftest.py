"""Fixtures of the chat panel's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.widgets import chat_requests, notebook_loop
from llm_scheduler.widgets.chat import ChatPanel
from tests.widgets.chat_front import LIMIT_S, FrontEnd, record_comms
from tests.widgets.chat_runs import close_manager, make_manager


@pytest.fixture
def start_panel(tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    """Make a manager with its panel and one view; equal folders are the same run."""
    monkeypatch.chdir(tmp_path)
    record_comms(monkeypatch)
    # Else a slow machine is answered before its turn has begun, or its work is done: then
    # nothing tells whether the end that is seen is this turn's or that of the one before.
    monkeypatch.setattr(chat_requests, "START_S", LIMIT_S)
    monkeypatch.setattr(notebook_loop, "PATIENCE_S", LIMIT_S)
    made: list[tuple[ChatPanel, Any]] = []

    def stop(panel: ChatPanel, manager: Any) -> None:
        panel.close()
        close_manager(manager)

    def start(folder: Path = tmp_path, **values: Any) -> tuple[ChatPanel, FrontEnd]:
        manager = make_manager(folder, **values)
        panel = ChatPanel(manager)
        made.append((panel, manager))
        return panel, FrontEnd(panel)

    start.stop = lambda panel: stop(*made.pop([p for p, _ in made].index(panel)))  # type: ignore[attr-defined]
    yield start
    for panel, manager in made:
        stop(panel, manager)
