"""Diffs show all of a change, and nothing can hide in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.tools import diffs
from llm_scheduler.tools.change import PlannedChange, State, diff_states, invert
from llm_scheduler.tools.diffs import Side, count_changed, diff_files, diff_lines
from llm_scheduler.tools.visible import has_hidden, read_escapes, show_name, show_text


def diff(before: bytes | None, after: bytes | None) -> str:
    return diff_files(Side("/run/a.py", before), Side("/run/a.py", after))


def patch(old: str, shown: str) -> str:
    """Carry out a unified diff, as `patch` would."""
    lines = old.split("\n")
    lines = [*(f"{line}\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]
    out: list[str] = []
    place, last_mark = 0, ""
    for line in shown.split("\n")[2:-1]:
        if head := re.match(r"@@ -(\d+)(?:,(\d+))? \+", line):
            start = int(head[1]) - (head[2] != "0")
            out += lines[place:start]
            place = start
        elif line.startswith("\\"):
            if last_mark in " +":
                out[-1] = out[-1].removesuffix("\n")
        else:
            last_mark = line[0]
            if last_mark in " -":
                assert lines[place].rstrip("\n") == line[1:]
                place += 1
            if last_mark in " +":
                out.append(line[1:] + "\n")
    return "".join(out + lines[place:])


LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d e", "--- x", "@@ -1 +1 @@"]), max_size=30)


@given(LINES, LINES, st.booleans(), st.booleans())
def test_a_diff_leads_from_one_text_to_the_other(old, new, old_ends, new_ends):
    before, after = ("\n".join(x) + "\n" * ends for x, ends in ((old, old_ends), (new, new_ends)))
    assert patch(before, diff(before.encode(), after.encode())) == after


@given(LINES, LINES)
def test_it_does_so_too_when_it_is_not_the_shortest(old, new):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(diffs, "_MAX_COMPARED", 0)
        before, after = "\n".join(old), "\n".join(new)
        assert patch(before, diff(before.encode(), after.encode())) == after


def test_all_of_a_large_change_is_shown():
    before = "".join(f"{i}\n" for i in range(30_000)).encode()
    after = "".join(f"{i * 7}\n" for i in range(30_000)).encode()
    shown = diff(before, after)
    assert shown.count("\n-") + shown.count("\n+") > 50_000
    assert patch(before.decode(), shown).encode() == after
    assert count_changed(before, after) > 25_000


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, b"a\n", "--- /dev/null\n+++ /run/a.py\n@@ -0,0 +1 @@\n+a\n"),
        (b"a\n", None, "--- /run/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"),
        (
            b"a",
            b"a\n",
            "--- /run/a.py\n+++ /run/a.py\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
        ),
        (
            b"a\r\nb\r\n",
            b"a\r\nc\r\n",
            "--- /run/a.py\n+++ /run/a.py\n# lines end with CRLF\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
        ),
        (b"a\n", b"a\r\n", "# plain -> lines end with CRLF"),
        (b"a\r\nb\n", b"a\r\nc\n", "\n a\\r\n-b\n+c\n"),
        (b"\0", b"a", "Binary content differs (1 bytes and 1 bytes)."),
        (None, b"", "--- /dev/null\n+++ /run/a.py\n"),
        ("é".encode("latin-1"), "é".encode(), "# latin-1 -> plain"),
    ],
)
def test_what_a_diff_looks_like(before, after, expected):
    assert expected in diff(before, after)


TRICKS = {
    "escape": "\x1b[2K\x1b[1A",
    "return": "evil\rgood",
    "backspace": "evil\b\b\b\bgood",
    "right to left": "\u202egood",
    "isolate": "\u2066x\u2069",
    "no width": "a\u200bb",
    "joiner": "a\u2060b",
    "mark": "\ufeff",
    "tag": "\U000e0041",
    "line separator": "a\u2028+b",
    "next line": "a\x85+b",
    "form feed": "a\x0c+b",
    "vertical tab": "a\x0b+b",
    "control": "\x9b31m",
    "hard space": "a\xa0b",
    "filler": "a\u3164b",
    "variant": "a\ufe0fb",
    "own": "\ue000",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_a_diff_can_not_lie(trick):
    shown = diff(b"a\n", f"x{trick}y\n".encode())
    assert len(shown.split("\n")) == 6
    assert not has_hidden(shown)
    assert "\\" in shown
    assert not has_hidden(diff_files(Side("/run/a", b"a\n"), Side(f"/run/{trick}", b"b\n")))
    assert not has_hidden(diff_lines(f"learner:{trick}", [trick], ["a"]))


@given(st.text())
def test_escapes_can_be_read_back(text):
    if "\\" not in text:
        assert read_escapes(show_text(text)) == text
        assert read_escapes(show_name(text), name=True) == text
    assert not has_hidden(show_text(text))
    assert "\n" not in show_name(text)


def test_ordinary_text_is_shown_as_it_is():
    for text in ("x = 1\n\ty", "naïve Ωμέγα 漢字 🙂", "a\\x1b"):
        assert show_text(text) == text


def test_resources_are_shown_as_lines():
    before = State(target="learner:a.pickle", what="learner", content=b'{"memory": "4GB"}')
    after = before.model_copy(update={"content": b'{"memory": "8GB", "time": ""}'})
    shown = diff_states((before,), (after,))
    assert shown.endswith("@@ -1 +1,2 @@\n-memory: 4GB\n+memory: 8GB\n+time: \n")
    change = PlannedChange(
        tool="set_resources", kind="resources", summary="Set", diff=shown, risk="",
        before=(before,), after=(after,),
    )  # fmt: skip
    undo = invert(change)
    assert (undo.before, undo.after, undo.summary) == ((after,), (before,), "Undo: Set")
    assert invert(undo).summary == "Set"
