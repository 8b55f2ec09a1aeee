"""Where conversations are kept: local, private, and said when it is elsewhere."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from llm_scheduler.agent.places import (
    find_intrusion,
    find_network,
    open_agent_folder,
    parse_mounts,
)
from llm_scheduler.config import LLMSettings
from llm_scheduler.errors import StoreError

ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


def mount(point: Path | str, kind: str) -> str:
    escaped = str(point).replace(" ", "\\040")
    return f"99 27 0:50 / {escaped} rw,relatime shared:7 - {kind} server:/x rw\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "home of user" / "state"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_folder_is_the_place(state: Path, tmp_path: Path) -> None:
    with closing(open_agent_folder(LLMSettings(), state, tmp_path / "a", mounts=ROOT)) as folder:
        assert folder.path.parent == state / "agent"
        assert folder.problem == ""
        assert mode_of(folder.path) == 0o700
        assert mode_of(folder.database.path) == 0o600
        files = {folder.threads_file, folder.audit_file, folder.contents, folder.lock_file}
        assert {path.parent for path in files} == {folder.path}
        assert len(files) == 4


def test_each_run_has_its_own_and_finds_it_again(state: Path, tmp_path: Path) -> None:
    def path_of(run_file: Path) -> Path:
        with closing(open_agent_folder(LLMSettings(), state, run_file, mounts=ROOT)) as folder:
            return folder.path

    assert path_of(tmp_path / "a") == path_of(tmp_path / "b" / ".." / "a")
    assert path_of(tmp_path / "a") != path_of(tmp_path / "b")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert path_of(tmp_path / "link") == path_of(tmp_path / "a")


@pytest.mark.parametrize(
    "kind",
    [
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "panfs", "wekafs", "ceph", "fuse.ceph"),
        *("cifs", "smb3", "9p", "afs", "pvfs2", "orangefs", "fuse.glusterfs", "fuse.sshfs"),
        *("autofs", "fuse.some-new-thing"),
    ],
)
def test_network_file_systems_are_avoided(state: Path, tmp_path: Path, kind: str) -> None:
    shared = tmp_path / "var tmp"
    shared.mkdir()
    mounts = f"{ROOT}\n{mount(tmp_path / 'home of user', kind)}"
    folder = open_agent_folder(
        LLMSettings(), state, tmp_path / "a", mounts=mounts, shared_tmp=shared
    )
    with closing(folder):
        assert folder.path.parent == shared / f"llm-scheduler-{os.getuid()}"
        assert mode_of(folder.path.parent) == 0o700
        assert str(folder.path) in folder.problem
        assert "threads_dir" in folder.problem
    assert not state.exists()
    again = open_agent_folder(
        LLMSettings(), state, tmp_path / "a", mounts=mounts, shared_tmp=shared
    )
    with closing(again):
        assert again.path == folder.path


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "btrfs", "fuse.gocryptfs"])
def test_local_file_systems_are_used(state: Path, kind: str) -> None:
    assert find_network(state, f"{ROOT}\n{mount(state.parent, kind)}") == ""


def test_the_mount_that_counts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert find_network(home / "x", mount("/", "nfs") + mount(home, "ext4")) == ""
    assert find_network(home / "x", mount(home, "ext4") + mount(home, "nfs")) == "NFS"
    assert find_network(tmp_path / "homeless", mount(home, "nfs") + ROOT) == ""
    link = tmp_path / "link"
    home.mkdir()
    link.symlink_to(home)
    assert find_network(link / "deep" / "er", ROOT + "\n" + mount(home, "lustre")) == "Lustre"


def test_odd_lines_of_mountinfo() -> None:
    assert parse_mounts("\n- -\nx y z\n1 2 3 / /a b - \n" + mount("/with space", "nfs")) == [
        ("/a", ""),
        ("/with space", "nfs"),
    ]


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert isinstance(find_network(tmp_path), str)


@pytest.mark.parametrize("trap", ["link", "file", "open"])
def test_a_trap_in_the_shared_folder_is_not_used(state: Path, tmp_path: Path, trap: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    place = shared / f"llm-scheduler-{os.getuid()}"
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    if trap == "link":
        place.symlink_to(victim)
    elif trap == "file":
        place.write_text("")
    else:
        place.mkdir()
        place.chmod(0o777)
    assert find_intrusion(place)
    folder = open_agent_folder(
        LLMSettings(),
        state,
        tmp_path / "a",
        mounts=f"{ROOT}\n{mount(state.parent, 'nfs')}",
        shared_tmp=shared,
    )
    with closing(folder):
        assert not folder.path.is_relative_to(shared)
        assert mode_of(folder.path) == 0o700
        assert mode_of(folder.path.parent) == 0o700
        assert "will not find them" in folder.problem
    assert list(victim.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    os.chown(place, 12345, 12345)
    assert find_intrusion(place) == "it belongs to somebody else"


def test_a_folder_that_was_named_is_used_and_warned_of(tmp_path: Path) -> None:
    named = tmp_path / "named"
    settings = LLMSettings(threads_dir=named)
    mounts = f"{ROOT}\n{mount(named, 'nfs4')}"
    folder = open_agent_folder(settings, tmp_path / "state", tmp_path / "a", mounts=mounts)
    with closing(folder):
        assert folder.path.parent == named
        assert "NFS, a network file system" in folder.problem
    local = open_agent_folder(settings, tmp_path / "state", tmp_path / "a", mounts=ROOT)
    with closing(local):
        assert local.problem == ""
        assert not (tmp_path / "state").exists()


def test_a_state_folder_that_can_not_be_used(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    shared = tmp_path / "shared"
    shared.mkdir()
    folder = open_agent_folder(
        LLMSettings(), tmp_path / "state", tmp_path / "a", mounts=ROOT, shared_tmp=shared
    )
    with closing(folder):
        assert folder.path.is_relative_to(shared)
        assert "can't be used" in folder.problem
    with pytest.raises(StoreError, match="can't be used"):
        open_agent_folder(
            LLMSettings(threads_dir=tmp_path / "state"), tmp_path, tmp_path / "a", mounts=ROOT
        )


def test_a_newer_version_is_not_worked_around(state: Path, tmp_path: Path) -> None:
    with (
        closing(open_agent_folder(LLMSettings(), state, tmp_path / "a", mounts=ROOT)) as folder,
        folder.database.transaction() as db,
    ):
        db.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match="newer version"):
        open_agent_folder(LLMSettings(), state, tmp_path / "a", mounts=ROOT)
