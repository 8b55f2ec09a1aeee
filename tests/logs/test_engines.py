"""The engines that search logs: each finds the same."""

from __future__ import annotations

import importlib.util
import re
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_scheduler.errors import UsageError
from llm_scheduler.logs import scan_log
from llm_scheduler.logs.alarms import STRONG_REGEXES, WORDS
from llm_scheduler.logs.engines import (
    _engines_for,
    _make_engine,
    clean_literals,
    make_engine,
    make_strong_engine,
)

LITERALS = ("a+b (c)", "Grüße vom Ärger", "quux_[7]*", 'said "no"', "tab\there")
INSTALLED = [
    name
    for name, module in (("hyperscan", "hyperscan"), ("re2", "re2"), ("re", "re"))
    if importlib.util.find_spec(module)
]
FRAGMENTS = [
    *(word.encode() for word in WORDS[::7]),
    *(text.encode() for text in LITERALS),
    *(text.upper().encode() for text in LITERALS),
    *(b"nan", b"NaN", b"_nan_", b"stop ", b", line 3, in f", b'File "/a b.py", line 7', b"x.jl:12"),
    *(b"KeyError: 'x'", b"Traceback (most recent call last):", b"    at f", b"  x = y"),
    *(b"\n", b"\n", b"\n\n", b"\r", b"\r\n", b" ", b"\t", b"1", b"20", b"=", b"e"),
    *(b"\0", b"\xe4", b"\xc4", b"\xff", "ſK".encode(), b"\x1b[31m", b"ordinary text"),
]
logs = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=6), max_size=60).map(b"".join)


@pytest.fixture
def fresh_engines():
    def clear():
        _engines_for.cache_clear()
        _make_engine.cache_clear()

    clear()
    yield
    clear()


def test_the_engines_to_compare_are_here():
    assert {"re2", "re"} <= set(INSTALLED)


@settings(max_examples=70)
@given(data=logs, repeats=st.sampled_from([1, 1, 40]))
def test_engines_find_the_same_lines_and_places(data, repeats):
    data *= repeats
    wanted = clean_literals(LITERALS)
    engines = [make_engine(name, wanted) for name in INSTALLED]
    found = [engine.find_lines(data, 0, len(data)) for engine in engines]
    assert found.count(found[0]) == len(found)
    places = [engine.find_span(data.replace(b"\n", b" "), 0) for engine in engines]
    assert places.count(places[0]) == len(places)
    strong = [make_strong_engine(name).find_lines(data, 0, len(data)) for name in INSTALLED]
    assert strong.count(strong[0]) == len(strong)
    for engine in engines:
        lines = {data.rfind(b"\n", 0, place) + 1 for place in engine.find_places(data)}
        assert lines == set(found[0])


@settings(max_examples=60)
@given(data=logs)
def test_lines_are_those_in_which_re_finds_something(data):
    pattern = re.compile("|".join(map(re.escape, WORDS)).encode(), re.IGNORECASE)
    engine = make_engine(INSTALLED[0])
    starts = set(engine.find_lines(data, 0, len(data)))
    pos = 0
    for line in data.split(b"\n"):
        if pattern.search(line):
            assert pos in starts
        elif not re.search(rb"(?i)nan|line|stop|\.jl", line):
            assert pos not in starts
        pos += len(line) + 1


@settings(max_examples=25)
@given(parts=st.lists(st.tuples(logs, st.integers(1, 60)), max_size=8))
def test_logs_read_the_same_with_each_engine(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "random.out"
    path.write_bytes(b"\n".join(part * n for part, n in parts))
    first, *others = [scan_log(path, literals=LITERALS, engine=name) for name in INSTALLED]
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", INSTALLED)
def test_every_word_and_literal_is_found_in_any_case(name):
    engine = make_engine(name, clean_literals(LITERALS))
    for text in (*WORDS, *LITERALS):
        for form in (text, text.upper(), text.lower()):
            data = f"quiet\n__{form}__\nquiet\n".encode()
            assert engine.find_lines(data, 0, len(data)) == [6], form


@pytest.mark.parametrize("name", INSTALLED)
def test_other_letters_are_not_taken_for_ascii_or_latin(name):
    engine = make_engine(name, clean_literals(("größe", "skalar")))
    for text in ("gr\udcd6\udcdfe", "ſkalar", "s\u212aalar"):
        data = text.encode(errors="surrogateescape") + b"\n"
        assert engine.find_lines(data, 0, len(data)) == []


def test_strong_expressions_are_no_more_than_general_ones():
    general = make_engine(INSTALLED[0])
    for text in (b"oom_kill", b"a ValueError b", b"SIGSEGV", b"Killed", b"srun: x", b"timed out"):
        assert make_strong_engine(INSTALLED[0]).find_lines(text, 0, len(text)) == [0]
        assert general.find_lines(text, 0, len(text)) == [0]
    assert all(re.compile(x) for x in STRONG_REGEXES)


@pytest.mark.parametrize("gone", ["hyperscan", "re2"])
def test_another_engine_stands_in(tmp_path, monkeypatch, fresh_engines, gone):
    path = tmp_path / "job.out"
    path.write_bytes(b"all well\n" * 900 + b"KeyError: 'x'\n" + b"f\xf6o error\n" * 900)
    whole = scan_log(path)
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    monkeypatch.setitem(sys.modules, gone, None)
    _engines_for.cache_clear()
    _make_engine.cache_clear()
    assert make_engine("auto", n_bytes=1 << 30).name == {"hyperscan": "re2", "re2": "re"}[gone]
    assert scan_log(path) == whole
    with pytest.raises(UsageError, match=f"Engine '{gone}' does not run here"):
        scan_log(path, engine=gone)


def test_a_processor_that_hyperscan_refuses(monkeypatch, fresh_engines):
    hyperscan = pytest.importorskip("hyperscan")

    def refuse(*args, **kwargs):
        raise hyperscan.ArchitectureError("not this processor")

    monkeypatch.setattr(hyperscan, "Database", refuse)
    assert make_engine("auto", n_bytes=1 << 30).name == "re2"


def test_hyperscan_is_prepared_once_it_pays(fresh_engines):
    pytest.importorskip("hyperscan")
    assert make_engine("auto", n_bytes=2000).name == "re2"
    assert make_engine("auto", n_bytes=1 << 30).name == "hyperscan"
    assert make_engine("auto", n_bytes=2000).name == "hyperscan"


def test_many_small_logs_are_enough_for_hyperscan(fresh_engines):
    pytest.importorskip("hyperscan")
    names = [make_engine("auto", n_bytes=2000).name for _ in range(2000)]
    assert names[0] == "re2"
    assert names[-1] == "hyperscan"


def test_an_unknown_engine():
    with pytest.raises(UsageError, match=r"Engine 'grep' is unknown; there are: 'auto', 'hyper"):
        scan_log("job.out", engine="grep")


@pytest.mark.parametrize("name", INSTALLED[:-1])
def test_threads_search_at_the_same_time(name):
    engine = make_engine(name)
    data = (b"all is well\n" * 2000 + b"KeyError: 'x'\n") * 20
    wanted = engine.find_lines(data, 0, len(data))
    found: list[bool] = []

    def search():
        found.extend(engine.find_lines(data, 0, len(data)) == wanted for _ in range(3))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 12
    assert len(wanted) == 20
