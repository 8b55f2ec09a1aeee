"""Logs with alarm words on every line: they are read fast, and nothing rare is lost."""

from __future__ import annotations

import random
from functools import cache

import pytest

from llm_scheduler.logs import blocks, reader, scan_log, scanner
from llm_scheduler.logs.noise import MAX_REPEATS, Noise
from llm_scheduler.logs.tail import TAIL_LINES
from tests.logs.test_engines import INSTALLED

TRACEBACK = b"""Traceback (most recent call last):
  File "/home/me/run.py", line 3, in <module>
    main()
  File "/home/me/run.py", line 2, in main
    y = table[key]
KeyError: 'mu'
"""
NEEDLES = (
    b"Disk quota is used up, sorry",
    b"slurmstepd: error: Detected 1 oom-kill event(s) in StepId=20.batch.",
    b"OtherError: of a kind not seen before",
    b"Bus error (core dumped)",
)
N_LINES = 20_000


def templates(rng, i):
    return b"step %d error=%.3e connection pool %d\n" % (i, rng.random(), i % 17)


def warnings(rng, i):
    return b"/lib/x.py:%d: RuntimeWarning: invalid value %d\n  y = a / b[%d]\n" % (i % 9, i, i)


def varied(rng, i):
    return b"error in %s required by %s %d\n" % (word(rng), word(rng), i)


def strong(rng, i):
    return b"ValueError: no %s for %s %d\n" % (word(rng), word(rng), i)


def hashes(rng, i):
    return b"connection from %032x failed, retry %d\n" % (rng.getrandbits(128), i)


def word(rng):
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=7))


def make_hay(kind, *middle):
    lines = make_lines(kind)
    return b"".join([*lines[: N_LINES // 2], *middle, *lines[N_LINES // 2 :]])


@cache
def make_lines(kind):
    rng = random.Random(7)
    return [kind(rng, i) for i in range(N_LINES)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Let a small log be as many blocks as a large one."""
    monkeypatch.setattr(reader, "CHUNK_BYTES", 1 << 17)
    monkeypatch.setattr(blocks, "_PATIENCE", 2000)


@pytest.fixture(params=[name for name in INSTALLED if name != "re"])
def engine(request):
    return request.param


@pytest.mark.parametrize("kind", [templates, warnings, varied, strong, hashes])
def test_a_traceback_in_hay(tmp_path, engine, kind):
    path = tmp_path / "job.out"
    path.write_bytes(make_hay(kind, TRACEBACK))
    log = scan_log(path, engine=engine)
    found = [tb for tb in log.tracebacks if tb.exception == "KeyError"]
    assert len(found) == 1
    assert len(found[0].frames) == 2
    number = path.read_bytes().split(TRACEBACK)[0].count(b"\n") + 1
    assert found[0].first_line == number
    assert log.n_lines == path.read_bytes().count(b"\n")
    assert len(log.lines) < 4500


@pytest.mark.parametrize("kind", [templates, warnings, varied, strong, hashes])
def test_rare_lines_in_hay(tmp_path, engine, kind):
    path = tmp_path / "job.out"
    # Where every line is new, words that stand in many harmless lines are given up.
    needles = NEEDLES if kind in (templates, warnings) else NEEDLES[1:]
    lines = make_hay(kind).splitlines()
    numbers = [len(lines) * (i + 3) // 8 for i in range(len(needles))]
    for number, needle in zip(numbers, needles, strict=True):
        lines.insert(number - 1, needle)
    path.write_bytes(b"\n".join(lines))
    log = scan_log(path, engine=engine)
    for number, needle in zip(numbers, needles, strict=True):
        assert (str(path), number, needle.decode()) in log.lines
        assert number in log.alarms


def test_the_first_alarm_before_hay_and_the_last_after_it(tmp_path, engine):
    path = tmp_path / "job.out"
    quiet = b"".join(b"all is well at %d\n" % i for i in range(20_000))
    path.write_bytes(quiet + b"cannot read a\n" + quiet + make_hay(varied) + quiet * 2
                     + b"cannot read b\n" + quiet)  # fmt: skip
    texts = [line.text for line in scan_log(path, engine=engine).lines]
    assert "cannot read a" in texts
    assert "cannot read b" in texts


def test_a_new_exception_below_frames_that_came_often(tmp_path, engine):
    path = tmp_path / "job.out"
    many = b"".join(b"try %d\n" % i + TRACEBACK for i in range(5000))
    path.write_bytes(many + TRACEBACK.replace(b"KeyError: 'mu'", b"OSError: gone") + many)
    found = [tb for tb in scan_log(path, engine=engine).tracebacks if tb.exception == "OSError"]
    assert len(found) == 1
    assert len(found[0].frames) == 2


def test_a_progress_bar_with_an_alarm_word_in_each_cell(tmp_path, engine):
    path = tmp_path / "job.out"
    bar = b"".join(b"\r%d/9 [==>  ] error=%.5f" % (i, i / 7) for i in range(90_000))
    needle = b"\rOSError: [Errno 28] No space left on device"
    path.write_bytes(bar + needle + bar + b"\nall is well\n")
    log = scan_log(path, engine=engine)
    assert "OSError: [Errno 28] No space left on device" in log.lines[0].text
    assert len(log.lines[0].text) <= 2000
    assert log.n_lines == 2


class CountingEngine:
    """Counts the lines that are found, each of which costs Python code."""

    name = "re2"

    def __init__(self, engine):
        self._engine = engine
        self.n_found = 0
        self.n_bytes = 0

    def find_lines(self, data, start, end):
        found = self._engine.find_lines(data, start, end)
        self.n_found += len(found)
        self.n_bytes += end - start
        return found

    def find_places(self, data):
        return self._engine.find_places(data)

    def find_span(self, data, pos):
        return self._engine.find_span(data, pos)


@pytest.mark.parametrize("kind", [templates, warnings, varied, strong, hashes])
def test_hay_takes_little_work(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(reader, "CHUNK_BYTES", 1 << 19)
    made = []

    def make_counting(*args, **kwargs):
        made.append(CountingEngine(make_engine(*args, **kwargs)))
        return made[0]

    make_engine = scanner.make_engine
    monkeypatch.setattr(scanner, "make_engine", make_counting)
    path = tmp_path / "job.out"
    path.write_bytes(make_hay(kind) * 8)
    log = scan_log(path)
    assert made[0].n_found < 8 * N_LINES / 4
    assert log.n_lines == path.read_bytes().count(b"\n")


def test_shapes_settle_after_some_repeats():
    noise = Noise()
    block = b"\n".join(b"error %d" % i for i in range(MAX_REPEATS))
    assert noise.find_fresh(block) == list(range(MAX_REPEATS))
    assert noise.find_fresh(b"error 7\nother") == [0, 1]
    assert noise.find_fresh(b"error 8\nother\nerror -12") == [1]
    assert noise.find_fresh(b"error 8") == []
    assert noise.share_of_fresh(b"error 8\nother\nerror 3\nnew") == 0.5


def test_more_shapes_than_can_be_kept():
    noise = Noise()
    rng = random.Random(1)
    lines = [word(rng) + word(rng) for _ in range(30_000)]
    for _ in range(2):
        assert len(noise.find_fresh(b"\n".join(lines))) == len(lines)


def test_tail_of_noise_is_kept(tmp_path, engine):
    path = tmp_path / "job.out"
    path.write_bytes(make_hay(templates))
    numbers = {line.number for line in scan_log(path, engine=engine).lines}
    assert set(range(N_LINES - TAIL_LINES + 1, N_LINES + 1)) <= numbers
