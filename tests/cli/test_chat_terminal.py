"""``llm-scheduler chat`` as a program: in a terminal, in a pipe, as JSON."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.cli.main import main
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.testing.scripted_model import (
    ScriptedModel,
    call_tools,
    fault,
    hold,
    say,
    tool,
)
from tests.cli.terminal import Terminal

MODEL_PY = "def band_gap(temperature):\n    return 1 / temprature\n"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Make the folder of a run one of whose jobs failed."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL_PY)
    store = FailureStore(folder / "bands.failures.sqlite")
    diagnosis = Diagnosis.model_validate(
        {
            "job_id": "7",
            "category": "code_error",
            "cause": "python-name-error",
            "title": "The name temprature is not defined",
            "confidence": 0.97,
            "fingerprint": "f1",
        }
    )
    store.add_failures(
        [
            Failure(
                attempt="a1",
                job_id="7",
                job_name="bands-0",
                learners=("bands.pickle",),
                failed_at=datetime(2026, 1, 1, tzinfo=UTC),
                diagnosis=diagnosis,
            )
        ]
    )
    store.close()
    return folder


@pytest.fixture
def env(cli_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the state lies in the test's folder."""
    return cli_env | {
        "LLM_SCHEDULER_STATE_DIR": str(tmp_path / "state"),
        "LLM_SCHEDULER_THREADS_DIR": str(tmp_path / "threads"),
        "LLM_SCHEDULER_API_KEY": "sk-scripted-key",
        "LLM_SCHEDULER_MAX_RETRIES": "0",
    }


def options(model: ScriptedModel) -> list[str]:
    return ["--model", "openai:scripted", "--base-url", model.base_url]


def edit(old: str, new: str) -> Any:
    reason = "The name is misspelt."
    return call_tools(
        tool("replace_text", path="model.py", old_text=old, new_text=new, reason=reason),
        text="I propose **this**.",
    )


def test_a_change_is_edited_approved_and_undone_in_the_terminal(
    run_folder: Path, env: dict[str, str], cli_argv: list[str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\nf = pathlib.Path(sys.argv[1])\n"
        "f.write_text(f.read_text().replace('temperature', 'abs(temperature)') + '\\n')\n"
    )
    live = env | {"TERM": "xterm-256color", "EDITOR": f"{sys.executable} {editor}"}
    live.pop("NO_COLOR")
    stuck = hold(say("It goes on and on."), after_chars=5)
    with ScriptedModel() as model:
        model.script(
            edit("1 / temprature", "1 / temperature"),
            say("It is **mended**.\n\n```python\nx = 1\n\ny = 2\n```\n"),
            edit("abs(temperature)", "temperature"),
            say("Then not."),
            stuck,
        )
        argv = [*cli_argv, "chat", *options(model)]
        with Terminal(argv, env=live, folder=run_folder) as terminal:
            terminal.wait_for("bands · 1 failure of 1 cause")
            terminal.wait_for("› ")
            terminal.type("fix it\r")
            terminal.wait_for("-    return 1 / temprature")
            terminal.wait_for("+    return 1 / temperature")
            terminal.wait_for("[a]pprove")
            terminal.type("e")
            terminal.wait_for("+    return 1 / abs(temperature)")
            terminal.wait_for("[y]es")
            terminal.type("y")
            terminal.wait_for("done")
            terminal.wait_for("It is mended.")
            assert (run_folder / "model.py").read_text() == MODEL_PY.replace(
                "temprature", "abs(temperature)"
            )
            terminal.wait_for("› ")
            terminal.type("do it otherwise\r")
            terminal.wait_for("[a]pprove")
            terminal.type("r")
            terminal.wait_for("Why")
            terminal.type("the sign matters\r")
            terminal.wait_for("rejected")
            terminal.wait_for("Then not.")
            terminal.wait_for("› ")
            terminal.type("half a line\x1bu")  # Alt-U
            terminal.wait_for("✓ ch-2")
            assert (run_folder / "model.py").read_text() == MODEL_PY
            terminal.wait_for("› ")
            terminal.type("go on\r")
            assert stuck.reached.wait(120)
            terminal.type("\x03")
            terminal.wait_for("Cancelled.")
            terminal.wait_for("› ")
            terminal.type("/quit\r")
            assert terminal.wait() == 0
        answers = [m for m in model.requests[3].messages if m["role"] == "tool"]
        assert "the sign matters" in answers[-1]["content"]
    assert "\x1b[32m" in terminal.raw
    assert "Traceback" not in terminal.shown
    history = tmp_path / "state" / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "fix it\n" in history.read_text()


@pytest.fixture
def chat(
    env: dict[str, str],
    run_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command in this process, with pipes."""
    for name in list(os.environ):
        if name.startswith("LLM_SCHEDULER_"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(run_folder)

    def run(*argv: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        status = main(["chat", *argv])
        return (status, *capsys.readouterr())

    return run


def test_one_question_in_a_pipe(chat: Any) -> None:
    with ScriptedModel() as model:
        model.script(call_tools(tool("list_jobs")), say("It is **misspelt**."), fault(401))
        status, out, err = chat("--message", "why?", *options(model))
        assert (status, out) == (0, "It is **misspelt**.\n"), err
        assert "✓ list_jobs" in err
        status, out, err = chat("--message", "why?", *options(model))
        assert (status, out) == (1, "")
        assert "key" in err
    assert "sk-scripted-key" not in err


def test_events_as_json_and_decisions_from_a_program(chat: Any, run_folder: Path) -> None:
    with ScriptedModel() as model:
        model.script(edit("temprature", "temperature"), say("Done."))
        file = str(run_folder / "bands.failures.sqlite")
        status, out, err = chat(file, "--json", *options(model), typed="fix it\n/approve\n")
    assert status == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["type"] for event in events]
    (wanted,) = [e["approval"] for e in events if e["type"] == "approval_wanted"]
    assert "+    return 1 / temperature" in wanted["diff"]
    assert "approval_settled" in kinds
    assert [e["status"] for e in events if e["type"] == "done"] == ["waiting", "finished"]
    assert (run_folder / "model.py").read_text() == MODEL_PY.replace("temprature", "temperature")


def test_read_only_offers_nothing_that_writes(chat: Any) -> None:
    with ScriptedModel() as model:
        model.script(say("It is misspelt."))
        assert chat("--mode", "read-only", "--message", "fix it", *options(model))[0] == 0
    assert "read_file" in model.requests[0].tool_names
    assert not {"write_file", "replace_text"} & set(model.requests[0].tool_names)


def test_yolo_changes_at_once_and_undoes(chat: Any, run_folder: Path) -> None:
    with ScriptedModel() as model:
        model.script(edit("temprature", "temperature"), say("Done."))
        status, out, err = chat(
            "--mode", "yolo", *options(model), typed="fix it\n/undo\n/changes\n"
        )
    assert status == 0, err
    assert "ap-1 Edit model.py" in err
    assert "undone by ch-2" in out
    assert (run_folder / "model.py").read_text() == MODEL_PY


def test_a_fix_is_looked_for_in_the_thread_of_the_group(chat: Any, run_folder: Path) -> None:
    with ScriptedModel() as model:
        model.script(
            call_tools(tool("list_jobs"), text="I look."),
            edit("temprature", "temperature"),
            say("Done."),
        )
        typed = "/fix 7\n/approve\n/threads\n"
        status, out, err = chat(*options(model), typed=typed)
    assert status == 0, err
    for said in ("I look.", "+    return 1 / temperature", "Done.", "▸  group-"):
        assert said in out
    assert "✓ list_jobs" in err
    assert "To be decided: ap-1." in err
    assert (run_folder / "model.py").read_text() == MODEL_PY.replace("temprature", "temperature")


def test_what_waits_is_decided_in_the_next_session(chat: Any, run_folder: Path) -> None:
    with ScriptedModel() as model:
        model.script(edit("temprature", "temperature"), say("Done."))
        status, out, err = chat("--message", "fix it", *options(model))
        assert (status, "To be decided: ap-1." in err) == (0, True)
        assert (run_folder / "model.py").read_text() == MODEL_PY
        status, out, err = chat(*options(model), typed="yes\n")
    assert "To be decided: ap-1" in err
    assert out.index("+    return 1 / temperature") < out.index("Done.")
    assert "› fix it" in out
    assert "Done." in out
    assert (run_folder / "model.py").read_text() == MODEL_PY.replace("temprature", "temperature")


def test_wrong_usage_is_said(chat: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, err = chat("nothing.failures.sqlite", "--message", "why?")
    assert (status, out) == (2, "")
    assert "nothing.failures.sqlite" in err
    monkeypatch.chdir(tmp_path)
    status, out, err = chat("--message", "why?")
    assert (status, out) == (2, "")
    assert "There is no run in" in err


def test_a_run_file_that_can_t_be_written_is_no_wrong_file(
    chat: Any, run_folder: Path, tmp_path: Path
) -> None:
    (run_folder / "bands.failures.sqlite-journal").mkdir()  # where SQLite notes what it changes
    status, out, err = chat("--message", "why?")
    assert (status, out) == (1, "")
    assert "bands.failures.sqlite can't be used: disk I/O error" in err
    other = tmp_path / "other.failures.sqlite"
    other.write_text("some text of another program, which is long enough\n" * 20)
    status, out, err = chat(str(other), "--message", "why?")
    assert (status, out) == (2, "")
    assert "is not the failures file of a run" in err
