"""What belongs to llm_scheduler and to a run's engine is out of reach, wherever it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_scheduler.config import Settings
from llm_scheduler.managers.assistant import Assistant
from llm_scheduler.tools.file_plans import plan_file_change
from llm_scheduler.tools.start_files import find_warning
from llm_scheduler.tools.workspace import Workspace
from tests.agent.failed_programs import ListedRun
from tests.tools.file_trees import READS, WRITES, attempt

KEY = "cluster-key-of-mine-1234"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture(name="assistant")
def _assistant(folder, monkeypatch):
    """Return the assistant of a run whose folder holds all that the settings name."""
    config = folder / "settings"
    config.mkdir()
    for name, text in {
        "config.toml": f'api_key_file = "{config / "mine"}"\n',
        "mine": KEY,
        "other": KEY,
    }.items():
        (config / name).touch(0o600)
        (config / name).write_text(text)
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(config))
    monkeypatch.setenv("LLM_SCHEDULER_STATE_DIR", str(folder / "state"))
    settings = Settings.load().llm(
        api_key_file=config / "other", api_key=None, threads_dir=folder, mode="yolo"
    )
    monkeypatch.chdir(folder)
    open_ones = [
        Assistant(
            settings,
            state_dir=folder / "state",
            run=ListedRun(folder, []),
            run_file=folder / f"{name}.failures.sqlite",
        )
        for name in ("a", "b")
    ]
    (folder / "a.failures.sqlite").write_text("SQL")
    (folder / "c.failures.sqlite").write_text("SQL")
    (folder / "state" / "runs").mkdir(parents=True)
    (folder / "state" / "runs" / "x").write_text("SQL")
    yield open_ones[0]
    for assistant in open_ones:
        assistant.close()


def test_settings_keys_and_databases_inside_a_root_are_refused(assistant, folder):
    workspace = assistant.toolbox.workspace
    (folder / "mine.py").write_text("x = 1\n")
    others = sorted(folder.glob("[0-9a-f]*/agent.sqlite"))
    assert len(others) == 2
    names = [
        *("settings/config.toml", "settings/mine", "settings/other", "budget.sqlite"),
        *("a.failures.sqlite", "c.failures.sqlite", "state/runs/x"),
        *(str(path.relative_to(folder)) for path in others),
    ]
    for name in names:
        before = (folder / name).read_bytes()
        for do in (READS["read"], *WRITES.values()):
            text, is_refused = attempt(lambda do=do, name=name: do(workspace, name))
            assert is_refused, (name, text)
            assert KEY not in text
        assert (folder / name).read_bytes() == before
    assert KEY not in READS["search"](workspace, ".")
    # What is not there yet is refused like what is.
    for name in ("settings/catalog/x.toml", "c.failures.sqlite-journal", "0123456789abcdef/x"):
        assert attempt(lambda name=name: WRITES["write"](workspace, name))[1], name
    assert attempt(lambda: WRITES["make"](workspace, "settings/catalog"))[1]
    # Threads, settings and the user's code may share a folder.
    for name in ("mine.py", "settings/notes.txt", "budget.csv"):
        assert not attempt(lambda name=name: WRITES["write"](workspace, name))[1], name


ENGINES = [
    "talk.db.json", "talk-database.json", "jobs/jobs/3/record.json", "jobs/12/claim",
    "my/jobs/0/script", ".llm_scheduler/local/x", "talk.failures.logs/3/out.txt",
    "logs/talk-0-17.log", "talk-17.out", "talk-17.err", "old_logs/talk-2-1.log", "Talk-17.OUT",
]  # fmt: skip
USERS = [
    "talk.json", "database.json", "other-17.out", "talk-notes.log", "talk-17.csv", "record.json",
    "jobs/x/record.json", "jobs/3/input.json", "jobs/run.py", "logs/notes.txt", "talk.py",
]  # fmt: skip


@pytest.mark.parametrize("name", ENGINES)
def test_what_the_engine_keeps_is_read_and_not_written(folder, name):
    workspace = Workspace([folder], run_name="talk")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for do in ("write", "move_to"):
        assert attempt(lambda do=do: WRITES[do](workspace, name))[1]
    path.write_text("x = 1\n")
    assert "x = 1" in READS["read"](workspace, name)
    for do in ("write", "replace", "delete", "move_from"):
        text, is_refused = attempt(lambda do=do: WRITES[do](workspace, name))
        assert is_refused, (do, text)
        assert "engine" in text
    assert path.read_text() == "x = 1\n"


@pytest.mark.parametrize("name", USERS)
def test_the_users_files_beside_it_are_written(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    workspace = Workspace([folder], run_name="talk")
    assert not attempt(lambda: WRITES["write"](workspace, name))[1]
    assert os.path.lexists(folder / name)


def test_a_job_script_is_told_as_one(folder):
    for name in ("run.batch", "run.sbatch"):
        change = plan_file_change(
            Workspace([folder]), "write_file", {"path": name, "content": "x\n", "reason": "r"}
        )
        assert "started with it" in change.risk


@pytest.mark.parametrize(
    ("name", "package"),
    [("numpy.py", "numpy"), ("adaptive", "adaptive"), ("model.py", ""), ("numpy.csv", "")],
)
def test_a_new_file_in_the_place_of_a_package_is_warned_of(name, package):
    warning = find_warning(f"/work/run/{name}", is_new=True)
    assert (f"installed package {package}" in warning) if package else not warning
    assert not find_warning(f"/work/run/{name}", is_new=False)
