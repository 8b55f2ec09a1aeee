"""The quickstart notebook in a real JupyterLab: real jobs fail, and the panel shows why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.lab import Browser, Lab

pytestmark = pytest.mark.browser

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
RUN_LIMIT_MS = 240_000


def test_quickstart(lab: Lab, browser: Browser) -> None:
    shutil.copy(NOTEBOOK, lab.folder)
    browser.open_notebook(NOTEBOOK.name)
    browser.page.set_default_timeout(RUN_LIMIT_MS)
    browser.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    browser.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    panel = browser.page.locator(".llms-panel")

    panel.get_by_text("4 failures", exact=True).wait_for()
    entry = panel.locator(".llms-entry").filter(has_text="zero_point")
    entry.locator(".llms-toggle").click()
    entry.locator(".llms-proof").get_by_text("name 'zero_point' is not defined").wait_for()

    # The notebook mends the module and starts the learner again: it is held no more.
    browser.page.get_by_text("run/energy.pickle       done").wait_for()
    entry.get_by_text("1 held").wait_for(state="hidden")
    assert entry.locator(".llms-body").is_visible()
    assert browser.foreign_requests == []
    assert browser.errors == []
