"""``llm-scheduler doctor``: every check, in words and as JSON."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_scheduler.agent import places
from llm_scheduler.cli import doctor
from llm_scheduler.cli.console import make_console
from llm_scheduler.managers.doctor import Check, cluster, install, machine, runner
from llm_scheduler.managers.doctor.runner import PROBES, Probe, run_checks

GIB = 1024**3
MOUNTS = r"""
22 27 0:21 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:22 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2
24 22 0:6 / /home/me/local\040disk rw - xfs /dev/sdb1 rw
25 22 0:7 / /scratch rw - lustre 10.0.0.1@o2ib:/scratch rw
26 22 0:8 / /scratch rw - beegfs beegfs_nodev rw
27 22 0:9 / /homework rw - tmpfs tmpfs rw
broken line
"""

Script = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Return a function that makes a program; PATH holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def settings_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make settings come from nothing but what the test sets."""
    for name in [name for name in os.environ if name.startswith("LLM_SCHEDULER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLM_SCHEDULER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LLM_SCHEDULER_STATE_DIR", str(tmp_path / "state"))
    return monkeypatch


def test_the_command_for_people(cli) -> None:
    done = cli("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for probe in PROBES:
        assert probe.name in done.stdout
    assert "Ready" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_command_as_json(cli) -> None:
    done = cli("doctor", "--json")
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == [probe.name for probe in PROBES]
    for check in report["checks"]:
        assert set(check) == {"name", "status", "detail", "advice"}
        assert check["status"] in {"ok", "warning", "missing"}
        assert check["detail"]


def test_something_broken_is_exit_status_1(cli, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "site.toml").write_text("this is no TOML")
    done = cli("doctor", env={"LLM_SCHEDULER_CATALOG": str(catalog)})
    assert done.returncode == 1
    assert "Something is broken" in done.stdout
    assert "site.toml" in "".join(done.stdout.split())


def test_a_wrong_setting_is_named(cli) -> None:
    done = cli("doctor", "--json", env={"LLM_SCHEDULER_MODE": "wild"})
    assert done.returncode == 1
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["settings"]["status"] == "error"
    assert "'wild'" in found["settings"]["detail"]
    assert "Traceback" not in done.stderr


def test_a_check_that_raises_or_hangs_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(name: str) -> Check:
        release.wait(300)
        return Check(name, "ok", "late")

    def fail(name: str) -> Check:
        raise OSError("disk gone")

    waits: list[list[str]] = []

    def read_clock() -> float:
        # The time is over when the others have ended, however long they take here.
        return 1.5 if ["hangs"] in waits else 0.0

    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=read_clock))
    probes = [
        Probe("hangs", hang, limit_s=1),
        Probe("fails", fail),
        Probe("works", lambda name: Check(name, "ok", "fine")),
    ]
    try:
        hung, failed, works = run_checks(probes, on_wait=lambda names: waits.append(list(names)))
    finally:
        release.set()
    assert (hung.status, hung.detail) == ("warning", "no answer within 1 s")
    assert failed.status == "warning"
    assert "disk gone" in failed.detail
    assert works == Check("works", "ok", "fine")
    assert waits[-1] == ["hangs"]


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/etc", "/", "ext4"),
        ("/home/me", "/home", "nfs4"),
        ("/home/me/local disk/x", "/home/me/local disk", "xfs"),
        ("/homework/x", "/homework", "tmpfs"),
        ("/scratch/x", "/scratch", "beegfs"),  # mounted over the other
    ],
)
def test_the_longest_mount_point_counts(path: str, point: str, kind: str) -> None:
    assert places.find_mount(Path(path), places.parse_mounts(MOUNTS)) == (point, kind)


def test_a_state_folder_on_a_network_file_system(
    settings_env: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path} rw - lustre server:/x rw")
    settings_env.setattr(places, "_MOUNTS", mounts)
    check = machine.check_state_folder("state folder")
    assert check.status == "warning"
    assert "Lustre" in check.detail
    assert "LLM_SCHEDULER_STATE_DIR" in check.advice


def test_a_state_folder_that_is_made_later(
    settings_env: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    check = machine.check_state_folder("state folder")
    assert "made when needed" in check.detail
    assert not (tmp_path / "state").exists()
    assert not list(tmp_path.glob(".llm-scheduler-check-*"))


def test_a_state_folder_that_cannot_be_written(settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setenv("LLM_SCHEDULER_STATE_DIR", "/proc/state")
    check = machine.check_state_folder("state folder")
    assert check.status == "error"
    assert "can't be written" in check.detail


@pytest.mark.parametrize(
    ("folder", "barrier"),
    [("file", "file"), ("file/deep/er", "file"), ("nowhere", "nowhere")],
)
def test_a_state_folder_that_is_none(
    settings_env: pytest.MonkeyPatch,
    tmp_path: Path,
    folder: str,
    barrier: str,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    settings_env.setenv("LLM_SCHEDULER_STATE_DIR", str(tmp_path / folder))
    check = machine.check_state_folder("state folder")
    assert check.status == "error"
    assert check.detail.endswith(f"{tmp_path / barrier} is not a folder")


def test_a_device_as_state_folder(settings_env: pytest.MonkeyPatch) -> None:
    settings_env.setenv("LLM_SCHEDULER_STATE_DIR", "/dev/null")
    check = machine.check_state_folder("state folder")
    assert (check.status, check.detail) == ("error", "/dev/null is not a folder")


@pytest.mark.parametrize("exists", [False, True])
def test_a_relative_state_folder(
    settings_env: pytest.MonkeyPatch,
    tmp_path: Path,
    exists: bool,
) -> None:
    settings_env.chdir(tmp_path)
    settings_env.setenv("LLM_SCHEDULER_STATE_DIR", "own/state")
    if exists:
        (tmp_path / "own" / "state").mkdir(parents=True)
    check = machine.check_state_folder("state folder")
    assert check.status == "warning"
    assert "depends on the current folder" in check.detail
    assert "full path" in check.advice


def test_a_current_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert machine.check_current_folder("current folder").status == "error"


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "_LOW_BYTES", 1 << 62)
    check = machine.check_current_folder("current folder")
    assert check.status == "warning"
    assert "Make room" in check.advice


def test_limits_of_a_container(tmp_path: Path) -> None:
    meminfo, own, root = tmp_path / "meminfo", tmp_path / "own", tmp_path / "cgroup"
    meminfo.write_text("MemTotal:       16777216 kB\n")
    own.write_text("0::/user/job\n")
    (root / "user/job").mkdir(parents=True)
    (root / "user/job/memory.max").write_text("max\n")
    assert machine.find_memory(root, meminfo, own) == 16 * GIB
    (root / "user/job/memory.max").write_text(f"{2 * GIB}\n")
    assert machine.find_memory(root, meminfo, own) == 2 * GIB
    (root / "cpu.max").write_text("100000 100000\n")
    assert machine.count_cores(root) == 1


def test_limits_of_an_old_container(tmp_path: Path) -> None:
    meminfo, own, root = tmp_path / "meminfo", tmp_path / "own", tmp_path / "cgroup"
    own.write_text("4:memory:/job\n3:cpuset:/\n")
    (root / "memory/job").mkdir(parents=True)
    (root / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    (root / "memory/job/memory.limit_in_bytes").write_text(f"{3 * GIB}\n")
    assert machine.find_memory(root, meminfo, own) == 3 * GIB
    assert machine.find_memory(root, meminfo, tmp_path / "none") is None


def test_no_scheduler_is_missing_and_no_error(program: Script) -> None:
    for check in (cluster.check_slurm, cluster.check_squeue, cluster.check_sacct):
        assert check("x").status == "missing"
    assert cluster.check_pbs("PBS").status == "missing"
    assert cluster.check_mpi("MPI").status == "missing"


def test_a_slurm_whose_controller_is_down(program: Script) -> None:
    program("sbatch", "echo slurm 23.11.4")
    program("scontrol", "echo 'Slurmctld(primary) at head is DOWN'; exit 1")
    check = cluster.check_slurm("Slurm")
    assert check.status == "warning"
    assert "slurm 23.11.4" in check.detail
    assert "DOWN" in check.detail


def test_slurm_without_a_cluster(program: Script) -> None:
    for name in ("sbatch", "scontrol", "squeue", "sacct"):
        program(name, "echo 'error: resolve_ctls_from_dns_srv: Unknown host' >&2; exit 1")
    for check in (cluster.check_slurm, cluster.check_squeue, cluster.check_sacct):
        assert check("x").status == "missing"
        assert "no cluster" in check("x").detail


def test_a_slurm_that_works(program: Script) -> None:
    program("sbatch", "echo slurm 23.11.4")
    program("scontrol", "echo 'Slurmctld(primary) at head is UP'")
    program("squeue", "")
    program("sacct", """case "$*" in *--json*) echo '{"jobs": []}' ;; *) echo 12 ;; esac""")
    assert cluster.check_slurm("Slurm").detail == "slurm 23.11.4, controller head is up"
    assert cluster.check_squeue("squeue").status == "ok"
    assert cluster.check_sacct("sacct").detail == "answers (JSON); 1 job in the last 7 days"


def test_a_sacct_that_is_installed_and_does_not_work(program: Script) -> None:
    program("squeue", "")
    program("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    check = cluster.check_sacct("sacct")
    assert check.status == "warning"
    assert "keeps no accounting" in check.detail
    assert "support" in check.advice


def test_sacct_not_installed_on_a_cluster(program: Script) -> None:
    program("squeue", "")
    check = cluster.check_sacct("sacct")
    assert (check.status, check.detail) == ("warning", "sacct is not installed here")


def test_the_key_and_the_password_of_a_model_are_not_shown(
    settings_env: pytest.MonkeyPatch,
) -> None:
    settings_env.setenv("LLM_SCHEDULER_MODEL", "openai:x")
    settings_env.setenv("LLM_SCHEDULER_BASE_URL", "https://me:hunter2@host.example/v1")
    settings_env.setenv("LLM_SCHEDULER_API_KEY", "sk-secret")
    shown = repr(install.check_model("model")) + repr(install.check_settings("settings"))
    assert "openai:x at host.example" in shown
    assert "hunter2" not in shown
    assert "sk-secret" not in shown


def test_no_model_is_fine(settings_env: pytest.MonkeyPatch) -> None:
    check = install.check_model("model")
    assert check.status == "missing"
    assert "by rules" in check.detail


def test_the_table_takes_no_text_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [
        Check("a", "error", "[red]x[/red] \x1b[31m", "Do [b]this[/b]."),
        Check("b", "missing", "not there"),
    ]
    make_console().print(doctor.checks_view(checks))
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "\x1b[31m" not in shown
    assert "0 ok, 0 to look at, 1 optional and not there, 1 broken" in " ".join(shown.split())
