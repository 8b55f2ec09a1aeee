"""The same words in other places: amid launchers, workflows, ranks and scripts."""

from __future__ import annotations

import pytest

from tests.diagnosis import test_cases_tools, test_cases_unknown
from tests.diagnosis.job_samples import EXITED, WORK, check_said, diagnose_text

CASES = {**test_cases_tools.CASES, **test_cases_unknown.CASES}
# What the launcher itself says is all that these tell.
SILENT = {"unknown-status", "step-cancel", "watchdog"}
RULER = "-" * 74 + "\n"
MPIRUN = f"""{RULER}Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{RULER}{RULER}mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[4321,1],0]
  Exit code:    1
{RULER}"""
SNAKEMAKE = """[Mon Mar  3 10:00:00 2025]
Error in rule align:
    jobid: 3
    output: out/a.bam

Shutting down, this might take some time.
Exiting because a job execution failed. Look above for error message
"""


def under_work(text):
    return WORK + text


def over_srun(text):
    return f"{text}{EXITED}\n"


def over_mpirun(text):
    return text + MPIRUN


def over_snakemake(text):
    return text + SNAKEMAKE


def below_modules(text):
    return "Inactive Modules:\n  1) openmpi3\n\n" + text


@pytest.mark.parametrize("name", sorted(CASES.keys() - SILENT))
@pytest.mark.parametrize(
    "place",
    [under_work, over_srun, over_mpirun, over_snakemake, below_modules],
)
def test_the_root_stays_the_same(tmp_path, place, name):
    check_said(tmp_path, CASES[name], place)


@pytest.mark.parametrize(
    "end", ["Job ended at Mon Mar  3 10:00:00 CET 2025", "Job finished", "done"]
)
def test_the_end_of_a_script_is_no_success_of_its_program(tmp_path, end):
    failed = "zsolve: cannot proceed: boundary 4 is gone\n"
    assert diagnose_text(tmp_path, f"{WORK}{failed}{end}\n").category == "code_error"
    assert diagnose_text(tmp_path, f"{failed}{WORK}{end}\n").category == "success"
    good = "Calculation finished successfully"
    assert diagnose_text(tmp_path, f"{WORK}{failed}{good}\n").category == "success"


def test_a_step_that_srun_ends_after_a_failure_is_not_cancelled(tmp_path):
    step = "slurmstepd: error: *** STEP 5.0 ON n1 CANCELLED AT 2025-02-03T04:05:06 ***\n"
    assert diagnose_text(tmp_path, WORK + step).category == "cancelled"
    ended = f"{WORK}{EXITED}\nsrun: Terminating job step 5.0\n{step}"
    assert diagnose_text(tmp_path, ended).category == "unknown"
