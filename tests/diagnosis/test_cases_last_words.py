"""Jobs whose cancel is told before other lines, and exceptions that name missing files."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import CANCEL, LIMIT, diagnose_text, rec

TRACEBACK = """Traceback (most recent call last):
  File "/home/u/train.py", line 12, in <module>
    load(sys.argv[1])
"""
SERVER = "".join(f"[I 00:37:{i}.245 NotebookApp] 302 GET /tree\n" for i in range(10, 22))
FOAM = """trapFpe: Floating point exception trapping enabled (FOAM_SIGFPE).
Create mesh for time = 0

--> FOAM FATAL ERROR: (openfoam-2512)
Cannot find file "points" in directory "polyMesh" in times "0" down to constant

    From virtual Foam::IOobject Foam::fileOperation::findInstance(const Foam::IOobject&) const

FOAM exiting
"""
TENSORFLOW = """tensorflow.python.framework.errors_impl.NotFoundError: 2 root error(s) found.
  (0) Not found:  data/train_318556.jpg; No such file or directory
\t [[{{node ReadFile}}]]
  (1) Not found:  data/train_318556.jpg; No such file or directory
0 successful operations.
"""


@pytest.mark.parametrize(("line", "category"), [(CANCEL, "cancelled"), (LIMIT, "time_limit")])
def test_a_job_that_was_ended_is_told_where_later_lines_say_nothing(tmp_path, line, category):
    diagnosis = diagnose_text(tmp_path, f"started\n{line}\n{SERVER}")
    assert diagnosis.category == category
    assert diagnosis.evidence[0].line == 2
    assert diagnosis.confidence < 0.8


def test_later_lines_that_speak_of_success_count_for_more(tmp_path):
    text = f"started\n{CANCEL}\n{SERVER}All work is done\n"
    assert diagnose_text(tmp_path, text).category == "success"


def test_the_record_counts_for_more_than_an_old_cancel(tmp_path):
    diagnosis = diagnose_text(tmp_path, f"started\n{CANCEL}\n{SERVER}", rec("COMPLETED", 0))
    assert diagnosis.category == "success"


def test_a_cancelled_step_is_not_the_job(tmp_path):
    step = CANCEL.replace("JOB 5", "STEP 5.0")
    assert diagnose_text(tmp_path, f"started\n{step}\n{SERVER}").cause == "step-cancelled"


@pytest.mark.parametrize(
    "message",
    [
        "RuntimeError: Error opening 'data/x.wav': No such file or directory",
        "ValueError: Could not find file data/a.csv",
        "RuntimeError: Checkpoint directory /scratch/ckpt does not exist",
        "AssertionError: data/train.txt not found",
        "ValueError: No images found in data/train",
        "RuntimeError: weights not found: 'models/w.pt'",
    ],
)
def test_an_exception_of_a_general_class_names_the_file_it_misses(tmp_path, message):
    assert diagnose_text(tmp_path, TRACEBACK + message + "\n").category == "file_not_found"


@pytest.mark.parametrize(
    "message",
    [
        "ValueError: column 'path' not found in the table",
        "KeyError: 'file'",
        "ValueError: could not find a solution of the file's equation",
        "AssertionError: the file is too long",
    ],
)
def test_other_messages_with_such_words_are_errors_of_the_code(tmp_path, message):
    assert diagnose_text(tmp_path, TRACEBACK + message + "\n").category == "code_error"


@pytest.mark.parametrize("text", [FOAM, TRACEBACK + TENSORFLOW])
def test_the_message_below_a_heading_says_what_is_missing(tmp_path, text):
    assert diagnose_text(tmp_path, text).category == "file_not_found"
