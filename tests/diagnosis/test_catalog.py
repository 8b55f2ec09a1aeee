"""The built-in causes: each does what it says, and all of them are complete."""

from __future__ import annotations

import re

import pytest
import re2

from llm_scheduler.diagnosis import diagnose, diagnose_log, load_catalog
from llm_scheduler.diagnosis.catalog_checks import check_cause
from llm_scheduler.diagnosis.describe import explanation_of, remedy_texts, title_of
from llm_scheduler.diagnosis.models import CATEGORIES
from llm_scheduler.diagnosis.patterns import literals_of
from llm_scheduler.diagnosis.resemblance import resembles
from llm_scheduler.diagnosis.texts import render
from llm_scheduler.engine.records import JobRecord
from llm_scheduler.logs.text import MAX_LINE_CHARS

CATALOG = load_catalog()
CAUSES = list(CATALOG)
OF_JOBS = [cause for cause in CAUSES if cause.example and not cause.submission]
LINES = sorted(
    {
        line
        for cause in CAUSES
        for text in (cause.example, *cause.near_misses)
        for line in text.splitlines()
    },
)


def test_no_entry_is_wrong():
    assert load_catalog(strict=True).problems == ()


def test_size_and_spread():
    assert len(CATALOG) >= 200
    wanted = set(CATEGORIES) - {"success", "unknown"}
    assert wanted <= {cause.category for cause in CATALOG}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
def test_a_cause_does_what_it_says(cause):
    # One test for all topics: thousands of tests cost more than what they check.
    assert [(x.topic, x.message) for x in check_cause(cause, CATALOG)] == []
    remedies = [text for remedy in cause.remedies for text in remedy_texts(remedy)]
    for text in (title_of(cause), explanation_of(cause), *remedies):
        plain = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
        assert not re.search(r"\[\[|\|\||\{[a-z_]+\}", plain), text


@pytest.mark.parametrize("cause", OF_JOBS, ids=lambda cause: cause.id)
def test_the_diagnosis_of_its_example_reads_well(cause, tmp_path):
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
        assert "[[" not in text or "[[" in cause.example
        assert "||" not in text
        assert ".... " not in text
        for broken in ("(:", "``"):
            assert broken not in text.replace("```", ""), "a value is missing"


@pytest.mark.parametrize(
    "cause",
    [cause for cause in CAUSES if cause.record],
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


def test_a_scan_and_the_machine_find_what_each_pattern_finds():
    patterns = [
        (cause.id, x, re2.compile(x), literals_of(x)) for cause in CAUSES for x in cause.patterns
    ]
    for line in LINES[::7]:
        found = [item for item in patterns if item[2].search(line)]
        by_machine = {(cause.id, pattern) for cause, pattern, _ in CATALOG.match_patterns(line)}
        assert by_machine == {(cause_id, pattern) for cause_id, pattern, _, _ in found}
        for _, pattern, _, literals in found:
            held = any(text in line.lower() for text in literals)
            assert held or not literals, (pattern, line)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        (r"(?P<message>reading namelist \w+)", {"reading namelist"}),
        (r"CU(?:BLAS|DNN)_STATUS_\w+", {"_status_"}),
        (r"(?i)No Such file", {"no such file"}),
        (r"disk (?:is )?full", {"disk is full", "disk full"}),
        (r"[Ll]ost [xy]-m", {"lost x-m", "lost y-m"}),
        (r"memory", set()),  # a word that healthy programs write, too
        (r"QOSMaxMem\w+", {"qosmaxmem"}),
        (r"mesh-1 is bad|grid-1 is bad", {"mesh-1 is bad", "grid-1 is bad"}),
        (r"mesh-1 is bad|\d+", set()),
        (r"(?:mesh-1 is bad)?\d+", set()),
        (r"(?:mesh-1 is bad){0,2}x", set()),
        (r"(?:mesh-1 is bad){2}", {"mesh-1 is bad"}),
        (r"abc-def+ghi-jk", {"abc-def"}),
        (r"abc-defx?-g", {"abc-def"}),
        (r"abc-\tdef-ghi", {"def-ghi"}),
        (r"a\.b\.c\.d", {"a.b.c.d"}),
        (r"[abc-e]fgh-ij", {"fgh-ij"}),
        (r"won\x27t go\x{21} on", {"won't go! on"}),
        (r"\x00abc-def", {"abc-def"}),
        (r"abc-def\047\pL12-34", {"abc-def"}),
        (r"内存不足", {"内存不足"}),
        (r"Ошибка (?:сегментирования|шины)", {"ошибка"}),  # a word of alarm
        (r"Zugriff verweigert: Ä\w", {"zugriff verweigert: ä"}),
    ],
)
def test_literals(pattern, literals):
    assert literals_of(pattern) == literals


@pytest.mark.parametrize(
    ("cause_id", "text", "alike"),
    [
        ("disk-full", "no space left on device would stop it", True),  # text of a pattern
        ("segfault", "0 segmentation faults, no core dumped", True),  # a rare word
        ("segfault", "the core of line 4 is hot", False),  # words of half of all causes
        ("segfault", "channel signal 11 strength 0.4", True),  # a number of a pattern
        ("python-zero-division", "float 3.5", False),  # one word, and not rare
        ("locale-out-of-memory", "已分配内存", True),
        ("locale-out-of-memory", "正常", False),
    ],
)
def test_a_near_miss_must_share_words(cause_id, text, alike):
    assert resembles(text, CATALOG[cause_id], CATALOG) is alike


@pytest.mark.parametrize(
    "line", ["a" * 5_000_000, "error " * 300_000, "(" * 200_000, "Error in " * 100_000]
)
def test_of_a_hostile_line_a_bounded_part_is_read(line):
    # How long it takes is measured by benchmarks/hostile_lines.py.
    assert CATALOG.match(line) == CATALOG.match(line[:MAX_LINE_CHARS])


def test_values_are_never_interpreted():
    values = {"name": "{__class__} [[x]] {0.__init__}"}
    assert render("a {name} b", values) == "a {__class__} [[x]] {0.__init__} b"
    assert render("x[[ {gone}]]", {}) == "x"
    assert render("[[A {gone}]]||B {name}", {"name": "n"}) == "B n"
    assert render("{name}", {"name": "a`b"}, code=True) == "`a'b`"
