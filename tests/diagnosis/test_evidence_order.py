"""Which lines stand first: what says what, then a rival, then the frame."""

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log
from tests.diagnosis.job_samples import CANCEL, LIMIT, TRACEBACK, WORK, diagnose_text, rec

HEADING = "Traceback (most recent call last):"
APEX = (
    "WARNING:root:could not import apex, falling back: " + HEADING + "\n"
    '  File "/home/u/fused.py", line 3, in <module>\n    import apex\n'
    "ModuleNotFoundError: No module named 'apex'\n\n"
)
FLASH = (
    HEADING + '\n  File "/home/u/train.py", line 5, in <module>\n    import flash_attn\n'
    "ModuleNotFoundError: No module named 'flash_attn'\n"
)


def texts(found):
    return [item.text for item in found.evidence]


def test_no_rival_then_the_frame_and_its_source(tmp_path):
    shown = texts(diagnose_text(tmp_path, WORK + TRACEBACK))
    assert shown[0] == "ValueError: negative mass"
    assert shown[1].startswith('File "/home/u/run.py", line 8')
    assert shown[2] == 'raise ValueError("negative mass")'


def test_what_was_caught_is_not_the_proof(tmp_path):
    found = diagnose_text(tmp_path, APEX + FLASH)
    assert "flash_attn" in found.evidence[0].text


@pytest.mark.parametrize(
    "own",
    [
        " *** caught segfault ***",
        "forrtl: severe (174): SIGSEGV, segmentation fault occurred",
        "Fatal Python error: Segmentation fault",
    ],
)
def test_the_program_before_its_shell(tmp_path, own):
    shell = "run.sh: line 3: 1234 Segmentation fault      (core dumped) ./wrf.exe\n"
    text = f"{WORK}{own}\naddress 0x0\n{shell}srun: error: n1: task 0: Exited with exit code 139\n"
    found = diagnose_text(tmp_path, text)
    assert found.category == "crash"
    assert found.evidence[0].text == own


def test_of_several_cancels_the_first_and_the_last(tmp_path):
    jobs = [CANCEL.replace("JOB 5", f"JOB {n}") for n in (11, 12, 13, 14)]
    found = diagnose_text(tmp_path, "\n".join([jobs[0], WORK, *jobs[1:], ""]))
    assert found.category == "cancelled"
    assert {jobs[0], jobs[-1]} <= set(texts(found)[:3])


def test_a_heading_is_no_proof(tmp_path):
    line = "2024-10-02 08:16:41: W bfc_allocator.cc:482] Allocator (GPU_0_bfc) ran out of memory"
    raised = "jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9"
    text = f'{line}\n{HEADING}\n  File "/home/u/a.py", line 3, in <module>\n    f()\n{raised}\n'
    found = diagnose_text(tmp_path, WORK + text)
    assert HEADING not in texts(found)
    assert raised in texts(found)[:2]


def test_the_rest_of_a_broken_sentence(tmp_path):
    text = (
        "Lmod has detected the following error:  These module(s) or extension(s) exist\n"
        'but cannot be loaded as requested: "quantumespresso/7.1"\n'
        "job.sh: line 21: pw.x: command not found\n"
    )
    found = diagnose_text(tmp_path, text)
    assert found.category == "configuration_error"
    assert texts(found)[1].startswith("but cannot be loaded")


def test_a_time_limit_over_an_exception_of_one_process(tmp_path):
    record = rec("TIMEOUT", 0, elapsed_s=3600, time_limit_s=3600)
    told = diagnose_text(tmp_path, WORK + TRACEBACK, record)
    logged = diagnose_text(tmp_path, WORK + TRACEBACK + LIMIT + "\n")
    for found in (told, logged):
        assert found.category == "time_limit"
        assert "ValueError: negative mass" in texts(found)[1]
        assert "`ValueError: negative mass`" in found.explanation
        assert any("negative mass" in doubt for doubt in found.doubts)


def test_a_time_limit_over_an_exception_of_one_rank(tmp_path):
    ranks = "[rank0]: waiting\n" + "".join(f"[rank1]: {x}\n" for x in TRACEBACK.splitlines())
    record = rec("TIMEOUT", 0, elapsed_s=3600, time_limit_s=3600)
    told = diagnose_text(tmp_path, ranks, record)
    logged = diagnose_text(tmp_path, ranks + LIMIT + "\n")
    assert told.category == logged.category == "code_error"


def test_an_earlier_error_of_weight_comes_second(tmp_path):
    early = (
        HEADING + '\n  File "/home/u/b.py", line 2, in <module>\n    load()\n'
        "ModuleNotFoundError: No module named 'fastmath'\n"
    )
    found = diagnose_text(tmp_path, early + WORK + TRACEBACK)
    assert found.category == "code_error"
    assert texts(found)[0] == "ValueError: negative mass"
    assert texts(found)[1] == "ModuleNotFoundError: No module named 'fastmath'"
    assert texts(found)[2].startswith('File "/home/u/run.py", line 8')


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("TypeError: x is not a function\n    at foo (/a/b.js:3:4)\n", "node-exception"),
        ("RangeError: Invalid array length\n    at foo (/a/b.js:3:4)\n", "node-exception"),
        (TRACEBACK.replace("ValueError", "TypeError"), "python-type-error"),
    ],
)
def test_exceptions_are_read_in_their_language(tmp_path, text, cause):
    assert diagnose_text(tmp_path, text).cause == cause


def test_the_same_lines_in_two_jobs_are_told_of_each(tmp_path):
    for name in ("a.out", "b.out"):
        (tmp_path / name).write_text(WORK + "./sim: " + "error: negative mass\n" + TRACEBACK)
        found = diagnose_log(tmp_path / name)
        assert found.evidence[0].file.endswith(name)


def test_of_a_line_without_end_the_place_that_told(tmp_path):
    filler = "x=0.123 y=4.5 " * 20_000
    told = "mpirun noticed that process rank 3 exited on signal 9 (Killed)"
    log = tmp_path / "job.out"
    log.write_text(f"{filler}{told} {filler}")
    found = diagnose_log(log)
    assert "signal 9 (Killed)" in found.evidence[0].text
    assert len(found.evidence[0].text) <= 500
