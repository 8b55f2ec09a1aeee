"""The quickstart notebook in a real JupyterLab, as its text says: with clicks for the fix."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import Browser, Lab

pytestmark = pytest.mark.browser

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
RUN_LIMIT_MS = 240_000


def find_cells() -> dict[str, int]:
    """Return where each cell of the notebook stands, by its name."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return {cell.id: number for number, cell in enumerate(cells)}


def test_quickstart(lab: Lab, browser: Browser) -> None:
    from playwright.sync_api import expect

    shutil.copy(NOTEBOOK, lab.folder)
    browser.open_notebook(NOTEBOOK.name)
    browser.page.set_default_timeout(RUN_LIMIT_MS)
    browser.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    cells = find_cells()
    for name in ("folder", "functions", "model", "run", "watch", "finished"):
        browser.run_cell(cells[name])

    # The failures panel says why, and its button opens the chat.
    panel = browser.page.locator(".llms-panel")
    panel.get_by_text("3 failures", exact=True).wait_for()
    entry = panel.locator(".llms-entry").filter(has_text="root of a negative number")
    entry.locator(".llms-toggle").click()
    entry.locator(".llms-proof").get_by_text("math domain error").wait_for()
    panel.get_by_role("button", name="Chat with LLM").click()
    panel.locator(".lm-panel").wait_for()
    panel.get_by_role("button", name="Hide the chat").click()

    # The chat proposes, two clicks approve, and the job passes.
    for name in ("why", "chat", "ask"):
        browser.run_cell(cells[name])
    chat = browser.cell(cells["chat"]).locator(".lm-panel")
    chat.get_by_text("Behind the turning point the momentum is zero").wait_for()
    approve = chat.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_have_count(2, timeout=RUN_LIMIT_MS)
    for n_left in (1, 0):
        approve.first.click()
        expect(approve).to_have_count(n_left, timeout=RUN_LIMIT_MS)
    chat.get_by_role("log").get_by_text("its job starts again.").wait_for()
    browser.run_cell(cells["passes"])
    rows = browser.cell(cells["passes"]).locator(".jp-OutputArea-output")
    rows.get_by_text(re.compile(r"run/momentum\.pickle +done")).wait_for()
    assert browser.foreign_requests == []
    assert browser.errors == []
