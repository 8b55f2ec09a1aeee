"""Long lines that are alike are bounded quickly, without secrets, and not at the cost of others."""

from __future__ import annotations

import random
import time

import pytest

from llm_scheduler.logs import scan_log
from llm_scheduler.logs.engines import make_engine
from llm_scheduler.logs.longline import MAX_RAW_BYTES
from llm_scheduler.logs.shortening import Shortener

WORDS = "".join(f"error {random.Random(7).random()} " for _ in range(100))
TOKEN = "hf_" + "Ab1" * 12


def make_line(i, n_bytes):
    line = f"step {i} " + WORDS * (n_bytes // len(WORDS) + 1)
    return line[:n_bytes].encode()


def time_scan(path):
    best = float("inf")
    for _ in range(2):
        begin = time.process_time()
        scan_log(path, engine="re2")
        best = min(best, time.process_time() - begin)
    return best


def test_many_noisy_lines_go_about_as_fast_as_one_of_their_size(tmp_path):
    pytest.importorskip("re2")
    one, many = tmp_path / "one.log", tmp_path / "many.log"
    lines = [make_line(i, 300_000) for i in range(60)]
    one.write_bytes(b"".join(lines) + b"\n")
    many.write_bytes(b"\n".join(lines) + b"\n")
    scan_log(one)
    assert len(scan_log(many).lines) == 60
    # They were thirty times slower once; some lines are still looked at with care.
    assert time_scan(many) < 12 * time_scan(one)


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


def test_a_line_asked_for_again_is_the_same():
    shorten = Shortener(make_engine("re"))
    lines = [make_line(i, 40_000) for i in range(30)]
    short = [shorten(line) for line in lines]
    assert [shorten(line) for line in lines[:8]] == short[:8]
    assert all(len(line) <= MAX_RAW_BYTES for line in short[8:])
