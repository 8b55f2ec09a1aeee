"""What kept a job from having what a later error misses.

A script goes on after a failure: without its environment a module is missing, and
what one program did not write the next one can't read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm_scheduler.diagnosis import noise
from llm_scheduler.diagnosis.candidates import Candidate, is_general

_MISSES = frozenset(
    {"missing_module", "command_not_found", "missing_shared_library", "file_not_found"},
)
"""Kinds of errors that a failed set-up leads to."""
_SET_UP = noise.compile_words(
    r"\b(?:conda|mamba|micromamba|module|ml|spack|pyenv|virtualenv|venv|activate|pip3?|uv|poetry"
    r"|source): (?:command )?not found"
    r"|(?:bin/activate|conda\.sh|profile\.d/\S+|setvars\.sh|/init/\w*sh): No such file"
    r"|\bCommandNotFoundError: Your shell has not\b",
)
"""What a shell says when the commands that set up a job fail."""
_SET_UP_CAUSES = frozenset(
    {
        "conda-environment-missing",
        "conda-network",
        "conda-not-initialised",
        "conda-not-writable",
        "container-image-missing",
        "lmod-conflict",
        "lmod-unknown-module",
        "module-prerequisite",
        "modulefile-broken",
        "pip-no-version",
        "pip-offline",
        "venv-missing",
    },
)
_INSTALLER = noise.compile_words(r"\bpip\._vendor\b|\bRetry\(total=|\bfiles\.pythonhosted\.org\b")
_GAVE_UP = frozenset({"pip-no-version", "pip-install-failed"})
_SOON = 20
"""So many lines of life after it a failed set-up is no reason any more."""
_MAKERS = frozenset(
    {"numerical_error", "crash", "out_of_memory", "disk_full", "license_unavailable"}
)
"""Ends of programs that then have not written what the next one reads."""
_OF_WEIGHT = 60


def find_origin(error: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """Return what led to an error, or the error itself."""
    if error.cause.category not in _MISSES or _is_set_up(error):
        return error
    before = [
        x
        for x in candidates
        if x.file == error.file
        and x.order < error.order
        and not x.from_record
        and not x.known
        and x.after - error.after < _SOON
    ]
    # An installer tries again and again, and then does without.
    gave_up = max((x.order for x in before if x.cause.id in _GAVE_UP), default=-1)
    for earlier in before:
        if _is_set_up(earlier) and (_counts(earlier) or earlier.order < gave_up):
            return _as_cause(_reason(earlier, before), error)
    if error.cause.category == "file_not_found":
        made = [x for x in before if _is_failed_maker(x)]
        if made:
            return _as_cause(made[0], error)
    return error


def _counts(found: Candidate) -> bool:
    return found.role in {"cause", "hint"} and not found.said_to_live


def _is_set_up(found: Candidate) -> bool:
    if found.traceback is not None:
        return False
    if found.cause.id in _SET_UP_CAUSES or _SET_UP.search(found.text) is not None:
        return True
    return found.cause.category == "network_error" and _INSTALLER.search(found.text) is not None


def _reason(found: Candidate, before: Sequence[Candidate]) -> Candidate:
    """Return why an installer found nothing, where it says so before."""
    if found.cause.id not in _GAVE_UP:
        return found
    network = [x for x in before if x.cause.category == "network_error" and _is_set_up(x)]
    return network[0] if network else found


def _is_failed_maker(found: Candidate) -> bool:
    return (
        found.role == "cause"
        and found.cause.category in _MAKERS
        and not found.said_to_live
        and not is_general(found.cause)
        and found.cause.priority >= _OF_WEIGHT
    )


def _as_cause(origin: Candidate, error: Candidate) -> Candidate:
    return replace(
        origin,
        role="cause",
        after=error.after,
        strictly_after=error.strictly_after,
        said_to_live=False,
    )
