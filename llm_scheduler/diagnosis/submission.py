"""Submissions that the scheduler refused."""

from __future__ import annotations

from llm_scheduler.diagnosis.candidates import Candidate
from llm_scheduler.diagnosis.catalog import Catalog, load_catalog
from llm_scheduler.diagnosis.doubts import complete
from llm_scheduler.diagnosis.fingerprints import make_fingerprint
from llm_scheduler.diagnosis.models import Diagnosis, Evidence
from llm_scheduler.diagnosis.remedies import make_remedies
from llm_scheduler.diagnosis.texts import render, render_title

_REFUSED = "submit-refused"
_UNKNOWN_WORDS = "No rule knows these words of the scheduler."
_MAX_LINES = 6
_MAX_CHARS = 500


def diagnose_submission(
    words: str,
    *,
    job_name: str = "",
    catalog: Catalog | None = None,
) -> Diagnosis:
    """Say why the scheduler refused a job.

    Parameters
    ----------
    words
        What ``sbatch`` or ``qsub`` wrote.
    job_name
        Name of the job, for the explanation.
    catalog
        The causes; the built-in ones by default.
    """
    catalog = catalog if catalog is not None else load_catalog()
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return _explain(_find_best(lines, catalog), lines, job_name)


def _explain(best: Candidate, lines: list[str], job_name: str) -> Diagnosis:
    values = dict(best.values)
    if best.cause.id == _REFUSED and not values.get("message"):
        values["message"] = lines[-1] if lines else "nothing"
    explanation = render(best.cause.explanation, values, code=True)
    if job_name:
        explanation = f"The job {render('{name}', {'name': job_name}, code=True)}: {explanation}"
    ordered = sorted(lines, key=lambda line: line != best.text)
    confidence = best.cause.confidence if lines else 0.3
    doubts = (_UNKNOWN_WORDS,) if best.cause.id == _REFUSED else ()
    return Diagnosis(
        category=best.cause.category,
        cause=best.cause.id,
        title=render_title(best.cause.title, values),
        explanation=explanation,
        evidence=tuple(
            Evidence(file="", line=0, text=line[:_MAX_CHARS]) for line in ordered[:_MAX_LINES]
        ),
        confidence=confidence,
        doubts=complete(doubts, confidence),
        remedies=make_remedies(best, values, None),
        fingerprint=make_fingerprint(best),
    )


def _find_best(lines: list[str], catalog: Catalog) -> Candidate:
    found = [
        Candidate(cause, cause.role, text=line, values=values)
        for line in lines
        for cause, values in catalog.match(line)
        if cause.submission or cause.category == "invalid_submission"
    ]
    if found:
        return max(found, key=lambda candidate: candidate.cause.priority)
    text = lines[-1] if lines else ""
    return Candidate(catalog[_REFUSED], "cause", text=text, values={"message": text})
