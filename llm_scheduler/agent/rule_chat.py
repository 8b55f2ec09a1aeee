"""`RuleChat`: answers about a run from rules and facts, without a model.

It says what failed and why, shows jobs and the queue, and finds the remedies that rules
can state exactly. It changes nothing itself, and says so when it does not understand.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from llm_scheduler.agent.questions import (
    Kind,
    Subject,
    find_subject,
    kind_of,
    names_all,
    names_it,
    resources_named,
)
from llm_scheduler.agent.rule_fixes import find_fixes
from llm_scheduler.agent.rule_proposals import (
    Moment,
    RuleAnswer,
    fixes_of_group,
    hint_of,
    propose_fixes,
    propose_restart,
)
from llm_scheduler.agent.rule_texts import (
    code,
    cut,
    fenced,
    group_text,
    job_text,
    jobs_text,
    overview,
    plain,
    queue_text,
    some,
)
from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.logs import digest_log
from llm_scheduler.tools.run_view import RunView

MAX_SUBJECTS = 3
MAX_DIGEST = 2500
MAX_THREADS = 1000
"""Threads of which it is remembered what was said last."""

NO_MODEL = (
    "*No model is configured: this is what rules and facts say. To ask one, set "
    "`LLM_SCHEDULER_MODEL` (for example `openai:gpt-4.1`) and its key, or pass `llm=` to the run.*"
)
HELP = """\
I answer from rules and facts. Ask for example:

- `what failed?`, `why did job 12 fail?`, `cause 2`: the causes, with proof and what to do
- `jobs`, `learner 3`, `queue`: what the jobs do
- `log of job 12`: the lines that matter
- `fix it`, `fix job 12`: I propose what rules can state exactly (a misspelt name that Python \
corrects, a missing folder, more memory, more time, a bad node)
- `start again`: learners that are held back
- `approve`, `reject`, or `undo` for a change"""
UNDO = """\
I can't undo by words alone. Each change has an id (`ch-3`):

- in the terminal chat: `/undo ch-3`, or `/undo` for the last one
- in a notebook: `run_manager.llm_manager.undo("ch-3")`
- in a shell: `llm-scheduler changes` lists them, `llm-scheduler changes undo ch-3` undoes one"""
MODE = """\
The mode says what happens with a proposed change:

- `approve`: it waits for your decision
- `yolo`: it is made at once; deleting, and changing many files in one turn, still asks
- `read-only`: nothing is proposed

Switch with `/mode yolo` in the terminal chat, or `run_manager.llm_manager.mode = "yolo"`."""
MODEL = """\
A model is named by the settings: `model` in `config.toml`, `LLM_SCHEDULER_MODEL` in the \
environment, or `llm=` of the run, for example `openai:gpt-4.1`, or with `base_url` the name that \
your own server knows. The key comes from `OPENAI_API_KEY` and the like, or from `api_key_file`."""


class RuleChat:
    """Answers messages about a run; the same run and messages give the same answers.

    May be called from any thread.

    Parameters
    ----------
    has_model
        Whether there is a model that can't be asked just now; then nothing is said of
        how to configure one.

    """

    def __init__(self, *, has_model: bool = False) -> None:
        self._has_model = has_model
        self._spoken_of: OrderedDict[str, Subject] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, message: str, run: RunView, *, thread_key: str = "") -> RuleAnswer:
        """Answer a message.

        Reads logs and source files where it needs to, and may ask the scheduler.

        Parameters
        ----------
        message
            What the user typed.
        run
            The run that it is about.
        thread_key
            The thread; what was spoken of in it before is what "it" means. That of a
            group of failures is about this group.

        """
        try:
            answer = self._find_answer(message, run, thread_key)
        except LLMSchedulerError as exc:  # a store that is locked, a scheduler that is gone
            answer = RuleAnswer(f"That can't be looked up just now: {plain(str(exc), 400)}")
        if self._is_first(thread_key):
            answer = RuleAnswer(f"{answer.text}\n\n{NO_MODEL}", answer.fixes)
        return answer

    def _find_answer(self, message: str, run: RunView, thread_key: str) -> RuleAnswer:
        facts = Moment(run)
        kind = kind_of(message)
        subject = find_subject(message, facts.jobs, facts.groups, facts.failures)
        if subject.unknown:
            return RuleAnswer(_not_known(subject.unknown, facts))
        subject = subject or self._meant(message, kind, facts, thread_key)
        if kind == "unknown" and subject:
            kind = "why"
        self._remember(thread_key, subject)
        if kind == "fix":
            return propose_fixes(subject, facts, resources_named(message))
        return _answer(kind, subject, facts)

    def _meant(self, message: str, kind: Kind, facts: Moment, thread_key: str) -> Subject:
        """Return what a message is about that names nothing."""
        for group in facts.groups:
            if thread_for_group(group.key) == thread_key:
                return Subject(groups=(group.key,))
        with self._lock:
            spoken_of = self._spoken_of.get(thread_key)
        if spoken_of is None or names_all(message):
            return Subject()
        goes_on = names_it(message) or kind in ("fix", "advice", "log")
        return spoken_of if goes_on else Subject()

    def _remember(self, thread_key: str, subject: Subject) -> None:
        if subject and thread_key:
            with self._lock:
                self._spoken_of[thread_key] = subject
                self._spoken_of.move_to_end(thread_key)
                while len(self._spoken_of) > MAX_THREADS:
                    self._spoken_of.popitem(last=False)

    def _is_first(self, thread_key: str) -> bool:
        """Whether this thread was not told yet that there is no model."""
        if self._has_model:
            return False
        with self._lock:
            if thread_key in self._told:
                return False
            if thread_key:
                self._told[thread_key] = None
                while len(self._told) > MAX_THREADS:
                    self._told.popitem(last=False)
        return True


_FIXED_TEXTS: dict[Kind, str] = {"help": HELP, "undo": UNDO, "mode": MODE, "model": MODEL}


def _answer(kind: Kind, subject: Subject, facts: Moment) -> RuleAnswer:
    if kind in _FIXED_TEXTS:
        return RuleAnswer(_FIXED_TEXTS[kind])
    if kind == "restart":
        return propose_restart(subject, facts)
    if kind == "queue":
        return RuleAnswer(_queue(facts.run))
    if kind == "log":
        return RuleAnswer(_logs(subject, facts))
    if subject:
        return RuleAnswer(_details(subject, facts))
    if kind == "jobs":
        return RuleAnswer(jobs_text(facts.jobs))
    if kind == "unknown":
        return RuleAnswer(f"I did not understand that.\n\n{HELP}")
    if len(facts.groups) == 1:
        return RuleAnswer(_details(Subject(groups=(facts.groups[0].key,)), facts))
    return RuleAnswer(overview(facts.jobs, facts.groups, facts.failures))


def _not_known(name: str, facts: Moment) -> str:
    ids = [failure.job_id for failure in facts.failures if failure.job_id]
    failed = some(list(dict.fromkeys(ids))) if ids else "none"
    return (
        f"There is no {plain(name)} in this run. Learners: 0 to {len(facts.jobs) - 1}; causes: "
        f"{len(facts.groups)}; failed jobs: {failed}."
    )


def _details(subject: Subject, facts: Moment) -> str:
    parts = []
    for group in facts.groups:
        if group.key in subject.groups:
            parts.append(group_text(group))
            parts.append(_since(group, facts))
            parts.append(hint_of(fixes_of_group(group, facts)))
    for learner in subject.learners:
        job, failure = facts.job_of(learner), facts.last.get(learner)
        if job is not None:
            run = facts.run
            parts.append(job_text(job, failure, run.resources(learner), run.attempts(learner)))
            if failure is not None and job.state != "done":
                parts.append(hint_of(find_fixes([failure], run)))
    parts.extend(_of_earlier(failure, facts) for failure in facts.earlier(subject))
    shown = [part for part in parts if part]
    left = len(shown) - 2 * MAX_SUBJECTS
    if left > 0:
        shown = [*shown[: 2 * MAX_SUBJECTS], "Ask for the others one by one."]
    return "\n\n".join(shown)


def _since(group: FailureGroup, facts: Moment) -> str:
    """Say whether the learners of a group have come further since they failed."""
    learners = {name for failure in facts.members(group) for name in failure.learners}
    jobs = [job for job in facts.jobs if job.fname in learners]
    done = sum(job.state == "done" for job in jobs)
    if not done:
        return ""
    if done == len(jobs):
        who = "its learner has" if done == 1 else f"all {done} of its learners have"
    else:
        who = f"{done} of its {len(jobs)} learners have"
    return f"Since then {who} reached the goal."


def _of_earlier(failure: Failure, facts: Moment) -> str:
    """Describe a failed job after which its learner had others."""
    job = next((x for x in map(facts.job_of, failure.learners) if x is not None), None)
    if job is None:
        return f"Job {code(failure.job_id or '')} failed; its learner is not in this run any more."
    now = f"The learner is {plain(job.state)} now"
    now += f" with job {code(job.job_id)}." if job.job_id not in (None, failure.job_id) else "."
    return job_text(job, failure, {}, ()) + f"\n\n{now}"


def _queue(run: RunView) -> str:
    try:
        rows = run.queue()
    except LLMSchedulerError as exc:
        return f"The queue can't be shown: {plain(str(exc), 400)}"
    try:
        partitions = run.partitions()
    except LLMSchedulerError:
        partitions = []
    return queue_text(rows, partitions)


def _logs(subject: Subject, facts: Moment) -> str:
    failures = facts.named(subject)
    for group in facts.groups:
        if group.key in subject.groups:
            failures += facts.members(group)[:1]
    if not failures and not subject and facts.failures:
        failures = [facts.failures[-1]]
    if not failures:
        return "No failed job with a log is known here. Ask for `log of job N`."
    return "\n\n".join(_log(failure) for failure in failures[:MAX_SUBJECTS])


def _log(failure: Failure) -> str:
    head = f"Job {code(failure.job_id or 'not accepted')}: {some(failure.log_files) or 'no log'}"
    if not failure.log_files:
        return head
    try:
        digest = digest_log(list(failure.log_files), max_chars=MAX_DIGEST)
    except (LLMSchedulerError, OSError) as exc:
        return f"{head}\n\nIt can't be read: {plain(str(exc), 400)}"
    return f"{head}\n\n{fenced(cut(digest.text, MAX_DIGEST).splitlines())}"
