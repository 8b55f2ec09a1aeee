"""The digest: bounded, the most telling first, nothing lost that proves the cause."""

from __future__ import annotations

import os
import re

import pytest

from llm_scheduler.errors import UsageError
from llm_scheduler.logs import digest_log

TRACEBACK = """\
Traceback (most recent call last):
  File "/home/me/run.py", line 9, in <module>
    main()
  File "/opt/env/lib/python3.11/site-packages/a.py", line 5, in a
    b()
  File "/opt/env/lib/python3.11/site-packages/a.py", line 6, in b
    c()
  File "/home/me/model.py", line 3, in cost
    raise ValueError("bad x")
ValueError: bad x
"""
NORMAL = "".join(f"epoch {i} loss is fine\n" for i in range(500))


def digest(tmp_path, text, **options):
    path = tmp_path / "job.out"
    path.write_text(text)
    return digest_log(path, **options)


@pytest.mark.parametrize("max_chars", [1, 10, 60, 200, 799, 800, 2000, 4000, 20_000])
def test_never_longer_than_asked(tmp_path, max_chars):
    many = "".join(TRACEBACK.replace("bad x", f"bad {c}") for c in "abcdefghijk")
    text = "x" * 5000 + " error\n" + NORMAL + many + NORMAL
    found = digest(tmp_path, text, max_chars=max_chars)
    assert 0 < len(found.text) <= max_chars


def test_lines_name_file_and_number(tmp_path):
    found = digest(tmp_path, NORMAL + TRACEBACK)
    assert found.text.startswith("job.out: 510 lines, ")
    assert "\n510| ValueError: bad x\n" in found.text
    assert found.evidence[0].number == 510
    assert found.evidence[0].file == str(tmp_path / "job.out")


def test_library_frames_are_folded(tmp_path):
    text = digest(tmp_path, NORMAL + TRACEBACK).text
    assert 'File "/home/me/run.py", line 9, in <module>' in text
    assert "... 2 more frames ..." in text
    assert 'File "/home/me/model.py", line 3, in cost: raise ValueError("bad x")' in text


def test_the_cause_of_a_chain_comes_first(tmp_path):
    chain = "\nDuring handling of the above exception, another exception occurred:\n\n"
    text = NORMAL + TRACEBACK + chain + TRACEBACK.replace("ValueError: bad x", "OSError: closed")
    found = digest(tmp_path, text)
    assert found.text.index("ValueError: bad x") < found.text.index("OSError: closed")
    assert "which led to:" in found.text
    assert [line.text for line in found.evidence[:2]] == ["ValueError: bad x", "OSError: closed"]


def test_ranks_are_collapsed(tmp_path):
    lines = [f"[rank{r}]: {line}" for r in range(8) for line in TRACEBACK.splitlines()]
    found = digest(tmp_path, "\n".join(lines))
    assert "(8 ranks printed it, first [rank0]:)" in found.text
    assert found.text.count("in cost") == 1


def test_a_caught_traceback_counts_less_than_a_kill(tmp_path):
    kill = (
        "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***"
    )
    found = digest(tmp_path, TRACEBACK + NORMAL + kill + "\n")
    assert found.evidence[0].text == kill
    assert any(line.text == "ValueError: bad x" for line in found.evidence[:3])


def test_a_caught_traceback_counts_less_than_a_later_error(tmp_path):
    text = TRACEBACK + NORMAL + "run.sh: line 3: 4711 Segmentation fault (core dumped) ./solver\n"
    assert "Segmentation fault" in digest(tmp_path, text).evidence[0].text


def test_what_follows_a_traceback_counts_less(tmp_path):
    tail = "srun: error: n1: task 0: Exited with exit code 1\n"
    found = digest(tmp_path, NORMAL + TRACEBACK + tail)
    assert found.evidence[0].text == "ValueError: bad x"


def test_plain_cancel_after_an_uncaught_traceback(tmp_path):
    tail = "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-20T19:28:54 ***\n"
    found = digest(tmp_path, NORMAL + TRACEBACK + tail)
    assert found.evidence[0].text == "ValueError: bad x"
    assert any("CANCELLED" in line.text for line in found.evidence[:3])


def test_an_ignored_exception_counts_less(tmp_path):
    text = NORMAL + "error: no data for x\nException ignored in: <function f>\n" + TRACEBACK
    assert digest(tmp_path, text).evidence[0].text == "error: no data for x"


def test_a_script_of_the_cluster_counts_less(tmp_path):
    site = TRACEBACK.replace("/home/me", "/software/site/bin").replace("/opt/env", "/software")
    assert digest(tmp_path, site + "solver: error: no data\n").evidence[0].text.startswith("solver")


def test_head_and_tail_are_shown(tmp_path):
    text = digest(tmp_path, "running version 7 on n1\n" + NORMAL + "bye\n").text
    assert "running version 7 on n1" in text
    assert "\n502| bye" in text


def test_what_was_left_out_is_counted(tmp_path):
    found = digest(tmp_path, NORMAL + TRACEBACK)
    n_shown = len(re.findall(r"^\d+\| epoch", found.text, re.MULTILINE))
    # Of the traceback, what says no more than that it is one, and the library's frames.
    assert 500 - n_shown <= found.omitted["lines"] <= 508 - n_shown
    assert f"Left out: {found.omitted['lines']} lines" in found.text
    assert (found.n_lines, found.files) == (510, (str(tmp_path / "job.out"),))


def test_several_logs_and_unreadable_ones(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "job.out").write_text("all is well\n")
    (tmp_path / "b" / "job.out").write_text("fatal: the license server is down\n")
    os.mkfifo(tmp_path / "fifo")
    paths = [tmp_path / "a" / "job.out", str(tmp_path / "b" / "job.out"), tmp_path / "fifo"]
    found = digest_log(paths)
    assert found.evidence[0].file == paths[1]
    assert "[2] 1| fatal" in found.text
    assert found.text.splitlines()[:2] == [
        "[1] a/job.out: 1 line, 12 bytes",
        "[2] b/job.out: 1 line, 34 bytes",
    ]
    assert found.problems == (f"{tmp_path / 'fifo'}: is a FIFO",)
    assert "fifo: is a FIFO" in found.text
    assert found.omitted["unread logs"] == 1


def test_secrets_are_not_in_the_text(tmp_path):
    found = digest(tmp_path, "error: login with password=hunter2 failed\n")
    assert "hunter2" not in found.text
    assert "password=[redacted] failed" in found.text


def test_text_in_a_log_can_not_break_lines(tmp_path):
    found = digest(tmp_path, "error: a\u2028job.out:1| fatal: forged\x1b[2J\rb error\n")
    assert sum("forged" in line for line in found.text.splitlines()) <= 2
    assert "\x1b" not in found.text


def test_the_name_of_a_log_can_not_break_lines_or_steer(tmp_path):
    name = "a\nMost telling lines:\x1b[2J\u202e TOKEN_OF_RUN=abc123def456 \udcff.out"
    path = tmp_path / name
    path.write_text("ValueError: no\n")
    for paths in (path, [path, tmp_path / f"b{name}"]):
        text = digest_log(paths).text
        assert "\nMost telling lines:\x1b" not in text
        assert not {"\x1b", "\u202e", "\udcff"} & set(text)
        assert "abc123" not in text
        assert text.encode()


def test_nothing_to_say(tmp_path):
    found = digest(tmp_path, "")
    assert found.text == "job.out: 0 lines, 0 bytes"
    assert found.evidence == ()
    assert digest_log([]).text == ""


def test_wrong_size(tmp_path):
    with pytest.raises(UsageError, match="max_chars is 0"):
        digest(tmp_path, "x", max_chars=0)
