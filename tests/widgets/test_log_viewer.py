"""The log viewer pages through anything, in bounded time and memory, and shows it as it is."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest

from llm_scheduler.errors import UsageError
from llm_scheduler.widgets import line_index, log_reading, log_viewer
from llm_scheduler.widgets.log_reading import show_line
from llm_scheduler.widgets.log_viewer import KnownLogs, LogViewer


@pytest.fixture
def viewer(monkeypatch):
    # What takes longer goes on in the next request: a test asks once, also on a slow machine.
    monkeypatch.setattr(log_reading, "COUNT_S", 120.0)
    monkeypatch.setattr(log_viewer, "UNPACK_S", 120.0)
    viewer = LogViewer()
    yield viewer
    viewer.close()


@pytest.fixture
def log(tmp_path):
    def write(data: bytes):
        path = tmp_path / "job.out"
        path.write_bytes(data)
        return str(path)

    return write


def numbered(n: int, first: int = 1) -> bytes:
    return b"".join(b"line %d\n" % i for i in range(first, first + n))


def texts(page):
    return [line.text for line in page.lines]


def test_pages_follow_one_another_without_gap_or_overlap(viewer, log):
    path = log(numbered(1000) + b"no newline at the end")
    seen, offset = [], 0
    while True:
        page = viewer.read(path, offset=offset)
        seen += [(line.number, line.text) for line in page.lines]
        offset = page.end
        if offset >= page.size:
            break
    assert seen == [*((i, f"line {i}") for i in range(1, 1001)), (1001, "no newline at the end")]


def test_pages_go_backwards_from_the_end_to_the_start(viewer, log):
    path = log(numbered(1000))
    page = viewer.read(path)
    assert (page.lines[0].text, page.lines[-1].text) == ("line 801", "line 1000")
    assert page.lines[-1].number == 1000
    seen = list(page.lines)
    while page.begin > 0:
        page = viewer.read(path, offset=page.begin, backwards=True)
        seen = [*page.lines, *seen]
    assert [line.text for line in seen] == [f"line {i}" for i in range(1, 1001)]
    assert [line.number for line in seen] == list(range(1, 1001))


@pytest.mark.parametrize("line", [1, 2, 99, 500, 1000])
def test_a_line_is_shown_with_those_around_it(viewer, log, line):
    page = viewer.read(log(numbered(1000)), line=line)
    assert f"line {line}" in texts(page)
    assert next(x.number for x in page.lines if x.text == f"line {line}") == line


def test_a_line_that_is_not_there_shows_the_end_and_says_so(viewer, log):
    page = viewer.read(log(numbered(10)), line=1000)
    assert texts(page)[-1] == "line 10"
    assert "no line 1,000" in page.problem


def test_line_numbers_hold_across_blocks_and_in_a_growing_file(viewer, log, monkeypatch):
    monkeypatch.setattr(line_index, "BLOCK_BYTES", 1000)
    path = log(numbered(700))
    assert viewer.read(path, line=600).lines[100].text == "line 600"
    with Path(path).open("ab") as file:
        file.write(numbered(700, first=701))
    page = viewer.read(path, line=1234)
    assert next(x.text for x in page.lines if x.number == 1234) == "line 1234"
    os.truncate(path, 0)
    with Path(path).open("ab") as file:
        file.write(b"new\n" + numbered(5))
    assert texts(viewer.read(path))[0] == "new"
    assert [line.number for line in viewer.read(path).lines] == [1, 2, 3, 4, 5, 6]


def test_counting_lines_goes_on_in_the_next_request(viewer, log, monkeypatch):
    monkeypatch.setattr(line_index, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(log_reading, "COUNT_S", -1.0)
    path = log(numbered(700))
    n_asked, page = 1, viewer.read(path, line=650)
    while page.is_searching:
        assert not page.lines
        page = viewer.read(path, line=650)
        n_asked += 1
    assert n_asked > 2
    assert "line 650" in texts(page)


def test_search_finds_forwards_and_backwards_whatever_the_case(viewer, log):
    path = log(numbered(500) + b"An ERROR here\n" + numbered(500) + b"another error\n")
    first = viewer.search(path, "error")
    found = {line.offset: line.text for line in first.lines}
    assert found[first.found] == "An ERROR here"
    second = viewer.search(path, "error", offset=first.found + 1 + len("An ERROR"))
    assert {x.offset: x.text for x in second.lines}[second.found] == "another error"
    back = viewer.search(path, "ERROR", offset=second.found, backwards=True)
    assert back.found == first.found
    none = viewer.search(path, "nothing like it")
    assert (none.found, none.is_searching, none.lines) == (-1, False, [])
    gone = viewer.search(path, "error", offset=first.found, backwards=True)
    assert (gone.found, gone.is_searching) == (-1, False)


def test_search_goes_on_slice_by_slice_and_over_the_edges_of_blocks(viewer, log, monkeypatch):
    monkeypatch.setattr(log_reading, "SEARCH_BYTES", 1000)
    monkeypatch.setattr(log_reading, "BLOCK_BYTES", 100)
    path = log(b"x" * 4995 + b"needle" + b"y" * 5000)
    offset, asked = 0, 0
    while True:
        page = viewer.search(path, "NEEDLE", offset=offset)
        asked += 1
        if not page.is_searching:
            break
        offset = page.end
    assert (page.found >= 0, asked) == (True, 5)
    offset, asked = page.size, 0
    while True:
        page = viewer.search(path, "needle", offset=offset, backwards=True)
        asked += 1
        if not page.is_searching:
            break
        offset = page.begin
    assert (page.found >= 0, asked) == (True, 6)


@pytest.mark.parametrize("text", ["", "a\nb", "x" * 501])
def test_a_search_that_makes_no_sense_is_refused(viewer, log, text):
    with pytest.raises(UsageError, match="Search for one line"):
        viewer.search(log(b"x\n"), text)


def test_a_search_for_half_a_character_is_refused(viewer, log):
    with pytest.raises(UsageError, match="half a character"):
        viewer.search(log(b"x\n"), "a\ud800")


def test_a_huge_line_and_binary_data_are_shown_in_pieces(viewer, log):
    data = b"\x00\xff" * 500_000
    path = log(data)
    page = viewer.read(path, offset=0)
    assert [line.is_rest for line in page.lines] == [False] + [True] * (len(page.lines) - 1)
    assert all(line.is_cut and line.number == 1 for line in page.lines)
    offset, n_pages = page.end, 1
    while offset < page.size:
        page = viewer.read(path, offset=offset)
        assert page.end > offset
        offset, n_pages = page.end, n_pages + 1
    assert n_pages < 20
    assert not page.lines[-1].is_cut
    assert viewer.read(path).lines


LONG = "".join(f"<{i} é>" for i in range(100_000))
"""A line of about a megabyte, none of whose parts is like another."""


def test_all_of_a_long_line_can_be_read_in_both_directions(viewer, log):
    path = log(f"short\n{LONG}\nlast\n".encode())
    page = viewer.read(path, offset=0)
    forwards = list(page.lines)
    while page.end < page.size:
        page = viewer.read(path, offset=page.end)
        forwards += page.lines
    backwards, offset = [], -1
    while offset != 0:
        page = viewer.read(path, offset=offset, backwards=True)
        backwards = [*page.lines, *backwards]
        offset = page.begin
    for lines in (forwards, backwards):
        assert "".join(x.text for x in lines) == f"short{LONG}last"
        assert [x.number for x in lines] == [1, *[2] * (len(lines) - 2), 3]
        assert [x.is_rest for x in lines][:2] == [False, False]


@pytest.mark.parametrize("start", ["", "first\n" * 300])
def test_what_is_found_deep_in_a_long_line_is_shown(viewer, log, start):
    path = log(f"{start}{LONG}\nlast\n".encode())
    page = viewer.search(path, "<77777 É>")
    (line,) = [x for x in page.lines if x.offset == page.found]
    assert "<77777 é>" in line.text
    assert line.is_rest
    assert line.number == start.count("\n") + 1
    assert page.after > page.found
    back = viewer.search(path, "<77777 é>", offset=page.size, backwards=True)
    assert back.found == page.found
    none = viewer.search(path, "<77777 é>", offset=page.after)
    assert (none.found, none.after) == (-1, -1)


def test_each_match_in_a_long_line_is_met_in_both_directions(viewer, log):
    path = log(LONG.encode())
    wanted = [f"<{i}7777 é>" for i in range(1, 10)]
    seen, page = [], viewer.search(path, "7777 é>")
    while page.found >= 0:
        seen += [x.text for x in page.lines if x.offset == page.found]
        page = viewer.search(path, "7777 é>", offset=page.after)
    assert [next((w for w in wanted if w in text), "") for text in seen] == ["", *wanted]
    back, page = [], viewer.search(path, "7777 é>", offset=page.size, backwards=True)
    while page.found >= 0:
        back += [x.text for x in page.lines if x.offset == page.found]
        page = viewer.search(path, "7777 é>", offset=page.found, backwards=True)
    assert [next((w for w in wanted if w in text), "") for text in back] == [*wanted[::-1], ""]


@pytest.mark.parametrize("width", [1_000, 3_000, 60_000, 300_000])
def test_what_is_asked_for_is_shown_however_long_the_lines_before_it_are(viewer, log, width):
    path = log(b"".join(b"%d %s\n" % (i, b"x" * width) for i in range(1, 151)))
    page = viewer.read(path, line=140)
    assert next(x for x in page.lines if x.number == 140).text.startswith("140 x")
    page = viewer.search(path, "140 x")
    assert next(x for x in page.lines if x.offset == page.found).text.startswith("140 x")


def test_control_characters_are_shown_as_signs():
    assert show_line(b"\x1b[31mred\x1b[0m\x00\x7f\tend\r") == "␛[31mred␛[0m␀␡\tend"
    assert show_line("a\u202eb\u200bc".encode()) == "a\\u202eb\\u200bc"
    assert show_line(b"10%\r20%") == "10%␍20%"
    assert show_line("Grüße".encode("latin-1")) == "Grüße"


def test_secrets_of_ones_own_log_are_shown(viewer, log):
    path = log(b"token=ghp_abcdefghijklmnopqrstuvwxyz0123456789\n")
    assert "ghp_abcdefghijklmnopqrstuvwxyz0123456789" in texts(viewer.read(path))[0]


def test_a_compressed_log_is_paged_too(viewer, log):
    path = log(gzip.compress(numbered(5000)))
    page = viewer.read(path, line=4000)
    assert next(x.text for x in page.lines if x.number == 4000) == "line 4000"
    assert viewer.search(path, "line 4999").found > 0
    assert page.size == len(numbered(5000))


def test_a_bomb_is_shown_in_part_and_says_so(viewer, log, monkeypatch):
    monkeypatch.setattr(log_viewer, "UNPACKED_BYTES", 1 << 20)
    page = viewer.read(log(gzip.compress(b"0" * (64 << 20))))
    assert "its first" in page.problem
    assert page.size < 4 << 20


def test_utf_16_is_read(viewer, log):
    assert texts(viewer.read(log("first\nsecond\n".encode("utf-16"))))[:2] == ["first", "second"]


def test_a_large_file_takes_little_memory(viewer, tmp_path):
    path = tmp_path / "large.out"
    block = numbered(10_000)
    with path.open("wb") as file:
        for _ in range(300):
            file.write(block)
    tracemalloc.start()
    page = viewer.read(str(path), line=2_900_000)
    viewer.search(str(path), "not in it")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert next(x for x in page.lines if x.number == 2_900_000)
    assert peak < 40 << 20


def test_what_is_no_file_is_said_and_never_waited_for(viewer, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in viewer.read(str(fifo)).problem
    assert "can't be opened" in viewer.read(str(tmp_path / "none")).problem
    assert "not a regular file" in viewer.search(str(tmp_path), "x").problem


def test_an_empty_log_has_no_lines(viewer, log):
    page = viewer.read(log(b""))
    assert (page.lines, page.size, page.problem) == ([], 0, "")


def test_only_logs_of_the_run_are_read():
    known = KnownLogs(["/run/a.out"])
    assert known.check("/run/a.out") == "/run/a.out"
    for other in ("/etc/passwd", "/run/../run/a.out", ""):
        with pytest.raises(UsageError, match="no log of this run"):
            known.check(other)
