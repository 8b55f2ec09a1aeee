"""Whatever is swapped between a check and its use, nothing outside is read or written."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_scheduler.errors import ChangedSince
from llm_scheduler.tools import file_changes
from llm_scheduler.tools.workspace import Workspace
from tests.tools.file_trees import READS, SECRET, WRITES, Tree, attempt, make_tree, snapshot

CALLS = ("open", "stat", "readlink", "rename", "link", "unlink", "mkdir", "scandir")
MAX_POINTS = 400


def _swap_folder(tree: Tree) -> None:
    (tree.root / "sub").rename(tree.base / "aside")
    (tree.root / "sub").symlink_to(tree.outside)


def _swap_file(tree: Tree) -> None:
    path = tree.root / "sub" / "model.py"
    path.rename(tree.base / "aside")
    path.symlink_to(tree.outside / "model.py")


def _swap_root(tree: Tree) -> None:
    tree.root.rename(tree.base / "aside")
    tree.root.symlink_to(tree.outside)


def _swap_for_pipe(tree: Tree) -> None:
    path = tree.root / "sub" / "model.py"
    path.unlink()
    os.mkfifo(path)


SWAPS = {
    "folder": _swap_folder,
    "file": _swap_file,
    "root": _swap_root,
    "pipe": _swap_for_pipe,
}
ACTIONS = {**READS, **WRITES}
# What stands at a new name can't be swapped for a file.
FOLDER_ONLY = ("list", "make", "move_to")
CASES = [
    (action, swap)
    for action in ACTIONS
    for swap in SWAPS
    if swap in ("folder", "root") or (action not in FOLDER_ONLY and action != "search")
]
PATHS = {"list": "sub", "search": "sub", "make": "sub/new", "move_to": "sub/new.txt"}


class Interposer:
    """Does something before the n-th call of the system that a tool makes."""

    def __init__(self, point: int, do: Callable[[], None], base: Path) -> None:
        self.n_calls = 0
        # On the way to the folders nothing is swapped: those calls would only take time.
        self._on_the_way = set(base.parts)
        self._point = point
        self._do = do
        self._is_busy = False

    def wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            is_near = args[0] not in self._on_the_way and not str(args[0]).startswith("/")
            if is_near and not self._is_busy:
                self._is_busy = True
                try:
                    if self.n_calls == self._point:
                        self._do()
                    self.n_calls += 1
                finally:
                    self._is_busy = False
            return real(*args, **options)

        return call


def _run(tree: Tree, action: str, point: int, swap: Callable[[Tree], None]) -> tuple[str, int]:
    interposer = Interposer(point, lambda: swap(tree), tree.base)
    path = PATHS.get(action, "sub/model.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # slow, and nothing crashes here
        for name in CALLS:
            patch.setattr(os, name, interposer.wrap(getattr(os, name)))
        text, _ = attempt(lambda: ACTIONS[action](tree.workspace, path))
    return text, interposer.n_calls


def _make_small_tree(base: Path) -> Tree:
    root, outside = base / "run", base / "outside"
    for folder in (root / "sub", outside):
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(f"{SECRET if folder == outside else ''}\nx = 1\n")
    (outside / f"{SECRET}.txt").write_text("x = 1\n")
    (root / "model.py").write_text("x = 1\n")
    return Tree(base, root, outside, Workspace([root]))


@pytest.mark.parametrize(("action", "swap"), CASES)
def test_no_swap_at_any_step_leads_outside(tmp_path, action, swap):
    n_swapped = 0
    for point in range(MAX_POINTS):
        tree = _make_small_tree(tmp_path / str(point))
        before = snapshot(tree.outside)
        text, n_calls = _run(tree, action, point, SWAPS[swap])
        assert SECRET not in text, point
        assert snapshot(tree.outside) == before, point
        shutil.rmtree(tree.base)
        if n_calls <= point:
            break
        n_swapped += 1
    assert 4 < n_swapped < MAX_POINTS


@pytest.mark.parametrize("action", ["read", "replace", "search"])
def test_a_folder_that_is_swapped_all_the_time(tmp_path, action):
    tree = make_tree(tmp_path)
    before = snapshot(tree.outside)
    stop = threading.Event()
    link, aside = tree.base / "link", tree.base / "aside"
    link.symlink_to(tree.outside)
    sub = tree.root / "sub"

    def swap() -> None:
        while not stop.is_set():
            sub.rename(aside)
            link.rename(sub)
            sub.rename(link)
            aside.rename(sub)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        answers = [
            attempt(lambda: ACTIONS[action](tree.workspace, "sub/model.py")) for _ in range(150)
        ]
    finally:
        stop.set()
        thread.join()
    assert SECRET not in "".join(text for text, _ in answers)
    assert snapshot(tree.outside) == before


def test_a_file_that_becomes_a_link_after_the_plan_is_not_followed(tmp_path: Path):
    tree = make_tree(tmp_path)
    call = {"path": "sub/model.py", "old_text": "x = 1", "new_text": "x = 2"}
    planned = file_changes.plan_file_change(tree.workspace, "replace_text", call)
    _swap_file(tree)
    before = snapshot(tree.base)
    with pytest.raises(ChangedSince, match=r"model\.py is now something else"):
        file_changes.apply(tree.workspace, planned)
    assert snapshot(tree.base) == before
