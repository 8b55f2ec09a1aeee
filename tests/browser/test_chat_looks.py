"""How the chat panel looks in each of its states: readable, accessible, and nothing cut off.

``LLM_SCHEDULER_PICTURES`` names a folder in which the pictures stay; ``make pictures`` puts
them into ``docs/_static``.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from llm_scheduler.testing.scripted_model import hold, say
from tests.browser.chat_page import EXPLANATION, ChatPage

pytestmark = pytest.mark.browser

NARROW_PX = 320
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
HIGH_CONTRAST = "JupyterLab Dark High Contrast"
Close = Callable[[], None]
PUT_NAMES = """
(panel, names) => {
  const texts = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    for (const [from, to] of Object.entries(names))
      if (texts.currentNode.data.includes(from))
        texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
  panel.querySelectorAll(".lm-toast").forEach(e => e.remove());
}
"""
# What sticks out of the panel, out of something that cuts it off without a sign, and what
# has to be scrolled sideways though it is not code, a table or the row of suggestions.
FIND_CUT = """
panel => {
  const faults = [];
  const frame = panel.getBoundingClientRect();
  const name = e => `${e.tagName}.${e.className}: ${(e.textContent || "").slice(0, 60)}`;
  const mayScroll = e => e.matches("pre, .lm-table, .lm-prompts");
  for (const e of panel.querySelectorAll("*")) {
    const style = getComputedStyle(e);
    if (!e.checkVisibility({ visibilityProperty: true })
        || e.closest(".lm-offscreen, [aria-hidden=true]")) continue;
    if (/auto|scroll/.test(style.overflowX) && !mayScroll(e) && e.scrollWidth > e.clientWidth + 1)
      faults.push(`scrolls: ${name(e)}`);
    const box = e.getBoundingClientRect();
    for (let over = e.parentElement; panel.contains(over); over = over.parentElement) {
      const { overflowX, textOverflow } = getComputedStyle(over);
      if (overflowX === "visible") continue;
      if (mayScroll(over) || textOverflow === "ellipsis") break;
      const edge = over.getBoundingClientRect();
      if (box.right > edge.right + 1 || box.left < edge.left - 1) {
        faults.push(`cut by ${over.className}: ${name(e)}`);
        break;
      }
    }
    if (box.right > frame.right + 1 && !e.closest("pre, .lm-table, .lm-prompts"))
      faults.push(`outside: ${name(e)}`);
  }
  if (panel.scrollWidth > panel.clientWidth) faults.push("the panel scrolls sideways");
  return faults;
}
"""


def nothing() -> None:
    """Close nothing."""


def open_empty(chat: ChatPage) -> Close:
    chat.button("New conversation").click()
    chat.panel.get_by_role("heading", name=re.compile("^Ask about")).wait_for()
    return nothing


def open_diagnosis(chat: ChatPage) -> Close:
    chat.open_failure()
    return nothing


def open_talk(chat: ChatPage) -> Close:
    chat.write("look.py")
    chat.ask("please explain look.py")
    chat.log.get_by_role("table").wait_for()
    chat.button("Send").wait_for()
    chat.panel.locator(".lm-call > summary").click()
    return nothing


def open_answering(chat: ChatPage) -> Close:
    gate = hold(say(EXPLANATION), after_chars=60)
    chat.talker.gates["why is it zero?"] = gate
    chat.say("And why is it zero?")
    chat.log.get_by_text("divides by").nth(1).wait_for()

    def close() -> None:
        gate.release()
        chat.button("Send").wait_for()

    return close


def open_card(chat: ChatPage) -> Close:
    chat.write("look.py")
    chat.ask("please mend look.py")
    chat.wait(lambda: chat.button("Approve").is_enabled())
    return nothing


def open_menu(chat: ChatPage) -> Close:
    chat.button("More ways to approve").click()
    chat.panel.get_by_role("menuitem").first.wait_for()
    return lambda: chat.browser.page.keyboard.press("Escape")


def open_editor(chat: ChatPage) -> Close:
    chat.button("Edit").click()
    chat.panel.get_by_label("The proposed text, to be changed").wait_for()
    return lambda: chat.button("Cancel").click()


def open_decided(chat: ChatPage) -> Close:
    chat.button("Approve").click()
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    chat.log.get_by_text("Show the change").click()
    return nothing


def open_several(chat: ChatPage) -> Close:
    chat.write("one.py", "two.py")
    chat.ask("please mend one.py two.py")
    chat.panel.get_by_text("2 changes wait for you").click()

    def close() -> None:
        chat.panel.get_by_role("button", name="Reject all 2").click()
        chat.log.get_by_text("0 of 2 changes made.").wait_for()

    return close


def open_yolo_question(chat: ChatPage) -> Close:
    chat.panel.get_by_role("radio", name="YOLO").click()
    chat.button("Switch YOLO on").wait_for()
    return nothing


def open_yolo(chat: ChatPage) -> Close:
    chat.button("Switch YOLO on").click()
    chat.write("bold.py")
    chat.ask("please mend bold.py")
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    chat.button("Show its changes").click()

    def close() -> None:
        chat.button("Hide its changes").click()
        chat.button("Switch YOLO off").click()
        chat.button("Switch YOLO off").wait_for(state="hidden")

    return close


def open_log(chat: ChatPage) -> Close:
    open_diagnosis(chat)
    chat.panel.locator(".lm-proof").first.click()
    viewer = chat.panel.get_by_role("dialog", name="Log ")
    viewer.locator(".lm-log-target").wait_for()
    return lambda: viewer.get_by_role("button", name="Close the log").click()


def open_threads(chat: ChatPage) -> Close:
    chat.panel.locator(".lm-thread-opener").click()
    return lambda: chat.panel.locator(".lm-thread-opener").click()


def open_completion(chat: ChatPage) -> Close:
    box = chat.panel.get_by_role("textbox", name="Message", exact=True)
    box.press_sequentially("/")
    # Each command with what it does.
    chat.panel.get_by_role("option", name="/help list the commands").wait_for()
    return lambda: box.fill("")


def open_jobs(chat: ChatPage) -> Close:
    chat.panel.get_by_role("tab", name="Jobs").click()
    chat.panel.locator(".lm-job").first.wait_for()
    return lambda: chat.panel.get_by_role("tab", name="Failures").click()


STATES: dict[str, Callable[[ChatPage], Close]] = {
    "empty": open_empty,
    "completion": open_completion,
    "diagnosis": open_diagnosis,
    "log": open_log,
    "conversation": open_talk,
    "answering": open_answering,
    "threads": open_threads,
    "jobs": open_jobs,
    "approval": open_card,
    "menu": open_menu,
    "edit": open_editor,
    "decided": open_decided,
    "several": open_several,
    "yolo-question": open_yolo_question,
    "yolo": open_yolo,
}
"""States in an order in which one leads to the next."""
ALSO_IN_HIGH_CONTRAST = {
    "empty", "completion", "log", "conversation", "approval", "menu", "decided", "yolo-question",
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_state(chat: ChatPage, name: str) -> None:
    chat.browser.set_theme(LIGHT)
    close = STATES[name](chat)
    try:
        look_at(chat, name)
    finally:
        close()


def look_at(chat: ChatPage, name: str) -> None:
    """See that all is readable, in every theme and at every width."""
    take(chat, f"{name}-light")
    assert chat.find_barriers() == []
    with narrowed(chat):
        if name == "jobs":  # it covers the conversation then
            chat.button("What happened").click()
        take(chat, f"{name}-narrow")
        assert find_cut(chat) == []
        if name == "jobs":
            chat.panel.locator(".lm-job").first.wait_for()
            chat.panel.locator(".lm-box").wait_for(state="hidden")
            chat.browser.page.keyboard.press("Escape")
            chat.panel.locator(".lm-box").wait_for()
    if name == "approval":
        # What systems do to the colours of all pages.
        chat.browser.page.emulate_media(forced_colors="active")
        assert chat.find_barriers("color-contrast") == []
        chat.browser.page.emulate_media(forced_colors="none")
    if name in ALSO_IN_HIGH_CONTRAST:
        chat.browser.set_theme(HIGH_CONTRAST)
        take(chat, f"{name}-contrast")
        assert chat.find_barriers("color-contrast") == []
    chat.browser.set_theme(DARK)
    take(chat, f"{name}-dark")
    assert chat.find_barriers("color-contrast") == []


def find_cut(chat: ChatPage) -> list[str]:
    """Return what does not fit."""
    return chat.panel.evaluate(FIND_CUT)


@contextlib.contextmanager
def narrowed(chat: ChatPage) -> Iterator[None]:
    """Give the panel the room that it has on a telephone or beside a wide cell."""
    chat.panel.evaluate(f"e => e.parentElement.style.width = '{NARROW_PX}px'")
    chat.wait(lambda: chat.panel.evaluate("e => e.offsetWidth") <= NARROW_PX)
    yield
    chat.panel.evaluate("e => e.parentElement.style.width = ''")


def take(chat: ChatPage, name: str) -> None:
    """Take a picture when one is asked for; names of this machine do not get into it."""
    folder = os.environ.get("LLM_SCHEDULER_PICTURES")
    if not folder:
        return
    names = {
        str(chat.lab.folder): "~/run",
        chat.model.base_url: "http://127.0.0.1:8000/v1",
        sys.prefix: "~/venv",
        sys.base_prefix: "/usr",
    }
    chat.panel.evaluate(PUT_NAMES, names)
    chat.browser.page.mouse.move(0, 0)
    chat.panel.screenshot(path=f"{folder}/chat-{name}.png", animations="disabled")
