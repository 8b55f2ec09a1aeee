"""What the rules can propose in answer to a message, in words and as tool calls."""

from __future__ import annotations

from collections.abc import Sequence
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
        self.groups: Sequence[FailureGroup] = run.groups()
        self.failures: Sequence[Failure] = run.failures()
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


def hint_of(found: FoundFixes) -> str:
    """Say what `fix it` would propose."""
    if found.fixes:
        return f"I can propose exactly:\n\n{_list(found.fixes)}\n\nSay `fix it`."
    if found.restarts:
        return " ".join([*found.problems, "Say `start again`."])
    return " ".join(found.problems)


def fixes_of_group(group: FailureGroup, facts: Moment) -> FoundFixes:
    """Return what mends the failures of a group that are not past."""
    return find_fixes(facts.members(group), facts.run, bad_node=group.bad_node or "")


def propose_fixes(subject: Subject, facts: Moment) -> RuleAnswer:
    """Return the fixes of what a message names, or of all failures."""
    chosen: list[tuple[Failure, FoundFixes, str]] = []
    for group in facts.groups[:MAX_FIXED_GROUPS]:
        if group.key in subject.groups or not subject:
            members = facts.members(group)
            if members:
                found = fixes_of_group(group, facts)
                chosen.append((members[0], found, group.title))
    for failure in facts.named(subject):
        if failure.diagnosis is not None:
            found = find_fixes([failure], facts.run)
            chosen.append((failure, found, failure.diagnosis.title))
    if not chosen:
        return RuleAnswer("There is nothing to fix: no failure of these jobs is known.")
    fixes = [FixFor(failure, fix) for failure, found, _ in chosen for fix in found.fixes]
    # Started again once all is mended, and each learner once.
    held = {
        name: failure
        for failure, found, _ in chosen
        for fix in found.restarts
        for name in fix.arguments["learners"]
    }
    if held:
        fixes.append(FixFor(next(iter(held.values())), restart_of(list(held))))
    return RuleAnswer("\n\n".join(_fix_texts(chosen)), fixes)


def _fix_texts(chosen: Sequence[tuple[Failure, FoundFixes, str]]) -> list[str]:
    texts = []
    for failure, found, title in chosen:
        lines = [f"**{plain(title)}**"]
        if found.fixes:
            lines.append(_list(found.fixes))
        lines += found.problems
        if found.restarts:
            learners = found.restarts[0].arguments["learners"]
            lines.append(f"Then {counted(len(learners), 'learner')} can start again.")
        elif not found.fixes:
            assert failure.diagnosis is not None
            remedies = [f"- {plain(remedy.summary)}" for remedy in failure.diagnosis.remedies[:3]]
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
