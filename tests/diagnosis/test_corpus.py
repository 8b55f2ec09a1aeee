"""Labelled logs of real jobs, where they lie beside the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_scheduler.diagnosis import diagnose_log

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
INDEX = CORPUS / "index.jsonl"

pytestmark = pytest.mark.skipif(not INDEX.is_file(), reason="no corpus beside the project")


def read_index():
    if not INDEX.is_file():
        return []
    return [json.loads(line) for line in INDEX.read_text().splitlines()]


@pytest.mark.parametrize("entry", read_index(), ids=lambda entry: Path(entry["file"]).stem)
def test_category_and_proof(entry):
    found = diagnose_log(CORPUS / entry["file"])
    assert found.category in {entry["category"], *entry["also"]}, found
    # One label quotes a message in its escaped form.
    wanted = entry["evidence"].split("\\n")[0][:60]
    if found.category == entry["category"] and wanted:
        texts = [item.text for item in found.evidence]
        assert any(wanted in text for text in texts) or "\\n" in entry["evidence"], texts
