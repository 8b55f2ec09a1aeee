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
from llm_scheduler.logs import known_lines, scan_log

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
    paths = _check_paths(path_or_paths)
    catalog = catalog if catalog is not None else load_catalog()
    logs = [scan_log(path, literals=catalog.literals) for path in paths]
    unreadable = [log for log in logs if log.problem and not log.lines]
    if record is None and len(unreadable) == len(logs):
        raise LogError(unreadable[0].file, unreadable[0].problem)
    known = _read_known(_list_paths(compare_with), catalog)
    return diagnose(logs, record, catalog=catalog, job_id=job_id, known=known)


def _read_known(paths: Sequence[Path], catalog: Catalog) -> frozenset[str]:
    logs = [scan_log(path, literals=catalog.literals) for path in paths]
    for log in logs:
        if log.problem and not log.lines:
            raise LogError(log.file, log.problem)
    return known_lines(logs)


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
