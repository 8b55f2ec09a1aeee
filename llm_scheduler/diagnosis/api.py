"""The synchronous entry points: logs in, a `Diagnosis` out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from llm_scheduler.diagnosis.catalog import Catalog, load_catalog
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import LogError, UsageError
from llm_scheduler.logs import LogDigest, LogLine, LogText, known_lines, make_digest, scan_log

PathOrPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def diagnose_log(
    path_or_paths: PathOrPaths,
    *,
    record: JobRecord | None = None,
    catalog: Catalog | None = None,
    job_id: str | None = None,
    compare_with: PathOrPaths = (),
) -> Diagnosis:
    """Say why one job failed, from its logs and its record, by rules only.

    Parameters
    ----------
    path_or_paths
        The log of the job, or all its logs.
    record
        What the scheduler knows about the job.
    catalog
        The causes to look for; the built-in ones by default.
    job_id
        Overrides the one of the record.
    compare_with
        Logs of a successful job of the same run: lines that occur there too count
        for less.

    Raises
    ------
    UsageError
        When no path is given.
    LogError
        When no log can be read and there is no record either, or when one to compare
        with can't be read.
    """
    catalog = catalog if catalog is not None else load_catalog()
    logs = _read_logs(path_or_paths, record, catalog)
    known = known_lines(_read_good(compare_with, catalog))
    return diagnose(logs, record, catalog=catalog, job_id=job_id, known=known)


def examine_log(
    path_or_paths: PathOrPaths,
    *,
    record: JobRecord | None = None,
    catalog: Catalog | None = None,
    job_id: str | None = None,
    compare_with: PathOrPaths = (),
    max_chars: int = 4000,
) -> tuple[Diagnosis, LogDigest]:
    """Return the diagnosis of one job, and the digest of its logs.

    The logs are read once, and what proves the diagnosis stands first in the digest.

    Parameters
    ----------
    path_or_paths, record, catalog, job_id, compare_with
        As for `diagnose_log`.
    max_chars
        Longest text of the digest.

    Raises
    ------
    UsageError, LogError
        As for `diagnose_log`.
    """
    catalog = catalog if catalog is not None else load_catalog()
    logs = _read_logs(path_or_paths, record, catalog)
    good = _read_good(compare_with, catalog)
    diagnosis = diagnose(logs, record, catalog=catalog, job_id=job_id, known=known_lines(good))
    proof = [LogLine(x.file, x.line, x.text) for x in diagnosis.evidence if x.file]
    return diagnosis, make_digest(logs, max_chars=max_chars, compare_with=good, proof=proof)


def _read_logs(
    path_or_paths: PathOrPaths,
    record: JobRecord | None,
    catalog: Catalog,
) -> list[LogText]:
    logs = [scan_log(path, literals=catalog.literals) for path in _check_paths(path_or_paths)]
    unreadable = [log for log in logs if log.problem and not log.lines]
    if record is None and len(unreadable) == len(logs):
        raise LogError(unreadable[0].file, unreadable[0].problem)
    return logs


def _read_good(path_or_paths: PathOrPaths, catalog: Catalog) -> list[LogText]:
    logs = [scan_log(path, literals=catalog.literals) for path in _list_paths(path_or_paths)]
    for log in logs:
        if log.problem and not log.lines:
            raise LogError(log.file, log.problem)
    return logs


def _list_paths(path_or_paths: PathOrPaths) -> list[Path]:
    if isinstance(path_or_paths, (str, os.PathLike)):
        path_or_paths = [path_or_paths]
    return [Path(path) for path in path_or_paths if os.fspath(path)]


def _check_paths(path_or_paths: PathOrPaths) -> list[Path]:
    paths = _list_paths(path_or_paths)
    if not paths:
        msg = "No log was given; pass the path of a log, or a list of paths."
        raise UsageError(msg)
    return paths
