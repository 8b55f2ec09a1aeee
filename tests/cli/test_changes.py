"""``llm-scheduler changes``: what was changed in a run, and undoing it from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_scheduler.cli.main import main
from llm_scheduler.config import Settings
from llm_scheduler.managers.assistant import Assistant, open_assistant
from llm_scheduler.managers.failure_store import FailureStore

BEFORE, AFTER = "x = 1\n", "x = 2\n"

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the failures file of a run in the working folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LLM_SCHEDULER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(work)
    path = work / "adaptive.failures.sqlite"
    FailureStore(path).close()
    return path


@pytest.fixture
def assistant(run_file: Path) -> Iterator[Assistant]:
    assistant = open_assistant(run_file, Settings.load(), mode="yolo")
    yield assistant
    assistant.close()


@pytest.fixture
def changed(assistant: Assistant, run_file: Path) -> Path:
    """Return a file that was changed twice in one turn, with another new file."""
    path = run_file.parent / "model.py"
    path.write_text(BEFORE)
    for number, (tool, arguments) in enumerate(
        [
            ("write_file", {"path": "model.py", "content": AFTER}),
            ("write_file", {"path": "new.py", "content": "# \x1b[31mred\u202e\n"}),
        ]
    ):
        assistant.desk.propose(
            thread_id="chat\x1b[31m\u202e",
            turn_id="turn-1",
            call_id=str(number),
            tool=tool,
            arguments=arguments | {"reason": "Because."},
        )
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs a command and gives its status, output and messages."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["changes", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_nothing_was_changed(run_file: Path, call: Call) -> None:
    assert call() == (0, "No changes were made.\n", "")
    assert call("--json") == (0, "", "")


def test_changes_are_listed(changed: Path, call: Call) -> None:
    status, out, err = call()
    assert (status, err) == (0, "")
    first = next(line for line in out.splitlines() if "ch-1" in line)
    assert "model.py" in first
    assert "yolo" in first
    assert "turn-1" in first
    assert call("list")[1] == out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_changes_as_json(changed: Path, call: Call) -> None:
    _, out, _ = call("--json")
    assert call("list", "--json")[1] == out
    changes = [json.loads(line) for line in out.splitlines()]
    assert [change["id"] for change in changes] == ["ch-1", "ch-2"]
    assert changes[0]["targets"] == [str(changed)]


def test_a_change_is_shown_with_its_diff(changed: Path, call: Call) -> None:
    status, out, _ = call("show", "ch-1")
    assert status == 0
    assert "-x = 1" in out
    assert "+x = 2" in out
    assert "by: YOLO mode" in out
    _, told, _ = call("show", "ch-1", "--json")
    assert json.loads(told)["before"][0]["target"] == str(changed)
    _, out, _ = call("show", "ch-2")
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_undo(changed: Path, call: Call) -> None:
    status, out, _ = call("undo", "ch-1")
    assert status == 0
    assert out.startswith("ch-3")
    assert changed.read_text() == BEFORE
    assert "undone by ch-3" in call()[1]
    status, out, err = call("undo", "ch-1")
    assert (status, out) == (2, "")
    assert "undone already" in err


def test_undo_refuses_where_something_has_changed(changed: Path, call: Call) -> None:
    changed.write_text("by hand\n")
    status, out, err = call("undo", "ch-1")
    assert (status, out) == (1, "")
    assert "model.py has changed since" in err
    assert changed.read_text() == "by hand\n"


def test_a_whole_turn_is_undone(changed: Path, call: Call) -> None:
    status, out, _ = call("undo-turn", "turn-1", "--json")
    assert status == 0
    assert [json.loads(line)["by"] for line in out.splitlines()] == ["undo", "undo"]
    assert changed.read_text() == BEFORE
    assert [x.name for x in changed.parent.glob("*.py")] == ["model.py"]


def test_a_run_elsewhere_is_named(
    changed: Path, run_file: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = call()
    assert status == 2
    assert "failures.sqlite" in err
    for arguments in (("--run", str(run_file), "list"), ("list", "--run", str(run_file))):
        status, out, _ = call(*arguments)
        assert status == 0
        assert "ch-2" in out
    assert call("--run", str(run_file), "undo", "ch-1")[0] == 0
    assert changed.read_text() == BEFORE


def test_runs_that_can_not_be_told_apart(run_file: Path, call: Call) -> None:
    FailureStore(run_file.with_name("other.failures.sqlite")).close()
    status, _, err = call()
    assert status == 2
    assert "adaptive.failures.sqlite, other.failures.sqlite" in err


@pytest.mark.parametrize(
    "arguments",
    [("show", "ch-9"), ("undo", "model.py"), ("undo-turn", "none"), ("--run", "nowhere.sqlite")],
)
def test_wrong_usage(changed: Path, call: Call, arguments: tuple[str, ...]) -> None:
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("llm-scheduler: error: ")
    assert changed.read_text() == AFTER
