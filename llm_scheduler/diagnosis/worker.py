"""The diagnosis of one job as a function for worker processes."""

from __future__ import annotations

from collections.abc import Sequence

from llm_scheduler.diagnosis.catalog import load_catalog
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import scan_log


def diagnose_job(
    paths: Sequence[str],
    record: JobRecord | None = None,
    catalog_dirs: Sequence[str] = (),
    job_id: str | None = None,
) -> Diagnosis:
    """Diagnose one job; arguments and result can be sent between processes.

    Unlike `diagnose_log` it never raises for a missing log: a job without logs
    and without a record is ``unknown``.
    """
    catalog = load_catalog(tuple(catalog_dirs))
    logs = [scan_log(path, literals=catalog.literals) for path in paths]
    return diagnose(logs, record, catalog=catalog, job_id=job_id)


def warm_up(catalog_dirs: Sequence[str] = ()) -> None:
    """Load and compile the catalogue, so that the first diagnosis is not slower."""
    catalog = load_catalog(tuple(catalog_dirs))
    catalog.match("")
