"""Long lines that are alike are bounded quickly, without secrets, and not at the cost of others."""

from __future__ import annotations

import random

import pytest

from llm_scheduler.logs import digest_log, longline, scan_log, shortening
from llm_scheduler.logs.engines import make_engine
from llm_scheduler.logs.longline import MAX_RAW_BYTES, LongLine
from llm_scheduler.logs.shortening import Shortener
from llm_scheduler.logs.text import CUT_MARK

WORDS = "".join(f"error {random.Random(7).random()} " for _ in range(100))
TOKEN = "hf_" + "Ab1" * 12


def make_line(i, n_bytes):
    line = f"step {i} " + WORDS * (n_bytes // len(WORDS) + 1)
    return line[:n_bytes].encode()


def test_of_many_noisy_lines_few_are_searched_with_care(tmp_path, monkeypatch):
    searched = []

    class Counted(LongLine):
        def __init__(self, engine):
            searched.append(1)
            super().__init__(engine)

    monkeypatch.setattr(longline, "LongLine", Counted)
    monkeypatch.setattr(shortening, "LongLine", Counted)
    path = tmp_path / "many.log"
    path.write_bytes(b"\n".join(make_line(i, 300_000) for i in range(60)) + b"\n")
    assert len(scan_log(path).lines) == 60
    # Each of them was once, and a log took thirty times as long as one line of its size.
    assert 0 < len(searched) <= 20


def test_lines_alike_are_bounded_and_keep_both_ends(tmp_path):
    path = tmp_path / "job.out"
    path.write_bytes(b"".join(make_line(i, 50_000) + b" end %d\n" % i for i in range(400)))
    found = scan_log(path)
    assert found.n_lines == 400
    assert all(line.text.startswith(f"step {line.number - 1} error") for line in found.lines)
    assert all(line.text.endswith(f" end {line.number - 1}") for line in found.lines)
    assert all(" characters cut] ... " in line.text for line in found.lines)


@pytest.mark.parametrize("size", [13_000, 300_000])
def test_secrets_at_the_edges_of_lines_alike_are_hidden(tmp_path, size):
    path = tmp_path / "job.out"
    for at in (1990, 2010, size - 2040, size - 60):
        line = bytearray(make_line(1, size))
        line[at : at + len(TOKEN) + 2] = f" {TOKEN} ".encode()
        path.write_bytes(b"".join(
            bytes(line).replace(b"step 1", b"step %d" % i) + b"\n" for i in range(2, 14)
        ))  # fmt: skip
        texts = [line.text for line in scan_log(path).lines]
        assert not any(TOKEN[:8] in text or TOKEN[-8:] in text for text in texts)


def test_the_middle_of_a_line_unlike_the_others_is_kept(tmp_path):
    path = tmp_path / "job.out"
    last = b"mesh: " + b"x y " * 5000 + b"CUDA out of memory" + b" x y" * 5000
    path.write_bytes(b"".join(make_line(i, 30_000) + b"\n" for i in range(300)) + last + b"\n")
    assert "CUDA out of memory" in scan_log(path).lines[-1].text


def test_each_gap_in_a_long_line_is_counted(tmp_path):
    path = tmp_path / "job.out"
    path.write_bytes(b"head " + b"x y " * 50_000 + b"CUDA out of memory" + b" z w" * 70_000)
    text = scan_log(path).lines[0].text
    gaps = [int(number) for number in CUT_MARK.findall(text)]
    assert len(gaps) == 2
    assert sum(gaps) + len(CUT_MARK.sub("", text)) == path.stat().st_size
    before = CUT_MARK.split(text)[0]
    assert gaps[0] + len(before) < 200_005 < gaps[0] + len(before) + 550


@pytest.mark.parametrize("max_chars", [4000, 1000])
def test_what_told_in_a_line_without_end_is_shown(tmp_path, max_chars):
    path = tmp_path / "job.out"
    filler = b"x=0.123 y=4.5 " * 20_000
    told = b" RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB "
    path.write_bytes(filler + told + filler)
    assert "CUDA out of memory" in digest_log(path, max_chars=max_chars).text


def test_a_line_asked_for_again_is_the_same():
    shorten = Shortener(make_engine("re"))
    lines = [make_line(i, 40_000) for i in range(30)]
    short = [shorten(line) for line in lines]
    assert [shorten(line) for line in lines[:8]] == short[:8]
    assert all(len(line) <= MAX_RAW_BYTES for line in short[8:])
