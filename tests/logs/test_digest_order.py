"""What the digest promises, one by one: order of worth, whole chains, head, tail, counts."""

from __future__ import annotations

import re

import pytest

from llm_scheduler.logs import LogLine, LogText, digest_log, make_digest

HEAD = "Job 7 runs solver 3.1 on node07\nreading params.in\n"
NORMAL = "".join(f"epoch {i} is fine\n" for i in range(400))
FIRST_ERROR = "solver: error: can't read mesh.dat\n"
CHAIN = """\
Traceback (most recent call last):
  File "/home/me/cache.py", line 4, in read
    return table[name]
KeyError: 'mesh'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/me/run.py", line 9, in <module>
    main()
  File "/opt/env/lib/python3.11/site-packages/pool.py", line 5, in map
    work()
  File "/opt/env/lib/python3.11/site-packages/pool.py", line 8, in work
    task()
  File "/home/me/model.py", line 3, in cost
    raise ValueError("no mesh")
ValueError: no mesh
"""
LAST = CHAIN.split("\n\n")[-1].replace("no mesh", "no file").replace("ValueError", "OSError")
KILL = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***\n"
BEFORE, AFTER = "mesh has 0 cells\n", "closing all files\n"
LOG = HEAD + NORMAL + FIRST_ERROR + NORMAL + BEFORE + CHAIN + "\n" + AFTER + NORMAL + LAST + KILL


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(LOG)
    return path


def places(text, *parts):
    found = [text.find(part) for part in parts]
    assert -1 not in found, [part for part, at in zip(parts, found, strict=True) if at < 0]
    return found


def test_the_order_of_worth(log):
    text = digest_log(log).text
    order = places(
        text,
        "DUE TO TIME LIMIT",
        "OSError: no file",
        "can't read mesh.dat",
        "Traceback:",
        "which led to:",
        "Around it:",
        "Job 7 runs solver 3.1",
        "End of the log:",
    )
    assert order == sorted(order)


@pytest.mark.parametrize("max_chars", [1000, 4000])
def test_what_must_be_there_at_every_size(log, max_chars):
    text = digest_log(log, max_chars=max_chars).text
    places(text, "DUE TO TIME LIMIT", "can't read mesh.dat", "no mesh", "no file", "Left out: ")


def test_chains_are_whole_and_the_cause_comes_first(log):
    text = digest_log(log).text
    section = text[text.index("Traceback:") :]
    order = places(section, "KeyError: 'mesh'", "which led to:", "ValueError: no mesh")
    assert order == sorted(order)


def test_frames_of_the_user_are_kept_and_others_counted(log):
    text = digest_log(log).text
    places(text, 'model.py", line 3, in cost: raise', 'run.py", line 9, in <module>: main()')
    assert "... 2 more frames ..." in text
    assert "pool.py" not in text


def test_on_a_small_page_the_innermost_frames_stay(tmp_path):
    path = tmp_path / "job.out"
    frames = "".join(f'  File "/home/me/m{i}.py", line {i}, in f{i}\n    f()\n' for i in range(9))
    path.write_text(f"Traceback (most recent call last):\n{frames}ValueError: bad\n")
    text = digest_log(path, max_chars=450).text
    places(text, "in f7: f()", "in f8: f()", "... 7 more frames ...")
    assert "in f0" not in text


def test_lines_around_the_best_ones(log):
    text = digest_log(log).text
    around = text[text.index("Around it:") :]
    places(around, "\n402| epoch 399 is fine", "\n404| epoch 0 is fine")


def test_each_line_has_its_number(log):
    whole = LOG.splitlines()
    numbered = re.findall(r"^(\d+)\| (.+)$", digest_log(log).text, re.MULTILINE)
    assert len(numbered) > 15
    for number, text in numbered:
        line = whole[int(number) - 1]
        if text.lstrip().startswith("File"):
            assert text.partition(": ")[0].strip() == line.strip()
        else:
            assert re.sub(r"   \(× \d+\)$", "", text) == line


def test_every_line_is_counted_once(log):
    found = digest_log(log)
    shown = set(re.findall(r"^(\d+)\| ", found.text, re.MULTILINE))
    assert abs(found.omitted["lines"] - (found.n_lines - len(shown))) <= 3
    assert found.omitted == digest_log(log).omitted


@pytest.mark.parametrize("max_chars", [150, 300, 1000])
def test_small_pages_say_what_they_leave_out(log, max_chars):
    found = digest_log(log, max_chars=max_chars)
    assert re.search(r"Left out: \d+ lines|\(\+\d+ lines\)", found.text)
    assert len(found.text) <= max_chars
    assert "DUE TO TIME LIMIT" in found.text


def test_equal_lines_are_shown_once(tmp_path):
    path = tmp_path / "job.out"
    path.write_text("fatal: no route to the database\n" * 3 + "stop\n")
    text = digest_log(path).text
    assert text.count("no route to the database") == 1
    assert "(× 3)" in text


def test_a_long_first_line_leaves_room_for_the_others(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(f"fatal: {'x' * 1900} end\nsolver: error: no mesh\nsegmentation fault\n")
    text = digest_log(path, max_chars=1000).text
    places(text, "no mesh", "segmentation fault", "characters cut")


def test_a_secret_is_gone_also_where_a_line_is_cut(tmp_path):
    path = tmp_path / "job.out"
    secret = "hf_" + "Ab1" * 12
    for at in range(150, 700, 29):
        path.write_text(f"error: {'y ' * (at // 2)} {secret} {'z ' * 400}\n")
        for max_chars in (300, 600, 1000, 4000):
            text = digest_log(path, max_chars=max_chars).text
            assert not any(secret[:n] in text for n in (8, 12, len(secret)))


def test_lines_that_were_not_scanned_are_redacted_too():
    secret = "hf_" + "Ab1" * 12
    line = LogLine("job.out", 1, f"fatal: bad token {secret}")
    found = make_digest([LogText(file="job.out", lines=(line,), n_lines=1)])
    assert "fatal: bad token" in found.text
    assert secret not in found.text
