"""What HTCondor writes into the event log of a job."""

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis.event_logs import ran_again
from llm_scheduler.logs.models import LogLine
from tests.diagnosis.job_samples import diagnose_text

START = "001 (7.000.000) 2026-11-20 19:40:57 Job executing on host: <10.0.0.7:24462>\n...\n"
HELD = "012 (7.000.000) 2026-11-20 19:41:57 Job was held.\n"
ENDED = "005 (7.000.000) 2026-11-20 20:41:57 Job terminated.\n"
WELL = "\t(1) Normal termination (return value 0)\n...\n"
MEMORY = (
    "\tError from slot1_4@n1: Job has gone over cgroup memory limit of 2048 megabytes. "
    "Last measured usage: 2040 megabytes.  Consider resubmitting with a higher request_memory.\n"
    "\tCode 34 Subcode 102\n...\n"
)
POLICY = (
    "\tJob in status 2 put on hold by SYSTEM_PERIODIC_HOLD due to memory usage 3250000.\n"
    "\tCode 26 Subcode 0\n...\n"
)
LONG = "\tThe job exceeded allowed execute duration of 0+01:00:00\n\tCode 48 Subcode 0\n...\n"
LOST = (
    "\tTransfer output files failure at execution point slot1@n1 while sending files to access "
    "point n0. Details: reading from file /var/lib/condor/execute/dir_1/out.root: "
    "(errno 2) No such file or directory\n\tCode 12 Subcode 2\n...\n"
)
NO_PROGRAM = (
    "\tError from slot1@n1: Failed to execute '/home/u/run.sh': "
    "(errno=2: 'No such file or directory')\n\tCode 6 Subcode 2\n...\n"
)
NO_URL = (
    "\tError from slot1@n1: FILETRANSFER:1:non-zero exit (1) from /usr/libexec/condor/plugin. "
    "|Error: Failed to create new transfer job: osdf:///pool/test.txt: 404: No namespace found "
    "for path. ( URL file =  )|\n...\n"
)
CUT = (
    "\tReason: Transfer input files failure at execution point slot1@n1 using protocol osdf. "
    "Details: Pelican Client Error: download completed but received size 8388608b does not match "
    "expected size 105931171b\n...\n"
)
EXPRESSION = (
    "\tThe job attribute OnExitHold expression 'ExitCode =!= 0' evaluated to TRUE\n"
    "\tCode 3 Subcode 0\n...\n"
)
EVICTED = "004 (7.000.000) 2026-11-20 19:41:57 Job was evicted.\n"
SHADOW = "007 (7.000.000) 2026-11-20 19:41:57 Shadow exception!\n"
RELEASED = "013 (7.000.000) 2026-11-20 19:51:57 Job was released.\n...\n"
REMOVED = (
    "009 (7.000.000) 2026-11-20 21:41:57 Job was aborted.\n\tvia condor_rm (by user ada)\n...\n"
)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (START + HELD + MEMORY, "out_of_memory"),
        (START + HELD + POLICY, "out_of_memory"),
        (START + HELD + MEMORY + REMOVED, "out_of_memory"),
        (START + HELD + LONG, "time_limit"),
        (START + HELD + LOST, "file_not_found"),
        (START + HELD + NO_PROGRAM, "file_not_found"),
        (START + HELD + NO_URL, "file_not_found"),
        (START + SHADOW + NO_URL + HELD + "\tReason unspecified\n...\n", "file_not_found"),
        (START + EVICTED + CUT, "network_error"),
        (START + HELD + EXPRESSION, "unknown"),
        (START + EVICTED + "\t(0) Job was not checkpointed.\n...\n", "unknown"),
        (START + REMOVED, "cancelled"),
        (START + ENDED + "\t(0) Abnormal termination (signal 9)\n\t(0) No core file\n", "killed"),
        (START + ENDED + "\t(0) Abnormal termination (signal 11)\n\t(0) No core file\n", "crash"),
        (START + ENDED + "\t(1) Normal termination (return value 1)\n...\n", "unknown"),
        (START + ENDED + WELL, "success"),
    ],
)
def test_the_end_of_a_job_is_read(tmp_path, text, category):
    assert diagnose_text(tmp_path, text).category == category


def test_a_job_that_ran_again_and_ended_well_is_well(tmp_path):
    again = "013 (7.000.000) 2026-11-20 19:51:57 Job was released.\n...\n" + START
    text = START + HELD + MEMORY + again + ENDED + WELL
    assert diagnose_text(tmp_path, text).category == "success"


def test_the_good_end_of_another_job_says_nothing(tmp_path):
    other = ENDED.replace("7.000.000", "7.001.000") + WELL
    text = START + HELD + MEMORY + other
    assert diagnose_text(tmp_path, text).category == "out_of_memory"


def test_lines_of_other_logs_belong_to_no_event():
    lines = [LogLine("a.log", i, x) for i, x in enumerate(("step 1", WELL), 1)]
    assert not ran_again(lines, 0)


@pytest.mark.parametrize(
    "stopped", [HELD + EXPRESSION, HELD + MEMORY, EVICTED + CUT, SHADOW + NO_URL]
)
@pytest.mark.parametrize("again", [RELEASED, START, RELEASED + START])
def test_what_stopped_a_job_says_nothing_once_it_was_started_again(tmp_path, stopped, again):
    assert diagnose_text(tmp_path, START + stopped + again).category == "success"


def test_another_job_that_was_started_does_not_take_a_hold_back(tmp_path):
    text = START + HELD + EXPRESSION + RELEASED.replace("(7.", "(8.")
    assert diagnose_text(tmp_path, text).category == "unknown"


def test_the_later_reason_counts_where_a_job_was_stopped_twice(tmp_path):
    text = START + HELD + MEMORY + RELEASED + START + HELD + LONG
    assert diagnose_text(tmp_path, text).category == "time_limit"
