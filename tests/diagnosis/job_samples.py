"""Texts and records of jobs that many tests of the diagnosis share."""

from __future__ import annotations

from llm_scheduler.diagnosis import Diagnosis, diagnose_log
from llm_scheduler.engine.records import JobRecord, StepRecord

MB = 1 << 20
WORK = "".join(f"iteration {i} value {i * 0.37:.3f}\n" for i in range(40))
STEPS = "".join(f" step {i:5}  E = {-0.11 * i + 0.0:.4f}  T = 300.{i:02}\n" for i in range(30))
TRACEBACK = """Traceback (most recent call last):
  File "/home/u/run.py", line 12, in <module>
    main()
  File "/home/u/run.py", line 8, in main
    raise ValueError("negative mass")
ValueError: negative mass
"""


def rec(state="FAILED", code=1, signal=None, **values):
    return JobRecord(job_id="7", state=state, exit_code=code, signal=signal, **values)


def step(state, name="0", **values):
    return StepRecord(step_id=name, state=state, **values)


OOM_EVENT = (
    "slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=20.batch. Some of your processes "
    "may have been killed by the cgroup out-of-memory handler."
)
CANCEL = "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-11-20T19:28:54 ***"
LIMIT = (
    "slurmstepd-n1: error: *** JOB 5 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***"
)
MPI_ABORT = "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD\nwith errorcode 3.\n"
EXITED = "srun: error: n1: task 0: Exited with exit code 1"


def diagnose_text(folder, text, record=None, **options) -> Diagnosis:
    """Write a text into a log and diagnose it."""
    log = folder / "slurm-7.out"
    log.write_text(text)
    return diagnose_log(log, record=record, **options)


def check_case(folder, case) -> Diagnosis:
    """Check category, cause and first proof of a sample; returns its diagnosis."""
    text, record, category, cause, proof = case
    found = diagnose_text(folder, text, record)
    assert (found.category, found.cause) == (category, cause), found
    if proof is not None:
        assert proof in found.evidence[0].text
    return found


def check_said(folder, case, place=str) -> None:
    """Check that one of the categories is found, and the proof among the first three lines.

    Parameters
    ----------
    case
        The text, the categories that are right, and a part of the proving line.
    place
        Puts the text into the log of a job.
    """
    text, categories, proof = case
    found = diagnose_text(folder, place(text))
    assert found.category in categories, found
    assert any(proof in item.text for item in found.evidence[:3]), found.evidence
