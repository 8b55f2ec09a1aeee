"""What a model is told of a failed job: bounded, redacted, and marked as data.

It gets the digest, the record, what the rules found, and how the job differs from those
that succeeded; never a whole log, a script, or the environment.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from llm_scheduler.agent.diagnosis_answer import clean_title
from llm_scheduler.agent.key_hiding import hide_in_logs
from llm_scheduler.agent.model_choice import hide
from llm_scheduler.diagnosis.accounting import describe_record
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import CATEGORIES, Diagnosis
from llm_scheduler.diagnosis.texts import say_duration
from llm_scheduler.logs import LogLine, LogText, known_lines, make_digest, normalise, redact

MAX_TOKENS = 2400
"""Of both messages, as `count_pieces` counts; the schema of the answer takes 500 more."""
MAX_DIGEST_CHARS = 4500
MIN_DIGEST_CHARS = 600
_MAX_FACT = 300
_MAX_FACTS = 12
_MAX_SECTION = 1500
_MAX_MISSING = 5
_MISSING_CHARS = 120
_PIECES = re.compile(r" ?[A-Za-z]{1,7}|\d{1,3}|\s{1,16}|[!-/:-@\[-`{-~]{1,2}|[^\x00-\x7f]|.")


@dataclass(frozen=True)
class RunFacts:
    """What else is known of the run, a sentence each; from `gather_facts`."""

    about_job: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    """Between this job and successful ones of the run."""


@dataclass(frozen=True)
class DiagnosisPrompt:
    """The two messages, and what its quotations are checked against."""

    system: str
    user: str
    record: str
    """What the model sees of the scheduler's record."""
    digest: str
    texts: tuple[LogText, ...] = field(repr=False)

    @property
    def n_pieces(self) -> int:
        """About how many tokens it is."""
        return count_pieces(self.system) + count_pieces(self.user)


def count_pieces(text: str) -> int:
    """Return into about how many tokens a model cuts a text, rather more than fewer.

    Words in pieces of seven letters, numbers in groups of three digits, signs by two, and
    each character outside ASCII by itself. Logs take about twice as many tokens as one
    for four characters.
    """
    return sum(1 for _ in _PIECES.finditer(text))


@cache
def read_instructions() -> str:
    """Return the system message: the same for every job, so that servers can keep it."""
    text = resources.files("llm_scheduler.agent").joinpath("prompts/diagnose.md").read_text("utf-8")
    return text.replace("{categories}", ", ".join(CATEGORIES)).strip()


def make_prompt(
    failure: Failure,
    diagnosis: Diagnosis,
    texts: Sequence[LogText],
    *,
    compare_with: Sequence[LogText] = (),
    facts: RunFacts | None = None,
    keys: Collection[str] = (),
    max_tokens: int = MAX_TOKENS,
) -> DiagnosisPrompt:
    """Put together what the model is told of one failure.

    Parameters
    ----------
    failure
        The failed attempt.
    diagnosis
        What the rules found.
    texts
        Its logs, scanned (and so redacted).
    compare_with
        Logs of a job of the run that reached its goal, scanned.
    facts
        What the run tells.
    keys
        Of the models in use: they stand nowhere in it, whatever they look like.
    max_tokens
        The digest is made shorter until the prompt is no longer.

    """
    facts = facts or RunFacts()
    system = read_instructions()
    record = _describe_record(failure, keys)
    texts, compare_with = hide_in_logs(texts, keys), hide_in_logs(compare_with, keys)
    proof = [LogLine(x.file, x.line, hide(x.text, keys)) for x in diagnosis.evidence if x.file]
    differences = [*facts.differences, *_missing_lines(texts, compare_with)]
    parts = {
        "The job": _join(_about(failure, facts), keys),
        "Record of the scheduler (quote it as file 'record')": record,
        "Finding of the rules": _join(_describe_finding(diagnosis), keys),
        "Differences from jobs of the run that succeeded": _join(differences, keys),
    }
    size = MAX_DIGEST_CHARS
    while True:
        digest = make_digest(texts, max_chars=size, compare_with=compare_with, proof=proof)
        user = _write_user({**parts, "Digest of the logs": digest.text})
        prompt = DiagnosisPrompt(system, user, record, digest.text, tuple(texts))
        if prompt.n_pieces <= max_tokens or size <= MIN_DIGEST_CHARS:
            return prompt
        size = max(MIN_DIGEST_CHARS, int(size * 0.85))


def _write_user(parts: dict[str, str]) -> str:
    sections = [f"## {title}\n{text}" for title, text in parts.items() if text]
    # Once more over all of it: a name or a reason is data, too, and nothing has
    # looked at those before.
    body = redact("\n\n".join(sections))
    code = secrets.token_hex(8)
    while code in body:  # what can't be guessed can't be closed from inside either
        code = secrets.token_hex(8)
    return (
        f"The data stands between the two lines with the code {code}.\n\n"
        f"===== DATA {code} =====\n{body}\n===== END {code} =====\n\n"
        "Why did the job fail? Answer with the JSON object only."
    )


def _about(failure: Failure, facts: RunFacts) -> list[str]:
    lines = [f"Name {failure.job_name}, id {failure.job_id or 'none: it was refused'}."]
    if failure.killed_because:
        lines.append(f"The run's kill manager cancelled it: {failure.killed_because}")
    return [*lines, *facts.about_job]


def _describe_record(failure: Failure, keys: Collection[str]) -> str:
    record = failure.record
    if record is None:
        return ""
    record = record.model_copy(update={"reason": redact(hide(record.reason, keys))})
    lines = [describe_record(record)]
    if record.nodes or failure.nodes:
        lines.append(f"Nodes: {', '.join((record.nodes or failure.nodes)[:10])}")
    if record.elapsed_s is not None:
        lines.append(f"Ran for {say_duration(record.elapsed_s)}")
    if record.partition:
        lines.append(f"Partition: {record.partition}")
    if record.restarts:
        lines.append(f"Restarted by the scheduler: {record.restarts} times")
    return redact(_join(lines, keys))


def _describe_finding(diagnosis: Diagnosis) -> list[str]:
    return [
        f"{diagnosis.category}, confidence {diagnosis.confidence:.2f}: {diagnosis.title}",
        diagnosis.explanation,
        *(f"Doubt: {doubt}" for doubt in diagnosis.doubts[:4]),
        *(f"Proposed: {remedy.summary}" for remedy in diagnosis.remedies[:3]),
    ]


def _missing_lines(texts: Sequence[LogText], good: Sequence[LogText]) -> list[str]:
    """Return what a successful job printed that this one did not, where it departs first."""
    if not good or not texts or any(len(text.lines) < text.n_lines for text in texts):
        return []  # of a long log not all lines are known
    known = known_lines(texts)
    seen: set[str] = set()
    missing: list[str] = []
    for line in (line for text in good for line in text.lines):
        form = normalise(line.text)
        if form and form not in known and form not in seen:
            seen.add(form)
            missing.append(line.text.strip()[:_MISSING_CHARS])
    if len(missing) > _MAX_MISSING:
        missing = [*missing[: _MAX_MISSING - 1], missing[-1]]
    title = ["A successful job also printed, and this one did not:"] if missing else []
    return title + [f"  {line}" for line in missing]


def _join(lines: Sequence[str], keys: Collection[str]) -> str:
    """Return lines without control characters, each and together of bounded length."""
    # A name with a newline in it must not look like a line, or a section, of ours; a part
    # of a secret is not known as one, so it is taken out before anything is cut.
    plain = [redact(hide(line, keys)) for line in lines]
    cleaned = (f"{_indent(line)}{clean_title(line, _MAX_FACT)}" for line in plain)
    shown = [line for line in cleaned if line.strip()]
    return "\n".join(shown[:_MAX_FACTS])[:_MAX_SECTION]


def _indent(line: str) -> str:
    return "  " if line.startswith("  ") else ""
