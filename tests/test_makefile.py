"""What `make` offers, and what the set-up scripts say when something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = ROOT / "Makefile"
SCRIPT = ROOT / ".ci" / "system-packages"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="not a checkout of the repository")


def phony_targets() -> set[str]:
    found = re.search(r"^\.PHONY:(.*)$", MAKEFILE.read_text(), re.MULTILINE)
    assert found is not None
    return set(found.group(1).split())


def run(*argv: str | Path, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **kwargs,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_target_is_in_the_help():
    done = run("make", "-C", ROOT, "--no-print-directory", "help")
    assert done.returncode == 0, done.stderr
    listed = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert set(listed) == phony_targets()
    assert all(listed.values())


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_help_comes_first():
    bare = run("make", "-C", ROOT, "--no-print-directory", "--dry-run")
    assert bare.stdout == run("make", "-C", ROOT, "-s", "--no-print-directory", "-n", "help").stdout


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    """Make a folder that is all of PATH: nobody's, and with no program of the wanted ones."""
    folder = tmp_path / "bin"
    folder.mkdir()
    fake(folder, "id", "echo 1000")
    return folder


def fake(folder: Path, name: str, script: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run_script(folder: Path, tmp_path: Path, require: str = "") -> subprocess.CompletedProcess[str]:
    # The script looks into /usr/sbin, too: without it only the fakes count.
    text = SCRIPT.read_text()
    assert "/usr/sbin:/sbin" in text
    script = tmp_path / "system-packages"
    script.write_text(text.replace("/usr/sbin:/sbin", "/nowhere"))
    bash = shutil.which("bash")
    assert bash is not None
    env = {"PATH": str(folder), "HOME": os.environ.get("HOME", "/")}
    if require:
        env["LLM_SCHEDULER_REQUIRE"] = require
    return run(bash, script, env=env)


def wanted() -> dict[str, str]:
    """Return the package of each wanted program."""
    found = re.search(r'^wanted="([^"]*)"', SCRIPT.read_text(), re.MULTILINE)
    assert found is not None
    return dict(pair.split(":") for pair in found.group(1).split())


def test_what_is_missing_is_named_and_the_tests_go_on(fakes, tmp_path):
    done = run_script(fakes, tmp_path)
    assert done.returncode == 0, done.stderr
    for package in wanted().values():
        assert package in done.stderr
    assert "apt-get install" in done.stderr
    assert done.stdout == ""


def test_what_is_required_may_not_be_missing(fakes, tmp_path):
    done = run_script(fakes, tmp_path, require="slurm")
    assert done.returncode == 1
    assert "slurmctld" in done.stderr


def test_only_what_is_missing_is_named(fakes, tmp_path):
    for program in set(wanted()) - {"mpicc"}:
        fake(fakes, program)
    done = run_script(fakes, tmp_path)
    assert wanted()["mpicc"] in done.stderr
    assert "slurmctld" not in done.stderr


def test_nothing_is_said_when_all_is_there(fakes, tmp_path):
    for program in wanted():
        fake(fakes, program)
    done = run_script(fakes, tmp_path, require="slurm,browser,ssh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_somebody_who_is_not_root_installs_nothing(fakes, tmp_path):
    called = tmp_path / "called"
    fake(fakes, "apt-get", f': >"{called}"')
    run_script(fakes, tmp_path)
    assert not called.exists()
