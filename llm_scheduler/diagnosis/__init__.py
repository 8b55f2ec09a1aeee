"""Facts to findings: the catalogue of causes, the rules, remedies and groups."""

from __future__ import annotations

from llm_scheduler.diagnosis.api import diagnose_log
from llm_scheduler.diagnosis.catalog import Catalog, load_catalog
from llm_scheduler.diagnosis.grouping import group_failures, group_key
from llm_scheduler.diagnosis.groups import Failure, FailureGroup
from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy
from llm_scheduler.diagnosis.rules import diagnose
from llm_scheduler.diagnosis.submission import diagnose_submission
from llm_scheduler.diagnosis.worker import diagnose_job

__all__ = [
    "Catalog",
    "Diagnosis",
    "Evidence",
    "Failure",
    "FailureGroup",
    "Remedy",
    "diagnose",
    "diagnose_job",
    "diagnose_log",
    "diagnose_submission",
    "group_failures",
    "group_key",
    "load_catalog",
]
