"""Exit codes in the log itself mean what those of the scheduler's record mean."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import WORK, diagnose_text, rec

TELLERS = {
    "slurm": "srun: error: n1: task 3: Exited with exit code {code}\n",
    "slurm-many": "srun: error: n1: tasks 0-3: Exited with exit code {code}\n",
    "lsf": "Exited with exit code {code}.\n\nResource usage summary:\n",
    "mpirun": (
        "mpirun detected that one or more processes exited with non-zero status, thus causing\n"
        "the job to be terminated. The first process to do so was:\n\n"
        "  Process name: [[61,1],0]\n  Exit code:    {code}\n"
    ),
    "mpich": "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   EXIT CODE: {code}\n",
    "script": "Exit code: {code}\n",
}
MEANINGS = [
    (139, "crash", "segfault", "signal 11 (SIGSEGV)"),
    (134, "crash", "abort", "signal 6 (SIGABRT)"),
    (127, "command_not_found", "command-not-found", "did not find the command"),
    (126, "permission_denied", "permission-denied", "could not run it"),
    (140, "time_limit", "signal-user", "signal 12 (SIGUSR2)"),
    (152, "time_limit", "time-limit-signal", "signal 24 (SIGXCPU)"),
    (143, "cancelled", "terminated", "signal 15 (SIGTERM)"),
]


@pytest.mark.parametrize("teller", TELLERS)
@pytest.mark.parametrize(("code", "category", "cause", "words"), MEANINGS)
def test_a_code_of_the_log_is_explained(tmp_path, teller, code, category, cause, words):
    found = diagnose_text(tmp_path, WORK + TELLERS[teller].format(code=code))
    assert (found.category, found.cause) == (category, cause)
    assert words in found.explanation
    assert str(code) in found.evidence[0].text
    assert found.confidence <= 0.7


@pytest.mark.parametrize("code", [1, 3, 128, 181, 255])
def test_other_codes_stay_what_they_are(tmp_path, code):
    found = diagnose_text(tmp_path, WORK + TELLERS["slurm"].format(code=code))
    assert found.cause == "step-failed"
    assert f"code {code}" in found.title


def test_any_words_of_the_program_tell_more(tmp_path):
    text = f"{WORK}RuntimeError: the mesh is bad\n{TELLERS['slurm'].format(code=139)}"
    found = diagnose_text(tmp_path, text, rec())
    assert "the mesh is bad" in found.evidence[0].text


def test_tasks_that_were_ended_after_another_one_failed(tmp_path):
    # srun sends SIGTERM to the others: what they tell is no reason.
    codes = [TELLERS["slurm"].format(code=code) for code in (1, 143)]
    for text in ("".join(codes), "".join(reversed(codes))):
        assert diagnose_text(tmp_path, WORK + text).cause == "step-failed"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("Out Of Memory", "memory-limit"),
        ("Killed", "killed"),
        ("Terminated", "terminated"),
        ("Aborted", "abort"),
    ],
)
@pytest.mark.parametrize("tasks", ["task 3", "tasks 0-3", "tasks 0,2-3"])
def test_several_tasks_end_as_one_does(tmp_path, words, cause, tasks):
    found = diagnose_text(tmp_path, f"{WORK}srun: error: n1: {tasks}: {words}\n")
    assert found.cause == cause
