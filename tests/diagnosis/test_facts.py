"""The sentence with the numbers of this job, and quantities in words."""

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis.signals import explain_code, explain_signal, name_signal
from llm_scheduler.diagnosis.texts import format_bytes, say_duration
from tests.diagnosis.job_samples import MB, TRACEBACK, WORK, diagnose_text, rec

GB = 1024 * MB


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (60, "1 min"),
        (90, "90 s"),
        (150, "2 min 30 s"),
        (720, "12 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (180_000, "2 days 2 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert say_duration(seconds) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (4 * GB, "4 GB"),
        (4 * GB - 30 * MB, "4.0 GB"),
        (812 * MB, "812 MB"),
        (300.4 * GB, "300 GB"),
        (512, "512 B"),
    ],
)
def test_sizes_in_words(n_bytes, words):
    assert format_bytes(n_bytes) == words


def test_exit_codes_and_signals_in_words():
    assert explain_code(137) == "exit code 137: killed by signal 9 (SIGKILL)"
    assert explain_code(256 + 9) == "exit code 265: killed by signal 9 (SIGKILL)"
    assert explain_code(-11) == "exit code -11: killed by signal 11 (SIGSEGV)"
    assert explain_code(127) == "exit code 127: the shell did not find the command"
    assert explain_code(1) == "exit code 1"
    assert explain_code(255) == "exit code 255"
    assert name_signal(15) == "signal 15 (SIGTERM)"
    assert name_signal(60) == explain_signal(60) == "signal 60"
    assert "SIGSEGV: it used memory that is not its own" in explain_signal(11)


def test_memory_asked_and_reached(tmp_path):
    record = rec(
        "OUT_OF_MEMORY",
        0,
        125,
        requested_memory_bytes=4 * GB,
        max_rss_bytes=4 * GB - 30 * MB,
        elapsed_s=720,
    )
    explanation = diagnose_text(tmp_path, WORK, record).explanation
    assert "4 GB" in explanation
    assert "reached 4.0 GB after 12 min." in explanation


def test_memory_that_was_reached_to_the_last_byte(tmp_path):
    values = {"requested_memory_bytes": 4 * GB, "max_rss_bytes": 4 * GB, "elapsed_s": 720}
    explanation = diagnose_text(tmp_path, WORK, rec("OUT_OF_MEMORY", 0, 125, **values)).explanation
    assert explanation.count("4 GB") == 1
    assert "It reached all of it after 12 min." in explanation


def test_what_the_explanation_tells_already_is_not_said_again(tmp_path):
    record = rec("TIMEOUT", 0, elapsed_s=3605, time_limit_s=3600)
    explanation = diagnose_text(tmp_path, WORK, record).explanation
    assert explanation.count("1 h") <= 2
    assert "asked for" not in diagnose_text(tmp_path, WORK, rec("TIMEOUT", 0)).explanation


def test_how_long_a_cancelled_job_ran(tmp_path):
    record = rec("CANCELLED", 0, 15, elapsed_s=7500, nodes=("n1",))
    assert "It had run for 2 h 5 min on `n1`." in diagnose_text(tmp_path, WORK, record).explanation


def test_own_line_of_an_exception(tmp_path):
    explanation = diagnose_text(tmp_path, TRACEBACK, rec()).explanation
    assert 'It happened in `main`, line 8 of `run.py`: `raise ValueError("negative mass")`.' in (
        explanation
    )


@pytest.mark.parametrize(
    ("text", "title", "place"),
    [
        (  # R names the function only, and breaks the line before a long message
            "Error in fit(x) : \n  the model is odd\nCalls: main -> fit\nExecution halted\n",
            "R stopped: the model is odd",
            "It happened in `fit`.",
        ),
        (
            "Error in fit(x) : the model is odd\nExecution halted\n",
            "R stopped: fit(x) : the model is odd",
            "It happened in `fit(x)`.",
        ),
        (  # MATLAB names the function and its line, but no file
            """Error using horzcat
Dimensions of arrays being concatenated are not consistent.

Error in build (line 12)
x = [a b];
""",
            "MATLAB: the sizes of arrays do not fit together",
            "It happened in `build`, line 12: `x = [a b];`.",
        ),
    ],
    ids=["r-broken", "r", "matlab"],
)
def test_a_place_is_told_as_far_as_it_is_known(tmp_path, text, title, place):
    found = diagnose_text(tmp_path, text, rec())
    assert found.title == title
    assert found.explanation.endswith(place)


def test_the_message_below_a_heading_is_told(tmp_path):
    ruler = "-" * 55
    text = f"""{ruler}
Program:     gmx mdrun, version 2021.4
Source file: src/gromacs/mdrun/md.cpp (line 77)

{{}}:
The cut-off is longer than half the `shortest` box vector or longer than
the smallest box diagonal element.

For more information see the website.
{ruler}
"""
    for heading in ("Fatal error", "Inconsistency in user input"):
        found = diagnose_text(tmp_path, WORK + text.format(heading), rec())
        assert found.cause == "gromacs-stopped"
        assert found.title.startswith("GROMACS stopped in gmx mdrun: The cut-off is longer than")
        assert found.evidence[0].text.startswith("The cut-off is longer than half")
        assert "half the 'shortest' box vector" in found.explanation
    bare = diagnose_text(tmp_path, text.split("\n\n")[0], rec())
    assert bare.title.endswith('the line below "Fatal error" says why')


def test_exceptions_that_no_rule_knows(tmp_path):
    text = TRACEBACK.replace("ValueError: negative", "shallow.sea.TideError: negative")
    found = diagnose_text(tmp_path, text, rec())
    assert found.category == "code_error"
    assert "shallow.sea.TideError" in found.title
    assert "run.py:8" in found.title
    texts = [item.text.strip() for item in found.evidence[:3]]
    assert texts == [
        "shallow.sea.TideError: negative mass",
        'File "/home/u/run.py", line 8, in main',
        'raise ValueError("negative mass")',
    ]


def test_crash_names_its_signal(tmp_path):
    found = diagnose_text(tmp_path, WORK, rec(code=139, elapsed_s=720))
    assert "after 12 min with exit code 139: killed by signal 11 (SIGSEGV)" in found.explanation
    assert "exit code 139: killed by signal 11 (SIGSEGV)" in found.evidence[0].text


def test_ranks_that_say_the_same_are_counted(tmp_path):
    text = "".join(
        "".join(f"[{rank}]: {line}\n" for line in TRACEBACK.splitlines()) for rank in (5, 0, 1, 2)
    )
    explanation = diagnose_text(tmp_path, text, rec()).explanation
    assert "Rank 5 said so first; the same stands in the log 4 times." in explanation


def test_markup_of_a_log_stays_text(tmp_path):
    text = TRACEBACK.replace('"negative mass"', "`<b>`[x](http://evil)`")
    assert "`raise ValueError('<b>'[x](http://evil)')`" in (
        diagnose_text(tmp_path, text, rec()).explanation
    )
