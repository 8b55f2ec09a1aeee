"""A folder that may be used, one beside it that may not, and every way between them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_scheduler.errors import ToolError
from llm_scheduler.tools import file_changes
from llm_scheduler.tools.file_search import compile_regex
from llm_scheduler.tools.file_tools import list_folder, read_page, search_page
from llm_scheduler.tools.workspace import Workspace

SECRET = "OUTSIDE-CONTENT"
MAX_CHARS = 6000


@dataclass
class Tree:
    base: Path
    root: Path
    outside: Path
    workspace: Workspace


def make_tree(base: Path) -> Tree:
    """Make the folders, with links from one to the other."""
    base = base.resolve()
    root, outside, beside = base / "run", base / "outside", base / "run-2"
    for folder in (root / "sub" / "deep", outside / "sub", beside):
        folder.mkdir(parents=True)
    for folder in (outside, beside, outside / "sub"):
        for name in ("model.py", "notes.txt"):
            (folder / name).write_text(f"{SECRET}\nx = 1\n")
    (root / "model.py").write_text("x = 1\ny = 2\n")
    (root / "sub" / "model.py").write_text("x = 1\ny = 2\n")
    links = {
        "to_outside": outside,
        "to_file": outside / "notes.txt",
        "relative": "../outside/notes.txt",
        "through": "sub/../../outside/notes.txt",
        "chain": "chain2",
        "chain2": "to_outside",
        "to_root": "/",
        "to_etc": "/etc",
        "to_proc": "/proc/self/environ",
        "to_proc_root": "/proc/self/root",
        "to_null": "/dev/null",
        "up": "..",
        "self": "self",
        "there": "back",
        "back": "there",
        "dangling": outside / "new.txt",
        "dangling_relative": "../outside/new.txt",
        "beside": beside,
        "inside": "sub",
        "long": "./" * 100 + "../outside/notes.txt",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / "sub" / "to_outside").symlink_to("../../outside")
    for i in range(50):
        (root / f"hop{i}").symlink_to(f"hop{i + 1}" if i < 49 else "model.py")
    os.link(outside / "notes.txt", root / "hard.txt")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(root, os.O_RDONLY)  # socket names may be 108 bytes only
        try:
            server.bind(f"/proc/self/fd/{folder}/socket")
        finally:
            os.close(folder)
    return Tree(base, root, outside, Workspace([root]))


def snapshot(folder: Path) -> dict[str, object]:
    """Return all that is in a folder."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_file():
            found[name] = (path.read_bytes(), path.stat().st_mode)
        else:
            found[name] = path.stat().st_mode
    return found


def change(workspace: Workspace, tool: str, **arguments: str) -> None:
    """Plan a change and carry it out."""
    planned = file_changes.plan_file_change(workspace, tool, arguments)
    file_changes.apply(workspace, planned)


READS: dict[str, Callable[[Workspace, str], str]] = {
    "read": lambda ws, path: read_page(ws, MAX_CHARS, path, 1, 0),
    "list": lambda ws, path: list_folder(ws, MAX_CHARS, path, "", True, 1),
    "search": lambda ws, path: search_page(
        ws, MAX_CHARS, path, compile_regex("x|O|root", is_regex=True, ignore_case=False), "", 1
    ),
}
WRITES: dict[str, Callable[[Workspace, str], None]] = {
    "replace": lambda ws, path: change(
        ws, "replace_text", path=path, old_text="x = 1", new_text="x = 2"
    ),
    "write": lambda ws, path: change(ws, "write_file", path=path, content="new\n"),
    "delete": lambda ws, path: change(ws, "delete_file", path=path),
    "move_from": lambda ws, path: change(ws, "move_file", path=path, new_path="moved.txt"),
    "move_to": lambda ws, path: change(ws, "move_file", path="model.py", new_path=path),
    "make": lambda ws, path: change(ws, "make_directory", path=path),
}


def attempt(do: Callable[[], object]) -> tuple[str, bool]:
    """Return what a call says and whether it was refused."""
    try:
        return str(do()), False
    except ToolError as exc:
        return str(exc), True
