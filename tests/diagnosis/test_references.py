"""Lines that a successful job of the same run wrote too count for less."""

from __future__ import annotations

import os

import pytest

from llm_scheduler.diagnosis import diagnose_job, diagnose_log
from llm_scheduler.errors import LogError
from tests.diagnosis.job_samples import CANCEL, TRACEBACK, WORK, rec

NOISE = "/opt/tools/setup.sh: line 3: nvidia-config: command not found\n"
ERROR = "OSError: [Errno 122] Disk quota exceeded: '/home/u/out/7.dat'\n"
KNOWN = "The log of a successful job has this line too."


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_what_the_successful_job_wrote_too_gives_way(write):
    bad = write("slurm-7.out", NOISE + "sed: can't read 7.inp: No such file or directory\n")
    good = write("slurm-6.out", NOISE.replace("line 3", "line 4") + WORK)
    assert diagnose_log(bad, record=rec()).category == "command_not_found"
    found = diagnose_log(bad, record=rec(), compare_with=good)
    assert found.category == "file_not_found"
    assert diagnose_log(bad, record=rec(), compare_with=[good]) == found


def test_it_counts_where_nothing_else_does_and_says_so(write):
    bad, good = write("slurm-7.out", WORK + TRACEBACK), write("slurm-6.out", TRACEBACK + WORK)
    alone = diagnose_log(bad, record=rec())
    found = diagnose_log(bad, record=rec(), compare_with=good)
    assert found.category == alone.category == "code_error"
    assert KNOWN in found.doubts
    assert KNOWN not in alone.doubts
    assert found.confidence < alone.confidence
    assert diagnose_log(bad, compare_with=write("other.out", WORK)).cause == alone.cause


def test_the_word_of_the_scheduler_stays(write):
    bad, good = write("slurm-7.out", WORK + CANCEL), write("slurm-6.out", CANCEL + "\n" + WORK)
    assert diagnose_log(bad, compare_with=good) == diagnose_log(bad)


def test_log_to_compare_with_that_is_not_there(write):
    bad = write("slurm-7.out", WORK + TRACEBACK)
    with pytest.raises(LogError, match=r"none\.out"):
        diagnose_log(bad, compare_with="none.out")
    assert diagnose_job([bad], rec(), compare_with=["none.out"]) == diagnose_job([bad], rec())


def test_worker_reads_a_changed_log_again(write):
    bad, good = write("slurm-7.out", WORK + ERROR), write("slurm-6.out", WORK)

    def doubts():
        return diagnose_job([bad], rec(), compare_with=[good]).doubts

    assert KNOWN not in doubts()
    write("slurm-6.out", ERROR + WORK)
    os.utime(good, ns=(1, 1))
    assert KNOWN in doubts()
