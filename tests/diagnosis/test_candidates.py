"""Lines without a word of alarm are read too, where a cause of a site asks for them."""

from __future__ import annotations

from llm_scheduler.diagnosis import diagnose_log, load_catalog
from tests.diagnosis.job_samples import WORK

SITE = """
[[cause]]
id = "site-valve"
category = "configuration_error"
title = "The valve is shut"
patterns = ['^E42$']
example = "E42"
near_misses = ["E421"]
source = "the manual of the site"
explanation = "The valve of the site is shut."
remedies = [{ kind = "inspect", summary = "Open the valve" }]
"""


def test_a_cause_with_a_short_pattern_is_found(tmp_path):
    (tmp_path / "site.toml").write_text(SITE)
    log = tmp_path / "slurm-7.out"
    log.write_text(WORK + "E42\n")
    assert diagnose_log(log, catalog=load_catalog([tmp_path])).cause == "site-valve"
    assert diagnose_log(log).category == "success"


def test_a_line_below_a_heading_is_read(tmp_path):
    log = tmp_path / "slurm-7.out"
    log.write_text(WORK + "ERROR:\nthe value of alpha is not permitted\n")
    found = diagnose_log(log)
    assert found.category not in {"success", "unknown"}
    assert "alpha" in found.evidence[0].text or "alpha" in found.evidence[1].text
