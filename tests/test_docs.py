"""The documentation builds without a warning, and its examples do what it says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import llm_scheduler
from llm_scheduler.diagnosis import load_catalog
from llm_scheduler.diagnosis.causes import Cause, RemedyTemplate
from tests.doc_examples import DOCS, ROOT, find_examples, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples(page: Path, tmp_path: Path) -> None:
    if not find_examples(page):
        return
    for example in run_page(page, tmp_path):
        if example.span != (0, 0):
            assert example.output == example.expected, f"{example.name}: see tests/doc_examples.py"
        elif example.kind == "python":
            assert not example.output, f"{example.name} prints what the page does not show"


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="Sphinx is not installed")
def test_builds_without_warnings(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
            "-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html"),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    assert (tmp_path / "html" / "reference" / "api.html").is_file()


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text()
    named = set(re.findall(r"^([\w-]+/[\w-]+)$", index, re.MULTILINE))
    there = {
        page.relative_to(DOCS).with_suffix("").as_posix()
        for page in pages()
        if DOCS in page.parents and page.parent != DOCS
    }
    assert there == named


def test_every_public_name_is_in_the_reference() -> None:
    reference = (DOCS / "reference" / "api.md").read_text()
    named = set(re.findall(r"^\.\. auto\w+:: [\w.]+\.(\w+)$", reference, re.MULTILINE))
    assert set(llm_scheduler.__all__) - {"__version__"} <= named


def test_every_key_of_the_catalogue_is_in_the_reference() -> None:
    reference = (DOCS / "reference" / "catalogue.md").read_text()
    keys = {*Cause.model_fields, *RemedyTemplate.model_fields}
    assert {key for key in keys if f"`{key}`" not in reference} == set()


def test_number_of_causes_in_the_changelog() -> None:
    told = re.search(r"More than (\d+) causes", (ROOT / "CHANGELOG.md").read_text())
    assert told is not None
    assert len(load_catalog()) > int(told[1])
