"""What is done with a real mouse: things of the notebook dragged into the panel's box."""

from __future__ import annotations

from typing import Any

from tests.browser.chat_page import ChatPage

N_SMALL_STEPS = 8
HEIGHT_PX = 1700
"""Of a page in which a cell and the panel below it are in sight."""


def middle(element: Any) -> tuple[float, float]:
    """Return the middle of an element in the page."""
    place = element.bounding_box()
    return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2


def drag(chat: ChatPage, start: tuple[float, float]) -> str:
    """Drag from a place of the page into the empty box; return what is in it and empty it."""
    page = chat.browser.page
    inputs = page.locator(".jp-Notebook .jp-InputArea")
    before = inputs.all_inner_texts()
    box = chat.panel.get_by_role("textbox", name="Message", exact=True)
    assert box.input_value() == ""
    (x, y), (end_x, end_y) = start, middle(box)
    page.mouse.move(x, y)
    page.mouse.down()
    # As a hand does: a jump from its middle would select code anew, and not drag what is.
    page.mouse.move(x, y + N_SMALL_STEPS, steps=N_SMALL_STEPS)
    page.mouse.move(end_x, end_y, steps=10)
    # The move that enters an element is not yet one over it.
    page.mouse.move(end_x + 2, end_y, steps=2)
    # The box shows that it takes what is dragged.
    chat.panel.locator(".lm-box-frame.lm-drop").wait_for()
    page.mouse.up()
    chat.wait(lambda: box.input_value() != "", "nothing was dropped into the box")
    assert chat.panel.locator(".lm-drop").count() == 0
    # It is a copy: no cell has moved and no code has gone.
    assert inputs.all_inner_texts() == before
    dropped = box.input_value()
    box.fill("")
    return dropped
