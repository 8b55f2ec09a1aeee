"""Remedies that rules can state exactly, as calls of the tools that carry them out.

Nothing here changes anything, and nothing is guessed: a remedy is either an edit, a
folder or an amount with all its values, or there is none, with the reason why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_scheduler.agent.missing_folders import find_output_folder, folder_to_make
from llm_scheduler.agent.misspellings import Misspelling, find_misspelling
from llm_scheduler.agent.parsed_source import AlreadyMended, NotSure
from llm_scheduler.agent.resource_fixes import LimitsOnce, new_resources
from llm_scheduler.agent.rule_texts import code
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.hints import find_hint
from llm_scheduler.errors import LLMSchedulerError
from llm_scheduler.logs import Traceback, scan_log
from llm_scheduler.tools.learner_names import STUCK_STATES
from llm_scheduler.tools.run_view import RESOURCES, RunView

_COPIED = (
    "The function was defined in a notebook or a script, and each job has its own copy: editing "
    "a file does not change it. Correct it there, then give the learner the new function with "
    "`run_manager.database_manager.replace_learner(index, learner)`."
)
_UNCHECKED = "Only the log says so, and the code does not show whether it is true"
_FOLDER_CATEGORIES = ("file_not_found", "code_error", "unknown")


@dataclass(frozen=True)
class ProposedFix:
    """One call of a write tool."""

    tool: str
    arguments: dict[str, Any]
    reason: str
    is_certain: bool = True
    """Whether more than the words of a log speaks for it; else the user must be asked."""


@dataclass(frozen=True)
class FoundFixes:
    """What can be done about failures."""

    fixes: tuple[ProposedFix, ...] = ()
    """In the order in which to make them."""
    restarts: tuple[ProposedFix, ...] = ()
    """To be made after `fixes`: learners that are held back would stay so."""
    problems: tuple[str, ...] = ()
    """Why something is not among the fixes, a sentence of Markdown each."""


@dataclass
class _Draft:
    """What is found so far; equal fixes of many failures are one."""

    edits: dict[tuple[str, str, str], Misspelling] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    """Each folder to make, with what asked for it."""
    resources: dict[tuple[tuple[str, str], ...], list[str]] = field(default_factory=dict)
    """New values, with the learners that shall have them."""
    reasons: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)
    mended: dict[str, None] = field(default_factory=dict)
    """Learners for which something is found."""
    problems: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Reading:
    """What the logs of a failure, and the files that they name, tell."""

    chains: list[list[Traceback]]
    """Each exception that proves the diagnosis, followed by those it caused."""
    misspellings: list[Misspelling | NotSure]


def exact_fixes(failure: Failure, run: RunView) -> list[ProposedFix]:
    """Return the fixes of one failure, in the order in which to make them.

    Parameters
    ----------
    failure
        With the rules' diagnosis: what a model says is no exact fix.
    run
        The run that it belongs to.

    """
    found = find_fixes([failure], run)
    return [*found.fixes, *found.restarts]


def find_fixes(
    failures: Sequence[Failure],
    run: RunView,
    *,
    bad_node: str = "",
    resources: Collection[str] = (),
) -> FoundFixes:
    """Return the fixes of failures; many with one cause give one.

    Reads logs and source files, so it may take a while.

    Parameters
    ----------
    failures
        Of one group, or any; those of which the rules say nothing are left out.
    run
        The run that they belong to.
    bad_node
        The node on which all of them happened, where that is no chance.
    resources
        Where only some of ``memory``, ``time`` and ``exclude`` are asked for.

    """
    jobs = {job.fname: job for job in run.jobs()}
    draft = _Draft()
    readings: dict[tuple[str, ...], _Reading] = {}
    limits = LimitsOnce(run)
    for failure in failures:
        learners = [x for x in failure.learners if x in jobs and jobs[x].state != "done"]
        if failure.by_rules is None or not learners:
            continue
        if resources:
            _add_resources(failure, learners, limits, draft, bad_node, resources)
            continue
        # Jobs that failed alike printed the same lines: one log stands for all of them.
        proof = tuple(x.text for x in failure.by_rules.evidence)
        if proof not in readings or not readings[proof].chains:
            readings[proof] = _read(failure)
        _add_edit(readings[proof], learners, run, draft)
        if not draft.mended.keys() >= set(learners):
            _add_folder(failure, readings[proof], learners, run, draft)
        if not draft.mended.keys() >= set(learners):
            _add_resources(failure, learners, limits, draft, bad_node)
    held = [x for x in draft.mended if jobs[x].state in STUCK_STATES]
    fixes = tuple(_all_fixes(draft))
    is_certain = all(fix.is_certain for fix in fixes)
    return FoundFixes(
        fixes=fixes,
        restarts=(restart_of(held, is_certain=is_certain),) if held else (),
        problems=tuple(draft.problems),
    )


def restart_of(learners: Sequence[str], *, is_certain: bool = True) -> ProposedFix:
    """Return the call that starts learners again, once what is before it is done."""
    few = "it" if len(learners) == 1 else "them"
    return ProposedFix(
        "restart_learners",
        {"learners": list(learners)},
        f"The cause of the failure is mended, and nothing else starts {few} again.",
        is_certain,
    )


def _all_fixes(draft: _Draft) -> Iterator[ProposedFix]:
    for edit in draft.edits.values():
        yield ProposedFix(
            "replace_text",
            {"path": edit.file, "old_text": edit.old, "new_text": edit.new},
            f"Python says: {edit.message}" if edit.is_certain else f"{_UNCHECKED}: {edit.message}",
            edit.is_certain,
        )
    for folder, wish in draft.folders.items():
        yield ProposedFix(
            "make_directory",
            {"path": folder},
            f"The program writes into {wish}, and that folder is missing.",
        )
    for values, learners in draft.resources.items():
        yield ProposedFix(
            "set_resources", {"learners": learners, **dict(values)}, draft.reasons[values]
        )


def _read(failure: Failure) -> _Reading:
    chains = list(_proven_chains(failure))
    found: list[Misspelling | NotSure] = []
    for chain in chains:
        try:
            misspelling = find_misspelling(chain)
        except NotSure as exc:
            found.append(exc)
        else:
            found += [misspelling] if misspelling is not None else []
    return _Reading(chains, found)


def _proven_chains(failure: Failure) -> Iterator[list[Traceback]]:
    """Yield each exception that proves the diagnosis, followed by those it caused."""
    assert failure.by_rules is not None
    evidence = failure.by_rules.evidence
    proof = {(Path(x.file).name, x.line) for x in evidence[:2] if x.file}
    if not any("Error" in x.text or "Exception" in x.text or find_hint([x.text]) for x in evidence):
        return  # no traceback has a part in it, and logs can be large
    for file in failure.log_files:
        with suppress(LLMSchedulerError, OSError):
            for traceback in scan_log(file).tracebacks:
                links = [traceback]
                while links[-1].cause is not None:
                    links.append(links[-1].cause)
                links.reverse()
                for i, link in enumerate(links):
                    if (Path(file).name, link.message_line) in proof:
                        yield links[i:]


def _add_edit(reading: _Reading, learners: Sequence[str], run: RunView, draft: _Draft) -> None:
    for found in reading.misspellings:
        if isinstance(found, AlreadyMended):
            draft.problems[f"Nothing is edited: {found}"] = None
            draft.mended |= dict.fromkeys(learners)
            return
        if isinstance(found, NotSure):
            infos = [run.learner(learner) for learner in learners]
            is_copy = any(info.by_value and not info.file for info in infos)
            draft.problems[_COPIED if is_copy else f"Nothing is edited: {found}"] = None
        elif any(_is_copied(found.file, learner, run) for learner in learners):
            draft.problems[_COPIED] = None
        else:
            draft.edits[found.file, found.old, found.new] = found
            draft.mended |= dict.fromkeys(learners)
            return


def _is_copied(file: str, learner: str, run: RunView) -> bool:
    """Tell whether jobs have their own copy of what stands in a file."""
    info = run.learner(learner)
    if not info.by_value or not info.file:
        return False
    return Path(info.file).resolve() == Path(file).resolve()


def _add_folder(
    failure: Failure,
    reading: _Reading,
    learners: Sequence[str],
    run: RunView,
    draft: _Draft,
) -> None:
    assert failure.by_rules is not None
    if failure.by_rules.category not in _FOLDER_CATEGORIES:
        return
    for chain in reading.chains:
        folder = find_output_folder(chain)
        if not folder:
            continue
        # Another shell does not know in which folder the jobs work.
        base = Path.cwd() if run.can_control else None
        path = folder_to_make(folder, base, (run.folder, Path.cwd()))
        if not path:
            draft.problems[_why_no_folder(folder, base)] = None
            continue
        draft.folders.setdefault(path, folder)
        draft.mended |= dict.fromkeys(learners)
        return


def _why_no_folder(folder: str, base: Path | None) -> str:
    path = Path(folder) if base is None else base / folder
    if path.is_absolute() and path.is_dir():
        return f"The folder {code(folder)} is there now."
    return (
        f"The folder {code(folder)} is not made from here: it is neither in the run's folder nor "
        "in the working folder."
    )


def _add_resources(
    failure: Failure,
    learners: Sequence[str],
    limits: LimitsOnce,
    draft: _Draft,
    bad_node: str,
    names: Collection[str] = RESOURCES,
) -> None:
    for learner in learners:
        wish = new_resources(failure, learner, limits, bad_node=bad_node, names=names)
        if wish.problem:
            draft.problems[wish.problem] = None
        if wish.is_settled:  # it asks for that much already
            draft.mended[learner] = None
        if not wish.values:
            continue
        key = tuple(sorted(wish.values.items()))
        draft.resources.setdefault(key, []).append(learner)
        draft.reasons.setdefault(key, wish.reason)
        draft.mended[learner] = None
