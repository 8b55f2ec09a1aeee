"""One pass over logs of any size and kind."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

from llm_scheduler.errors import LogError
from llm_scheduler.logs import scan_log
from llm_scheduler.logs.groups import MAX_KEPT
from llm_scheduler.logs.reader import LogReader

PLAIN = b"step %d energy -1.5 all is well\n"
TRACEBACK = b"""Traceback (most recent call last):
  File "/home/me/run.py", line 3, in <module>
    main()
  File "/home/me/run.py", line 2, in main
    raise ValueError("x")
ValueError: x
"""


def write(tmp_path, *parts):
    path = tmp_path / "job.out"
    path.write_bytes(b"".join(parts))
    return path


def plain(n, first=0):
    return b"".join(PLAIN % i for i in range(first, first + n))


def peak_mb(function):
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_head_tail_and_alarms_with_context(tmp_path):
    path = write(tmp_path, plain(5000), b"Disk quota exceeded\n", plain(5000))
    log = scan_log(path)
    kept = {line.number: line.text for line in log.lines}
    assert kept[5001] == "Disk quota exceeded"
    assert {4998, 4999, 5000, 5002, 5003, 5004} <= set(kept)
    assert 4997 not in kept
    assert 5005 not in kept
    assert min(kept) == 1
    assert 60 in kept
    assert 61 not in kept
    assert {9802, 10001} <= set(kept)
    assert (log.n_lines, log.n_bytes, log.complete) == (10_001, path.stat().st_size, True)
    assert [line.number for line in log.lines] == sorted(kept)


def test_line_numbers_are_exact(tmp_path):
    lines = [b"quiet %d" % i for i in range(1, 300_001)]
    for number in (1, 70, 77_777, 150_000, 299_000, 300_000):
        lines[number - 1] = b"ERROR at number <%d>" % number
    log = scan_log(write(tmp_path, b"\n".join(lines)))
    found = [line for line in log.lines if "ERROR" in line.text]
    assert [f"ERROR at number <{line.number}>" for line in found] == [x.text for x in found]
    assert len(found) == 6
    assert log.n_lines == 300_000
    for line in log.lines:
        assert str(line.number) in line.text


def test_literals_in_any_case(tmp_path):
    path = write(tmp_path, plain(1000), b"The Frobnicator said: (no) [more] steps*\n", plain(1000))
    assert len(scan_log(path).lines) == 260
    log = scan_log(path, literals=["frobNICATOR SAID: (no) [more] steps*", "x"])
    assert any("Frobnicator" in line.text for line in log.lines)


@pytest.mark.parametrize(
    "line",
    [
        "free(): double free detected in tcache 2",
        "scancel: job 17 on behalf of ann",
        "The sample must be named at /home/me/trim.pl line 14, <STDIN> line 3.",
        "Kein Lizenzserver: Fehler 5",
        "fichier introuvable",
        "cp: no existe el fichero x.dat",
        "bash: mesher: Befehl nicht gefunden",
        "no licence for 8 cores",
    ],
)
def test_what_tells_is_kept_deep_in_a_log(tmp_path, line):
    log = scan_log(write(tmp_path, plain(400), f"{line}\n".encode(), plain(400)))
    assert line in [x.text for x in log.lines]
    assert log.alarms == {401}


def test_repeated_lines_are_thinned_out(tmp_path):
    noise = b"".join(b"WARNING: error bar of point %d\n" % i for i in range(50_000))
    log = scan_log(write(tmp_path, plain(100), noise, b"FATAL: the real thing\n", noise))
    assert any(line.text == "FATAL: the real thing" for line in log.lines)
    assert len(log.lines) < 400


def test_first_and_last_alarms_of_very_many(tmp_path):
    def name(i):
        return b"".join(b"abcdefghij"[int(c) : int(c) + 1] for c in str(i))

    path = write(tmp_path, *(b"error in %s\n" % name(i) for i in range(30_000)))
    log = scan_log(path)
    assert MAX_KEPT // 2 <= len(log.lines) <= MAX_KEPT + 300
    assert log.lines[0].number == 1
    assert log.lines[-1].number == 30_000
    assert 1000 in {line.number for line in log.lines}
    assert 29_000 in {line.number for line in log.lines}


def test_a_traceback_stays_whole(tmp_path):
    deep = b"".join(
        b'  File "/home/me/run.py", line %d, in f%d\n    g(\n        x,\n        y\n    )\n'
        % (i, i)
        for i in range(60)
    )
    whole = b"Traceback (most recent call last):\n" + deep + b"StrangeThing\n"
    log = scan_log(write(tmp_path, plain(1000), whole, plain(1000)))
    (traceback,) = log.tracebacks
    assert traceback.exception == "StrangeThing"
    assert len(traceback.frames) == 60
    assert traceback.first_line == 1001


def test_a_new_exception_below_frames_seen_often(tmp_path):
    many = b"".join(TRACEBACK + plain(10) for _ in range(100))
    other = TRACEBACK.replace(b"ValueError: x", b"KeyError: 'y'")
    log = scan_log(write(tmp_path, many, other, plain(500)))
    assert [tb.exception for tb in log.tracebacks] == ["ValueError", "KeyError"]
    assert log.tracebacks[0].count >= 20


def test_an_endless_traceback_keeps_its_end(tmp_path):
    frame = b'  File "/home/me/run.py", line 2, in f\n    f()\n'
    path = write(
        tmp_path,
        b"Traceback (most recent call last):\n" + frame * 5000 + b"RecursionError: too deep\n",
        plain(300),
    )
    (traceback,) = scan_log(path).tracebacks
    assert traceback.exception == "RecursionError"


def test_large_file_in_flat_memory(tmp_path):
    path = tmp_path / "job.out"
    block = plain(20_000)
    with path.open("wb") as out:
        while out.tell() < 64_000_000:
            out.write(block)
            out.write(TRACEBACK)
    log, peak = peak_mb(lambda: scan_log(path))
    assert log.n_bytes == path.stat().st_size
    assert log.tracebacks[0].exception == "ValueError"
    assert peak < 40


def test_one_giant_line(tmp_path):
    path = tmp_path / "job.out"
    with path.open("wb") as out:
        out.write(b"start ")
        for _ in range(30):
            out.write(b"abcdefgh" * (1 << 17))
        out.write(b" NameError: lost in the middle ")
        for _ in range(30):
            out.write(b"abcdefgh" * (1 << 17))
        out.write(b" end")
    log, peak = peak_mb(lambda: scan_log(path))
    (line,) = log.lines
    assert "NameError: lost in the middle" in line.text
    assert line.text.startswith("start abc")
    assert line.text.endswith(" end")
    assert len(line.text) <= 2000
    assert peak < 40


def test_numbers_after_a_giant_line(tmp_path):
    path = write(tmp_path, plain(10), b"x" * 3_000_000, b"\n", plain(10), b"fatal: here\n")
    log = scan_log(path)
    assert [line.number for line in log.lines if line.text == "fatal: here"] == [22]
    assert log.n_lines == 22


def test_a_progress_bar_of_megabytes(tmp_path):
    bar = b"".join(b"\r%d/100000 [=====>   ]" % i for i in range(50_000))
    bar += b"\rOSError: [Errno 28] No space left on device"
    bar += b"".join(b"\r%d/100000 [=====>   ]" % i for i in range(50_000, 100_001))
    log = scan_log(write(tmp_path, bar, b"\n"))
    assert "No space left on device" in log.lines[0].text
    assert log.lines[0].text.endswith("100000/100000 [=====>   ]")


@pytest.mark.parametrize(
    ("content", "n_lines"),
    [(b"", 0), (b"\n", 1), (b"x", 1), (b"x\n", 1), (b"x\ny", 2), (b"\n" * 1000, 1000)],
)
def test_small_files(tmp_path, content, n_lines):
    log = scan_log(write(tmp_path, content))
    assert (log.n_lines, log.n_bytes, log.complete) == (n_lines, len(content), True)
    assert len(log.lines) == min(n_lines, 260)


def test_binary_and_nul_files(tmp_path):
    log = scan_log(write(tmp_path, os.urandom(1_000_000)))
    assert log.complete
    assert all(len(line.text) <= 2000 for line in log.lines)
    path = tmp_path / "sparse"
    with path.open("wb") as out:
        out.seek(20_000_000)
        out.write(b"\nBus error (core dumped)\n")
    log, peak = peak_mb(lambda: scan_log(path))
    assert log.lines[-1].text == "Bus error (core dumped)"
    assert log.lines[-1].number == 2
    assert peak < 40


def test_a_compression_bomb_is_bounded(tmp_path):
    path = write(tmp_path, gzip.compress(b"\0" * 30_000_000, 1))
    log, peak = peak_mb(lambda: scan_log(path, max_bytes=20_000_000))
    assert not log.complete
    assert log.n_bytes == 20_000_000
    assert peak < 12


def test_the_tail_is_read_beyond_the_limit(tmp_path):
    path = write(tmp_path, plain(50_000), b"Killed\n")
    log = scan_log(path, max_bytes=100_000)
    assert not log.complete
    assert log.n_bytes == path.stat().st_size
    assert (log.lines[-1].text, log.lines[-1].number) == ("Killed", 0)


def test_a_truncated_gzip_says_so(tmp_path):
    data = gzip.compress(TRACEBACK + b"".join(b"%d\n" % i for i in range(30_000)))
    log = scan_log(write(tmp_path, data[:-500]))
    assert "ends too early" in log.problem
    assert not log.complete
    assert log.tracebacks[0].exception == "ValueError"


def test_an_unreadable_log_is_a_result(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    log = scan_log(tmp_path / "fifo")
    assert (log.problem, log.lines, log.complete) == ("is a FIFO", (), False)
    assert "no such file" in scan_log(tmp_path / "none").problem


def test_utf_16(tmp_path):
    path = write(tmp_path, ("all well\n" * 500 + "Fehler: ERROR größer\n").encode("utf-16"))
    log = scan_log(path)
    assert log.lines[-1].text == "Fehler: ERROR größer"
    assert log.lines[-1].number == 501


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000, 65_536])
def test_the_size_of_chunks_does_not_matter(tmp_path, monkeypatch, chunk_bytes):
    parts = []
    for i in range(12):
        parts += [plain(37 * i), b"error %d: x\n" % i, b"\r\n\x1b[1m", TRACEBACK, b"y" * 3000]
    path = write(tmp_path, *parts)
    monkeypatch.setattr("llm_scheduler.logs.reader.SMALL_BYTES", 512)
    whole = scan_log(path)
    monkeypatch.setattr("llm_scheduler.logs.reader.CHUNK_BYTES", chunk_bytes)
    assert scan_log(path) == whole


def test_alarms_are_the_lines_with_alarm_words(tmp_path):
    path = write(tmp_path, plain(3000), TRACEBACK, plain(1000), b"a Gizmo said no\n", plain(3000))
    log = scan_log(path, literals=["gizmo"])
    assert log.alarms == {3001, 3002, 3004, 3005, 3006, 4007}
    small = scan_log(write(tmp_path, plain(3), b"Killed\n", plain(3)))
    assert small.alarms == {4}
    assert scan_log(write(tmp_path, b"x" * 9000 + b" error " + b"x" * 9000)).alarms == {1}


def test_lines_beyond_the_limit_are_counted(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf", plain(50_000), b"Killed\n", b"end")
    size = path.stat().st_size
    for max_bytes in (size // 2, size // 7, size - 5, 600_000):
        log = scan_log(path, max_bytes=max_bytes)
        assert not log.complete
        assert log.n_lines == 50_002
        for line in log.lines[-2:]:
            assert (line.number, line.text) in {
                (50_001, "Killed"),
                (50_002, "end"),
                (50_002, "e"),
                (0, "nd"),
            }
        numbers = [line.number for line in log.lines if line.number]
        assert numbers == sorted(set(numbers))
    far = scan_log(path, max_bytes=size // 20)
    assert far.lines[-1].number == 0
    assert far.lines[-1].text == "end"


def test_a_disk_that_fails_at_the_tail_leaves_what_was_read(tmp_path, monkeypatch):
    def fail(self, *args):
        raise LogError(self.path, "can't be read (Input/output error)")

    monkeypatch.setattr(LogReader, "read_end", fail)
    log = scan_log(write(tmp_path, b"Killed\n", plain(50_000)), max_bytes=100_000)
    assert log.problem == "can't be read (Input/output error)"
    assert log.lines[0].text == "Killed"
    assert 1 in log.alarms
