"""The failures panel in a real JupyterLab and a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import WAIT_LIMIT_MS, Browser, Lab

pytestmark = pytest.mark.browser

# Words that are cut off with an ellipsis are meant to be wider than what shows them.
TOO_WIDE = """
child => child.getClientRects().length
  && child.getBoundingClientRect().right > e.getBoundingClientRect().right + 1
"""
CELL = Path(__file__).with_name("panel_cell.py").read_text()


def test_panel(lab: Lab, browser: Browser, pictures: Path) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT_LIMIT_MS)
    lab.write_notebook(
        "failures.ipynb", CELL, "print('released', manager.released)", "panel.close()"
    )
    browser.open_notebook("failures.ipynb")
    browser.run_cell(0)
    panel = browser.page.locator(".llms-panel")
    entry = panel.locator(".llms-entry")

    # Entries appear by themselves.
    panel.get_by_text("2 diagnoses under way").wait_for()
    panel.get_by_text("5 failures", exact=True).wait_for()
    expect(entry).to_have_count(3)
    assert not entry.locator(".llms-body:visible").count()

    # An opened entry shows the proof, and stays open while others arrive.
    names = entry.filter(has_text="potental")
    names.locator(".llms-toggle").click()
    names.get_by_text("energy-3.out:48").wait_for()
    names.locator("pre").get_by_text("rm.release()").wait_for()
    (lab.folder / "more").touch()
    panel.get_by_text("bad node n7").wait_for()
    panel.get_by_text("30 failures", exact=True).wait_for()
    panel.get_by_text("sacct does not answer").wait_for()
    names.get_by_text("4 failures").wait_for()
    assert names.get_by_text("energy-3.out:48").is_visible()
    expect(entry.locator(".llms-body:visible")).to_have_count(1)
    expect(entry).to_have_count(4)

    # What a log says is text.
    hostile = entry.filter(has_text="Hostile")
    hostile.locator(".llms-toggle").click()
    hostile.locator(".llms-proof").get_by_text("<img src=http://evil.example/x.png").wait_for()
    hostile.get_by_text("[link](javascript:alert(1))").wait_for()
    assert not panel.locator("img, script, iframe, a, link, object, svg").count()
    assert browser.page.evaluate("window.hacked") is None
    assert browser.dialogs == []
    assert browser.foreign_requests == []
    hostile.locator(".llms-toggle").click()

    take_pictures(browser, pictures)
    check_start_again(browser)

    # Closing takes it off the page.
    browser.run_cell(2)
    panel.wait_for(state="detached")
    assert browser.errors == []


def take_pictures(browser: Browser, pictures: Path) -> None:
    """Take the panel in light and dark, wide and narrow; it stays inside its frame."""
    panel = browser.page.locator(".llms-panel")
    colors = set()
    for theme, name in (("JupyterLab Dark", "dark"), ("JupyterLab Light", "light")):
        browser.set_theme(theme)
        panel.screenshot(path=str(pictures / f"panel-{name}.png"))
        colors.add(panel.evaluate("e => getComputedStyle(e).backgroundColor"))
    assert len(colors) == 2
    browser.page.set_viewport_size({"width": 860, "height": 1000})
    assert panel.evaluate("e => e.clientWidth") < 560
    assert (
        panel.evaluate(
            f"e => [...e.querySelectorAll('*')].filter({TOO_WIDE}).map(x => x.className)"
        )
        == []
    )
    panel.screenshot(path=str(pictures / "panel-narrow.png"))
    browser.page.set_viewport_size({"width": 1200, "height": 1000})


def check_start_again(browser: Browser) -> None:
    """A double click starts the held learners again, once."""
    again = browser.page.get_by_role("button", name="Start 4 learners again")
    again.dblclick()
    browser.page.locator(".llms-again:visible").first.wait_for(state="hidden")
    browser.run_cell(1)
    names = ", ".join(f"'energy-{number}.pickle'" for number in (0, 1, 2, 9))
    browser.cell(1).get_by_text(f"released [({names})]").wait_for()
