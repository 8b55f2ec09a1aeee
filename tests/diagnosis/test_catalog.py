"""The catalogue: its files, its examples, its extension by a cluster's support staff."""

from __future__ import annotations

import time

import pytest

from llm_scheduler.diagnosis import diagnose, diagnose_log, load_catalog
from llm_scheduler.diagnosis.catalog import literal_of
from llm_scheduler.diagnosis.models import CATEGORIES
from llm_scheduler.diagnosis.texts import fields_of, render
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.errors import CatalogError

CATALOG = load_catalog()
WITH_EXAMPLE = [cause for cause in CATALOG if cause.example]
OF_JOBS = [cause for cause in WITH_EXAMPLE if not cause.submission]


def test_size_and_spread():
    assert len(CATALOG) >= 130
    wanted = set(CATEGORIES) - {"success", "unknown"}
    assert wanted <= {cause.category for cause in CATALOG}


def test_complete():
    for cause in CATALOG:
        assert cause.explanation or cause.role == "harmless"
        assert cause.remedies or cause.role == "harmless"
        assert (
            cause.example
            or cause.record
            or cause.frame_file
            or cause.frame_function
            or (cause.id == "peak-near-limit")
        )


@pytest.mark.parametrize("cause", WITH_EXAMPLE, ids=lambda cause: cause.id)
def test_example_matches(cause):
    hits = {found.id for line in cause.example.splitlines() for found, _ in CATALOG.match(line)}
    name = cause.example.splitlines()[-1].split(":")[0].rsplit(".", 1)[-1]
    assert cause.id in hits or name in cause.exceptions or "*" in cause.exceptions


@pytest.mark.parametrize("cause", OF_JOBS, ids=lambda cause: cause.id)
def test_example_diagnoses(cause, tmp_path):
    log = tmp_path / "job.out"
    log.write_text(f"starting\n{cause.example}\n")
    record = JobRecord(job_id="1", state="FAILED", exit_code=1)
    if cause.role == "harmless":
        assert diagnose_log(log).category == "success"
        return
    found = diagnose_log(log, record=record if cause.role in {"hint", "symptom"} else None)
    assert found.category == cause.category, found
    assert found.evidence[0].file == str(log)
    assert found.evidence[0].text.strip() in cause.example
    for text in (found.title, found.explanation, *(x.summary for x in found.remedies)):
        assert "{" not in text.replace(cause.example, "") or "{" in cause.example
        assert "[[" not in text
        assert "||" not in text
        assert ".... " not in text


@pytest.mark.parametrize(
    "cause",
    [cause for cause in CATALOG if cause.record],
    ids=lambda cause: cause.id,
)
def test_record_alone(cause):
    condition = cause.record
    values = [{"state": x, "exit_code": 1} for x in condition.states]
    values += [{"state": "FAILED", "exit_code": 0, "signal": x} for x in condition.signals]
    values += [{"state": "FAILED", "exit_code": x} for x in condition.exit_codes]
    for value in values:
        found = diagnose([], JobRecord(job_id="7", **value))
        assert found.category == cause.category, (value, found)
        assert found.evidence[0].file == ""


def test_titles_only_need_known_fields():
    for cause in CATALOG:
        named = set()
        for pattern in cause.patterns:
            named |= {part.split(">")[0] for part in pattern.split("(?P<")[1:]}
        known = named | {"message", "exception", "peak", "memory_limit", "package"}
        assert fields_of(cause.title) <= known


def test_literals_are_in_what_matches():
    for cause in WITH_EXAMPLE:
        for pattern in cause.patterns:
            literal = literal_of(pattern)
            if not literal:
                continue
            for line in cause.example.splitlines():
                for found, _ in CATALOG.match(line):
                    if found.id == cause.id and len(cause.patterns) == 1:
                        assert literal in line.lower()


def test_bounded_on_hostile_lines():
    lines = ["a" * 5_000_000, "error " * 300_000, "(" * 200_000, "Error in " * 100_000]
    start = time.perf_counter()
    for line in lines:
        CATALOG.match(line)
    assert time.perf_counter() - start < 5


def test_extension_adds_replaces_and_advises(tmp_path):
    (tmp_path / "site.toml").write_text(
        """
[[cause]]
id = "site-scratch-closed"
category = "disk_full"
title = "The scratch of Example Cluster is closed"
patterns = ['ZQX scratch gate shut']
confidence = 0.99
explanation = "Scratch is closed."
remedies = [{ kind = "support", summary = "Write to support" }]

[[cause]]
id = "disk-full"
category = "disk_full"
title = "Full, says the site"
patterns = ['No space left on device']

[[remedy]]
cause = "quota-exceeded"
kind = "support"
summary = "Ask for more quota at desk 7"
""",
    )
    catalog = load_catalog([tmp_path])
    log = tmp_path / "a.out"
    filler = "".join(f"row {i} ok\n" for i in range(3000))
    log.write_text(f"{filler}ZQX scratch gate shut\n{filler}")
    found = diagnose_log(log, catalog=catalog, record=JobRecord(job_id="1", state="FAILED"))
    assert found.cause == "site-scratch-closed"
    assert catalog["disk-full"].title == "Full, says the site"
    assert catalog["quota-exceeded"].remedies[0].summary == "Ask for more quota at desk 7"
    assert "site-scratch-closed" not in load_catalog()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[cause]\n", "bad.toml: "),
        ("[[cause]]\nid = 'x'\ncategory = 'nope'\ntitle = 'T'\npatterns = ['a']", "cause 'x': cat"),
        (
            "[[cause]]\nid = 'x'\ncategory = 'crash'\ntitle = 'T'\npatterns = ['(']",
            "cause 'x': pat",
        ),
        (
            "[[cause]]\nid = 'x'\ncategory = 'crash'\ntitle = 'T'\npatterns = ['(?=a)b']",
            "cause 'x': pattern",
        ),
        ("[[cause]]\ncategory = 'crash'", "cause number 1: id"),
        ("[[cause]]\nid = 'x'\ncategory = 'crash'\ntitle = 'T'", "needs `patterns`"),
        ("[[cause]]\nid = 'x'\ncategory = 'crash'\ntitle = 'T'\ncolour = 1", "colour"),
        ("[[remedy]]\ncause = 'nope'\nkind = 'code'\nsummary = 's'", "unknown cause 'nope'"),
        ("[[remedy]]\ncause = 'disk-full'\nkind = 'magic'\nsummary = 's'", "kind"),
        ("[other]\n", "unknown table 'other'"),
    ],
)
def test_errors_name_file_and_cause(tmp_path, text, match):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(CatalogError, match=match) as caught:
        load_catalog([tmp_path])
    assert caught.value.path.name == "bad.toml"


def test_twice_in_one_file(tmp_path):
    cause = "[[cause]]\nid = 'x'\ncategory = 'crash'\ntitle = 'T'\npatterns = ['a']\n"
    (tmp_path / "bad.toml").write_text(cause * 2)
    with pytest.raises(CatalogError, match="defined twice"):
        load_catalog([tmp_path])


def test_missing_folder(tmp_path):
    with pytest.raises(CatalogError, match="is not a folder"):
        load_catalog([tmp_path / "none"])


def test_values_are_never_interpreted():
    values = {"name": "{__class__} [[x]] {0.__init__}"}
    assert render("a {name} b", values) == "a {__class__} [[x]] {0.__init__} b"
    assert render("x[[ {gone}]]", {}) == "x"
    assert render("[[A {gone}]]||B {name}", {"name": "n"}) == "B n"
    assert render("{name}", {"name": "a`b"}, code=True) == "`a'b`"
