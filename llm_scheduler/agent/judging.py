"""From a model's answer to a `Diagnosis`: what of it is proven, and how sure it may be.

How sure a diagnosis may be is decided here and not by the model:

- never above 0.95;
- each invented quotation takes 0.2, and with one the rest may not exceed 0.6;
- a model that contradicts rules which are sure (0.9 and above) may not exceed 0.6: on
  the logs we know, rules that are so sure are right nearly always;
- one without any line that was found and can prove something is none at all: the head
  of a traceback or a record's "FAILED" proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from llm_scheduler.agent.diagnosis_answer import (
    MAX_DETAILS,
    MAX_EXPLANATION,
    MAX_LIST,
    DiagnosisAnswer,
    ProposedRemedy,
    clean_markdown,
    clean_title,
)
from llm_scheduler.agent.diagnosis_cache import Outcome
from llm_scheduler.agent.diagnosis_prompt import DiagnosisPrompt
from llm_scheduler.agent.quotations import Checked, check_quotations
from llm_scheduler.diagnosis.accounting import (
    describe_record,
    is_at_time_limit,
    is_near_memory_limit,
)
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.engine.resource_overrides import PARSERS
from llm_scheduler.errors import UsageError
from llm_scheduler.logs import LogText, normalise, redact

MOST = 0.95
LEAST = 0.05
PER_INVENTION = 0.2
MOST_IN_DOUBT = 0.6
SURE = 0.9
_MAX_EVIDENCE = 6
_MAX_LINE = 10_000_000
_BARE_LINE = re.compile(
    r".{0,40}Traceback \(most recent call last\)\W{0,10}|[\W_]*"
    r"|\W{0,10}(?:During handling of the above|The above) exception\b.{0,60}"
)
_BARE_RECORD = re.compile(
    r"State (?:FAILED|COMPLETED|UNKNOWN)(?:, exit code [012])?(?:, step [^\s,]{1,40} FAILED){0,3}"
    r"(?:, memory [^,]{1,40} of [^,]{1,40})?(?:, time [^,]{1,40} of [^,]{1,40})?"
    r"|(?:Nodes|Partition): .*|Ran for .*"
)


def join_opinions(failure: Failure, said: Diagnosis) -> Failure:
    """Return a failure with what the model said of it, beside what the rules say.

    Where rules that are sure say another category they stay first, and the model's view
    becomes a doubt.
    """
    rules = failure.rules_diagnosis or failure.by_rules
    first = said
    if rules is not None and contradicts(said.category, rules):
        doubt = f"The model says {said.category} ({said.confidence:.2f}): {said.title}"
        first = rules.model_copy(update={"doubts": (*rules.doubts, doubt)})
    return failure.model_copy(update={"diagnosis": first, "rules_diagnosis": rules})


def judge_answer(
    answer: DiagnosisAnswer, prompt: DiagnosisPrompt, failure: Failure, rules: Diagnosis
) -> Outcome:
    """Return the diagnosis, or why the rules' stays.

    Searches logs, for some seconds at most.
    """
    if answer.category in ("unknown", "success") and rules.category != answer.category:
        said = "does not know the cause" if answer.category == "unknown" else "sees no failure"
        return Outcome(None, f"The model {said}; the rules' diagnosis stays.")
    checked = check_quotations(answer.evidence, prompt.texts, prompt.record, digest=prompt.digest)
    if not any(can_prove(item, failure.record) for item in checked.evidence):
        is_invented = bool(checked.invented) and not checked.evidence
        what = "invented all it quoted" if is_invented else "quoted no line that proves it"
        return Outcome(None, f"The model {what}; the rules' diagnosis stays.")
    known = prompt.user
    remedies = tuple(_make_remedy(remedy, failure, known) for remedy in answer.remedies[:MAX_LIST])
    return Outcome(
        Diagnosis(
            job_id=failure.job_id,
            category=answer.category,
            cause=rules.cause,  # with the fingerprint it names the group, which stays
            title=_safe(clean_title(answer.title)),
            explanation=_safe(clean_markdown(answer.explanation, MAX_EXPLANATION)),
            evidence=tuple(checked.evidence[:_MAX_EVIDENCE]),
            confidence=_rate(answer, checked, rules),
            doubts=_doubts(answer, checked, rules),
            source="model",
            remedies=tuple(remedy for remedy in remedies if remedy.summary),
            fingerprint=rules.fingerprint,
        )
    )


def can_prove(item: Evidence, record: JobRecord | None) -> bool:
    """Tell whether a line can stand for a cause: some stand in the log of every failure."""
    if item.file:
        return _BARE_LINE.fullmatch(item.text) is None
    if record is not None and (is_at_time_limit(record) or is_near_memory_limit(record)):
        return True
    return _BARE_RECORD.fullmatch(item.text) is None


def _rate(answer: DiagnosisAnswer, checked: Checked, rules: Diagnosis) -> float:
    n_invented = len(checked.invented)
    most = MOST_IN_DOUBT if n_invented or contradicts(answer.category, rules) else MOST
    confidence = min(answer.confidence - PER_INVENTION * n_invented, most)
    return round(max(LEAST, confidence), 3)


def contradicts(category: str, rules: Diagnosis) -> bool:
    """Tell whether a category is another one than rules that are sure say."""
    return rules.confidence >= SURE and category != rules.category


def _doubts(answer: DiagnosisAnswer, checked: Checked, rules: Diagnosis) -> tuple[str, ...]:
    doubts = [_safe(clean_title(doubt, 300)) for doubt in answer.doubts[:MAX_LIST]]
    if checked.invented:
        n = len(checked.invented)
        lines = "a line that is" if n == 1 else f"{n} lines that are"
        doubts.append(f"The model quoted {lines} not in the logs; left out.")
    if answer.category != rules.category:
        doubts.append(f"The rules say {rules.category} ({rules.confidence:.2f}): {rules.title}")
    return tuple(doubt for doubt in doubts if doubt)


def _safe(text: str) -> str:
    """Take secrets out: what is kept may be sent again later."""
    return redact(text)


def _make_remedy(proposed: ProposedRemedy, failure: Failure, known: str) -> Remedy:
    """Return a remedy with what of it makes sense."""
    wanted = {"memory": proposed.memory, "time": proposed.time, "exclude": proposed.exclude}
    resources: dict[str, str] = {}
    for name, value in wanted.items():
        try:
            if value.strip():
                resources[name] = PARSERS[name](value.strip())
        except UsageError:
            continue
    nodes = failure.nodes or (failure.record.nodes if failure.record is not None else ())
    bad = [node for node in resources.pop("exclude", "").split(",") if node in nodes]
    if bad:  # other nodes are only names that the model made up
        resources["exclude"] = ",".join(bad)
    file = proposed.file.strip()
    is_named = bool(file) and PurePath(file).name in known
    return Remedy(
        kind=proposed.kind,
        summary=_safe(clean_title(proposed.summary)),
        details=_safe(clean_markdown(proposed.details, MAX_DETAILS)),
        resources=resources if proposed.kind == "resources" else {},
        file=clean_title(file) if is_named and proposed.kind == "code" else "",
        line=proposed.line if is_named and 0 < proposed.line < _MAX_LINE else 0,
    )


def adapt(diagnosis: Diagnosis, failure: Failure, texts: Sequence[LogText]) -> Diagnosis:
    """Return a group's diagnosis for another member: its own id, its own lines.

    Where none of the lines stands in its logs, those that prove the rules' finding about
    it are shown.
    """
    lines = {normalise(x.text): x for text in reversed(texts) for x in reversed(text.lines)}
    own: list[Evidence] = []
    for item in diagnosis.evidence:
        if not item.file:
            if failure.record is not None:
                own.append(Evidence(file="", line=0, text=describe_record(failure.record)))
        elif (line := lines.get(normalise(item.text))) is not None:
            own.append(Evidence(file=line.file, line=line.number, text=line.text.rstrip()[:500]))
    rules = failure.diagnosis
    if not any(item.file for item in own) and rules is not None:
        own = list(rules.evidence)
    nodes = set(failure.nodes)
    remedies = tuple(
        remedy.model_copy(
            update={"resources": {k: v for k, v in remedy.resources.items() if k != "exclude"}}
        )
        if not nodes.issuperset(remedy.resources.get("exclude", "").split(","))
        and "exclude" in remedy.resources
        else remedy
        for remedy in diagnosis.remedies
    )
    update = {
        "job_id": failure.job_id,
        "evidence": tuple(dict.fromkeys(own)),
        "remedies": remedies,
        "fingerprint": rules.fingerprint if rules is not None else diagnosis.fingerprint,
    }
    return diagnosis.model_copy(update=update)
