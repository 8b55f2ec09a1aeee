"""What holds for every log: numbers are right, nothing telling is lost, sizes don't matter."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.logs import reader, scan_log
from llm_scheduler.logs.engines import make_engine
from llm_scheduler.logs.groups import MAX_KEPT
from llm_scheduler.logs.newlines import NewlineCounter
from llm_scheduler.logs.tail import TAIL_LINES, Tail

PIECES = st.sampled_from(
    [
        *(b"quiet %d\n" * 1, b"all is well\n", b"\n", b"step\n" * 70, b"x = 1\n" * 300),
        *(b"error: a\n", b"cannot open b\n", b"Killed\n", b"KeyError: 'c'\n"),
        *(b"  File \"/d.py\", line 3, in e\n", b"Traceback (most recent call last):\n", b"no end"),
    ],
)  # fmt: skip


@settings(max_examples=70)
@given(
    pieces=st.lists(PIECES, max_size=40),
    chunk_bytes=st.sampled_from([50, 700, 4096, 1 << 19]),
    small_bytes=st.sampled_from([0, 1 << 16]),
)
def test_every_line_has_its_number_and_no_alarm_is_lost(
    tmp_path_factory, pieces, chunk_bytes, small_bytes
):
    data = b"".join(pieces)
    path = tmp_path_factory.getbasetemp() / "property.out"
    path.write_bytes(data)
    saved = reader.CHUNK_BYTES, reader.SMALL_BYTES
    reader.CHUNK_BYTES, reader.SMALL_BYTES = chunk_bytes, max(small_bytes, 512)
    try:
        log = scan_log(path)
    finally:
        reader.CHUNK_BYTES, reader.SMALL_BYTES = saved
    lines = data.decode().split("\n")
    lines = lines if lines[-1] else lines[:-1]
    assert log.n_lines == len(lines)
    assert log.n_bytes == len(data)
    numbers = [line.number for line in log.lines]
    assert numbers == sorted(set(numbers))
    assert all(line.text == lines[line.number - 1].rstrip() for line in log.lines)
    assert set(range(max(1, len(lines) - TAIL_LINES + 1), len(lines) + 1)) <= set(numbers)
    engine = make_engine("re")
    alarmed = {
        n for n, line in enumerate(lines, 1) if engine.find_lines(line.encode(), 0, len(line))
    }
    assert log.alarms == alarmed & set(numbers)
    first = {}
    for number in sorted(alarmed):
        first.setdefault(lines[number - 1], number)
    assert set(first.values()) <= set(numbers)
    assert len(numbers) < MAX_KEPT + 300


@given(
    blocks=st.lists(st.lists(st.sampled_from(["", "a", "bc" * 40]), min_size=1), max_size=12),
    n=st.integers(1, TAIL_LINES),
)
def test_the_tail_is_the_last_lines(blocks, n):
    tail = Tail(lambda raw: raw)
    lines: list[str] = []
    for block in blocks:
        block = block * 9
        data = ("??\n" + "\n".join(block) + "\n").encode()
        tail.add(data, 3, len(data), len(block))
        lines += block
    assert [raw.decode() for raw in tail.lines(n)] == lines[-n:]


def test_newlines_are_counted_the_same_in_both_ways():
    data = (b"a\n" * 40_000 + b"\n\n" + b"x" * 100_000) * 2
    for start, end in ((0, len(data)), (1, 30_001), (79_999, 80_002), (5, 5), (70_001, 170_000)):
        counts = {NewlineCounter(is_large=large)(data, start, end) for large in (False, True)}
        assert counts == {data[start:end].count(b"\n")}
