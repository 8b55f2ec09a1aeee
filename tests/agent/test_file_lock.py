"""The lock under which changes are carried out."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_scheduler.agent.file_lock import FileLock
from llm_scheduler.errors import StoreError


def test_one_holder_at_a_time_in_the_order_of_release(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    order: list[str] = []

    def wait_for_it() -> None:
        with second.hold():
            order.append("second")

    with first.hold():
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        order.append("first")
    thread.join(timeout=120)
    assert order == ["first", "second"]


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with lock.hold():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert most == 1


@pytest.mark.parametrize("same", [True, False])
def test_nobody_waits_for_ever(tmp_path: Path, same: bool) -> None:
    lock = FileLock(tmp_path / "lock", timeout_s=0)
    other = lock if same else FileLock(tmp_path / "lock", timeout_s=0)
    with (
        lock.hold(),
        pytest.raises(StoreError, match="Another process is carrying out a change"),
        other.hold(),
    ):
        pass
    with other.hold():
        pass


def test_what_goes_wrong_inside_gives_it_back(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock", timeout_s=0)
    with pytest.raises(ZeroDivisionError), lock.hold():
        raise ZeroDivisionError
    with lock.hold():
        pass


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="can't be opened"), FileLock(tmp_path / "lock").hold():
        pass
    assert not (tmp_path / "elsewhere").exists()


_FORKING = """
import os, sys
from pathlib import Path
from llm_scheduler.agent.file_lock import FileLock
path = Path(sys.argv[1])
reader, writer = os.pipe()
with FileLock(path).hold():
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent ends
        os._exit(0)
with FileLock(path, timeout_s=0).hold():
    print("free")
"""


def test_a_child_that_was_forked_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _FORKING, str(tmp_path / "lock")]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout == "free\n"
