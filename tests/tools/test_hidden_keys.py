"""No part of a key in use is in what tools read, wherever a line is cut."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.logs.reader import LogReader
from llm_scheduler.tools import log_pages, log_search
from llm_scheduler.tools.file_tools import file_tools
from llm_scheduler.tools.hidden_keys import HeldBack, hide_in_chunks, hiding_keys
from llm_scheduler.tools.log_tools import log_tools
from llm_scheduler.tools.text_files import LONG_LINE_CHARS
from llm_scheduler.tools.workspace import Workspace
from tests.tools.fake_run import make_fake_run

KEY = "zz-house-passwd-and-more of words"
PARTS = [KEY[i : i + 6] for i in range(len(KEY) - 5)]


def find_parts(shown: str) -> list[str]:
    return [part for part in PARTS if part in shown]


def call_file_tool(folder: Path, name: str, **arguments: object) -> str:
    (tool,) = (x for x in file_tools(Workspace([folder]), 6000) if x.name == name)
    with hiding_keys([KEY]):
        return str(tool.invoke(arguments))


@pytest.mark.parametrize("n_before", [*range(960, 1010, 3), *range(270, 310, 3), 3, 80])
def test_files(tmp_path: Path, n_before: int) -> None:
    (tmp_path / "a.log").write_text("NEEDLE ".ljust(n_before, "w") + KEY + " y" * 900 + "\n")
    (tmp_path / "b.log").write_text(f"{'v' * n_before}{KEY} {'u ' * 100}NEEDLE{'u ' * 400}\n")
    for name in ("a.log", "b.log"):
        assert find_parts(call_file_tool(tmp_path, "read_file", path=name)) == []
    found = call_file_tool(tmp_path, "search_files", text="NEEDLE")
    assert "NEEDLE" in found
    assert find_parts(found) == []
    assert "Nothing found" in call_file_tool(tmp_path, "search_files", text=KEY[3:12])


def test_the_far_end_of_a_long_line(tmp_path: Path) -> None:
    line = "w " * (LONG_LINE_CHARS // 2 + 100) + "NEEDLE "
    for n_between in range(200, 230, 2):
        (tmp_path / "a.log").write_text(line + "v" * n_between + KEY + " y" * 900 + "\n")
        found = call_file_tool(tmp_path, "search_files", text="NEEDLE")
        assert "NEEDLE" in found
        assert find_parts(found) == []


def test_names(tmp_path: Path) -> None:
    (tmp_path / f"{'d' * 200}{KEY}").mkdir()
    (tmp_path / f"{'d' * 200}{KEY}" / f"{KEY}.txt").write_text("NEEDLE\n")
    shown = call_file_tool(tmp_path, "list_files", recursive=True)
    shown += call_file_tool(tmp_path, "search_files", text="NEEDLE")
    assert "[redacted]" in shown
    assert find_parts(shown) == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("n_before", [*range(560, 605, 3), *range(16_340, 16_390, 5), 8180, 8190])
def test_logs(tmp_path: Path, n_before: int, packed: bool) -> None:
    text = f"start\n{'w' * n_before}{KEY}{' y' * n_before} NEEDLE {KEY} z{' v' * 300}\nend\n"
    path = tmp_path / ("job.out.gz" if packed else "job.out")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    run = make_fake_run("held")
    run.log_files = {"100": (str(path),)}
    shown = []
    with hiding_keys([KEY]):
        for name, arguments in (
            ("read_log", {"first_line": 1}),
            ("read_log", {}),
            ("search_log", {"pattern": "NEEDLE"}),
            ("search_log", {"pattern": "end"}),
        ):
            (tool,) = (x for x in log_tools(run, 6000) if x.name == name)
            shown.append(str(tool.invoke({"job": "100", **arguments})))
    assert "NEEDLE" in shown[2]
    assert find_parts("\n".join(shown)) == []


def test_a_log_whose_end_begins_in_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "job.out"
    path.write_text("w " * 300 + KEY + "v " * 50)
    for size in range(95, 140):
        monkeypatch.setattr(log_pages, "_TAIL_BYTES", size)
        with LogReader(path) as reader, hiding_keys([KEY]):
            page = log_pages.read_tail(reader, 10, 4000)
        assert find_parts(str(page.lines)) == []


def test_a_key_with_colours_in_it(tmp_path: Path) -> None:
    path = tmp_path / "job.out"
    coloured = f"{KEY[:9]}\x1b[1m{KEY[9:]}"
    path.write_text("w" * 590 + coloured + "\n" + "v" * 20 + "NEEDLE\n")
    with LogReader(path) as reader, hiding_keys([KEY]):
        shown = str(log_pages.read_page(reader, 1, 4000).lines)
        shown += str(log_search.search(reader, "NEEDLE").lines)
    assert find_parts(shown) == []


KEYS = st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=3, unique=True)


@given(keys=KEYS, pieces=st.lists(st.text("abc", max_size=5), max_size=12))
def test_no_key_passes_in_pieces(keys: list[str], pieces: list[str]) -> None:
    keys.sort(key=len, reverse=True)
    held = HeldBack(keys, "#")
    told = [*(held.push(piece) for piece in pieces), held.rest()]
    shown = "".join(told)
    assert not [key for key in keys if key in shown]
    whole = "".join(pieces)
    if not any(key in whole for key in keys):
        assert shown == whole


def test_chunks_pass_as_they_are_without_keys() -> None:
    chunks = [b"one", b"two"]
    assert list(hide_in_chunks(chunks)) == chunks
