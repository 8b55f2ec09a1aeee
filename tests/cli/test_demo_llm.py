"""``llm-scheduler demo --llm``: diagnosis, diff, approval, change, a job that passes, undo."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from llm_scheduler.agent.approval import Change
from llm_scheduler.agent.events import ApprovalSettled, Event, Notice
from llm_scheduler.cli.demo_talk import _mend
from llm_scheduler.testing.scripted_model import ScriptedModel
from llm_scheduler.testing.scripted_model_files import find_script, read_script
from tests.cli.fake_assistant import approval
from tests.doc_examples import ROOT


def test_a_failure_is_mended_with_the_model_and_the_change_is_undone(cli, tmp_path):
    with ScriptedModel() as model:
        for when, steps in read_script(find_script(Path("demo"))):
            model.script(*steps, when=when)
        options = ["--llm", "scripted", "--base-url", model.base_url, "--yes", "--plain"]
        done = cli("demo", "--folder", "d", *options, env={"COLUMNS": "86"})
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    for part in (
        "said by the model: All weights are 0.0",
        "- weights = [0.0, 0.0, 0.0] + weights = [0.2, 0.3, 0.5]",
        "normalised reached its goal.",
        "Undo: Edit demo_physics.py",
    ):
        assert part in text, done.stdout
    assert "weights = [0.0, 0.0, 0.0]" in (tmp_path / "d/demo_physics.py").read_text()
    shown = (ROOT / "docs/examples/demo-llm.txt").read_text().splitlines()
    # Paths, ports and numbers differ from machine to machine.
    differ = re.compile(r"demo_physics|http|ap-\d|\[u\]ndo")
    same = {line.rstrip() for line in shown if not differ.search(line)}
    assert len(same) > 10
    assert same <= {line.rstrip() for line in done.stdout.splitlines()}
    listed = cli("changes", "--run", "d", "--json", "list")
    changes = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [change["by"] for change in changes] == ["approval", "undo"]


def test_options_of_the_talk_need_a_model(cli, tmp_path):
    done = cli("demo", "--folder", "d", "--yes")
    assert done.returncode == 2
    assert "need --llm" in done.stderr
    assert not (tmp_path / "d").exists()


class WrittenTalk:
    """A conversation in which the model proposes one change, and a person decides it."""

    model_name = "scripted"

    def __init__(self, decision: str) -> None:
        self.decision = decision
        self.said: list[str] = []
        self.callbacks: list[Callable[[Event], Any]] = []
        self.assistant = self.view = self

    def say(self, text: str, style: str = "") -> None:
        self.said.append(text)

    def diagnosis(self, job_id: str) -> None:
        return None

    def changes(self) -> list[Change]:
        return []

    def subscribe(self, callback: Callable[[Event], Any]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def fix(self, job_id: str) -> str:
        at = {"thread_id": "chat", "turn_id": "t1"}
        for callback in self.callbacks:
            callback(Notice(**at, text="one moment"))
            if self.decision:
                settled = approval(status=self.decision)
                callback(ApprovalSettled(**at, approval=settled))
        return "finished"


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        ("rejected", ""),
        ("failed", "The model changed nothing; the turn finished."),
        ("", "The model changed nothing; the turn finished."),
    ],
)
def test_a_persons_no_is_no_failure_of_the_demo(decision: str, problem: str) -> None:
    session = WrittenTalk(decision)
    assert _mend(cast("Any", None), cast("Any", session), "14") == problem
    assert session.callbacks == []
