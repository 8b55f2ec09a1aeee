"""Why did my cluster jobs fail? Diagnosis, with proof, for adaptive-scheduler runs.

Names are loaded when they are first used, so that importing this package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Diagnosis": "llm_scheduler.diagnosis.models",
    "Evidence": "llm_scheduler.diagnosis.models",
    "Failure": "llm_scheduler.diagnosis.groups",
    "FailureGroup": "llm_scheduler.diagnosis.groups",
    "JobManager": "llm_scheduler.managers.job_manager",
    "JobRecord": "llm_scheduler.engine.records",
    "LLMManager": "llm_scheduler.managers.llm_manager",
    "LLMSchedulerError": "llm_scheduler.errors",
    "LLMSettings": "llm_scheduler.config",
    "LocalScheduler": "llm_scheduler.engine.local_scheduler",
    "LogDigest": "llm_scheduler.logs",
    "MultiRunManager": "llm_scheduler.managers.multi_run_manager",
    "Remedy": "llm_scheduler.diagnosis.models",
    "RunManager": "llm_scheduler.managers.run_manager",
    "chat_widget": "llm_scheduler.widgets.chat",
    "diagnose_log": "llm_scheduler.diagnosis",
    "digest_log": "llm_scheduler.logs",
    "fingerprint": "llm_scheduler.logs",
    "local_run": "llm_scheduler.managers.local_run",
    "slurm_run": "llm_scheduler.managers.slurm_run",
}

__all__ = [
    "__version__",
    *_HOME,
]

if TYPE_CHECKING:
    from llm_scheduler.config import LLMSettings
    from llm_scheduler.diagnosis import diagnose_log
    from llm_scheduler.diagnosis.groups import Failure, FailureGroup
    from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy
    from llm_scheduler.engine.local_scheduler import LocalScheduler
    from llm_scheduler.engine.records import JobRecord
    from llm_scheduler.errors import LLMSchedulerError
    from llm_scheduler.logs import LogDigest, digest_log, fingerprint
    from llm_scheduler.managers.job_manager import JobManager
    from llm_scheduler.managers.llm_manager import LLMManager
    from llm_scheduler.managers.local_run import local_run
    from llm_scheduler.managers.multi_run_manager import MultiRunManager
    from llm_scheduler.managers.run_manager import RunManager
    from llm_scheduler.managers.slurm_run import slurm_run
    from llm_scheduler.widgets.chat import chat_widget


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'llm_scheduler' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
