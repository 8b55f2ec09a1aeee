"""From bytes to readable lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_scheduler.logs.text import MAX_LINE_CHARS, clean_line, clean_lines


def test_escape_codes_and_control_characters():
    assert clean_line(b"\x1b[1;31mError\x1b[0m: \x07no\x00 disk") == "Error: no disk"
    assert (
        clean_line(b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "text link"
    )


def test_signs_that_turn_text_around_are_taken_out():
    assert clean_line("safe \u202eevil\u202c \u200bx".encode()) == "safe evil x"


def test_tabs_and_indentation_stay():
    assert clean_line(b"\tFile x") == "\tFile x"


def test_only_the_last_state_of_a_progress_bar():
    assert clean_line(b"\r 10%\r 50%\r100% done\r\n") == "100% done"
    assert clean_line(b" 10%\x1b[2K\x1b[1G 50%\x1b[2K\x1b[1G100%") == "100%"
    assert clean_line(b"1/9\x08\x08\x082/9") == "2/9"


def test_an_error_that_a_progress_bar_wrote_over_stays():
    text = clean_line(b" 10%\rValueError: bad x\r 50%\r100%")
    assert "ValueError: bad x" in text
    assert text.endswith("100%")
    assert " 50%" not in text


def test_windows_line_end():
    assert clean_line(b"hello\r") == "hello"


def test_latin_1_and_broken_utf_8():
    assert clean_line("größer".encode("latin-1")) == "größer"
    assert clean_line("größer".encode() + b" \xff") == "größer \ufffd"
    assert clean_line("größer".encode()) == "größer"


def test_a_long_line_is_cut_in_the_middle():
    text = clean_line(b"a" * 10_000)
    assert len(text) <= MAX_LINE_CHARS
    head, n_cut, tail = text.replace(" ... [", "|").replace(" characters cut] ... ", "|").split("|")
    assert len(head) + int(n_cut) + len(tail) == 10_000


def test_the_telling_word_of_a_long_line_is_kept():
    raw = b"x" * 5000 + b" CUDA out of memory " + b"y" * 5000
    text = clean_line(raw)
    assert "CUDA out of memory" in text
    assert len(text) <= MAX_LINE_CHARS
    assert "needle" in clean_line(b"z" * 4000 + b"needle" + b"z" * 4000, lambda t: t.find("needle"))


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [b"text", b" ", b"\t", b"\r", b"\x1b[1m", b"\xc3\xa4", b"\xe4", b"\0", b"y" * 1500]
            ),
            max_size=6,
        ).map(b"".join),
        max_size=6,
    )
)
def test_many_lines_are_cleaned_like_one(raws):
    assert clean_lines(raws) == [clean_line(raw) for raw in raws]


def test_cells_of_a_bar_that_differ_in_numbers_count_once():
    bar = b"".join(b"\r%d%% error=%d" % (i, i * i) for i in range(50))
    text = clean_line(b"start" + bar + b"\rKilled by signal 9" + bar)
    assert text == "Killed by signal 9 | 49% error=2401"
