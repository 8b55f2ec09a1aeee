"""The chat panel by keyboard, and what it says to those who do not see it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import hold, say
from tests.browser.chat_page import EXPLANATION, TITLE, ChatPage

pytestmark = pytest.mark.browser

NOTEBOOK_KEYS = ["d", "d", "x", "a", "b", "z", "m", "0", "0", "Escape", "j", "k", "Shift+M"]
CELLS = """
() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  return [
    content.widgets.map(cell => [
      cell.model.type, cell.model.sharedModel.getSource(), cell.model.executionCount]),
    content.activeCellIndex, content.mode,
  ];
}
"""
FOCUSED = """
panel => {
  const e = document.activeElement;
  if (!panel.contains(e)) return "";
  const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent;
  return `${e.getAttribute("role") || e.localName} ${name.trim().slice(0, 40)}`;
}
"""
HEARD = """
panel => {
  window.heard = [];
  const live = panel.querySelector("[aria-live=polite]");
  new MutationObserver(() => live.textContent && window.heard.push(live.textContent))
    .observe(live, { childList: true, characterData: true, subtree: true });
}
"""


def box_of(chat: ChatPage) -> Any:
    return chat.panel.get_by_role("textbox", name="Message", exact=True)


def test_no_key_reaches_the_notebook(chat: ChatPage) -> None:
    page = chat.browser.page
    chat.ask("anything new?")
    chat.log.get_by_text("Nothing to do.").wait_for()
    before = page.evaluate(CELLS)
    box = box_of(chat)
    box.click()
    for key in NOTEBOOK_KEYS:
        page.keyboard.press(key)
    assert box.input_value() == "ddxabzm00jkM"
    box.fill("")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+Enter")
    assert page.evaluate(CELLS)[0] == before[0]
    box.fill("")
    # Where nothing can be typed, letters are commands of the notebook.
    for part in (chat.log, chat.panel.get_by_role("tab", name="Failures"), chat.button("Send")):
        part.focus()
        for key in [*NOTEBOOK_KEYS, "Shift+Enter"]:
            page.keyboard.press(key)
    assert page.evaluate(CELLS)[0] == before[0]


def test_enter_sends_and_shift_enter_breaks_the_line(chat: ChatPage) -> None:
    keyboard = chat.browser.page.keyboard
    chat.ask("a first question")
    chat.log.get_by_text("Nothing to do.").wait_for()
    chat.button("Send").wait_for()
    box = box_of(chat)
    box.click()
    keyboard.type("one line")
    keyboard.press("Shift+Enter")
    keyboard.type("and another")
    assert box.input_value() == "one line\nand another"
    keyboard.press("Enter")
    chat.log.get_by_text("Nothing to do.").nth(1).wait_for()
    said = chat.log.locator(".lm-item-user .lm-plain").last
    assert said.inner_text() == "one line\nand another"
    assert box.input_value() == ""

    # The arrows bring back what was said, and what was being written.
    chat.button("Send").wait_for()
    for wanted in ("one line\nand another",):
        keyboard.press("ArrowUp")
        assert box.input_value() == wanted
    keyboard.press("Home")
    keyboard.press("ArrowUp")
    keyboard.press("ArrowUp")
    assert box.input_value() == "a first question"
    keyboard.press("ArrowDown")
    assert box.input_value() == "one line\nand another"
    keyboard.press("ArrowDown")
    assert box.input_value() == ""


def test_escape_stops_the_answer(chat: ChatPage) -> None:
    gate = hold(say("It begins. It never ends."), after_chars=len("It begins."))
    chat.talker.gates["go on for ever"] = gate
    chat.ask("go on for ever")
    chat.log.get_by_text("It begins.").wait_for()
    box_of(chat).press("Escape")
    chat.button("Send").wait_for()
    gate.release()
    chat.say("anything else?")
    chat.log.get_by_text("Nothing to do.").wait_for()
    assert chat.log.get_by_text("It never ends.").count() == 0
    # The mark stays with the answer, also in a page that is loaded anew.
    marked = chat.log.locator(".lm-item", has_text="It begins.").get_by_text(
        "You stopped this answer."
    )
    marked.wait_for()
    chat.reload()
    marked.wait_for()


def test_tab_goes_from_top_to_bottom_and_out(chat: ChatPage) -> None:
    page = chat.browser.page
    chat.write("tab.py")
    chat.ask("please mend tab.py")
    chat.button("Approve").wait_for()
    chat.button("Send").wait_for()
    chat.wait(lambda: chat.button("Approve").is_enabled())
    # The list of conversations follows, and what tells of the change goes away.
    chat.panel.locator(".lm-thread-title", has_text="please mend tab.py").wait_for()
    chat.browser.page.mouse.move(0, 0)  # one under the mouse stays
    chat.wait(lambda: chat.panel.locator(".lm-toast").count() == 0)
    chat.button("What happened").focus()
    names = []
    while name := chat.panel.evaluate(FOCUSED):
        names.append(name)
        page.keyboard.press("Tab")
        assert len(names) < 60
    wanted = [
        "button What happened", "button please mend tab.py.*", "button New conversation",
        "button Save the conversation as HTML", "input Approve", r"tab Failures \(1\)",
        f"button {TITLE}.*", "log Conversation", "button Approve", "button More ways to approve",
        "button Reject", "button Edit", "textarea Message", "button Send",
    ]  # fmt: skip
    places = [next((i for i, n in enumerate(names) if re.fullmatch(w, n)), -1) for w in wanted]
    missing = [w for w, place in zip(wanted, places, strict=True) if place < 0]
    assert missing == [], "; ".join(names)
    assert places == sorted(places), names
    # And back again the same way.
    page.keyboard.press("Shift+Tab")
    assert chat.panel.evaluate(FOCUSED) == names[-1]

    # A menu takes the focus, the arrows move in it, Escape gives it back.
    chat.button("More ways to approve").press("Enter")
    assert chat.panel.evaluate(FOCUSED).startswith("menuitem Approve for this turn")
    page.keyboard.press("ArrowDown")
    assert chat.panel.evaluate(FOCUSED).startswith("menuitem Approve this kind here")
    page.keyboard.press("Escape")
    assert chat.panel.evaluate(FOCUSED) == "button More ways to approve"
    chat.button("Reject").click()
    chat.button("Reject").click()
    chat.log.get_by_text("0 of 1 changes made.").wait_for()


def test_the_question_of_yolo_holds_the_focus(chat: ChatPage) -> None:
    page = chat.browser.page
    yolo = chat.panel.get_by_role("radio", name="YOLO")
    yolo.press(" ")
    chat.button("Switch YOLO on").wait_for()
    for wanted in ("Cancel", "Switch YOLO on", "Cancel"):
        assert chat.panel.evaluate(FOCUSED) == f"button {wanted}"
        page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    chat.button("Switch YOLO on").wait_for(state="detached")
    assert not yolo.is_checked()


def test_a_screen_reader_hears_the_end_and_not_each_piece(chat: ChatPage) -> None:
    first, second = "This is the first half, ", "and this is the second."
    gate = hold(say(first + second), after_chars=len(first))
    chat.talker.gates["say it aloud"] = gate
    chat.panel.evaluate(HEARD)
    chat.ask("say it aloud")
    chat.log.get_by_text(first.strip()).wait_for()
    assert chat.log.get_attribute("aria-live") == "off"
    gate.release()
    chat.wait(lambda: chat.browser.page.evaluate("window.heard") == [first + second])
    chat.write("heard.py")
    chat.say("please mend heard.py")
    chat.wait(lambda: "waits for your decision" in chat.browser.page.evaluate("window.heard")[-1])
    chat.wait(chat.button("Reject").is_enabled)
    chat.button("Reject").click()
    chat.button("Reject").click()
    chat.log.get_by_text("0 of 1 changes made.").wait_for()


def test_the_transcript_stays_where_the_reader_put_it(chat: ChatPage) -> None:
    text = EXPLANATION * 4
    gate = hold(say(text), after_chars=3 * len(EXPLANATION))
    chat.talker.gates["at great length"] = gate
    chat.ask("tell me at great length")
    ends = chat.log.get_by_text("Start the held learners again.")
    ends.nth(2).wait_for()
    # It follows the text until the reader moves away.
    chat.wait(lambda: distance(chat) < 2)
    chat.log.hover()
    chat.browser.page.mouse.wheel(0, -250)
    chat.button("Go to the latest").wait_for()
    top = chat.settled_top()
    gate.release()
    ends.nth(3).wait_for()
    chat.button("Send").wait_for()
    assert chat.log.evaluate("e => e.scrollTop") == top
    chat.button("Go to the latest").click()
    chat.wait(lambda: distance(chat) < 2)
    chat.button("Go to the latest").wait_for(state="hidden")


def distance(chat: ChatPage) -> float:
    return chat.log.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight")
