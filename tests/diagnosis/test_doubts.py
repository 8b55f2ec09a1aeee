"""A diagnosis says why it is not surer."""

from __future__ import annotations

import gzip

import pytest

from llm_scheduler.diagnosis import diagnose_log, diagnose_submission
from tests.diagnosis.job_samples import (
    CANCEL,
    EXITED,
    LIMIT,
    MPI_ABORT,
    OOM_EVENT,
    TRACEBACK,
    WORK,
    diagnose_text,
    rec,
)

NO_RECORD = "The scheduler's record of the job is not known."
CONSEQUENCE = "The line is only a consequence; the reason itself is not in the log."
TEXTS = ("", WORK, TRACEBACK, TRACEBACK + WORK, WORK + MPI_ABORT, WORK + EXITED, CANCEL, LIMIT)
RECORDS = (
    None,
    rec(),
    rec("COMPLETED", 0),
    rec("TIMEOUT", 0),
    rec("CANCELLED", 0),
    rec(code=137),
    rec("RUNNING", None),
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("record", RECORDS)
def test_no_doubts_only_where_it_is_nearly_certain(tmp_path, text, record):
    found = diagnose_text(tmp_path, text, record)
    assert found.doubts or found.confidence >= 0.97, found
    assert all(doubt.endswith((".", "`.")) for doubt in found.doubts)
    assert len(set(found.doubts)) == len(found.doubts)


def test_record_that_agrees_leaves_no_doubt(tmp_path):
    found = diagnose_text(tmp_path, WORK + OOM_EVENT, rec("OUT_OF_MEMORY", 0, 125))
    assert found.confidence >= 0.97
    assert found.doubts == ()
    alone = diagnose_text(tmp_path, WORK + OOM_EVENT)
    assert NO_RECORD in alone.doubts
    assert alone.confidence <= 0.96


def test_lines_after_the_error(tmp_path):
    end = diagnose_text(tmp_path, TRACEBACK, rec())
    later = diagnose_text(tmp_path, TRACEBACK + "saving figures\nelapsed: 3.2\n", rec())
    assert "The program, or the script around it, wrote on afterwards." in later.doubts
    assert later.confidence < end.confidence


def test_consequence_only(tmp_path):
    found = diagnose_text(tmp_path, WORK + MPI_ABORT, rec(code=3))
    assert CONSEQUENCE in found.doubts
    assert found.confidence <= 0.85


def test_only_an_exit_code(tmp_path):
    found = diagnose_text(tmp_path, WORK, rec(code=127))
    assert any("Only the exit code" in doubt for doubt in found.doubts)
    assert found.confidence < 0.9


def test_rival(tmp_path):
    text = "cp: error writing '/mnt/s/x': No space left on device\nbash: ./x: Permission denied\n"
    found = diagnose_text(tmp_path, text, rec())
    assert any("Another error could be the reason" in doubt for doubt in found.doubts)
    proof = " ".join(item.text for item in found.evidence[:2])
    assert "No space" in proof
    assert "Permission" in proof


def test_completed_all_the_same(tmp_path):
    found = diagnose_text(tmp_path, TRACEBACK, rec("COMPLETED", 0))
    assert "The scheduler says that the job completed." in found.doubts
    assert found.confidence < 0.7


def test_damaged_log(tmp_path):
    log = tmp_path / "job.out.gz"
    log.write_bytes(gzip.compress((WORK * 200 + TRACEBACK).encode())[:-12])
    whole = tmp_path / "job.err"
    whole.write_text(TRACEBACK)
    found = diagnose_log([log, whole], record=rec())
    assert {"Not every log could be read.", "The log was read in part."} & set(found.doubts)
    assert found.confidence <= 0.9


def test_success_is_weighed_too(tmp_path):
    silent = diagnose_text(tmp_path, WORK)
    told = diagnose_text(tmp_path, WORK + "All done.\n")
    known = diagnose_text(tmp_path, WORK + "All done.\n", rec("COMPLETED", 0))
    survived = diagnose_text(tmp_path, TRACEBACK + WORK + "All done.\n", rec("COMPLETED", 0))
    assert silent.confidence < told.confidence < known.confidence
    assert known.doubts == ()
    assert "The log does not say that the work was finished." in silent.doubts
    assert any("the program survived" in doubt for doubt in survived.doubts)
    assert survived.confidence < known.confidence


def test_refused_submission():
    assert diagnose_submission("sbatch: error: something odd").doubts
    assert diagnose_submission("").doubts
