"""Compares a diagnosis with what the case says it should be."""

from __future__ import annotations

from llm_scheduler.diagnosis.models import Diagnosis
from tests.programs.case import ProgramCase
from tests.programs.workshop import BuiltCase

N_TELLING = 3
"""How many lines of evidence a reader looks at."""


def describe(diagnosis: Diagnosis) -> str:
    """Text of a diagnosis for a test's message."""
    proof = "\n".join(f"  {each.file}:{each.line}: {each.text}" for each in diagnosis.evidence)
    return f"{diagnosis.category} ({diagnosis.cause}): {diagnosis.title}\n{proof}"


def check_diagnosis(case: ProgramCase, diagnosis: Diagnosis, place: str) -> None:
    """Check the category and that the proving line is among the first."""
    assert diagnosis.category in case.categories, describe(diagnosis)
    proofs = case.expected_proofs(place)
    shown = "\n".join(each.text for each in diagnosis.evidence[:N_TELLING])
    if proofs:
        assert any(proof in shown for proof in proofs), f"{proofs} not in\n{describe(diagnosis)}"


def check_lines(built: BuiltCase, diagnosis: Diagnosis) -> None:
    """Check that each line of evidence stands where the diagnosis says."""
    lines = built.log.read_text(errors="replace").splitlines() if built.log.exists() else []
    for each in diagnosis.evidence:
        if each.line:
            assert each.file == str(built.log)
            assert each.text.strip()[:60] in lines[each.line - 1], describe(diagnosis)
