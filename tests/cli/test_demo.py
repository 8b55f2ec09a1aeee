"""``llm-scheduler demo``: real jobs, really failing."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from llm_scheduler.cli import demo
from llm_scheduler.cli.demo import find_notebook, notebook_line, progress_line
from llm_scheduler.cli.main import main
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import UsageError
from llm_scheduler.managers.demo import run as demo_run
from llm_scheduler.managers.demo.jobs import demo_jobs, write_modules
from llm_scheduler.managers.demo.run import check_demo_options, find_surprises


@dataclass
class Job:
    fname: str
    state: str


def make_failure(learner: str, category: str) -> Failure:
    diagnosis = Diagnosis.model_validate(
        {"category": category, "cause": "c", "title": "t", "confidence": 1},
    )
    return Failure(
        attempt=learner,
        job_id="1",
        job_name="demo-0",
        learners=(learner,),
        failed_at=datetime.now(UTC),
        diagnosis=diagnosis,
    )


def processes_of(folder: Path) -> list[str]:
    """List command lines that name the folder; only those of a demo of this test do."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line and process.info["pid"] != os.getpid():
            found.append(line)
    return found


def test_demo_runs_fails_and_explains(cli, tmp_path: Path) -> None:
    done = cli("demo", "--plain", "--folder", "my demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Unexpected" not in done.stderr
    assert "Traceback" not in done.stderr
    for sentence in ("reached its goal", "What to do", "failures of"):
        assert sentence in done.stdout
    jobs = demo_jobs(small_disk="writes_wave" in done.stdout.partition("failures of")[0])
    assert len(jobs) >= 12
    for job in jobs:
        word = "done" if job.succeeds else "failed"
        assert re.search(rf"^{word} +{job.name}\b", done.stdout, flags=re.MULTILINE)
        assert re.search(rf"^{job.name} .* {word}\b", done.stdout, flags=re.MULTILINE)
    number = next(
        i
        for i, line in enumerate(
            (tmp_path / "my demo/demo_materials.py").read_text().split("\n"), 1
        )
        if "lenght" in line
    )
    assert "name 'lenght' is not defined" in " ".join(done.stdout.split())
    assert "Did you mean" in done.stdout
    assert f"demo_materials.py:{number}" in done.stdout or f"line {number}" in done.stdout
    assert re.search(r"demo-\d+-\d+\.out:\d+ *$", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^── missing module ─+ 2 jobs", done.stdout, flags=re.MULTILINE)
    last = done.stdout.rstrip().splitlines()[-1]
    assert "lab " in last
    assert last.endswith("'my demo/quickstart.ipynb'")
    assert (tmp_path / "my demo" / "quickstart.ipynb").is_file()
    assert (tmp_path / "my demo" / "results" / "ring.pickle").is_file()
    assert not processes_of(tmp_path / "my demo")
    assert not (tmp_path / "my demo" / "small-disk").is_mount()


def test_ctrl_c_ends_jobs_and_says_where_the_files_are(cli_argv, cli_env, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [*cli_argv, "demo", "--folder", str(folder), "--cores", "2"],
        env=cli_env | {"TERM": "xterm", "LINES": "40"},
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    shown = b""
    interrupted = False
    try:
        while chunk := _read(terminal):
            shown += chunk
            if not interrupted and b"running" in shown:
                assert processes_of(folder)
                # As a terminal does it: to the whole group, with the workers in it.
                os.killpg(process.pid, signal.SIGINT)
                interrupted = True
        status = process.wait(timeout=300)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    text = shown.decode(errors="replace")
    assert status == 130, text
    assert "Interrupted; the jobs were cancelled. The files are in" in text
    for word in ("Traceback", "never awaited", "Task was destroyed"):
        assert word not in text
    assert not processes_of(folder)
    assert not (folder / "small-disk").is_mount()


_STOPPED_WHILE_LOADING = """\
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "llm_scheduler.managers.local_run":
            exec("import time; print('Held'); time.sleep(600)")

sys.meta_path.insert(0, Finder())
"""


def test_ctrl_c_before_any_job(cli_argv, cli_env, tmp_path: Path) -> None:
    # What is loaded stops half-way, so that no job can be started before the signal comes.
    (tmp_path / "sitecustomize.py").write_text(_STOPPED_WHILE_LOADING)
    process = subprocess.Popen(
        [*cli_argv, "demo", "--plain", "--folder", "stopped"],
        env=cli_env | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "Loading" in process.stdout.readline()
    assert process.stdout.readline() == "Held\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert err == "Interrupted before any job was started.\n"
    assert not (tmp_path / "stopped").exists()


def test_a_ctrl_c_that_is_lost_while_loading_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*args: object, **options: object) -> None:
        with suppress(KeyboardInterrupt):  # as Python does in what it calls back
            signal.raise_signal(signal.SIGINT)

    def run(*args: object, **options: object) -> None:
        raise AssertionError("jobs were started")

    monkeypatch.setattr(demo, "load_demo", load)
    monkeypatch.setattr(demo, "run_demo", run)
    assert main(["demo", "--folder", str(tmp_path / "stopped")]) == 130
    assert capsys.readouterr().err == "Interrupted before any job was started.\n"


def _read(terminal: int) -> bytes:
    """Read what is there; nothing at the end, or when nothing comes for long."""
    ready, _, _ = select.select([terminal], [], [], 120)
    try:
        return os.read(terminal, 65536) if ready else b""
    except OSError:  # the other end is closed
        return b""


def test_folder_with_files_in_it_is_refused(cli, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "precious.txt").touch()
    done = cli("demo", "--folder", "used")
    assert done.returncode == 2
    assert "is not empty; name a new one" in done.stderr
    assert done.stdout == ""


def test_options_are_checked(tmp_path: Path) -> None:
    check_demo_options(tmp_path / "new", None)
    check_demo_options(tmp_path, 1)
    with pytest.raises(UsageError, match="cores=0 makes no sense"):
        check_demo_options(tmp_path, 0)


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("/dev/null", "'/dev/null' can't be used: it is not a folder"),
        ("/dev/null/deep", "'/dev/null' is not a folder"),
        ("/proc/demo", "'/proc/demo' can't be made or written"),
    ],
)
def test_folders_that_cannot_be(cli, folder: str, sentence: str) -> None:
    done = cli("demo", "--folder", folder)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Errno" not in done.stderr
    assert done.stdout == ""


def test_surprises_are_named() -> None:
    jobs = [job for job in demo_jobs(small_disk=False) if job.name in {"ring", "bad_pointer"}]
    rows = [Job("r/ring.pickle", "done"), Job("r/bad_pointer.pickle", "failed")]
    crash = make_failure("r/bad_pointer.pickle", "crash")
    assert find_surprises(jobs, rows, [crash]) == []
    assert find_surprises(jobs, rows, []) == ["bad_pointer should have failed with crash."]
    wrong = make_failure("r/bad_pointer.pickle", "killed")
    assert find_surprises(jobs, rows, [wrong]) == [
        "bad_pointer was taken for killed, but it failed with crash.",
    ]
    both = [crash, make_failure("r/ring.pickle", "unknown")]
    assert find_surprises(jobs, rows, both) == ["ring should have reached its goal."]
    assert len(find_surprises(jobs, [], [])) == 2


def test_there_are_enough_jobs_without_a_small_disk() -> None:
    jobs = demo_jobs(small_disk=False)
    assert len(jobs) >= 12
    assert len({job.name for job in jobs}) == len(jobs)
    assert {job.learner_type for job in jobs if job.succeeds} == {"Learner1D", "Learner2D"}
    assert len(demo_jobs(small_disk=True)) == len(jobs) + 1


def test_a_small_disk_that_came_too_late_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = []

    def run(argv: list[str], **options: object) -> None:
        programs.append(Path(argv[0]).name)
        if programs == ["mount"]:
            raise subprocess.TimeoutExpired(argv, 10)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(demo_run.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(demo_run.subprocess, "run", run)
    assert not demo_run._mount_small_disk(tmp_path / "small-disk")
    assert programs == ["mount", "umount"]
    assert not (tmp_path / "small-disk").exists()


def test_learners_are_made_from_the_modules_in_the_folder(tmp_path: Path) -> None:
    path = list(sys.path)
    module = write_modules(tmp_path / "one")
    assert sys.path == path
    assert Path(module.__file__ or "").parent == tmp_path / "one"
    for job in demo_jobs(small_disk=True):
        function = job.make_learner(module).function
        # A SequenceLearner wraps it.
        assert getattr(function, "function", function).__module__ == "demo_physics"
    again = write_modules(tmp_path / "two")
    assert Path(again.demo_materials.__file__).parent == tmp_path / "two"
    assert again is not module


def test_progress_is_a_line() -> None:
    rows = [Job("a", state) for state in ("running", "failed", "held", "done", "waiting")]
    assert progress_line(rows, 3.2) == "3 of 5 jobs ended, 1 running, 2 failed, 3 s"


def test_the_notebook_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_notebook() is not None
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    line = notebook_line(folder)
    command = line.partition(":")[2].strip()
    assert shlex.split(command)[-1] == "a folder/quickstart.ipynb"
    assert json.loads((folder / "quickstart.ipynb").read_text())["nbformat"] == 4
    program = shlex.split(command)[:-2]
    if program != ["jupyter"]:
        done = subprocess.run(
            [*program, "--version"], capture_output=True, check=False, timeout=300
        )
        assert done.returncode == 0
