"""Diagnoses that the tests of the panel show."""

from __future__ import annotations

from typing import Any

from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy


def diagnosis(cause: str = "python-name-error", **values: Any) -> Diagnosis:
    """Return a diagnosis; only what a test is about has to be given."""
    return Diagnosis(
        **{
            "category": "code_error",
            "cause": cause,
            "title": "`potental` is not defined in physics.py",
            "explanation": "The name `potental` does not exist. **Python** suggests `potential`.",
            "evidence": (
                Evidence(
                    file="/home/ada/run/job-3.out",
                    line=41,
                    text="NameError: name 'potental' is not defined. Did you mean: 'potential'?",
                ),
            ),
            "confidence": 0.97,
            "remedies": (
                Remedy(
                    kind="code",
                    summary="Write `potential` instead of `potental`",
                    details="Then start the learner again:\n\n```python\nrm.release()\n```",
                    file="/home/ada/run/physics.py",
                    line=12,
                ),
            ),
            "fingerprint": "f1",
            **values,
        },
    )
