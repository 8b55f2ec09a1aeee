"""The audit keeps every line, whole and once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.audit import OLDER_FILES, AuditLog
from llm_scheduler.agent.database import AgentDatabase


@pytest.fixture
def database(tmp_path: Path) -> Iterator[AgentDatabase]:
    database = AgentDatabase(tmp_path / "agent.sqlite")
    database._connection.execute("PRAGMA synchronous=OFF")  # the power does not fail here
    yield database
    database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_tells_what_when_and_by_which_process(path: Path, database: AgentDatabase) -> None:
    log = AuditLog(path, database)
    log.queue("done", targets=("/a\nb",), by="", mode=None)
    log.flush()
    (line,) = read(path)
    assert line == {
        "n": 1,
        "time": line["time"],
        "event": "done",
        "targets": ["/a\nb"],
        "pid": os.getpid(),
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_rolled_back_is_not_told(path: Path, database: AgentDatabase) -> None:
    log = AuditLog(path, database)
    with pytest.raises(ZeroDivisionError), database.transaction():
        log.queue("done")
        raise ZeroDivisionError
    log.flush()
    assert not path.exists()


def test_a_line_waits_until_it_can_be_written(path: Path, database: AgentDatabase) -> None:
    log = AuditLog(path, database)
    path.mkdir()
    log.queue("one")
    log.flush()
    path.rmdir()
    log.queue("two")
    log.flush()
    log.flush()
    assert [line["event"] for line in read(path)] == ["one", "two"]


def test_a_link_in_the_place_of_the_file_is_not_followed(
    path: Path, database: AgentDatabase, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("")
    path.symlink_to(victim)
    log = AuditLog(path, database)
    log.queue("one")
    log.flush()
    assert victim.read_text() == ""


def test_a_half_line_that_a_crash_left_spoils_no_other(path: Path, database: AgentDatabase) -> None:
    path.write_text('{"n": 1, "eve')
    log = AuditLog(path, database)
    log.queue("one")
    log.flush()
    assert json.loads(path.read_text().splitlines()[1])["event"] == "one"


def test_large_files_are_put_aside(path: Path, database: AgentDatabase) -> None:
    log = AuditLog(path, database, max_bytes=300)
    for number in range(20):
        log.queue("event", targets=[f"file-{number}"])
        log.flush()
        log.flush()
    files = sorted(path.parent.glob("audit.jsonl*"))
    assert len(files) == OLDER_FILES + 1
    assert all(file.stat().st_size < 500 for file in files)
    newest_last = [path.with_name(f"{path.name}.{n}") for n in (3, 2, 1)] + [path]
    numbers = [line["n"] for file in newest_last for line in read(file)]
    assert numbers == list(range(numbers[0], 21))


_DYING = """
import os, sys
from pathlib import Path
from llm_scheduler.agent.audit import AuditLog
from llm_scheduler.agent.database import AgentDatabase
folder = Path(sys.argv[1])
log = AuditLog(folder / "audit.jsonl", AgentDatabase(folder / "agent.sqlite"))
log.queue("written")
log.flush()
log.queue("not written")
os._exit(9)
"""


def test_lines_of_a_process_that_died_are_written_once(
    path: Path, database: AgentDatabase, tmp_path: Path
) -> None:
    run = subprocess.run([sys.executable, "-c", _DYING, str(tmp_path)], check=False)
    assert run.returncode == 9
    for _ in range(2):
        log = AuditLog(path, database)
        log.queue("mine")
        log.flush()
    assert [line["event"] for line in read(path)] == ["written", "not written", "mine", "mine"]
