"""No path leads out of the allowed folders, neither to read nor to write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import READS, SECRET, WRITES, Tree, attempt, make_tree, snapshot

ESCAPES = {
    "above": "../outside/notes.txt",
    "below and above": "sub/../../outside/notes.txt",
    "with dots": "./sub/./.././../outside/notes.txt",
    "far above": "../" * 60 + "etc/passwd",
    "absolute": "{outside}/notes.txt",
    "absolute of the system": "/etc/passwd",
    "two slashes": "//etc/passwd",
    "many slashes": "////etc////passwd",
    "absolute and above": "{root}/../outside/notes.txt",
    "absolute, below and above": "{root}/sub/../../outside/notes.txt",
    "a folder with the same start": "{root}-2/notes.txt",
    "beside, by name": "../run-2/notes.txt",
    "proc": "/proc/self/environ",
    "root in proc": "/proc/self/root{outside}/notes.txt",
    "working directory in proc": "/proc/self/cwd/model.py",
    "descriptor in proc": "/proc/self/fd/0",
    "memory": "/proc/self/mem",
    "device": "/dev/null",
    "terminal": "/dev/tty",
    "standard input": "/dev/stdin",
    "descriptor in dev": "/dev/fd/0",
    "shared memory": "/dev/shm/x",
    "sys": "/sys/kernel/notes",
    "automounter": "/net/evil.example.org/x",
    "the root of all": "/",
    "link to a folder": "to_outside/notes.txt",
    "link to a file": "to_file",
    "relative link": "relative",
    "link through a folder": "through",
    "long link": "long",
    "link to a link": "chain/notes.txt",
    "link to the root of all": "to_root/etc/passwd",
    "link to a folder of the system": "to_etc/passwd",
    "link to proc": "to_proc",
    "link to the root in proc": "to_proc_root/etc/passwd",
    "link to a device": "to_null",
    "link upwards": "up/outside/notes.txt",
    "link upwards and back": "up/run/../outside/notes.txt",
    "link in a folder": "sub/to_outside/notes.txt",
    "link inside, then above": "inside/../../outside/notes.txt",
    "link outside, then above": "to_outside/../outside/notes.txt",
    "link outside and back in by name": "to_outside/../../outside/notes.txt",
    "link to itself": "self",
    "two links in a circle": "there/model.py",
    "too many links": "hop0",
    "link to what is not there": "dangling",
    "relative link to what is not there": "dangling_relative",
    "link to a folder beside": "beside/notes.txt",
    "file as a folder": "model.py/../../outside/notes.txt",
    "missing folder and above": "nowhere/../../outside/notes.txt",
    "home": "~/.ssh/id_rsa",
    "above home": "~/../../etc/passwd",
    "NUL": "model.py\0.txt",
    "NUL and above": "\0/../../outside/notes.txt",
    "surrogate": "\ud800/x",
    "long path": "sub/" * 1100 + "x",
    "escaped": "..\\x2foutside/notes.txt/../../../outside/notes.txt",
    "escaped newline": "sub/../..\\n/../../outside/notes.txt",
}


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path)


@pytest.fixture(name="shared", scope="module")
def _shared(tmp_path_factory) -> tuple[Tree, dict[str, object]]:
    """One tree for all escapes, as none of them changes anything."""
    tree = make_tree(tmp_path_factory.mktemp("escapes"))
    return tree, snapshot(tree.base)


def _path(tree: Tree, path: str) -> str:
    return path.replace("{root}", str(tree.root)).replace("{outside}", str(tree.outside))


@pytest.mark.parametrize("path", ESCAPES.values(), ids=ESCAPES)
def test_nothing_outside_is_read(shared, path):
    tree = shared[0]
    for name, read in READS.items():
        text, is_refused = attempt(lambda read=read: read(tree.workspace, _path(tree, path)))
        assert is_refused, (name, text)
        assert SECRET not in text
        assert "root:" not in text


@pytest.mark.parametrize("path", ESCAPES.values(), ids=ESCAPES)
def test_nothing_outside_is_written(shared, path):
    tree, before = shared
    for name, write in WRITES.items():
        text, is_refused = attempt(lambda write=write: write(tree.workspace, _path(tree, path)))
        assert is_refused, (name, text)
        assert SECRET not in text
    assert snapshot(tree.base) == before


def test_there_are_enough_escapes():
    assert len(set(ESCAPES.values())) >= 40


def test_refusals_do_not_tell_what_is_outside(tree):
    read = READS["read"]
    there = attempt(lambda: read(tree.workspace, "../outside/notes.txt"))[0]
    missing = attempt(lambda: read(tree.workspace, "../outside/nothing.txt"))[0]
    assert there.replace("notes", "nothing") == missing


@pytest.mark.parametrize("path", ["inside/model.py", "sub/../model.py", "up/run/model.py", "hop20"])
def test_links_that_stay_inside_are_followed(tree, path):
    assert "x = 1" in READS["read"](tree.workspace, path)
    assert "x = 1" in READS["read"](tree.workspace, f"{tree.root}/{path}")


def test_a_link_to_another_root_is_followed(tree):
    both = Workspace([tree.root, tree.outside])
    assert SECRET in READS["read"](both, "to_file")
    assert SECRET in READS["read"](both, "notes.txt")  # of the second root
    assert SECRET not in READS["read"](both, "model.py")  # the first comes first


def test_a_root_is_known_by_the_link_to_it_in_the_home_folder(tree, monkeypatch):
    home = tree.base / "home"
    home.mkdir()
    (home / "scratch").symlink_to(tree.root)
    monkeypatch.setenv("HOME", str(home))
    workspace = Workspace([tree.root])
    assert "x = 1" in READS["read"](workspace, "~/scratch/model.py")
    assert "x = 1" in READS["read"](workspace, f"{home}/scratch/sub/model.py")
    assert attempt(lambda: READS["read"](workspace, "~/scratch/../notes.txt"))[1]


def test_a_root_may_be_given_by_a_link(tree):
    workspace = Workspace([tree.root / "inside"])
    assert workspace.roots == (str(tree.root / "sub"),)
    assert "x = 1" in READS["read"](workspace, f"{tree.root}/inside/model.py")
    assert attempt(lambda: READS["read"](workspace, "../model.py"))[1]


def test_a_root_that_becomes_a_link_is_refused(tree):
    tree.root.rename(tree.base / "elsewhere")
    tree.root.symlink_to(tree.outside)
    for do in (*READS.values(), *WRITES.values()):
        text, is_refused = attempt(lambda do=do: do(tree.workspace, "model.py"))
        assert is_refused, text
        assert SECRET not in text


@pytest.mark.parametrize("name", ["pipe", "socket", "sub"])
@pytest.mark.parametrize("do", [*WRITES, "read"])
def test_what_is_no_file_is_not_touched(tree, name, do):
    text, is_refused = attempt(lambda: ({**READS, **WRITES}[do])(tree.workspace, name))
    assert is_refused, text


def test_a_device_inside_is_not_opened(tree, monkeypatch):
    # Making one takes root, so one is made up.
    real = os.stat

    def fake(path, **options):
        info = real(path, **options)
        if path != "model.py":
            return info
        return os.stat_result((stat.S_IFCHR | 0o666, *info[1:]))

    monkeypatch.setattr(os, "stat", fake)
    for do in (READS["read"], WRITES["replace"], WRITES["delete"]):
        text, is_refused = attempt(lambda do=do: do(tree.workspace, "model.py"))
        assert is_refused
        assert "a device" in text


@pytest.mark.parametrize("do", ["replace", "write", "delete", "move_from"])
def test_a_file_with_another_name_outside_is_not_written(tree, do):
    before = snapshot(tree.outside)
    text, is_refused = attempt(lambda: WRITES[do](tree.workspace, "hard.txt"))
    assert is_refused
    assert "hard links" in text
    assert snapshot(tree.outside) == before


@pytest.mark.parametrize("do", ["replace", "write", "delete", "move_from"])
def test_a_file_that_runs_as_its_owner_is_not_written(tree, do):
    (tree.root / "model.py").chmod(0o4755)
    text, is_refused = attempt(lambda: WRITES[do](tree.workspace, "model.py"))
    assert is_refused
    assert "rights of another user" in text


@pytest.mark.parametrize("do", ["write", "delete", "move_from", "move_to", "make"])
@pytest.mark.parametrize("path", [".", "", "/", "{root}", "sub/.."])
def test_a_root_itself_is_not_changed(tree, do, path):
    assert attempt(lambda: WRITES[do](tree.workspace, _path(tree, path)))[1]
    assert tree.root.is_dir()


@pytest.mark.parametrize(
    "name",
    ["%2e%2e", "..%2foutside", "．．", "..\\outside", "file:", "C:", "$HOME", "`id`", "...", ".. "],
)
def test_names_that_only_look_like_a_way_out_are_names(tree, name):
    before = snapshot(tree.outside)
    attempt(lambda: WRITES["write"](tree.workspace, name))
    attempt(lambda: WRITES["make"](tree.workspace, f"{name}/outside"))
    assert snapshot(tree.outside) == before
    assert {path.name for path in tree.base.iterdir()} == {"run", "outside", "run-2"}


def test_own_files_are_refused_under_each_of_their_names(tree):
    own = tree.root / "state"
    own.mkdir()
    database = tree.root / "run.failures.sqlite"
    for path in (own / "agent.sqlite", database, Path(f"{database}-journal")):
        path.write_text("content")
    (tree.root / "alias").symlink_to("state")
    os.link(database, tree.root / "other.txt")
    workspace = Workspace([tree.root], refused=[own, database])
    names = ["state/agent.sqlite", "alias/agent.sqlite", "run.failures.sqlite"]
    for name in [*names, "run.failures.sqlite-journal", "other.txt", "state/../state/x"]:
        for do in (READS["read"], *WRITES.values()):
            text, is_refused = attempt(lambda do=do, name=name: do(workspace, name))
            assert is_refused, (name, text)
    assert attempt(lambda: READS["list"](workspace, "state"))[1]
    assert "agent.sqlite" not in READS["list"](workspace, ".")


def test_without_roots_nothing_is_allowed():
    text, is_refused = attempt(lambda: READS["read"](Workspace([]), "/etc/hostname"))
    assert is_refused
    assert "roots" in text


def test_with_all_as_root_the_system_folders_stay_refused():
    workspace = Workspace(["/"])
    for path in ("/proc/self/environ", "/dev/null", "/sys/kernel/notes", "proc/self/maps"):
        assert attempt(lambda path=path: READS["read"](workspace, path))[1]
