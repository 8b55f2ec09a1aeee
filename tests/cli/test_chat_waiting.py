"""Changes that wait for a decision are shown before anybody says yes to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.cli.chat import converse
from llm_scheduler.cli.chat_commands import run_command
from llm_scheduler.errors import UsageError
from tests.cli.fake_assistant import DIFF, approval


def test_a_word_decides_nothing_that_was_not_shown_here(talk: Any) -> None:
    t = talk([], keys=False)
    t.assistant.waiting = [approval()]  # proposed in another shell, in the same thread
    assert t.session.send("yes") == "waiting"
    assert t.assistant.decisions == []
    assert DIFF in t.shown
    t.session.send("yes")
    assert [d[1] for d in t.assistant.decisions] == ["approve"]
    t.assistant.waiting = [approval("ap-2"), approval("ap-3")]
    run_command(t.session, "/approve all")
    assert len(t.assistant.decisions) == 1
    assert "ap-3" in t.shown


def test_a_key_is_asked_for_below_the_change(talk: Any) -> None:
    t = talk([], typed=("a",))
    t.assistant.waiting = [approval()]
    run_command(t.session, "/decide")
    assert DIFF in t.shown
    assert [d[1] for d in t.assistant.decisions] == ["approve"]


def test_what_waits_is_shown_whole_at_the_start(talk: Any, tmp_path: Path) -> None:
    t = talk([], typed=("yes", "/quit"), keys=False)
    t.assistant.waiting = [approval()]
    assert converse(t.session, tmp_path / "x") == 0
    assert t.shown.index(DIFF) < t.shown.index("To be decided: ap-1")
    assert t.shown.count(DIFF) == 1
    assert [d[1] for d in t.assistant.decisions] == ["approve"]


def test_another_conversation_shows_what_waits_in_it(talk: Any) -> None:
    t = talk(keys=False)
    t.assistant.waiting = [approval("ap-4")]
    run_command(t.session, "/thread other")
    assert t.shown.index(DIFF) < t.shown.index("To be decided: ap-4; /approve or /reject it.")


def test_what_is_approved_and_not_carried_out_is_listed_and_can_be_rejected(talk: Any) -> None:
    t = talk(keys=False)
    t.assistant.not_carried_out = [approval("ap-4", status="approved")]
    run_command(t.session, "/pending")
    assert "ap-4 is approved and waits for the notebook" in t.shown
    with pytest.raises(UsageError, match="No change waits for a decision"):
        run_command(t.session, "/approve ap-4")
    run_command(t.session, "/reject ap-4 rather not")
    assert t.assistant.decisions == [("ap-4", "reject", "rather not", "call", None)]
    assert not t.assistant.not_carried_out
