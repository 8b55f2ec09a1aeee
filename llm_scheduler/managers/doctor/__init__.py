"""What is present on this machine, what is not, and what to do about each."""

from __future__ import annotations

from llm_scheduler.managers.doctor.check import Check, Status
from llm_scheduler.managers.doctor.runner import run_checks

__all__ = ["Check", "Status", "run_checks"]
