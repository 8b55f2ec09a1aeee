"""The manager is killed at the worst moments; each failure is reported exactly once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llm_scheduler.managers.failure_store import FailureStore

# (where, how often it is called before the manager dies, before or after the call)
POINTS = [
    ("llm_scheduler.managers.failure_store:FailureStore.write_attempts", 1, "before"),
    ("llm_scheduler.managers.failure_store:FailureStore.write_attempts", 1, "after"),
    ("llm_scheduler.engine.local_scheduler:LocalScheduler.start_job", 2, "after"),
    ("llm_scheduler.engine.failure_watch:FailureWatch.see", 2, "after"),
    ("llm_scheduler.engine.log_keeper:LogKeeper.keep", 1, "before"),
    ("llm_scheduler.engine.log_keeper:LogKeeper.keep", 2, "after"),
    ("llm_scheduler.managers.failure_store:FailureStore.add_failures", 1, "before"),
    ("llm_scheduler.managers.failure_store:FailureStore.add_failures", 1, "after"),
    ("llm_scheduler.managers.failure_store:FailureStore.update_failures", 1, "before"),
    ("llm_scheduler.engine.database_manager:DatabaseManager.mark_failed", 1, "after"),
]
KILLED_RUN = Path(__file__).with_name("killed_run.py")
ROOT = Path(__file__).parents[2]


def start(folder: Path, point: str) -> int:
    process = subprocess.run(
        [sys.executable, str(KILLED_RUN), str(folder), point],
        cwd=ROOT,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return process.returncode


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p[0].rpartition('.')[2]}-{p[2]}-{p[1]}")
def test_every_failure_is_reported_exactly_once(tmp_path, point):
    assert start(tmp_path, json.dumps(point)) == -signal.SIGKILL
    assert start(tmp_path, "null") == 0
    truth = json.loads((tmp_path / "records.json").read_text())
    failed = sorted(job_id for job_id, state in truth.items() if state == "FAILED")
    assert len(failed) >= 3
    store = FailureStore(tmp_path / "run.failures.sqlite")
    reported = sorted(f.job_id for f in store.failures())
    logs = [Path(file).read_text() for f in store.failures() for file in f.log_files]
    undiagnosed = [f for f in store.failures() if f.diagnosis is None]
    left = store.open_attempts()
    store.close()
    assert reported == failed
    assert len(logs) == len(failed)
    assert all("KeyError" in text for text in logs)
    assert undiagnosed == []
    assert left == []
