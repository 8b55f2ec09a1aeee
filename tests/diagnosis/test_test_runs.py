"""Logs of jobs that run tests: what failed, what was skipped, what was to fail."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

GOOD = [
    "TAP version 13\n1..2\nok 1 - reads\nok 2 - fails well # SKIP later\n# fail 0\n",
    "1..2\nok 1 - reads\nnot ok 2 - writes # TODO later\n",
    "  suite\n    ✓ reads\n\n  3 passing (12ms)\n  1 pending\n",
    (
        "  suite\n    ✓ reads\n    - throws an error when the file is missing\n"
        "    - fails on bad input\n\n  3 passing (12ms)\n  2 pending\n"
    ),
    "Tests:       5 passed, 5 total\n",
    "# PASS:  3\n# XFAIL: 1\n# FAIL:  0\n# ERROR: 0\n",
    "# of expected passes\t12\n# of expected failures\t2\n",
]
FAILED = [
    ("not ok 1 - name\n", "not ok 1 - name"),
    ("TAP version 13\n1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c\n", "not ok 2 - b"),
    ("ok 1 - a\nBail out! no mesh\n", "Bail out! no mesh"),
    ("  2 passing (12ms)\n  1 failing\n", "  1 failing"),
    ("Tests:       2 failed, 5 passed, 7 total\n", "Tests:       2 failed, 5 passed, 7 total"),
    ("# PASS:  3\n# FAIL:  2\n# ERROR: 0\n", "# FAIL:  2"),
    ("# of expected passes\t12\n# of unexpected failures\t2\n", "# of unexpected failures\t2"),
]


@pytest.mark.parametrize("text", GOOD)
def test_no_alarm_for_tests_that_passed_or_did_not_run(tmp_path, text):
    found = diagnose_text(tmp_path, text)
    assert found.category == "success", found


@pytest.mark.parametrize(("text", "proof"), FAILED)
def test_a_test_that_failed_is_told(tmp_path, text, proof):
    found = diagnose_text(tmp_path, text)
    assert found.category == "code_error", found
    assert found.evidence[0].text == proof


def test_one_test_of_many_that_is_not_ok(tmp_path):
    lines = [f"ok {i} - point {i}" for i in range(1, 4000)]
    lines[1000] = "not ok 1001 - the mesh is written"
    found = diagnose_text(tmp_path, "\n".join(lines) + "\n")
    assert found.category == "code_error", found
    assert found.evidence[0].line == 1001


def test_names_in_a_list_are_read_where_no_test_is_pending(tmp_path):
    text = "steps:\n    - mesh written\n    - Error: input file /data/a.nc not found\n"
    assert diagnose_text(tmp_path, text).category == "file_not_found"
