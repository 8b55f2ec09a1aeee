"""Replacing text keeps everything else, byte for byte, and gives away no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.errors import ToolError
from llm_scheduler.tools.text_files import (
    LONG_LINE_CHARS,
    find_hidden,
    read_text,
    redact_text,
    replace_once,
)

KEY = "sk-proj-Zx81kQvR2mNt7LpYw4Ba"


def replace(content: bytes, old: str, new: str) -> bytes:
    return replace_once("model.py", content, old, new)


@pytest.mark.parametrize(
    ("content", "old", "new", "expected"),
    [
        (b"a\nb\n", "b", "c", b"a\nc\n"),
        (b"a\r\nb\r\n", "a\nb", "c\nd\ne", b"c\r\nd\r\ne\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "c", b"c\r\n"),
        (b"a\nb\r\nc\n", "b", "x\ny", b"a\nx\r\ny\r\nc\n"),  # mixed: as the line was
        (b"a\nb\r\nc\n", "a", "x\ny", b"x\ny\nb\r\nc\n"),
        (b"a\r\nb", "a\n", "", b"b"),
        (b"a\r\nb\r\n", "\n", "", None),  # twice
        (b"a\r\nb", "\n", "", b"ab"),
        (b"a\r\nb", "a", "a\nx", b"a\r\nx\r\nb"),
        (b"a", "a", "b\n", b"b\n"),
        ("é = 1\n".encode(), "é", "è", "è = 1\n".encode()),
        ("é = 1\n".encode("latin-1"), "1", "2", "é = 2\n".encode("latin-1")),
        (b"\xef\xbb\xbfx = 1\n", "x = 1", "x = 2", b"\xef\xbb\xbfx = 2\n"),
        ("\ufeffa\r\nb".encode("utf-16-le"), "a\nb", "c\nd", "\ufeffc\r\nd".encode("utf-16-le")),
        (b"a\x1b[31mb\n", "a\\x1b[31mb", "c\\x1b[0m", b"c\x1b[0m\n"),  # as it is shown
        (b'a = "\\x1b[31m"\n', '"\\x1b[31m"', '"\\x1b[0m"', b'a = "\\x1b[0m"\n'),
        (b"a\rb\n", "a\\rb", "c", b"c\n"),
    ],
)
def test_a_replacement_keeps_what_is_around_it(content, old, new, expected):
    if expected is None:
        with pytest.raises(ToolError, match="occurs 2 times"):
            replace(content, old, new)
    else:
        assert replace(content, old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "x", "old_text is empty"),
        ("x", "y", r"occurs 3 times in model\.py, at the lines 1, 2, 4"),
        ("q", "y", "does not occur"),
        ("  if  x:\n pass", "y", "Its first line is like line 2 but for blanks"),
        ("x = 1", "x = 1", "are the same"),
        ("x = 1", "x = 1  # [redacted]", "would hold the mark"),
        ("x = 1", "x = 1  # [REDACTED]", "would hold the mark"),
    ],
)
def test_what_can_not_be_replaced_is_explained(old, new, message):
    with pytest.raises(ToolError, match=message):
        replace(b"x = 1\nif x:\n    pass\nprint(x)\n", old, new)


def test_a_character_that_the_encoding_has_not_is_refused():
    with pytest.raises(ToolError, match=r"latin-1, which has no '\\u20ac'"):
        replace("é = 1\n".encode("latin-1"), "1", "€")


TEXT = st.text(st.sampled_from("ab \n\r\té"), max_size=30)


@given(before=TEXT, old=TEXT.filter(bool), new=TEXT, after=TEXT, newline=st.sampled_from("\n\r"))
def test_a_replacement_is_what_it_would_be_without_returns(before, old, new, after, newline):
    ending = "\r\n" if newline == "\r" else "\n"
    parts = [part.replace("\r", "") for part in (before, old, new, after)]
    text = parts[0] + parts[1] + parts[3]
    content = text.replace("\n", ending).encode()
    try:
        found = replace(content, parts[1], parts[2])
    except ToolError:
        assert (
            not parts[1] or text.count(parts[1]) != 1 or parts[1] == parts[2] or _overlaps(*parts)
        )
        return
    if "\n" not in text:  # nothing says how lines end
        ending = "\n"
    assert found.decode() == text.replace(parts[1], parts[2]).replace("\n", ending)


def _overlaps(before: str, old: str, _new: str, after: str) -> bool:
    text = before + old + after
    return sum(text.startswith(old, i) for i in range(len(text))) > 1


@given(st.binary(max_size=60))
def test_reading_loses_nothing(content):
    file = read_text(content)
    raw = file.raw_text(0, len(file.text))
    assert file.bom + file.encode(raw, "x") == content


# -- secrets -----------------------------------------------------------------------------------

CONFIG = f'import os\nAPI_KEY = "{KEY}"\npassword = hunter2!\nx = 1\n'.encode()


def test_lines_beside_a_secret_can_be_replaced():
    assert replace(CONFIG, "x = 1", "x = 2").endswith(b"x = 2\n")
    assert replace(CONFIG, "import os\nAPI_KEY", "import sys\nAPI_KEY").startswith(b"import sys\n")
    assert KEY.encode() in replace(CONFIG, 'API_KEY = "', 'OPENAI_API_KEY = "')


@pytest.mark.parametrize(
    "old", [KEY, KEY[:4], KEY[-3:], f'"{KEY}"', "hunter2!", "hunter", "password = hunter2!\nx = 1"]
)
def test_a_secret_can_not_be_guessed_by_replacing_it(old):
    wrong = old.replace("2", "3").replace("s", "t").replace("a", "e").replace("h", "g")
    messages = []
    for guess in (old, wrong):
        with pytest.raises(ToolError) as info:
            replace(CONFIG, guess, "x")
        messages.append(str(info.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("old", "new"), [("password", "passwrd"), ("password = ", "w = "), ("password =", "x\n=")]
)
def test_a_secret_can_not_be_made_visible_by_its_surroundings(old, new):
    with pytest.raises(ToolError, match="would show text"):
        replace(CONFIG, old, new)


def test_what_is_hidden_is_what_is_not_shown():
    text = CONFIG.decode()
    hidden = [text[start:end] for start, end in find_hidden(text)]
    shown = "\n".join(redact_text(text))
    assert any(KEY in part for part in hidden)
    assert "hunter2" in "".join(hidden)
    assert all(part not in shown for part in hidden)


def test_the_mark_in_a_source_is_no_reason_to_refuse():
    assert replace(b'MARK = "[redacted]"\nx = 1\n', "x = 1", "x = 2").endswith(b"x = 2\n")


def test_lines_of_megabytes_are_cut_and_stay_as_they_are():
    line = "iVBORw0KGgoAAAANSUhEUg" * 100_000
    content = f'{{"image": "{line}",\n"x": 1}}\n'.encode()
    shown = redact_text(content.decode())
    assert len(shown[0]) < LONG_LINE_CHARS + 100
    assert "characters cut" in shown[0]
    assert replace(content, '"x": 1', '"x": 2') == content.replace(b'"x": 1', b'"x": 2')
    with pytest.raises(ToolError, match="does not occur"):
        replace(content, '",\n"x"', "y")
