"""How the chat shows events, finds its run, and reads what is typed."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from llm_scheduler.agent.events import (
    ApprovalSettled,
    ApprovalWanted,
    Done,
    Failed,
    Notice,
)
from llm_scheduler.cli.chat import MODES, find_thread
from llm_scheduler.cli.chat_input import TerminalInput, edit_text
from llm_scheduler.cli.chat_view import JsonView, LiveView, PlainView, diff_view
from llm_scheduler.cli.run_files import find_run_file
from llm_scheduler.config import Mode
from llm_scheduler.errors import UsageError
from tests.cli.fake_assistant import (
    FakeAssistant,
    approval,
    read_file,
    text,
)


def test_events_become_lines_of_ascii_json() -> None:
    out = io.StringIO()
    view = JsonView(out, Console(file=io.StringIO()))
    for event in text("a\x1b[31m\u202e\n"):
        view.show_event(event)
    line = out.getvalue()
    assert line.isascii()
    assert "\x1b" not in line
    assert json.loads(line)["text"] == "a\x1b[31m\u202e\n"


HOSTILE = "\x1b]0;title\x07\x1b[2J\u202eevil\u200b\x9b31m"


@pytest.mark.parametrize("kind", [PlainView, LiveView])
def test_nothing_that_is_shown_steers_the_terminal(kind: Any) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False, markup=False, highlight=False)
    view = kind(console, console) if kind is PlainView else kind(console)
    at = {"thread_id": "chat", "turn_id": "t1"}
    change = approval(summary=HOSTILE, diff=HOSTILE, reason=HOSTILE, risk=HOSTILE)
    settled = change.model_copy(update={"status": "void", "message": HOSTILE})
    events = [
        *text(HOSTILE, f"[x]({HOSTILE})\n\n", "&#27;[31m &#x202e; <b>tag</b>\n"),
        *read_file(HOSTILE, HOSTILE),
        ApprovalWanted(**at, approval=change),
        ApprovalSettled(**at, approval=settled),
        Notice(**at, text=HOSTILE),
        Failed(**at, kind="x", text=HOSTILE),
        Done(**at, status="failed"),
    ]
    for event in events:
        view.show_event(event)
    shown = out.getvalue()
    assert "evil" in shown
    assert "<b>tag</b>" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", shown)


def test_a_line_ending_in_two_pieces_is_one() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80)
    view = PlainView(console, console)
    for event in text("one\r", "\ntwo"):
        view.show_event(event)
    view.pause()
    assert out.getvalue() == "one\ntwo\n"


def test_a_long_line_of_a_diff_does_not_look_like_several() -> None:
    line = "+x = 1" + " " * 200 + "-import os  # 計算"
    for is_terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, width=60, force_terminal=is_terminal, no_color=True)
        PlainView(console, console).show(diff_view(line))
        rows = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
        assert [row for row in rows if row.startswith(("+", "-"))] == rows[:1]
        assert "".join(row.removeprefix("  … ") for row in rows) == line
        assert (len(rows) > 1) == is_terminal


def test_the_run_is_found_or_the_choice_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        find_run_file(None, tmp_path)
    first = tmp_path / "a.failures.sqlite"
    first.touch()
    assert find_run_file(None, tmp_path) == first
    assert find_run_file(str(tmp_path), tmp_path / "other") == first
    (tmp_path / "b.failures.sqlite").touch()
    with pytest.raises(UsageError, match=r"2 runs.*a.failures.sqlite, b.failures.sqlite"):
        find_run_file(None, tmp_path)


def test_the_modes_are_those_of_the_settings() -> None:
    assert get_args(Mode) == MODES


def test_a_thread_is_named_by_a_job_or_itself() -> None:
    assistant: Any = FakeAssistant()
    assert find_thread(assistant, None) == "chat"
    assert find_thread(assistant, "7") == "group-7"
    assert find_thread(assistant, "mine") == "mine"


def test_the_editor_gets_the_text_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} -c pass")
    seen: dict[str, Any] = {}

    def run(argv: Any) -> int:
        file = Path(argv[-1])
        seen.update(
            text=file.read_text(), suffix=file.suffix, mode=stat.S_IMODE(file.parent.stat().st_mode)
        )
        file.write_text("x = 2\n")
        return 0

    assert edit_text("x = 1", suffix=".py", run=run) == "x = 2"
    assert seen == {"text": "x = 1", "suffix": ".py", "mode": 0o700}
    assert edit_text("x = 1\n", suffix=".p/../y", run=run) == "x = 2\n"
    assert seen["suffix"] == ".txt"
    assert edit_text("x = 1") == "x = 1"
    with pytest.raises(UsageError, match="ended with status 1"):
        edit_text("x", run=lambda argv: 1)
    monkeypatch.setenv("EDITOR", "/nonexistent/editor")
    with pytest.raises(UsageError, match="can't be used"):
        edit_text("x")


def test_the_history_of_lines_is_for_the_user_alone(tmp_path: Path) -> None:
    readline = pytest.importorskip("readline")
    readline.clear_history()
    file = tmp_path / "state" / "chat_history"
    entry = TerminalInput(file, ["/jobs", "/join"])
    readline.add_history("why did job 7 fail?")
    entry.close()
    readline.clear_history()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "why did job 7 fail?" in file.read_text()
    assert entry._complete("/jo", 1) == "/join"
    assert entry._complete("/jo", 2) is None
