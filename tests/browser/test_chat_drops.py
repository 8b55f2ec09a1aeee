"""What is dragged from the notebook into the chat panel's box, with a real mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chat_page import ChatPage
from tests.browser.mouse import HEIGHT_PX, drag, middle

pytestmark = pytest.mark.browser

FAILING = 'text = "the weights\\nadd up to nothing"\nraise ValueError(text)'
INSERT = """
source => {
  const { model } = window.jupyterapp.shell.currentWidget.content;
  model.sharedModel.insertCell(1, { cell_type: "code", source });
}
"""
DELETE = "window.jupyterapp.shell.currentWidget.content.model.sharedModel.deleteCell(1)"
SELECT = """
element => {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  const { x, y, width, height } = range.getClientRects()[0];
  return [x + Math.min(width, 60) / 2, y + height / 2];
}
"""


@pytest.fixture
def failed_cell(chat: ChatPage) -> Iterator[Any]:
    """Provide a cell above the panel that has failed; both are in sight."""
    page = chat.browser.page
    page.set_viewport_size({"width": 1200, "height": HEIGHT_PX})
    page.evaluate(INSERT, FAILING)
    # Before anything is selected, which the focus in the box would end.
    chat.panel.get_by_role("textbox", name="Message", exact=True).fill("")
    try:
        chat.browser.run_cell(1)
        cell = chat.browser.cell(1)
        cell.scroll_into_view_if_needed()
        yield cell
    finally:
        page.evaluate(DELETE)
        chat.panel.get_by_role("textbox", name="Message", exact=True).fill("")
        page.set_viewport_size({"width": 1200, "height": 1000})


def check_is_the_error(text: str) -> None:
    # Several lines are a block of code.
    assert text.startswith("```\n")
    assert text.endswith("\n```\n")
    assert "Traceback (most recent call last)" in text
    assert "ValueError: the weights\nadd up to nothing" in text
    assert "\x1b" not in text


def test_a_selection_of_a_traceback(chat: ChatPage, failed_cell: Any) -> None:
    output = failed_cell.locator(".jp-OutputArea-output pre").last
    text = drag(chat, output.evaluate(SELECT))
    check_is_the_error(text)
    assert output.inner_text().strip() in text.replace("\xa0", " ")


def test_a_cell_and_a_selection_of_its_code(chat: ChatPage, failed_cell: Any) -> None:
    # By its prompt a cell is dragged whole; one that failed gives its error.
    check_is_the_error(drag(chat, middle(failed_cell.locator(".jp-InputPrompt"))))
    failed_cell.locator(".cm-content").click()
    chat.browser.page.keyboard.press("Control+a")
    selected = failed_cell.locator(".cm-line span").first
    assert drag(chat, middle(selected)) == f"```\n{FAILING}\n```\n"
