"""Groups of failures, and nodes that stand out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_scheduler.diagnosis import Diagnosis, Evidence, Failure, group_failures

START = datetime(2026, 1, 1, tzinfo=UTC)


def make(number, cause="segfault", fingerprint="a", node="n1", **values):
    diagnosis = values.pop("diagnosis", None) or Diagnosis(
        category="crash",
        cause=cause,
        title=f"title {number}",
        confidence=values.pop("confidence", 0.8),
        evidence=tuple(Evidence(file="f", line=n, text="t") for n in range(values.pop("proof", 1))),
        fingerprint=fingerprint,
    )
    return Failure(
        attempt=f"{number}",
        job_id=f"{number}",
        job_name=f"job-{number}",
        learners=(f"l{number % 3}",),
        failed_at=START + timedelta(seconds=number),
        nodes=(node,) if node else (),
        diagnosis=diagnosis,
        **values,
    )


def test_by_cause_and_fingerprint_largest_first():
    failures = [make(i) for i in range(3)]
    failures += [make(i, fingerprint="b", node="n2") for i in range(3, 8)]
    failures += [make(9, cause="bus-error", known=True, note="held")]
    groups = group_failures(failures)
    assert [group.count for group in groups] == [5, 3, 1]
    first = groups[0]
    assert first.job_ids == ("3", "4", "5", "6", "7")
    assert first.learners == ("l0", "l1", "l2")
    assert (first.first_seen, first.last_seen) == (failures[3].failed_at, failures[7].failed_at)
    assert groups[2].n_known == 1
    assert groups[2].notes == ("held",)
    assert len({group.key for group in groups}) == 3


def test_pending_diagnoses_are_left_out():
    pending = Failure(
        attempt="1",
        job_id="1",
        job_name="j",
        learners=(),
        failed_at=START,
        diagnosis=None,
    )
    assert group_failures([pending]) == []


def test_representative_is_best_proven():
    failures = [make(1, confidence=0.7, proof=5), make(2, proof=1), make(3, proof=4)]
    assert group_failures(failures)[0].representative.title == "title 3"


def test_bad_node():
    failures = [make(i, node="n7") for i in range(5)]
    assert group_failures(failures, nodes_used={"n7": 9, "n1": 40})[0].bad_node == "n7"
    assert group_failures(failures, nodes_used={"n7": 9})[0].bad_node is None
    assert group_failures(failures)[0].bad_node is None
    assert group_failures(failures[:4], nodes_used={"n7": 9, "n1": 4})[0].bad_node is None
    spread = [*failures, make(6, node="n1")]
    assert group_failures(spread, nodes_used={"n7": 9, "n1": 4})[0].bad_node is None
    unknown = [*failures, make(6, node="")]
    assert group_failures(unknown, nodes_used={"n7": 9, "n1": 4})[0].bad_node is None
