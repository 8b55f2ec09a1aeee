"""Pages of logs and searching in them: any size, any bytes, no secrets."""

from __future__ import annotations

import gzip
import os
import random

import pytest

from llm_scheduler.errors import ToolError
from llm_scheduler.logs.reader import LogReader
from llm_scheduler.tools import log_pages, log_search
from llm_scheduler.tools.log_pages import count_lines, read_page, read_tail
from llm_scheduler.tools.log_search import MAX_HITS, search

KEY = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *("MIIEowIBAAKCAQEA" + f"{i:02d}" + "x7Yz0Qp3" * 5 for i in range(20)),
        "-----END RSA PRIVATE KEY-----",
    ]
)


@pytest.fixture
def log(tmp_path):
    """Return a function that writes a log and opens it."""
    opened = []

    def write(content: bytes | str, name: str = "job.out") -> LogReader:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        opened.append(LogReader(path))
        return opened[-1]

    yield write
    for reader in opened:
        reader.close()


def numbered(n: int) -> str:
    return "".join(f"line {i}\n" for i in range(1, n + 1))


@pytest.mark.parametrize("first", [1, 2, 59, 60, 61, 62, 500, 5000, 99_999, 100_000])
def test_a_page_begins_where_it_is_asked_to(log, first):
    page = read_page(log(numbered(100_000)), first, 300)
    assert page.lines[0] == (first, f"line {first}")
    assert [number for number, _ in page.lines] == list(range(first, first + len(page.lines)))
    assert sum(len(text) + 8 for _, text in page.lines) <= 320
    if first == 100_000:
        assert page.n_lines == 100_000


def test_behind_the_end_is_nothing(log):
    assert read_page(log(numbered(10)), 11, 300).lines == []
    assert read_page(log(""), 1, 300).lines == []
    assert count_lines(log("a\nb")) == 2
    assert count_lines(log("")) == 0


@pytest.mark.parametrize("n_lines", [1, 5, 100, 10_000])
def test_the_tail(log, n_lines):
    page = read_tail(log(numbered(5000)), n_lines, 100_000)
    shown = min(n_lines, 5000)
    assert len(page.lines) == shown
    assert page.lines[-1] == (-1, "line 5000")
    assert page.lines[0] == (-shown, f"line {5001 - shown}")


def test_the_tail_keeps_the_end_when_there_is_little_room(log):
    page = read_tail(log(numbered(5000)), 100, 60)
    assert page.lines[-1][1] == "line 5000"
    assert 1 <= len(page.lines) < 10


def test_compressed_logs(log):
    reader = log(gzip.compress(numbered(200_000).encode()), "job.out.gz")
    assert read_page(reader, 150_000, 100).lines[0] == (150_000, "line 150000")
    assert read_tail(reader, 3, 1000).lines[-1] == (-1, "line 200000")
    assert count_lines(reader) == 200_000
    (hit,) = (x for x in search(reader, "line 123456").lines if x[2])
    assert hit[:2] == (123_456, "line 123456")


def test_damaged_compression_is_said(log):
    reader = log(gzip.compress(random.Random(1).randbytes(100_000))[:50_000], "job.gz")
    assert "ends too early" in read_tail(reader, 3, 1000).note


def test_utf16(log):
    reader = log(numbered(300).encode("utf-16"), "job.out")
    assert read_page(reader, 200, 60).lines[0] == (200, "line 200")
    assert search(reader, "line 250").lines[2] == (250, "line 250", True)


def test_a_sparse_log_of_5_gb(log, tmp_path):
    path = tmp_path / "huge.out"
    with path.open("wb") as file:
        file.write(numbered(1000).encode())
        file.truncate(5 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nKilled by the wizard\n")
    clock = iter(range(10_000))
    with LogReader(path) as reader:
        assert read_page(reader, 900, 100).lines[0] == (900, "line 900")
        assert read_tail(reader, 1, 100).lines == [(-1, "Killed by the wizard")]
        found = search(reader, "wizard", clock=lambda: float(next(clock)))
        assert not found.n_hits
        assert "which took too long" in found.note


def test_a_growing_log_is_read_as_it_was(log, tmp_path):
    reader = log(numbered(10))
    with (tmp_path / "job.out").open("a") as file:
        file.write("line 11\n")
    assert count_lines(reader) == 10
    assert not search(reader, "line 11").n_hits


def test_binary_and_odd_bytes_are_text(log):
    reader = log(b"\x00\x01\xff\xfe\x1b[31mred\x1b[0m\n\xe2\x80\xaehidden\nend")
    texts = [text for _, text in read_page(reader, 1, 1000).lines]
    assert "red" in texts[0]
    assert not any("\x1b" in text or "\u202e" in text for text in texts)
    assert texts[-1] == "end"


def test_one_line_of_20_mb(log):
    reader = log(b"x" * 10_000_000 + b" needle " + b"y" * 10_000_000 + b"\nlast\n")
    ((_, text),) = read_page(reader, 1, 500).lines
    assert len(text) <= log_pages.LINE_CHARS
    assert "cut" in text
    assert read_page(reader, 2, 500).lines == [(2, "last")]
    assert read_tail(reader, 1, 500).lines == [(-1, "last")]
    hits = search(reader, "needle", context=0)
    assert [(number, "needle" in text) for number, text, _ in hits.lines] == [(1, True)]
    assert search(reader, "last").lines[-1] == (2, "last", True)


def test_a_hit_in_a_long_line_is_shown(log):
    line = "a " * 600 + "needle" + " b" * 600
    ((_, text, _),) = search(log(line), "needle", context=0).lines
    assert "needle" in text
    assert len(text) <= log_pages.LINE_CHARS
    assert search(log(line), "^a .*needle.* b$", regex=True).n_hits == 1


def test_a_search_numbers_and_marks(log):
    hits = search(log(numbered(100)), "line 5", context=1)
    assert hits.n_hits == 11
    assert [number for number, _, is_hit in hits.lines if is_hit] == [5, *range(50, 60)]
    assert [number for number, _, is_hit in hits.lines if not is_hit] == [4, 6, 49, 60]


@pytest.mark.parametrize("block", [200, 1000, 4096, 1 << 19])
def test_a_search_is_the_same_for_all_sizes_of_chunks(log, monkeypatch, block):
    from llm_scheduler.logs import reader as reader_module

    monkeypatch.setattr(reader_module, "CHUNK_BYTES", block)
    monkeypatch.setattr(log_search, "_BLOCK_BYTES", block)
    rng = random.Random(block)
    lines = [f"{'HIT' if rng.random() < 0.05 else 'no'} {i}" for i in range(1, 2001)]
    expected = [i for i, line in enumerate(lines, 1) if line.startswith("HIT")]
    hits = search(log("\n".join(lines)), "HIT", context=2, max_chars=10**6)
    assert [number for number, _, is_hit in hits.lines if is_hit] == expected
    assert all(text == lines[number - 1] for number, text, _ in hits.lines)
    part = search(log("\n".join(lines)), "HIT", first_line=1000, max_chars=10**6)
    assert part.n_hits == sum(i >= 1000 for i in expected)
    around = {j for i in expected for j in range(max(1, i - 2), min(2000, i + 2) + 1)}
    assert {number for number, _, _ in hits.lines} == around


def test_a_search_goes_on_where_it_stopped(log):
    reader = log("hit\n" * 2500)
    hits = search(reader, "hit", max_chars=200)
    assert (hits.n_hits, hits.stopped_at) == (MAX_HITS, 1001)
    assert len(hits.lines) < 50
    assert search(reader, "hit", first_line=2400).n_hits == 101


def test_case_and_expressions(log):
    reader = log("Error: a.b\nerror: axb\n")
    assert search(reader, "ERROR").n_hits == 2
    assert search(reader, "ERROR", ignore_case=False).n_hits == 0
    assert search(reader, "a.b").n_hits == 1
    assert search(reader, "a.b", regex=True).n_hits == 2
    assert search(reader, "^error", regex=True, ignore_case=False).n_hits == 1
    assert search(reader, r"b$", regex=True).n_hits == 2
    assert search(reader, r"b\s+error", regex=True).n_hits == 0  # lines are single


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "is no RE2 expression"),
        (r"(a)\1", "back references"),
        ("(?=x)", "is no RE2 expression"),
        ("", "1 to 500"),
        ("x" * 501, "1 to 500"),
        ("((((((x{100}){100}){100}){100}){100}){100})", "is no RE2 expression"),
    ],
)
def test_wrong_expressions_are_said(log, pattern, words):
    with pytest.raises(ToolError, match=words):
        search(log("x\n"), pattern, regex=True)


def test_expressions_that_would_take_for_ever(log):
    reader = log("a" * 50_000 + "\n" + "b\n")
    assert search(reader, "(a*)*(a*)*c", regex=True).n_hits == 0


SECRETS = [
    ("export API_TOKEN={}", "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"),
    ("password: {}", "correct-horse-battery"),
    ("Authorization: Bearer {}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl"),
    ("postgres://ann:{}@db.example.org/x", "s3cr3tpassw0rd"),
]


@pytest.mark.parametrize(("form", "secret"), SECRETS)
def test_secrets_are_neither_shown_nor_found_by_trying(log, form, secret):
    line = form.format(secret)
    reader = log(f"before\n{line}\nafter\n" * 3)
    for page in (
        read_page(reader, 1, 5000),
        read_page(reader, 2, 5000),
        read_tail(reader, 8, 5000),
    ):
        assert not any(secret in text for _, text in page.lines)
        assert any("[redacted]" in text for _, text in page.lines)
    assert search(reader, secret).n_hits == 0
    assert search(reader, secret[:6] + ".*", regex=True).n_hits == 0
    assert search(reader, secret[-6:]).n_hits == 0
    shown = search(reader, "before", context=2)
    assert shown.n_hits == 3
    assert not any(secret in text for _, text, _ in shown.lines)


@pytest.mark.parametrize("first", range(1, 24, 3))
def test_the_middle_of_a_private_key_is_not_shown(log, first):
    reader = log(f"start\n{KEY}\nend\n")
    for page in (read_page(reader, first, 5000), read_page(reader, first, 100)):
        assert not any("MIIEowIBAAKCAQEA" in text for _, text in page.lines)
    assert not any("MIIEowIBAAKCAQEA" in text for _, text in read_tail(reader, first, 9000).lines)
    assert search(reader, "MIIEowIBAAKCAQEA").n_hits == 0
    assert search(reader, f"EA{first:02d}x7Yz").n_hits == 0
