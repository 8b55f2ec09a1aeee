"""How sure a model's diagnosis may be, and what of its remedies is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.agent.diagnosis_answer import DiagnosisAnswer
from llm_scheduler.agent.diagnosis_cache import Outcome
from llm_scheduler.agent.diagnosis_prompt import make_prompt
from llm_scheduler.agent.judging import adapt, can_prove, join_opinions, judge_answer
from llm_scheduler.diagnosis.accounting import describe_record
from llm_scheduler.diagnosis.models import Evidence, Remedy
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import scan_log
from tests.agent.failed_jobs import LOG, PROOF, make_answer, make_failure, make_remedy, quote

INVENTED = quote("Segmentation fault in a library that nobody has")


def judge(folder: Path, *, sure: float = 0.7, **values: Any) -> Outcome:
    failure = make_failure(folder)
    assert failure.diagnosis is not None
    rules = failure.diagnosis.model_copy(update={"confidence": sure})
    prompt = make_prompt(failure, rules, [scan_log(path) for path in failure.log_files])
    answer = DiagnosisAnswer.model_validate(make_answer(**values))
    return judge_answer(answer, prompt, failure, rules)


def test_a_proven_diagnosis(tmp_path: Path) -> None:
    diagnosis = judge(tmp_path).diagnosis
    assert diagnosis is not None
    failure = make_failure(tmp_path)
    assert failure.diagnosis is not None
    assert diagnosis.source == "model"
    assert diagnosis.fingerprint == failure.diagnosis.fingerprint
    assert diagnosis.cause == failure.diagnosis.cause  # the group stays the same
    assert [(x.line, x.text) for x in diagnosis.evidence] == [(104, PROOF)]
    assert diagnosis.job_id == "17"


@pytest.mark.parametrize(
    ("values", "sure", "confidence"),
    [
        ({"confidence": 0.9}, 0.7, 0.9),
        ({"confidence": 1.0}, 0.7, 0.95),
        ({"confidence": 0.0}, 0.7, 0.05),
        ({"evidence": [quote(PROOF), INVENTED]}, 0.7, 0.6),
        ({"evidence": [quote(PROOF), INVENTED], "confidence": 0.7}, 0.7, 0.5),
        ({"evidence": [quote(PROOF), *[INVENTED] * 4]}, 0.7, 0.1),
        ({"category": "crash"}, 0.95, 0.6),
        ({"category": "crash"}, 0.5, 0.9),
    ],
)
def test_confidence(tmp_path: Path, values: dict[str, Any], sure: float, confidence: float) -> None:
    diagnosis = judge(tmp_path, sure=sure, **values).diagnosis
    assert diagnosis is not None
    assert diagnosis.confidence == pytest.approx(confidence)
    assert ("not in the logs" in " ".join(diagnosis.doubts)) == ("evidence" in values)
    assert ("The rules say code_error" in " ".join(diagnosis.doubts)) == ("category" in values)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"evidence": []}, "quoted no line"),
        ({"evidence": [INVENTED]}, "invented all it quoted"),
        ({"evidence": [quote("Traceback")]}, "quoted no line"),
        ({"evidence": [quote("Traceback (most recent call last):"), INVENTED]}, "quoted no line"),
        ({"evidence": [quote("exit code", 0, "record")]}, "quoted no line"),
        ({"evidence": [quote("State FAILED", 0, "record")]}, "quoted no line"),
        ({"evidence": [quote("Nodes: n7", 0, "record")]}, "quoted no line"),
        ({"evidence": [quote("Ran for 90 s", 0, "record")]}, "quoted no line"),
        ({"category": "unknown"}, "does not know"),
        ({"category": "success"}, "sees no failure"),
    ],
)
def test_the_rules_stay(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    outcome = judge(tmp_path, **values)
    assert outcome.diagnosis is None
    assert says in outcome.problem
    assert outcome.problem.endswith("the rules' diagnosis stays.")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"memory": "8 GB"}, {}),
        ({"memory": "8GB", "time": "4:00:00"}, {"memory": "8GB", "time": "04:00:00"}),
        ({"memory": "8GB --wrap=reboot"}, {}),
        ({"memory": "$(reboot)", "time": "2-00:00:00"}, {"time": "48:00:00"}),
        ({"memory": "999999TB"}, {}),
        ({"time": "forever"}, {}),
        ({"exclude": "n7"}, {"exclude": "n7"}),
        ({"exclude": "n7,n9"}, {"exclude": "n7"}),  # it never ran on n9
        ({"exclude": "n9"}, {}),
        ({"exclude": "n7;reboot"}, {}),
    ],
)
def test_resources(tmp_path: Path, given: dict[str, str], kept: dict[str, str]) -> None:
    remedies = [make_remedy(kind="resources", **given)]
    diagnosis = judge(tmp_path, remedies=remedies).diagnosis
    assert diagnosis is not None
    assert diagnosis.remedies[0].resources == kept


def test_remedies_name_only_files_that_the_data_names(tmp_path: Path) -> None:
    remedies = [
        make_remedy(),
        make_remedy(file="/home/ann/.ssh/config", line=1),
        make_remedy(kind="resubmit", memory="8GB"),
        make_remedy(summary="\x1b[0m"),
    ]
    diagnosis = judge(tmp_path, remedies=remedies).diagnosis
    assert diagnosis is not None
    found = [(x.kind, x.file, x.line, x.resources) for x in diagnosis.remedies]
    assert found == [
        ("code", "/home/ann/model.py", 12, {}),
        ("code", "", 0, {}),
        ("resubmit", "", 12, {}),
    ]


def test_its_words_are_bounded_and_clean(tmp_path: Path) -> None:
    key = "sk-proj-9aB8cD7eF6gH5iJ4kL3mN2oP1q"
    diagnosis = judge(
        tmp_path,
        title=f"x\x1b[31m\n{key}" * 100,
        explanation=f"# Title\n{key}\n" + "y" * 10_000,
        doubts=["z" * 1000] * 100,
        remedies=[make_remedy(details="d" * 10_000)] * 100,
    ).diagnosis
    assert diagnosis is not None
    text = diagnosis.model_dump_json()
    assert len(text) < 30_000
    assert key not in text
    assert "\\u001b" not in text


def test_a_member_gets_its_own_lines(tmp_path: Path) -> None:
    first = judge(tmp_path).diagnosis
    assert first is not None
    log = LOG.replace("step 1 ", "step 1 \nstep 1.5 ")
    other = make_failure(tmp_path, "18", log)
    own = adapt(first, other, [scan_log(path) for path in other.log_files])
    assert own.job_id == "18"
    assert [(Path(x.file).name, x.line, x.text) for x in own.evidence] == [
        ("job-18.out", 105, PROOF)
    ]
    assert (own.title, own.explanation, own.source) == (first.title, first.explanation, "model")


def test_a_member_whose_logs_hold_none_of_the_lines_shows_what_the_rules_found(
    tmp_path: Path,
) -> None:
    first = judge(tmp_path).diagnosis
    assert first is not None
    first = first.model_copy(
        update={
            "evidence": (Evidence(file="job-17.out", line=3, text="only the first job says so"),),
            "remedies": (
                Remedy(kind="resources", summary="x", resources={"exclude": "n7", "memory": "8GB"}),
            ),
        }
    )
    other = make_failure(tmp_path, "18", record={"nodes": ("n9",)})
    own = adapt(first, other, [scan_log(path) for path in other.log_files])
    assert other.diagnosis is not None
    assert own.evidence == other.diagnosis.evidence
    assert own.remedies[0].resources == {"memory": "8GB"}  # it was on another node


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("Traceback (most recent call last):", False),
        ("[rank3]: Traceback (most recent call last):", False),
        ("During handling of the above exception, another exception occurred:", False),
        ("The above exception was the direct cause of the following exception:", False),
        ("-----------------", False),
        (PROOF, True),
        ("    return spectrun(x)", True),
        ("ValueError: no mode; Traceback (most recent call last): see below", True),
        ("Killed", True),
    ],
)
def test_lines_of_every_failure_prove_nothing(text: str, proves: bool) -> None:
    assert can_prove(Evidence(file="job-17.out", line=3, text=text), None) is proves


@pytest.mark.parametrize(
    ("values", "proves"),
    [
        ({"state": "FAILED", "exit_code": 1}, False),
        ({"state": "FAILED", "exit_code": 2, "elapsed_s": 60.0, "time_limit_s": 3600.0}, False),
        ({"state": "FAILED", "exit_code": 1, "elapsed_s": 3590.0, "time_limit_s": 3600.0}, True),
        ({"state": "FAILED", "exit_code": 137}, True),
        ({"state": "FAILED", "signal": 11}, True),
        ({"state": "OUT_OF_MEMORY"}, True),
        ({"state": "TIMEOUT"}, True),
        ({"state": "FAILED", "exit_code": 1, "reason": "NodeDown"}, True),
    ],
)
def test_a_record_proves_what_it_tells(values: dict[str, Any], proves: bool) -> None:
    record = JobRecord(job_id="17", **values)
    line = Evidence(file="", line=0, text=describe_record(record))
    assert can_prove(line, record) is proves


@pytest.mark.parametrize("sure", [0.5, 0.97])
@pytest.mark.parametrize("category", ["code_error", "disk_full"])
def test_what_the_rules_say_is_kept(tmp_path: Path, sure: float, category: str) -> None:
    failure = make_failure(tmp_path)
    assert failure.diagnosis is not None
    rules = failure.diagnosis.model_copy(update={"confidence": sure})
    failure = failure.model_copy(update={"diagnosis": rules})
    said = judge(tmp_path, sure=sure, category=category, title="The disk").diagnosis
    assert said is not None
    both = join_opinions(failure, said)
    assert both.rules_diagnosis == rules
    assert join_opinions(both, said) == both  # however often it is said
    assert both.diagnosis is not None
    assert both.by_rules is not None
    assert both.by_rules.remedies == rules.remedies
    if category == "disk_full" and sure > 0.9:
        assert (both.diagnosis.source, both.diagnosis.title) == ("rules", rules.title)
        assert both.diagnosis.doubts == (*rules.doubts, "The model says disk_full (0.60): The disk")
    else:
        assert both.diagnosis == said
