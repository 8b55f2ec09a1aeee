"""What a message asks for, by its words: no model reads it.

Simple English is understood by keywords. What is not understood is said to be so;
nothing is guessed from it, least of all that something shall be changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.tools.run_view import JobInfo

Kind = Literal[
    "help", "undo", "fix", "restart", "advice", "queue", "jobs", "log", "why", "mode", "model",
    "unknown",
]  # fmt: skip

_ASKS = re.compile(r"\b(?:how|what|why|which|who|when|where|should|would|does|did|is|are)\b")
_ORDERS = re.compile(r"^(?:(?:please|now|then|ok|okay|and|so|can you|could you|will you) ?,? ?)*")
_MENDS = (
    r"(?:fix|fixes|mend|repair|correct|solve|propose|apply|give (?:it|them|job|learner)|raise"
    r"|increase|make (?:it|them) (?:work|pass|run))\b"
)
_STARTS = (
    r"(?:re-?start|re-?run|re-?submit|re-?queue|retry|release)(?=[\s.!,]|$)"
    r"|(?:start|run|submit)\s(?:.{0,80}\s)?again\b|start (?:it|them|jobs?|learners?|all|every)"
)
_UNDO = re.compile(r"\b(?:undo|undone|revert|roll(?:ed)? ?back|take (?:it |that )?back)\b")
_RESOURCES = {
    "memory": re.compile(r"\b(?:memory|ram)\b"),
    "time": re.compile(
        r"\b(?:more|extra|run|wall|longer) ?time\b|\btime ?limit\b|\btimeout\b|(?<!no )\blonger\b"
    ),
    "exclude": re.compile(r"\b(?:another|other|different|bad) nodes?\b"),
}
_MORE = re.compile(r"\b(?:more|another|bigger|longer) (?:memory|ram|time|node)\b")
_LESS = re.compile(r"\b(?:less|fewer|lower|smaller|shorter|reduce|decrease)\b")
_FIX_ORDER = re.compile(_MENDS)
_START_ORDER = re.compile(_STARTS)
_PROPOSE = re.compile(r"\bpropose\b")

_WORDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("help", re.compile(r"^\W*$|\bhelp\b|\bwhat can (?:you|i)\b|\bcommands\b")),
    ("mode", re.compile(r"\byolo\b|\bread-?only\b|\bmode\b|\bapprovals?\b")),
    (
        "advice",
        re.compile(
            r"\bwhat (?:can|could|should|shall|must|do|to|will)\b.{0,40}\b(?:do|change|help|fix)\b"
            r"|\bhow\b.{0,60}\b(?:fix|mend|solve|repair|avoid|prevent|correct)|\badvice\b"
            r"|\bremed(?:y|ies)\b|\bsolutions?\b|\bshould i\b|\bfix(?:es|ed|able)?\b|\bpropose\b"
        ),
    ),
    ("queue", re.compile(r"\bqueued?\b|\bsqueue\b|\bqstat\b|\bpartitions?\b|\bsinfo\b")),
    ("log", re.compile(r"\blogs?\b|\boutputs?\b|\bdigest\b|\btraceback\b|\bprint(?:s|ed)?\b")),
    (
        "why",
        re.compile(
            r"\bwhy\b|\bfail\w*\b|\bwrong\b|\berrors?\b|\bcauses?\b|\bgroups?\b|\bhappen\w*\b"
            r"|\bproblems?\b|\bexplain\b|\bcrash\w*\b|\bdied\b|\bkilled\b|\breasons?\b|\bproof\b"
            r"|\bevidence\b|\bdiagnos\w+\b|\bsummary\b|\boverview\b"
            r"|^(?:hi|hello|hey|good (?:morning|day|evening))\b"
        ),
    ),
    ("model", re.compile(r"\b(?:llm|model|gpt|claude|ollama|openai)\b")),
    (
        "jobs",
        re.compile(
            r"\bjobs?\b|\blearners?\b|\brunning\b|\bpending\b|\bwaiting\b|\bfinished\b|\bdone\b"
            r"|\bstat(?:us|e|es)\b|\bprogress\b|\bhow many\b|\bhow (?:far|long)\b|\bresources?\b"
            r"|\bmemory\b|\btime\b|\bnodes?\b|\bheld\b|\battempts?\b|\bhistory\b"
        ),
    ),
)
_TOKEN = re.compile(
    r"(?P<noun>\b(?:jobs?|learners?|groups?|causes?|nodes?)\s+|#)?(?P<name>[\w./~@+\[\]-]+)"
)
_ALL = re.compile(r"\b(?:all|everything|every|whole)\b")
_IT = re.compile(r"\b(?:it|its|this|that|these|them|those|they)\b")
_MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about."""

    groups: tuple[str, ...] = ()
    """Keys of failure groups."""
    learners: tuple[str, ...] = ()
    """Files of learners."""
    job_ids: tuple[str, ...] = ()
    """Of jobs that are not the last of their learner."""
    unknown: str = ""
    """A job or a group that was named and is not there, as the user wrote it."""

    def __bool__(self) -> bool:
        return bool(self.groups or self.learners or self.job_ids or self.unknown)


def kind_of(message: str) -> Kind:
    """Return what a message asks for."""
    text = " ".join(message[:_MAX_CHARS].casefold().split())
    order = text[_ORDERS.match(text).end() :]  # type: ignore[union-attr]  # it matches ""
    if _UNDO.search(text):
        return "undo"
    asks = _ASKS.search(order[:40]) is not None or _wants_less(text)
    if not asks and (_FIX_ORDER.match(order) or _MORE.search(text)):
        return "fix"
    if _PROPOSE.search(text):
        return "fix"
    if not asks and _START_ORDER.match(order):
        return "restart"
    for kind, pattern in _WORDS:
        if pattern.search(text):
            return kind
    return "unknown"


def resources_named(message: str) -> tuple[str, ...]:
    """Return of what the next job shall have more, where a message says so."""
    text = message[:_MAX_CHARS].casefold()
    return tuple(name for name, pattern in _RESOURCES.items() if pattern.search(text))


def _wants_less(text: str) -> bool:
    return _LESS.search(text) is not None and bool(resources_named(text))


def names_it(message: str) -> bool:
    """Whether a message means what was spoken of before."""
    return _IT.search(message[:_MAX_CHARS].casefold()) is not None


def names_all(message: str) -> bool:
    """Whether a message means everything, whatever was spoken of before."""
    return _ALL.search(message[:_MAX_CHARS].casefold()) is not None


def find_subject(
    message: str,
    jobs: Sequence[JobInfo],
    groups: Sequence[FailureGroup],
    failures: Sequence[Failure],
) -> Subject:
    """Return the jobs, learners and groups that a message names."""
    names = _names_of(jobs)
    by_node = {node.casefold(): group.key for group in reversed(groups) for node in group.nodes}
    earlier = {f.job_id for f in failures if f.job_id}
    learners: dict[str, None] = {}
    keys: dict[str, None] = {}
    ids: dict[str, None] = {}
    unknown = ""
    for found in _TOKEN.finditer(message[:_MAX_CHARS]):
        noun = (found["noun"] or "").strip().casefold().rstrip("s")
        name = found["name"].rstrip(".,;:").casefold()
        is_number = name.isdigit()
        if noun in ("group", "cause"):
            if is_number and 0 < int(name[:9]) <= len(groups):
                keys[groups[int(name) - 1].key] = None
            elif is_number:
                unknown = f"group {name}"
        elif noun == "learner" and is_number:
            at = [job.fname for job in jobs if str(job.index) == name]
            learners |= dict.fromkeys(at)
            unknown = unknown if at else f"learner {name}"
        elif name in names:
            learners[names[name]] = None
        elif name in earlier:
            ids[name] = None
        elif name in by_node and (noun == "node" or not is_number):
            keys[by_node[name]] = None
        elif noun and any(char.isdigit() for char in name):
            unknown = f"{noun if noun != '#' else 'job'} {name}"
    if learners or keys or ids:
        unknown = ""
    return Subject(tuple(keys), tuple(learners), tuple(ids), unknown[:80])


def _names_of(jobs: Sequence[JobInfo]) -> Mapping[str, str]:
    """Return the learner that each name means; what means several means none."""
    meanings: dict[str, set[str]] = {}
    for job in jobs:
        path = Path(job.fname)
        for name in {job.job_id or "", job.job_name, job.fname, path.name, path.stem} - {""}:
            meanings.setdefault(name.casefold(), set()).add(job.fname)
    # A learner called "it" or "job" would take these words out of every message.
    return {
        name: next(iter(files))
        for name, files in meanings.items()
        if len(files) == 1 and (len(name) > 3 or not name.isalpha()) and name not in _COMMON
    }


_COMMON = frozenset(
    (
        "after", "again", "apply", "cause", "check", "correct", "could", "error", "errors", "every",
        "explain", "failed", "finished", "fixed", "from", "group", "have", "help", "jobs",
        "learner", "logs", "memory", "mode", "model", "more", "node", "nodes", "output", "please",
        "queue", "release", "repair", "resources", "restart", "retry", "running", "should", "start",
        "state", "status", "that", "them", "then", "there", "these", "they", "this", "time", "undo",
        "wait", "waiting", "what", "when", "where", "which", "will", "with", "would", "wrong",
        "your",
    )
)  # fmt: skip
"""Words of questions: a learner of that name is named by its file or its number."""
