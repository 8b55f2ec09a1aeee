"""Messages of several lines, of which the later ones are no life of the program."""

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis.messages import find_message_lines
from tests.diagnosis.job_samples import diagnose_text

RULE = "-" * 74
SLOTS = f"""{RULE}
There are not enough slots available in the system to satisfy the 8
slots that were requested by the application:

  ./a.out

Either request fewer procs for your application, or make more slots
available for use.

A "slot" is the PRRTE term for an allocatable unit where we can
launch a process.  The number of slots available are defined by the
environment in which PRRTE processes are run:

  1. Hostfile, via "slots=N" clauses
{RULE}
"""
EXITED = f"""{RULE}
prterun has exited due to process rank 13 with PID 0 on node n19 exiting
improperly. There are three reasons this could occur:

1. this process did not call "init" before exiting, but others in the
job did. This can cause a job to hang indefinitely while it waits for
all processes to call "init". By rule, if one process calls "init",
then ALL processes must call "init" prior to termination.

2. this process called "init", but exited without calling "finalize".
By rule, all processes that call "init" MUST call "finalize" prior to
exiting or it will be considered an "abnormal termination"
{RULE}
"""
LICENCE = """License checkout failed.
License Manager Error -15
MATLAB is unable to connect to the license server.
Check that the license manager has been started, and that the MATLAB client machine can communicate
with the license server.

Troubleshoot this issue by visiting:
http://www.mathworks.com/support/lme/R2016b/15

Diagnostic Information:
Feature: MATLAB
License path: /home/u/.matlab/R2016b_licenses:/apps/software/
matlab/2016b/licenses/network.lic
Licensing error: -15,570. System Error: 115
"""


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (SLOTS, "configuration_error"),
        ("x = 1\n" + LICENCE, "license_unavailable"),
        (" NetCDF: Invalid dimension ID or name\n" + EXITED, "code_error"),
        ("x = 1\nValueError: bad shape\n" + EXITED, "code_error"),
    ],
)
def test_what_explains_an_error_is_no_sign_that_the_program_went_on(tmp_path, text, category):
    assert diagnose_text(tmp_path, text).category == category


def test_what_the_program_writes_below_a_box_is_one(tmp_path):
    warning = SLOTS.replace("There are not enough slots available in", "A slot was taken twice in")
    text = warning + "".join(f"energy {i}\n" for i in range(9))
    assert diagnose_text(tmp_path, text).category == "success"


def test_a_table_between_rules_is_no_message_of_a_launcher():
    texts = [RULE, "rank  time", "0     1.2", RULE, "4 MPI ranks", "energy 1", RULE, "end"]
    assert find_message_lines(texts[:4]) == set()


def test_what_stands_between_two_boxes_is_the_programs():
    box = EXITED.splitlines()
    texts = [*box, "energy 1 of 4 MPI ranks", "energy 2", *box]
    found = find_message_lines(texts)
    assert {len(box), len(box) + 1}.isdisjoint(found)
    assert len(found) == 2 * (len(box) - 2)


def test_a_box_that_was_cut_off_is_read_by_its_head():
    texts = EXITED.splitlines()[:-1]
    assert find_message_lines(texts) == set(range(1, len(texts)))


def test_details_of_a_licence_end_where_the_program_speaks():
    texts = [*LICENCE.splitlines(), "Solving 12 equations", "Feature: none"]
    assert find_message_lines(texts) == set(range(1, len(texts) - 2))
