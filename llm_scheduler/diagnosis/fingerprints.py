"""What makes two failures the same one, by kind of failure."""

from __future__ import annotations

import re

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.evidence import find_frame
from llm_scheduler.logs import normalise
from llm_scheduler.logs.fingerprint import describe_frame, fingerprint_key

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
_SOFTWARE = ("module", "library", "package", "symbol", "version", "feature", "plugin")
_NAMES = ("command", "name", "key", "option", "interpreter")
_PATHS = ("path", "path2", "file")
_FOLDERS = re.compile(r"(?:[A-Za-z]:[\\/]|[~.]{0,2}/|\\\\).*[/\\](?=[^/\\])|[~.]{1,2}/|/")
_FOLDERS_OF_FILE = re.compile(r".*[/\\](?=[^/\\])")
_COUNTED = re.compile(r"[0-9a-f]{7,128}|\d+")
_FILE = re.compile(r".*[^\W\d]\w*\.[A-Za-z]\w{0,9}")
_LETTER = re.compile(r"[^\W\d_]")


def make_fingerprint(candidate: Candidate) -> str:
    """Return what is equal for the same failure with other numbers, paths and nodes."""
    return fingerprint_key("\n".join([candidate.cause.id, *_parts(candidate)]))


def _parts(candidate: Candidate) -> list[str]:
    category, exception = candidate.cause.category, candidate.exception
    if category in _RAN_OUT or candidate.role == "verdict":
        return []
    named = _named_things(candidate)
    if named and (exception is None or category in _ABOUT_THINGS):
        return named
    if exception is None:
        return [normalise(candidate.text)] if candidate.text else []
    parts = [normalise(f"{exception.exception}: {exception.message}")]
    frame = find_frame(candidate)
    if frame is not None and category not in _ABOUT_THINGS:
        parts.append(describe_frame(frame))
    return parts


def _named_things(candidate: Candidate) -> list[str]:
    values = {name: value.strip() for name, value in candidate.values.items() if value}
    named = [_FOLDERS.sub("", values[name], count=1) for name in _SOFTWARE if values.get(name)]
    named += [_normal_name(values[name]) for name in _NAMES if values.get(name)]
    if candidate.cause.category in _ABOUT_THINGS:
        named += [_normal_file(values[name]) for name in _PATHS if values.get(name)]
    return named


def _normal_name(name: str) -> str:
    """Return a name with its digits, which tell ``python2`` from ``python3``."""
    name = _FOLDERS.sub("", name, count=1)
    if len(name.split()) > 1 or not _LETTER.search(name):
        return normalise(name)
    # Those of scripts and data are counted through.
    return _normal_file(name) if _FILE.fullmatch(name) else name


def _normal_file(path: str) -> str:
    """Return the name of a file: not its folder, and not what counts it through."""
    return _COUNTED.sub("0", _FOLDERS_OF_FILE.sub("", path.rstrip("/")))
