"""What is done more quickly for small logs, of which there are many, gives the same."""

from __future__ import annotations

import re
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_scheduler.logs import make_digest, normal_form, normalise, scan_log, scanner
from llm_scheduler.logs.foreign_tracebacks import find_hints
from llm_scheduler.logs.survey import look_over

TRACEBACK = """Traceback (most recent call last):
  File "/home/me/run.py", line 3, in <module>
    main()
  File "/opt/lib/python3.11/site-packages/a.py", line 2, in main
    ^^^^^^
ValueError: x
"""
PIECES = (
    TRACEBACK,
    TRACEBACK.replace("\n", "\n[rank1]: "),
    "During handling of the above exception, another exception occurred:\n",
    "all is well \t\n",
    "all is well\n",
    "\n",
    "   \n",
    "step 3 of 7\r\n",
    "error: it failed: \n",
    'Exception in thread "main" java.lang.Foo\n\tat a.b.C(D.java:3)\n',
    "Unhandled exception: \nBad state\n#0  main (file.dart:3:2)\n",
    "died at run.pl line 3.  \n",
    "srun: error: n1: task 0: Exited with exit code 1\n",
    "password=hunter2hunter2\n",
    "caf\u00e9 error\n",
    "\x1b[31merror\x1b[0m\n",
    "x" * 2100 + " error\n",
    "quiet\n" * 150,
    "no newline at the end",
)
WORDS = st.sampled_from(
    (
        *("12", "-3", "4.50", "1e-5", "0x1f", "12:30:01", "2026-11-20", "5:", "7,", "rc=5"),
        *("exit", "code", "error", "3", "s", "min", "Nov", "21", "PM", "UTC", "+01:00", "5."),
        *("10.1.2.3", "on", "node", "x86", "sha-256", "HTTP", "404", "n7", "lib-1.2.so", "a.h5"),
        *("'5'", "(3)", "/a/5", "3/4", "\u0663", "GB", "loss=0.5", "[3]", "a:5", "::1", "1e5e"),
    )
)


@settings(max_examples=150)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=6))
@example(pieces=list(PIECES[:6]))
def test_a_plain_log_is_read_as_any_other(tmp_path_factory, pieces):
    path = tmp_path_factory.getbasetemp() / "plain.out"
    path.write_text("".join(pieces), newline="")
    with mock.patch.object(scanner, "_scan_plain", return_value=None):
        expected = scan_log(path)
    found = scan_log(path)
    assert found == expected
    assert make_digest([found]) == make_digest([expected])


def test_most_logs_are_plain(tmp_path):
    path = tmp_path / "plain.out"
    path.write_text("all is well\n" + TRACEBACK)
    with mock.patch.object(scanner, "_Reading", side_effect=AssertionError):
        assert scan_log(path).tracebacks[0].exception == "ValueError"


@pytest.mark.parametrize("secret", ["token=abcd1234efgh5678", "\x00", "\x1b[0m"])
def test_what_is_not_plain_has_no_hints(secret):
    assert look_over(f"all is well\n{secret}\n".encode()) is None


@pytest.mark.parametrize("text", ["quiet\n", PIECES[9], "terminate called\nError: a\n"])
def test_hints_are_the_same_in_bytes(text):
    assert sorted(look_over(text.encode())) == sorted(find_hints(text))
    assert find_hints(text) or text == "quiet\n"


@settings(max_examples=400)
@given(words=st.lists(WORDS, max_size=8))
def test_lines_with_other_plain_numbers_have_one_form(words):
    line = " ".join(["step", *words])
    with mock.patch.object(normal_form, "_PLAIN_NUMBERS", re.compile("(?!)")):
        expected = normalise.__wrapped__(line)
    assert normalise.__wrapped__(line) == expected
