"""`local_run` with real learners: from a script without ceremony, and in an event loop."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import adaptive
import pytest

import llm_scheduler
from llm_scheduler.errors import UsageError
from tests.managers.script_jobs import LIMIT_S, stop

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")

# No `if __name__ == "__main__"`: jobs must not run the script once more.
SCRIPT = """\
import json, os, sys, time, warnings
from pathlib import Path
import adaptive
import llm_scheduler

warnings.simplefilter("error")
with open("starts", "a") as file:
    file.write("started\\n")

def parabola(x):
    return x**2

def misspelt(x):
    return parabolla(x)

def greedy(x):
    block = bytearray(900 * 1024**2)
    time.sleep(600)  # the memory is looked at now and then only
    return len(block) + x

functions = [parabola, misspelt, greedy]
names = [function.__name__ for function in functions]
learners = [adaptive.Learner1D(function, bounds=(-1, 1)) for function in functions]
rm = llm_scheduler.local_run(
    learners,
    [f"{name}.pickle" for name in names],
    name="script",
    folder="my runs",
    goal=lambda learner: learner.npoints >= 5,
    memory=("2GB", None, "600MB"),
    max_cores=3,
    max_restarts=0,
    job_manager_interval=0.5,
    save_interval=1,
    llm="offline",
    quiet=True,
)
socket = Path(rm.url.removeprefix("ipc://"))
mode = socket.parent.stat().st_mode
rm.start()
status = rm.wait(240)
for learner, name in zip(learners, names):
    if os.path.exists(f"{name}.pickle"):
        learner.load(f"{name}.pickle")
print(json.dumps({
    "status": status,
    "socket": str(socket),
    "mode": mode,
    "npoints": [learner.npoints for learner in learners],
    "states": [row.state for row in rm.snapshot()],
    "failures": [json.loads(f.model_dump_json()) for f in rm.llm_manager.failures()],
    "groups": len(rm.llm_manager.groups()),
    "problem": rm.llm_manager.problem,
}))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict:
    """Run the script in a folder with a blank in its name; return what it found."""
    folder = tmp_path_factory.mktemp("local run")
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {**json.loads(done.stdout.splitlines()[-1]), "folder": folder}


def failure(result: dict, name: str) -> dict:
    (found,) = [f for f in result["failures"] if Path(f["learners"][0]).stem == name]
    return found


def test_a_learner_reaches_its_goal_and_its_data_can_be_loaded(result):
    assert result["states"][0] == "done"
    assert result["npoints"][0] >= 5
    assert len(result["failures"]) == result["groups"] == 2
    assert result["status"] == "failed"  # the other two


def test_the_name_error_is_diagnosed(result):
    diagnosis = failure(result, "misspelt")["diagnosis"]
    assert diagnosis["category"] == "code_error"
    assert "parabolla" in diagnosis["title"]
    proof = diagnosis["evidence"][0]
    line = (result["folder"] / proof["file"]).read_text().splitlines()[proof["line"] - 1]
    assert line == proof["text"]


def test_each_learner_has_its_own_memory_limit(result):
    found = failure(result, "greedy")
    assert found["diagnosis"]["category"] == "out_of_memory"
    assert found["record"]["requested_memory_bytes"] == 600 * 1024**2
    assert failure(result, "misspelt")["record"]["requested_memory_bytes"] is None


def test_everything_lies_in_the_folder_also_with_a_blank_in_its_name(result):
    folder = result["folder"] / "my runs"
    assert (folder / "script.db.json").is_file()
    assert (folder / "script.failures.sqlite").is_file()
    assert list((folder / "logs").glob("script-0-*.out"))
    assert not result["problem"]


def test_the_script_ran_once(result):
    assert (result["folder"] / "starts").read_text() == "started\n"


def test_the_socket_was_private_and_is_gone(result):
    socket = Path(result["socket"])
    assert stat.S_IMODE(result["mode"]) == 0o700
    assert not socket.parent.exists()
    assert len(str(socket)) < 100


def make_learner(function=abs):
    return adaptive.Learner1D(function, bounds=(-1, 1))


@pytest.fixture
async def local_run(tmp_path):
    """Make a run of one learner that is ended after the test."""
    made = []

    def make(**kwargs):
        values = {"folder": tmp_path, "llm": "offline", "quiet": True, "name": tmp_path.name}
        values |= {"goal": lambda learner: learner.npoints >= 5, "job_manager_interval": 0.5}
        fname = str(tmp_path / "a.pickle")
        made.append(llm_scheduler.local_run([make_learner()], [fname], **(values | kwargs)))
        return made[-1]

    yield make
    for run in made:
        await stop(run)


async def test_in_a_running_event_loop(local_run, tmp_path):
    run = local_run()
    assert run.status() == "not yet started"
    run.start()
    assert run.status() == "running"
    assert await run.finished(LIMIT_S) == "finished"
    assert run.llm_manager.failures() == []
    learner = make_learner()
    learner.load(tmp_path / "a.pickle")
    assert learner.npoints >= 5
    assert len(run.load_dataframes()) >= 5
    assert run.elapsed_time() > 0


async def test_a_goal_that_is_reached_already_needs_no_job(local_run):
    run = local_run(goal=lambda learner: True)
    run.start()
    assert await run.finished(LIMIT_S) == "finished"
    assert run.job_manager.n_started == 0


async def test_a_url_of_ones_own_is_taken(local_run, tmp_path):
    assert local_run(url=f"ipc://{tmp_path}/own").url == f"ipc://{tmp_path}/own"


async def test_a_long_name_of_the_temporary_folder(local_run, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    # A socket's path may have 107 characters.
    assert len(local_run().url.removeprefix("ipc://")) < 100


async def test_a_runtime_folder_that_is_not_there(local_run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    folder = Path(local_run().url.removeprefix("ipc://")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()


@pytest.mark.parametrize("name", ["my run", " "])
def test_a_name_with_blanks_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="without spaces"):
        llm_scheduler.local_run([make_learner()], ["a.pickle"], name=name, folder=tmp_path)


def test_unequal_numbers_are_refused(tmp_path):
    with pytest.raises(UsageError, match="2 learners and 1 fnames"):
        llm_scheduler.local_run([make_learner()] * 2, ["a.pickle"], folder=tmp_path)
    with pytest.raises(UsageError, match="elements for 2 learners"):
        llm_scheduler.local_run(
            [make_learner()] * 2,
            ["a.pickle", "b.pickle"],
            folder=tmp_path,
            memory=("1GB", "1GB"),
            time=("1:00",),
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"memory": ("1GB",)}, "memory has 1 elements for 2 learners"),
        ({"name": "a/b"}, "must be a word"),
        ({"max_restarts": -1}, "max_restarts=-1"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, arguments, words):
    learners = [adaptive.Learner1D(abs, bounds=(-1, 1)) for _ in range(2)]
    fnames = [tmp_path / f"{i}.pickle" for i in range(2)]
    with pytest.raises(UsageError, match=words):
        llm_scheduler.local_run(learners, fnames, folder=tmp_path / "run", **arguments)


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="can't be made"):
        llm_scheduler.local_run([], [], folder=tmp_path / "file" / "run")


async def test_a_changed_folder_loses_no_jobs(tmp_path, monkeypatch):
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    monkeypatch.chdir(tmp_path / "before")
    learner = adaptive.Learner1D(abs, bounds=(-1, 1))
    run = llm_scheduler.local_run(
        [learner], ["data/x.pickle"], folder="run", goal=lambda lr: lr.npoints >= 5, quiet=True
    )
    monkeypatch.chdir(tmp_path / "after")
    run.start()
    assert await run.finished(LIMIT_S) == "finished"
    assert list((tmp_path / "after").iterdir()) == []
    assert (tmp_path / "before" / "data" / "x.pickle").exists()
    await run.close()
    run.scheduler.close()
