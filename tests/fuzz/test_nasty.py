"""Logs made to break their reader: it stays quick and small, and raises nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.errors import LogError
from llm_scheduler.logs import digest_log, fingerprint, redact, scan_log
from tests.fuzz.invariants import RECORD, check_log, check_text
from tests.fuzz.nasty import BYTES, FRAME, HEADER, MB, make_special

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_GROWTH_MB = 100
GROWTH = """
import resource, sys
from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.logs import digest_log
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
small, *large = sys.argv[1:]
for path in [small, *large]:
    digest = digest_log(path)
    diagnosis = diagnose_log(path)
    assert len(digest.text) <= 4000
    if path == small:
        start = peak_mb()
print(peak_mb() - start)
"""


@pytest.mark.parametrize("name", sorted(BYTES))
def test_nasty_content(name, tmp_path):
    path = tmp_path / "job.out"
    content = BYTES[name]()
    path.write_bytes(content)
    digest = check_log(path, budgets=(1, 4000))
    assert digest.files == (str(path),)


@pytest.mark.parametrize("name", sorted(BYTES))
def test_nasty_text(name):
    text = BYTES[name]()[: MB >> 5].decode(errors="surrogateescape")
    once = redact(text)
    assert len(once) <= 2 * len(text) + 100
    assert redact(once) == once
    assert len(fingerprint(text)) == len(fingerprint("x"))


def test_what_is_no_file(tmp_path):
    for name, path in make_special(tmp_path).items():
        digest = digest_log(path, max_chars=200)
        assert digest.problems, name
        assert len(digest.text) <= 200
        assert diagnose_log(path, record=RECORD).category
        with pytest.raises(LogError):
            diagnose_log(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_log_that_may_not_be_read(tmp_path):
    path = tmp_path / "log"
    path.write_text("x")
    path.chmod(0)
    assert "permission" in digest_log(path).problems[0]


def test_large_files_take_little_memory(tmp_path):
    small, sparse, line, bar = (tmp_path / name for name in ("small", "sparse", "line", "bar"))
    small.write_bytes(HEADER + FRAME % (1, 1, 1) + b"ValueError: x\n")
    with sparse.open("wb") as file:
        file.truncate(100 * MB)
    line.write_bytes(b"error " + b"abc1=/+" * (50 * MB // 7))
    bar.write_bytes(b"\r 12% error=0.5" * (20 * MB // 15))
    command = [sys.executable, "-c", GROWTH, *map(str, (small, sparse, line, bar))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < MAX_GROWTH_MB


@pytest.mark.parametrize("how", ["grows", "shrinks", "goes"])
def test_a_log_that_changes_while_it_is_read(how, tmp_path):
    path = tmp_path / "job.out"
    path.write_bytes(b"step 1 of 9\n" * 50_000 + b"ValueError: x\n")
    stop = threading.Event()

    def change() -> None:
        size = 600_000
        while not stop.is_set():
            if how == "goes":
                path.unlink(missing_ok=True)
                path.write_bytes(b"ValueError: y\n")
            else:
                size = size + 9999 if how == "grows" else max(0, size - 9999)
                os.truncate(path, size % (4 * MB))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(8):
            check_text(scan_log(path))
            assert len(digest_log(path, max_chars=300).text) <= 300
            diagnose_log(path, record=RECORD)
    finally:
        stop.set()
        thread.join()
