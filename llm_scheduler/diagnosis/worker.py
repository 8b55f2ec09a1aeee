"""The diagnosis of one job as a function for worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from llm_scheduler.diagnosis.catalog import load_catalog
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import known_lines, scan_log


def diagnose_job(
    paths: Sequence[str],
    record: JobRecord | None = None,
    catalog_dirs: Sequence[str] = (),
    job_id: str | None = None,
    compare_with: Sequence[str] = (),
) -> Diagnosis:
    """Diagnose one job; arguments and result can be sent between processes.

    Parameters
    ----------
    paths
        The logs of the job.
    record
        What the scheduler knows about it.
    catalog_dirs
        Folders with more causes.
    job_id
        Overrides the one of the record.
    compare_with
        Logs of a successful job of the same run; those that can't be read are left out.

    Notes
    -----
    Unlike `diagnose_log` it never raises for a missing log: a job without logs
    and without a record is ``unknown``.
    """
    catalog = load_catalog(tuple(catalog_dirs))
    logs = [scan_log(path, literals=catalog.literals) for path in paths]
    dirs = tuple(catalog_dirs)
    found = (_known_lines(path, _stamp(path), dirs) for path in compare_with)
    known: frozenset[str] = frozenset().union(*found)
    return diagnose(logs, record, catalog=catalog, job_id=job_id, known=known)


def _stamp(path: str) -> tuple[int, int]:
    """Return what changes when a log is written to: its time and size."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=16)
def _known_lines(path: str, stamp: tuple[int, int], dirs: tuple[str, ...]) -> frozenset[str]:
    """Read a log to compare with; hundreds of failures of a run share one."""
    del stamp  # only tells the cache that the log is another one now
    return known_lines([scan_log(path, literals=load_catalog(dirs).literals)])


def warm_up(catalog_dirs: Sequence[str] = ()) -> None:
    """Load and compile the catalogue, so that the first diagnosis is not slower."""
    catalog = load_catalog(tuple(catalog_dirs))
    catalog.match("")
