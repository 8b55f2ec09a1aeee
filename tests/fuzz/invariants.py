"""What must hold for every log, however broken: checked by all tests here."""

from __future__ import annotations

from pathlib import Path

from llm_scheduler.diagnosis import diagnose_log
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs import digest_log, fingerprint, make_digest, redact, scan_log
from llm_scheduler.logs.models import LogDigest, LogText
from llm_scheduler.logs.text import MAX_LINE_CHARS

MAX_LINES = 5000
BUDGETS = (1, 7, 60, 400, 1000, 4000)
RECORD = JobRecord(job_id="1", state="FAILED", exit_code=1)


def check_log(path: Path, *, budgets: tuple[int, ...] = BUDGETS) -> LogDigest:
    """Read a log in every way there is; the digest of the largest budget is returned."""
    text = scan_log(path)
    check_text(text)
    digests = [make_digest([text], max_chars=budget) for budget in budgets]
    for budget, digest in zip(budgets, digests, strict=True):
        assert len(digest.text) <= budget
        assert digest.fingerprint == digests[0].fingerprint
        assert len(digest.evidence) <= 20
    diagnosis = diagnose_log(path, record=RECORD)
    assert len(diagnosis.title) <= 300
    assert len(diagnosis.evidence) <= 6
    assert all(len(item.text) <= 500 for item in diagnosis.evidence)
    diagnosis.model_dump_json()
    shown = digests[-1].text
    assert redact(shown) == shown
    assert len(fingerprint(shown)) == len(digests[-1].fingerprint)
    return digests[-1]


def check_text(text: LogText) -> None:
    """Check that what was kept of a log is bounded, in order and printable."""
    assert len(text.lines) <= MAX_LINES
    numbers = [line.number for line in text.lines if line.number]
    assert numbers == sorted(set(numbers))
    assert not numbers or 1 <= numbers[0] <= numbers[-1] <= text.n_lines
    for line in text.lines:
        assert len(line.text) <= MAX_LINE_CHARS
        assert "\n" not in line.text
        assert "\x1b" not in line.text
        line.text.encode()
    for traceback in text.tracebacks:
        assert traceback.first_line <= traceback.last_line
        assert traceback.lines <= set(numbers)


def check_small(path: Path, max_chars: int) -> None:
    """Check a small log at one budget, quickly enough for thousands of logs."""
    text = scan_log(path)
    check_text(text)
    digest = digest_log(path, max_chars=max_chars)
    assert len(digest.text) <= max_chars
    assert digest.fingerprint == make_digest([text], max_chars=4000).fingerprint
    diagnosis = diagnose_log(path, record=RECORD)
    assert all(len(item.text) <= 500 for item in diagnosis.evidence)
