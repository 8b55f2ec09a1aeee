"""What a successful job of the same run printed too counts for less, never for nothing."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import digest_log, is_known, known_lines, make_digest, scan_log

NOISE = "n1: error: can't open /scratch/run-1/cache.db (attempt 3) at 10:11:12\n"
SAME_NOISE = "node07: error: can't open /data/x/y/cache.db (attempt 17) at 23:01:59\n"
CAUGHT = """\
Traceback (most recent call last):
  File "/home/me/plugin.py", line {line}, in load
    import missing
ModuleNotFoundError: No module named 'missing'
"""
REASON = "solver stops: matrix is singular, error 7\n"


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.out"
    path.write_text(SAME_NOISE + CAUGHT.format(line=4) + "all done\n")
    return path


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.out"
    path.write_text(NOISE + CAUGHT.format(line=5) + "\n" + REASON)
    return path


def test_what_is_new_comes_first(good, bad):
    assert digest_log(bad).evidence[0].text != REASON.strip()
    found = digest_log(bad, compare_with=good)
    assert found.evidence[0].text == REASON.strip()
    assert {line.text for line in found.evidence} == {
        REASON.strip(),
        NOISE.strip(),
        "ModuleNotFoundError: No module named 'missing'",
    }
    assert NOISE.strip() in found.text


def test_the_digest_says_how_many_were_set_back(good, bad):
    found = digest_log(bad, compare_with=[good])
    assert found.n_known == 2
    assert "a successful job printed them too: 2 telling lines" in found.text
    assert "successful job" not in digest_log(bad).text
    assert digest_log(bad).n_known == 0


def test_what_only_confirms_the_best_line_leaves_the_fingerprint(tmp_path, bad):
    other = tmp_path / "other.out"
    other.write_text("started on n9\nall done\n")
    text = NOISE + REASON
    bad.write_text(text)
    confirmed = digest_log(bad, compare_with=other)
    assert confirmed.fingerprint == digest_log(bad).fingerprint
    assert confirmed.evidence == digest_log(bad).evidence


def test_nothing_new_keeps_its_order(good):
    alone, compared = digest_log(good), digest_log(good, compare_with=good)
    assert compared.evidence == alone.evidence
    assert compared.fingerprint == alone.fingerprint


def test_scanned_logs_may_be_compared(good, bad):
    found = make_digest([scan_log(bad)], compare_with=[scan_log(good)])
    assert found.evidence[0].text == REASON.strip()


def test_a_reference_that_is_gone_changes_nothing(tmp_path, bad):
    assert digest_log(bad, compare_with=tmp_path / "gone").text == digest_log(bad).text


def test_known_lines_are_compared_without_what_changes(good):
    known = known_lines([scan_log(good)])
    assert is_known(NOISE, known)
    assert not is_known(REASON, known)
    assert not is_known(NOISE, frozenset())
    assert "" not in known
