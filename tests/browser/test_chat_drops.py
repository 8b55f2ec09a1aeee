"""What is dragged from the notebook into the chat panel's box, with a real mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chat_page import ChatPage

pytestmark = pytest.mark.browser

FAILING = 'raise ValueError("the weights\\nadd up to nothing")'
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
  return { x: x + Math.min(width, 60) / 2, y: y + height / 2 };
}
"""


@pytest.fixture
def failed_cell(chat: ChatPage) -> Iterator[Any]:
    """Provide a cell above the panel that has failed; both are in sight."""
    page = chat.browser.page
    page.set_viewport_size({"width": 1200, "height": 1700})
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


def drag(chat: ChatPage, start: dict[str, float]) -> str:
    """Drag with the mouse from a place of the page into the box; return what is in it."""
    box = chat.panel.get_by_role("textbox", name="Message", exact=True)
    assert box.input_value() == ""
    end = box.bounding_box()
    mouse = chat.browser.page.mouse
    mouse.move(start["x"], start["y"])
    mouse.down()
    mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=10)
    mouse.up()
    chat.wait(lambda: box.input_value() != "", "nothing was dropped into the box")
    return box.input_value()


def test_a_selection_of_a_traceback(chat: ChatPage, failed_cell: Any) -> None:
    output = failed_cell.locator(".jp-OutputArea-output pre").last
    text = drag(chat, output.evaluate(SELECT))
    # Several lines are a block of code.
    assert text.startswith("```\n")
    assert text.endswith("\n```\n")
    assert "Traceback (most recent call last)" in text
    assert "ValueError: the weights\nadd up to nothing" in text
    assert output.inner_text().strip() in text.replace("\xa0", " ")
