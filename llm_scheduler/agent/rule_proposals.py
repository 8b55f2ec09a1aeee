"""What the rules can propose in answer to a message, in words and as tool calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from llm_scheduler.agent.questions import Subject
from llm_scheduler.agent.rule_fixes import FoundFixes, ProposedFix, find_fixes, restart_of
from llm_scheduler.agent.rule_texts import code, counted, plain, some
from llm_scheduler.diagnosis.grouping import group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.tools.learner_names import STUCK_STATES
from llm_scheduler.tools.run_view import JobInfo, RunView

MAX_FIXED_GROUPS = 20
_MORE_OF = {"memory": "more memory", "time": "more time", "exclude": "another node"}


class FixFor(NamedTuple):
    """A fix, and one of the failures that it mends."""

    failure: Failure
    fix: ProposedFix


@dataclass(frozen=True)
class RuleAnswer:
    """What the rules say to a message."""

    text: str
    """Markdown."""
    fixes: list[FixFor] = field(default_factory=list)
    """Changes that the message asks for, in the order in which to make them."""


class Moment:
    """The run at the time of one message."""

    def __init__(self, run: RunView) -> None:
        self.run = run
        self.jobs: Sequence[JobInfo] = run.jobs()
        self.failures: Sequence[Failure] = run.failures()
        self.groups = [*_as_of_the_newest(run.groups(), self.failures)]
        self.last = {name: failure for failure in self.failures for name in failure.learners}

    def job_of(self, learner: str) -> JobInfo | None:
        """Return what a learner's job does; ``None`` when it is not in the run any more."""
        return next((job for job in self.jobs if job.fname == learner), None)

    def members(self, group: FailureGroup) -> list[Failure]:
        """Return the failures of a group that are the last ones of their learners."""
        return [
            failure
            for failure in self.failures
            if failure.diagnosis is not None
            and group_key(failure.diagnosis) == group.key
            and self.is_last(failure)
        ]

    def is_last(self, failure: Failure) -> bool:
        """Whether it is the last failure of a learner: earlier ones are past."""
        return any(self.last.get(name) is failure for name in failure.learners)

    def is_done(self, failures: Sequence[Failure]) -> bool:
        """Whether all learners of failures have reached their goal since."""
        jobs = [self.job_of(name) for failure in failures for name in failure.learners]
        return bool(jobs) and all(job is not None and job.state == "done" for job in jobs)

    def earlier(self, subject: Subject) -> list[Failure]:
        """Return the failures of jobs that a message names and that are not the last ones."""
        return [f for f in self.failures if (f.job_id or "").casefold() in subject.job_ids]

    def named(self, subject: Subject) -> list[Failure]:
        """Return the failures of the jobs and learners that a message names."""
        earlier = self.earlier(subject)
        return [
            failure
            for failure in self.failures
            if failure in earlier
            or (self.is_last(failure) and not set(subject.learners).isdisjoint(failure.learners))
        ]


def _as_of_the_newest(
    groups: Sequence[FailureGroup], failures: Sequence[Failure]
) -> Iterator[FailureGroup]:
    """Yield groups that show their last failure: of what happened before, numbers are past."""
    newest = {group_key(f.diagnosis): f.diagnosis for f in failures if f.diagnosis is not None}
    for group in groups:
        shown = newest.get(group.key, group.representative)
        yield group.model_copy(update={"title": shown.title, "representative": shown})


def hint_of(found: FoundFixes) -> str:
    """Say what `fix it` would propose."""
    if found.fixes:
        return f"I can propose exactly:\n\n{_list(found.fixes)}\n\nSay `fix it`."
    if found.restarts:
        return " ".join([*found.problems, "Say `start again`."])
    return " ".join(found.problems)


def fixes_of_group(group: FailureGroup, facts: Moment, resources: Sequence[str] = ()) -> FoundFixes:
    """Return what mends the failures of a group that are not past."""
    members, node = facts.members(group), group.bad_node or ""
    return find_fixes(members, facts.run, bad_node=node, resources=resources)


class _Chosen(NamedTuple):
    """Failures with one cause, and what mends them."""

    failures: Sequence[Failure]
    found: FoundFixes
    title: str


def propose_fixes(subject: Subject, facts: Moment, resources: Sequence[str] = ()) -> RuleAnswer:
    """Return the fixes of what a message names, or of all failures.

    Parameters
    ----------
    subject, facts
        What the message names, in the run.
    resources
        Where the message asks for more of these, and for nothing else.

    """
    chosen = list(_choose(subject, facts, resources))
    if not chosen:
        return RuleAnswer("There is nothing to fix: no failure of these jobs is known.")
    if resources:
        chosen = [one for one in chosen if one.found.fixes or one.found.problems]
        if not chosen:
            more = " or ".join(_MORE_OF[name] for name in resources)
            return RuleAnswer(f"No rule says that {more} would help. Say `why?` for the causes.")
    fixes = [FixFor(one.failures[0], fix) for one in chosen for fix in one.found.fixes]
    # Started again once all is mended, and each learner once.
    held = {
        name: one.failures[0]
        for one in chosen
        for fix in one.found.restarts
        for name in fix.arguments["learners"]
    }
    if held:
        is_certain = all(fix.is_certain for _, fix in fixes)
        restart = restart_of(list(held), is_certain=is_certain)
        fixes.append(FixFor(next(iter(held.values())), restart))
    return RuleAnswer("\n\n".join(_fix_texts(chosen, facts)), fixes)


def _choose(subject: Subject, facts: Moment, resources: Sequence[str]) -> Iterator[_Chosen]:
    for group in facts.groups[:MAX_FIXED_GROUPS]:
        members = facts.members(group)
        if members and (group.key in subject.groups or not subject):
            yield _Chosen(members, fixes_of_group(group, facts, resources), group.title)
    for failure in facts.named(subject):
        if failure.diagnosis is not None:
            found = find_fixes([failure], facts.run, resources=resources)
            yield _Chosen([failure], found, failure.diagnosis.title)


def _fix_texts(chosen: Sequence[_Chosen], facts: Moment) -> list[str]:
    texts = []
    for failures, found, title in chosen:
        lines = [f"**{plain(title)}**"]
        if found.fixes:
            lines.append(_list(found.fixes))
        lines += found.problems
        if found.restarts:
            learners = found.restarts[0].arguments["learners"]
            lines.append(f"Then {counted(len(learners), 'learner')} can start again.")
        elif facts.is_done(failures):
            lines.append("Since then the goal was reached: there is nothing left to fix.")
        elif not found.fixes:
            diagnosis = failures[-1].diagnosis
            assert diagnosis is not None
            remedies = [f"- {plain(remedy.summary)}" for remedy in diagnosis.remedies[:3]]
            lines.append("Rules can't state an exact fix. What a person can do:")
            lines.append("\n".join(remedies) or "- Read the log.")
        texts.append("\n\n".join(lines))
    return texts


def _list(fixes: Sequence[ProposedFix]) -> str:
    return "\n".join(f"- {_say(fix)}" for fix in fixes)


def _say(fix: ProposedFix) -> str:
    """Return what a fix does, in a line."""
    arguments = fix.arguments
    if fix.tool == "replace_text":
        return f"Edit {code(arguments['path'])}. {plain(fix.reason)}"
    if fix.tool == "make_directory":
        return f"Make the folder {code(arguments['path'])}."
    values = ", ".join(
        f"{name} {code(str(value))}" for name, value in arguments.items() if name != "learners"
    )
    return (
        f"{counted(len(arguments['learners']), 'learner')}: ask for {values}. {plain(fix.reason)}"
    )


def propose_restart(subject: Subject, facts: Moment) -> RuleAnswer:
    """Return the restart of the learners that a message names, or of all that wait for one."""
    wanted = set(subject.learners)
    for group in facts.groups:
        if group.key in subject.groups:
            wanted.update(group.learners)
    for failure in facts.earlier(subject):
        wanted.update(failure.learners)
    held = [
        job.fname
        for job in facts.jobs
        if job.state in STUCK_STATES and (not wanted or job.fname in wanted)
    ]
    if not held:
        which = "None of these learners is" if wanted else "No learner is"
        return RuleAnswer(f"{which} held back, so there is nothing to start.")
    failure_ = facts.last.get(held[0])
    text = f"{counted(len(held), 'learner')} held back can start again: {some(held)}."
    if failure_ is None:
        return RuleAnswer(f"{text} Start them with `run_manager.release()`.")
    asked = ProposedFix("restart_learners", {"learners": held}, "You asked to start them again.")
    return RuleAnswer(text, [FixFor(failure_, asked)])
