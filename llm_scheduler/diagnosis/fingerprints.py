"""What makes two failures the same one, by kind of failure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.evidence import find_frame
from llm_scheduler.logs import fingerprint

_RAN_OUT = frozenset({"out_of_memory", "gpu_out_of_memory", "time_limit", "disk_full"})
"""What ran out is the failure, whatever asked for it last."""
_ABOUT_THINGS = frozenset(
    {
        "missing_module",
        "missing_shared_library",
        "command_not_found",
        "file_not_found",
        "permission_denied",
        "license_unavailable",
    },
)
"""The thing that is not there is the failure, whoever asked for it."""
_NAMES = ("module", "library", "command", "name", "key", "symbol", "version", "option")
_PATHS = ("path", "path2", "file", "interpreter")


def make_fingerprint(candidate: Candidate) -> str:
    """Return what is equal for the same failure with other numbers, paths and nodes."""
    return fingerprint(" | ".join([candidate.cause.id, *_parts(candidate)]))


def _parts(candidate: Candidate) -> list[str]:
    category, exception = candidate.cause.category, candidate.exception
    if category in _RAN_OUT or candidate.role == "verdict":
        return []
    named = _named_things(candidate)
    if named and (exception is None or category in _ABOUT_THINGS):
        return named
    if exception is None:
        return [candidate.text] if candidate.text else []
    parts = [f"{exception.exception}: {exception.message}"]
    frame = find_frame(candidate)
    if frame is not None and category not in _ABOUT_THINGS:
        parts.append(f"{PurePosixPath(frame.file).name} {frame.function}")
    return parts


def _named_things(candidate: Candidate) -> list[str]:
    values = candidate.values
    if candidate.cause.category not in _ABOUT_THINGS:
        return [values[name] for name in _NAMES if values.get(name)]
    found = [values[name] for name in (*_NAMES, *_PATHS) if values.get(name)]
    # Without its folder, and without dot and digits: as a path it would be taken out.
    names = [re.sub(r"\d+", "0", PurePosixPath(thing).name or thing) for thing in found]
    return [name.replace(".", " ") for name in names]
