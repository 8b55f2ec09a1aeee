"""Lines that say how a program goes on, and headings under which nothing failed."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis.going_on import find_warned, is_calm, is_logged_error, takes_instead
from tests.diagnosis.job_samples import diagnose_text

CALM = "[W427 10:31:58.108805957 socket.cpp:759] [c10d] The client socket cannot be initialized"
XLA = "2025-06-01 23:19:07.895274: E external/local_xla/xla/cuda_timer.cc:86] Delay kernel timed out: measured time has sub-optimal accuracy.\n"
BUFFER = "2025-06-01 23:35:06.422598: I tensorflow/core/kernels/data/shuffle_dataset_op.cc:482] Shuffle buffer filled.\n"
CAUGHT = """Could not load the native library of quant: 'NoneType' object has no attribute 'split'
Traceback (most recent call last):
  File "/opt/site-packages/quant/cextension.py", line 85, in <module>
    lib = get_native_library()
  File "/opt/site-packages/quant/cuda_specs.py", line 24, in get_cuda_version_tuple
    major, minor = map(int, version.split("."))
AttributeError: 'NoneType' object has no attribute 'split'
"""
WORK = "device set to cuda:0\n" + "".join(f"prompt {i} answered\n" for i in range(5))
LME4 = "Model failed to converge with max|grad| = 0.0023 (tol = 0.002, component 1)\n"


@pytest.mark.parametrize(
    "text",
    [
        CALM,
        "W0624 18:13:11.977854 139602 device_context.h:200] compiled with cuDNN 7.4, found 7.0",
        "[rank3]:[W622 06:35:06.647146504 ProcessGroupNCCL.cpp:4115] this can cause a hang",
        "2025-06-01 23:17:00.81: I tensorflow/core/util/port.cc:153] operations are on",
        "W tensorflow/stream_executor/cuda/cuda_driver.cc:572] creating context",
    ],
)
def test_the_level_of_a_logging_library_is_read(text):
    assert is_calm(text)
    assert not is_logged_error(text)


@pytest.mark.parametrize(
    "text",
    ["Warsaw 0624 18:13:11 was reached", "I failed at main.cc", "E0000 of 12 files.", "Error: W"],
)
def test_other_words_have_no_level(text):
    assert not is_calm(text)
    assert not is_logged_error(text)


def test_only_the_level_above_an_error_ends_a_program(tmp_path):
    assert is_logged_error(XLA)
    assert diagnose_text(tmp_path, XLA * 3 + BUFFER).category == "success"
    assert diagnose_text(tmp_path, BUFFER + XLA * 3).category == "code_error"


@pytest.mark.parametrize(
    "text",
    [
        "Repo card metadata block was not found. Setting CardData to empty.",
        "Failed to read the option, using the default",
        "solver failed for scaling 1, trying scaling 2",
        "Unable to find R, not using it",
        "A matching Triton is not available, some optimizations will not be enabled.",
        "Using pad_token, but it is not set yet.",
        "Validation failed to improve for 5 epochs, early stopping",
        "No improvement in 10 epochs. Stopping.",
        "XDG_RUNTIME_DIR not set, defaulting to '/tmp/runtime-u'",
    ],
)
def test_a_program_says_what_it_takes_instead(tmp_path, text):
    assert takes_instead(text)
    assert diagnose_text(tmp_path, f"loading\n{text}\n").category == "success"


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: file not found: Setting.xml",
        "Error: the option was not set. Stopping.",
        "improve.dat not found",
        "solver failed, giving up",
    ],
)
def test_an_end_is_no_such_word(tmp_path, text):
    assert not takes_instead(text)
    assert diagnose_text(tmp_path, f"loading\n{text}\n").category not in {"success", "unknown"}


def test_a_traceback_whose_message_was_logged_first_was_caught(tmp_path):
    assert diagnose_text(tmp_path, CAUGHT + WORK).category == "success"
    assert diagnose_text(tmp_path, CAUGHT).category == "code_error"
    uncaught = CAUGHT.partition("\n")[2]
    assert diagnose_text(tmp_path, uncaught + WORK).category == "code_error"


def test_what_stands_under_the_heading_of_a_warning_is_one(tmp_path):
    assert diagnose_text(tmp_path, "fit 1\nWarning message:\n" + LME4).category == "success"
    assert diagnose_text(tmp_path, "fit 1\n" + LME4).category == "numerical_error"


def test_the_warnings_of_r_that_stopped_tell_why(tmp_path):
    text = (
        'Error in file(file, "rt") : cannot open the connection\n'
        "In addition: Warning message:\n"
        'In file(file, "rt") :\n'
        "  cannot open file 'data.csv': No such file or directory\n"
        "Execution halted\n"
    )
    assert diagnose_text(tmp_path, text).category == "file_not_found"
    assert find_warned(text.splitlines()) == set()


def test_a_heading_covers_its_block_only():
    lines = ["Warning messages:", "1: In f(x) : failed", "2: In g(x) :", "  failed", "failed", "x"]
    assert find_warned(lines) == {1, 2, 3}
    assert find_warned(["lbfgs ConvergenceWarning: failed:", "STOP: LIMIT", "STOP 3"]) == {1}
    assert find_warned(["failed", "x"]) == set()


@pytest.mark.parametrize(
    "source",
    [
        "from pkg_resources import DistributionNotFound, get_distribution",
        'raise FileNotFoundError("No such file or directory")',
        'sys.exit("Error: no such file")',
    ],
)
def test_the_source_line_of_a_warning_is_none(tmp_path, source):
    text = f"12%|# | 1/8 /opt/x/imports.py:22: UserWarning: this is old.\n  {source}\n8 of 8 done\n"
    assert diagnose_text(tmp_path, text).category == "success"
    raised = text.replace("UserWarning: this is old.", "this was run")
    assert find_warned(raised.splitlines()) == set()


@pytest.mark.parametrize(
    "text", ["pi is approximately 3.14, Error is 0.0000000000001315", "failed folds: []"]
)
def test_quantities_named_error_are_none(tmp_path, text):
    assert diagnose_text(tmp_path, f"process 0 of 2\n{text}\nTime = 40.8\n").category == "success"


def test_an_error_is_no_quantity(tmp_path):
    diagnosis = diagnose_text(tmp_path, "process 0 of 2\nThe error is fatal: mesh has no cells\n")
    assert diagnosis.category == "code_error"
