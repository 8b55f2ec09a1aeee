"""Planned changes are carried out whole or not at all, and only on what was shown."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_scheduler.errors import ChangedSince, ToolError
from llm_scheduler.tools.change import PlannedChange, invert
from llm_scheduler.tools.file_changes import (
    TOOLS,
    apply,
    finish,
    plan_file_change,
    states_now,
)
from llm_scheduler.tools.file_reading import TEMPORARY
from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import snapshot


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.py").write_text("x = 1\ny = 2\n")
    (folder / "data.bin").write_bytes(b"\0\1\2")
    return folder


CALLS: dict[str, dict[str, str]] = {
    "replace_text": {"path": "model.py", "old_text": "x = 1", "new_text": "x = 3"},
    "write_file": {"path": "new.txt", "content": "one\ntwo"},
    "move_file": {"path": "model.py", "new_path": "sub/other.py"},
    "delete_file": {"path": "model.py"},
    "make_directory": {"path": "a/b"},
}


def test_each_tool_is_tested_here():
    assert set(CALLS) == TOOLS


def plan(folder: Path, tool: str, **arguments: str) -> PlannedChange:
    return plan_file_change(Workspace([folder]), tool, arguments or CALLS[tool])


@pytest.mark.parametrize("tool", CALLS)
def test_a_change_does_what_it_says_and_can_be_undone(folder, tool):
    workspace = Workspace([folder])
    original = snapshot(folder)
    change = plan(folder, tool)
    assert snapshot(folder) == original  # planning changes nothing
    assert states_now(workspace, change) == change.before
    apply(workspace, change)
    changed = snapshot(folder)
    assert changed != original
    assert states_now(workspace, change) == change.after
    undo = invert(change)
    apply(workspace, undo)
    assert snapshot(folder) == original
    apply(workspace, invert(undo))
    assert snapshot(folder) == changed


@pytest.mark.parametrize("tool", CALLS)
def test_a_change_survives_being_kept_as_json(folder, tool):
    change = plan(folder, tool)
    assert PlannedChange.model_validate_json(change.model_dump_json()) == change


@pytest.mark.parametrize("tool", CALLS)
def test_a_change_is_carried_out_once(folder, tool):
    workspace, change = Workspace([folder]), plan(folder, tool)
    apply(workspace, change)
    changed = snapshot(folder)
    with pytest.raises(ChangedSince):
        apply(workspace, change)
    assert snapshot(folder) == changed
    finish(workspace, change)  # nothing is left to do
    assert snapshot(folder) == changed


def _spoil(folder: Path, how: str) -> None:
    path = folder / "model.py"
    if how == "content":
        path.write_text("x = 1\ny = 2\nz = 3\n")
    elif how == "mode":
        path.chmod(0o600)
    elif how == "gone":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "link":
        path.rename(folder / "real.py")
        path.symlink_to("real.py")
    elif how == "large":
        os.truncate(path, 5_000_000_000)
    else:
        path.unlink()
        os.mkfifo(path)


@pytest.mark.parametrize("how", ["content", "mode", "gone", "folder", "link", "large", "pipe"])
@pytest.mark.parametrize("tool", ["replace_text", "move_file", "delete_file"])
def test_what_changed_since_is_not_touched(folder, tool, how):
    workspace, change = Workspace([folder]), plan(folder, tool)
    _spoil(folder, how)
    before = snapshot(folder) if how != "large" else None
    is_all = tool == "delete_file" and how == "gone"  # which is what was wanted
    for do in (apply,) if is_all else (apply, finish):
        with pytest.raises(ChangedSince, match=r"model\.py .* since the change was shown") as info:
            do(workspace, change)
        assert info.value.path == str(folder / "model.py")
    assert states_now(workspace, change)[0] != change.before[0]
    assert is_all or states_now(workspace, change) != change.after
    assert before is None or snapshot(folder) == before


@pytest.mark.parametrize(
    ("tool", "made"),
    [("write_file", "new.txt"), ("move_file", "sub/other.py"), ("make_directory", "a")],
)
def test_what_appeared_since_is_not_overwritten(folder, tool, made):
    workspace, change = Workspace([folder]), plan(folder, tool)
    (folder / made).parent.mkdir(exist_ok=True)
    (folder / made).write_text("of somebody else")
    before = snapshot(folder)
    with pytest.raises(ChangedSince):
        apply(workspace, change)
    assert snapshot(folder) == before


def test_an_undo_refuses_what_changed_since(folder):
    workspace, change = Workspace([folder]), plan(folder, "make_directory")
    apply(workspace, change)
    (folder / "a/b/kept.txt").write_text("kept")
    with pytest.raises(ChangedSince, match="is not empty"):
        apply(workspace, invert(change))
    assert (folder / "a/b/kept.txt").read_text() == "kept"


def test_nothing_is_made_when_a_folder_can_only_be_made_in_part(folder, monkeypatch):
    workspace, change = Workspace([folder]), plan(folder, "make_directory")
    real, made = os.mkdir, []

    def mkdir(name, *args, **options):
        made.append(name)
        if len(made) == 2:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        real(name, *args, **options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    before = snapshot(folder)
    with pytest.raises(ToolError, match="quota"):
        apply(workspace, change)
    assert snapshot(folder) == before


# -- permissions ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o640, 0o444, 0o775])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_permissions_are_kept_whatever_the_umask_is(folder, mode, umask):
    path = folder / "model.py"
    path.chmod(mode)
    workspace = Workspace([folder])
    old = os.umask(umask)
    try:
        change = plan(folder, "replace_text")
        apply(workspace, change)
        made = plan(folder, "write_file")
        apply(workspace, made)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o7777 == mode
    assert (folder / "new.txt").stat().st_mode & 0o7777 == 0o666 & ~umask
    apply(workspace, invert(change))
    assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(folder):
    os.chown(folder / "model.py", 1234, 2345)
    apply(Workspace([folder]), plan(folder, "replace_text"))
    info = (folder / "model.py").stat()
    assert (info.st_uid, info.st_gid) == (1234, 2345)


def test_attributes_are_kept(folder):
    try:
        os.setxattr(folder / "model.py", "user.origin", b"here")
    except OSError:
        pytest.skip("this file system has no attributes")
    apply(Workspace([folder]), plan(folder, "replace_text"))
    assert os.getxattr(folder / "model.py", "user.origin") == b"here"


def test_readers_see_the_old_or_the_new_file_and_nothing_else(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # slow, and no machine stops here
    path = folder / "model.py"
    texts = ("a\n" * 100_000, "b\n" * 150_000)
    path.write_text(texts[0])
    workspace = Workspace([folder])
    change = plan(folder, "write_file", path="model.py", content=texts[1])
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(6):
            apply(workspace, change)
            change = invert(change)
    finally:
        stop.set()
        thread.join()
    assert seen <= set(texts)


@pytest.mark.parametrize("tool", ["replace_text", "move_file", "delete_file"])
def test_what_is_written_in_the_last_moment_is_not_lost(folder, monkeypatch, tool):
    """Something writes after the content was compared, before the new one is in place."""
    workspace, change, path = Workspace([folder]), plan(folder, tool), folder / "model.py"
    real = {name: getattr(os, name) for name in ("fsync", "link", "stat")}
    trigger = {"replace_text": "fsync", "move_file": "link", "delete_file": "stat"}[tool]
    n_calls = 0

    def write(*args: object, **options: object) -> object:
        nonlocal n_calls
        if args[0] == "model.py" or trigger == "fsync":
            n_calls += 1
        # A delete looks at the file when it is found, each time, and once more at the end.
        if n_calls == (n_looks if trigger == "stat" else 1) and "kept" not in path.read_text():
            path.write_text("kept = 1\n")
        return real[trigger](*args, **options)

    n_looks = -1
    if trigger == "stat":  # count them first
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", write)
            apply(workspace, change)
        n_looks, n_calls = n_calls, 0
        apply(workspace, invert(change))
    monkeypatch.setattr(os, trigger, write)
    with pytest.raises(ChangedSince, match="has changed since"):
        apply(workspace, change)
    assert path.read_text() == "kept = 1\n"
    assert not (folder / "sub/other.py").exists()


# -- full disks and other trouble ---------------------------------------------------------


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path):
    """A folder with room for 100 kB, or a limit on the size of files where we aren't root."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not is_mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_changes_nothing(small_disk):
    (small_disk / "model.py").write_text("x = 1\n")
    before = snapshot(small_disk)
    workspace = Workspace([small_disk])
    for name in ("model.py", "new.txt"):
        change = plan(small_disk, "write_file", path=name, content="x" * 500_000)
        with pytest.raises(ToolError, match="nothing was changed"):
            apply(workspace, change)
        assert snapshot(small_disk) == before
        assert states_now(workspace, change) == change.before


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "link", "unlink", "fchmod"])
@pytest.mark.parametrize("tool", ["replace_text", "write_file", "move_file", "delete_file"])
def test_a_failing_disk_leaves_before_or_after(folder, monkeypatch, tool, call):
    workspace, change = Workspace([folder]), plan(folder, tool)
    before = snapshot(folder)

    def fail(*_args: object, **_options: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        try:
            apply(workspace, change)
        except ToolError:
            is_stuck = (tool, call) == ("move_file", "unlink")  # both names, and no way back
            assert is_stuck or states_now(workspace, change) in (change.before, change.after)
    is_done = states_now(workspace, change) == change.after
    finish(workspace, change)
    assert states_now(workspace, change) == change.after
    apply(workspace, invert(change))
    assert snapshot(folder) == before
    assert is_done or call != "unlink" or tool != "write_file"


def test_disks_without_hard_links_work_too(folder, monkeypatch):
    def link(*_args: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    workspace, before = Workspace([folder]), snapshot(folder)
    for tool in ("write_file", "move_file"):
        change = plan(folder, tool)
        apply(workspace, change)
        assert states_now(workspace, change) == change.after
        apply(workspace, invert(change))
        assert snapshot(folder) == before


def test_a_stale_handle_is_looked_up_again(folder, monkeypatch):
    workspace, real, n_failed = Workspace([folder]), os.read, 0

    def read(*args):
        nonlocal n_failed
        if n_failed < 2:
            n_failed += 1
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(*args)

    monkeypatch.setattr(os, "read", read)
    assert workspace.read("model.py")[1] == b"x = 1\ny = 2\n"
    n_failed = -10
    with pytest.raises(ToolError, match="Stale"):
        workspace.read("model.py")


def test_what_may_not_be_read_is_said(folder, monkeypatch):
    def refuse(*_args: object) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    workspace, change = Workspace([folder]), plan(folder, "replace_text")
    monkeypatch.setattr(os, "read", refuse)
    with pytest.raises(ToolError, match="permission denied"):
        workspace.read("model.py")
    with pytest.raises(ChangedSince):
        apply(workspace, change)


# -- what killed processes leave -------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
from llm_scheduler.tools.change import PlannedChange
from llm_scheduler.tools.file_changes import apply, finish, plan_file_change, states_now
from llm_scheduler.tools.workspace import Workspace

root = Path(sys.argv[1])
CALLS = {calls!r}
WATCHED = ("open", "write", "fsync", "fchmod", "rename", "link", "unlink", "mkdir")


on_the_way = set(root.parts)


def die_at(point):
    count = 0

    def wrap(real):
        def call(*args, **options):
            nonlocal count
            count += args[0] not in on_the_way
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)
        return call

    for name in WATCHED:
        setattr(os, name, wrap(getattr(os, name)))


os.fsync = lambda descriptor: None  # slow, and it is the process that dies, not the machine
for tool, arguments in CALLS.items():
    n_dead = n_mixed = 0
    for point in range(1, 1000):
        folder = root / f"{{tool}}{{point}}"
        (folder / "sub").mkdir(parents=True)
        (folder / "model.py").write_text("x = 1\\ny = 2\\n")
        workspace = Workspace([folder])
        change = plan_file_change(workspace, tool, arguments)
        child = os.fork()
        if not child:
            die_at(point)
            apply(workspace, change)
            os._exit(0)
        is_dead = os.waitpid(child, 0)[1] != 0
        now = states_now(workspace, change)
        for state, old, new in zip(now, change.before, change.after):
            assert state in (old, new), (tool, point, state)
        n_dead += is_dead
        n_mixed += now not in (change.before, change.after)
        assert is_dead or now == change.after
        finish(workspace, change)
        assert states_now(workspace, change) == change.after, (tool, point)
        left = [path for path in folder.rglob("*") if path.name.startswith({temporary!r})]
        assert not left, (tool, point, left)
        again = plan_file_change(workspace, "write_file", {{"path": "last.py", "content": "z"}})
        apply(workspace, again)
        if not is_dead:
            break
    print(tool, n_dead, n_mixed)
"""


def test_a_process_killed_at_any_step_leaves_before_or_after(tmp_path):
    script = _KILLED.format(calls=CALLS, temporary=TEMPORARY)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = {name: (int(a), int(b)) for name, a, b in map(str.split, done.stdout.splitlines())}
    assert set(counts) == set(CALLS)
    assert min(dead for dead, _ in counts.values()) >= 10
    assert counts["move_file"][1] > 0  # some died with both names, and were finished
    assert counts["make_directory"][1] > 0
    assert counts["replace_text"][1] == counts["write_file"][1] == 0


def _leftover(folder: Path, pid: int, host: str = "") -> Path:
    from llm_scheduler.tools.file_writing import _host

    path = folder / f"{TEMPORARY}{host or _host()}-{pid}-0123abcd.tmp"
    path.write_text("half")
    return path


def test_files_that_others_are_writing_stay(folder):
    # Each process has a smaller one; that of one that has ended may be given to another.
    pid_of_nobody = int(Path("/proc/sys/kernel/pid_max").read_text())
    left = _leftover(folder, pid_of_nobody)
    running = _leftover(folder, os.getppid())
    elsewhere = _leftover(folder, 1, "00000000")
    of_others = folder / f"{TEMPORARY}notes.txt"
    of_others.write_text("not ours")
    apply(Workspace([folder]), plan(folder, "replace_text"))
    assert not left.exists()
    assert running.exists()
    assert elsewhere.exists()
    assert of_others.exists()
    os.utime(elsewhere, (0, 0))
    apply(Workspace([folder]), plan(folder, "write_file"))
    assert not elsewhere.exists()


def test_a_second_name_that_we_left_is_no_reason_to_refuse(folder):
    os.link(folder / "model.py", folder / f"{TEMPORARY}{'0' * 8}-1-{'0' * 8}.tmp")
    assert plan(folder, "replace_text").before[0].content == b"x = 1\ny = 2\n"


# -- what is refused at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("replace_text", {"path": "model.py", "old_text": "x = 1"}, "takes path, old_text"),
        ("write_file", {"path": "model.py", "content": "", "mode": "append"}, "mode: Extra"),
        ("write_file", {"path": ["model.py"], "content": ""}, "path: Input should be a valid"),
        ("chmod", {"path": "model.py"}, "There is no tool 'chmod'"),
        ("replace_text", {"path": "modle.py", "old_text": "x", "new_text": "y"}, "'model.py'"),
        ("replace_text", {"path": "data.bin", "old_text": "x", "new_text": "y"}, "is binary"),
        ("write_file", {"path": "model.py", "content": "x = 1\ny = 2\n"}, "nothing would change"),
        ("write_file", {"path": "nowhere/x", "content": ""}, "make_directory makes it"),
        ("write_file", {"path": "sub", "content": ""}, "a folder, not a file"),
        ("write_file", {"path": "x", "content": "x" * 1_000_001}, "1,000,000"),
        ("write_file", {"path": "x", "content": "a\0b"}, "binary"),
        ("write_file", {"path": "x", "content": "\ud800"}, "can't be written"),
        ("write_file", {"path": "model.py", "content": "\ud800"}, "use other characters"),
        ("write_file", {"path": "a\nb", "content": ""}, r"a\\nb"),
        ("write_file", {"path": "a\u202eyp.b", "content": ""}, r"a\\u202eyp\.b"),
        ("write_file", {"path": " model.py", "content": ""}, "blanks at the ends"),
        ("write_file", {"path": "x" * 300, "content": ""}, "too long"),
        ("move_file", {"path": "model.py", "new_path": "data.bin"}, "is there already"),
        ("move_file", {"path": "model.py", "new_path": "sub"}, "must be the whole new path"),
        ("move_file", {"path": "sub", "new_path": "sub2"}, "a folder, not a file"),
        ("delete_file", {"path": "sub"}, "a folder, not a file"),
        ("delete_file", {"path": "nothing.txt"}, "is not there"),
        ("make_directory", {"path": "sub"}, "is there already"),
        ("make_directory", {"path": "model.py"}, "a file, not a folder"),
        ("make_directory", {"path": "model.py/x"}, "is no folder"),
        ("make_directory", {"path": "x/" * 30}, "Too many folders"),
    ],
)
def test_calls_that_make_no_sense(folder, tool, arguments, message):
    before = snapshot(folder)
    with pytest.raises(ToolError, match=message):
        plan_file_change(Workspace([folder]), tool, arguments)
    assert snapshot(folder) == before


def test_large_files_are_not_changed(folder):
    os.truncate(folder / "data.bin", 5_000_000_000)  # without using room on the disk
    for tool in ("delete_file", "move_file"):
        arguments = {"path": "data.bin"} | ({"new_path": "x"} if tool == "move_file" else {})
        with pytest.raises(ToolError, match=r"5,000,000,000 bytes; the limit is 1,000,000"):
            plan_file_change(Workspace([folder]), tool, arguments)


def test_binary_files_can_be_moved_and_deleted(folder):
    workspace = Workspace([folder])
    change = plan(folder, "delete_file", path="data.bin")
    assert "Binary content differs (3 bytes)" in change.diff
    apply(workspace, change)
    apply(workspace, invert(change))
    assert (folder / "data.bin").read_bytes() == b"\0\1\2"


@pytest.mark.parametrize("tool", ["delete_file", "move_file"])
def test_links_are_not_moved_or_deleted(folder, tool):
    (folder / "link.py").symlink_to("model.py")
    arguments = {"path": "link.py"} | ({"new_path": "x.py"} if tool == "move_file" else {})
    with pytest.raises(ToolError, match="a symlink, not a file"):
        plan_file_change(Workspace([folder]), tool, arguments)


def test_a_link_is_edited_where_it_leads(folder):
    (folder / "link.py").symlink_to("model.py")
    change = plan(folder, "replace_text", path="link.py", old_text="x = 1", new_text="x = 5")
    assert change.targets == (str(folder / "model.py"),)
    apply(Workspace([folder]), change)
    assert (folder / "link.py").is_symlink()
    assert (folder / "model.py").read_text() == "x = 5\ny = 2\n"
