"""`judge`: what became of an attempt, as a table of all that can be known of it."""

from __future__ import annotations

import pytest

from llm_scheduler.engine.attempts import GRACE_S, STALE_S, Attempt, Verdict, judge
from llm_scheduler.engine.records import FAILED_STATES, LIVE_STATES, JobRecord, StepRecord

FINISHED, FAILED, CANCELLED = Verdict.FINISHED, Verdict.FAILED, Verdict.CANCELLED
DROPPED, UNDECIDED = Verdict.DROPPED, Verdict.UNDECIDED
BAD_STEP = StepRecord(step_id="0", state="OUT_OF_MEMORY")
GOOD_STEP = StepRecord(step_id="batch", state="COMPLETED")
LATE_S = GRACE_S + 1


def decide(
    state: str | None, *, is_done: bool = False, gone_for_s: float = 0.0, **known
) -> Verdict:
    """Judge an attempt; `state` is accounting's, ``None`` where it knows nothing."""
    fields = {key: known.pop(key) for key in ("reason", "steps") if key in known}
    attempt = Attempt(0, "run-0", ("l.pickle",), job_id="1", **known)
    record = None if state is None else JobRecord(job_id="1", state=state, **fields)
    return judge(attempt, record, is_done=is_done, gone_for_s=gone_for_s)


@pytest.mark.parametrize("state", [None, "UNKNOWN", "RUNNING", "CANCELLED", "FAILED", "COMPLETED"])
@pytest.mark.parametrize("known", [{}, {"dropped": True}, {"killed_because": "error"}])
def test_a_learner_that_is_done_has_finished_whatever_its_job_did(state, known):
    assert decide(state, is_done=True, gone_for_s=LATE_S, **known) is FINISHED


def test_the_row_of_a_leftovers_learner_is_not_about_it():
    assert decide("FAILED", is_done=True, leftover=True) is FAILED
    assert decide(None, is_done=True, leftover=True) is UNDECIDED


@pytest.mark.parametrize("state", [None, "UNKNOWN"])
@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        ({}, UNDECIDED),
        ({"gone_for_s": GRACE_S - 0.1}, UNDECIDED),
        ({"gone_for_s": GRACE_S}, FAILED),
        ({"dropped": True}, DROPPED),
        ({"dropped": True, "gone_for_s": LATE_S}, DROPPED),
        ({"killed_because": "an error in its log"}, FAILED),
        ({"killed_because": "an error in its log", "dropped": True}, DROPPED),
        ({"leftover": True}, UNDECIDED),
        ({"leftover": True, "gone_for_s": LATE_S}, FAILED),
    ],
)
def test_accounting_knows_nothing(state, known, verdict):
    assert decide(state, **known) is verdict


@pytest.mark.parametrize("state", sorted(LIVE_STATES))
def test_accounting_lags_behind_the_queue_but_not_for_ever(state):
    assert decide(state) is UNDECIDED
    assert decide(state, gone_for_s=STALE_S - 0.1) is UNDECIDED
    assert decide(state, gone_for_s=STALE_S) is FAILED


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        ({}, CANCELLED),
        ({"dropped": True}, DROPPED),
        ({"reason": "ManagerDied"}, DROPPED),
        ({"killed_because": "an error in its log"}, FAILED),
        ({"killed_because": "an error in its log", "dropped": True}, DROPPED),
        ({"leftover": True}, CANCELLED),
    ],
)
def test_cancelled(known, verdict):
    assert decide("CANCELLED", **known) is verdict


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        ({}, FAILED),  # its learner never said that it is done
        ({"dropped": True}, FINISHED),
        ({"leftover": True}, FINISHED),
        ({"leftover": True, "steps": (GOOD_STEP,)}, FINISHED),
        ({"leftover": True, "steps": (GOOD_STEP, BAD_STEP)}, FAILED),
        ({"steps": (GOOD_STEP,)}, FAILED),
        ({"dropped": True, "steps": (BAD_STEP,)}, FINISHED),
    ],
)
def test_completed(known, verdict):
    assert decide("COMPLETED", **known) is verdict


@pytest.mark.parametrize("state", sorted(FAILED_STATES - {"CANCELLED"}))
@pytest.mark.parametrize("known", [{}, {"leftover": True}, {"killed_because": "x"}])
def test_every_other_end_is_a_failure_at_once(state, known):
    assert decide(state, **known) is FAILED


def test_a_job_that_died_by_itself_before_it_was_dropped_has_failed():
    assert decide("OUT_OF_MEMORY", dropped=True) is FAILED


def test_a_state_of_a_newer_scheduler_is_a_failure():
    assert decide("EXPLODED") is FAILED


def test_attempts_of_one_job_are_told_apart():
    first, second = (Attempt(0, "run-0", ("l.pickle",), job_id="1") for _ in range(2))
    assert first.attempt != second.attempt
