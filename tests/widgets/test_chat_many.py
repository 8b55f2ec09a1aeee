"""A run with many causes: all are listed, and each is whole when somebody looks at it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.grouping import group_failures
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.widgets.chat_overview import MAX_GROUPS, WHOLE_GROUPS, make_groups
from tests.widgets.examples import diagnosis


def make_failures(n_causes: int) -> list[Failure]:
    proof = tuple(Evidence(file="/run/job.out", line=i, text="x" * 900) for i in range(1, 10))
    return [
        Failure(
            attempt=f"attempt-{i}",
            job_id=str(i),
            job_name=f"job-{i}",
            learners=(f"learner-{i}.pickle",),
            failed_at=datetime(2026, 1, 2, tzinfo=UTC),
            nodes=("n1",),
            log_files=("/run/job.out",),
            diagnosis=diagnosis(
                "python-name-error",
                evidence=proof,
                fingerprint=f"cause-{i}",
                explanation="y" * 5000,
            ),
        )
        for i in range(n_causes)
    ]


def test_many_causes_are_listed_shortly_and_whole_where_somebody_looks():
    failures = make_failures(MAX_GROUPS + 50)
    groups = group_failures(failures)
    last = thread_for_group(groups[MAX_GROUPS - 1].key)
    views = make_groups(
        groups, jobs=(), failures=failures, pending=(), changes=(), busy=set(), seen={last}
    )
    assert len(views) == MAX_GROUPS
    whole = [len(view.diagnosis.explanation) == 5000 for view in views]
    n_short = MAX_GROUPS - WHOLE_GROUPS - 1
    assert whole == [True] * WHOLE_GROUPS + [False] * n_short + [True]
    assert len(views[-1].diagnosis.evidence) == 9
    assert all(view.title and view.diagnosis.evidence for view in views)
    short = views[WHOLE_GROUPS : MAX_GROUPS - 1]
    assert len(json.dumps([view.model_dump() for view in short])) < 2500 * len(short)


def test_nothing_hides_in_a_title_or_turns_the_text_around():
    proof = (Evidence(file="/run/job.out", line=1, text="a\u200bb\x1b[31m"),)
    values = {"title": "evil\u202egnp.exe\nnext", "evidence": proof}
    failures = [
        failure.model_copy(update={"diagnosis": diagnosis(**values)})
        for failure in make_failures(1)
    ]
    (view,) = make_groups(
        group_failures(failures),
        jobs=(),
        failures=failures,
        pending=(),
        changes=(),
        busy=set(),
        seen=set(),
    )
    assert view.title == view.diagnosis.title == r"evil\u202egnp.exe\nnext"
    assert view.diagnosis.evidence[0].text == r"a\u200bb\x1b[31m"
