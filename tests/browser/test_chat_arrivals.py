"""Jobs that fail while the user reads and writes: they show, and disturb nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chat_page import EXPLANATION, TITLE, ChatPage, opened
from tests.browser.lab import Lab, open_browser

pytestmark = pytest.mark.browser

PHYSICS = """\
import time
from pathlib import Path

def wait():
    while not Path("arrivals-fail").exists():
        time.sleep(0.05)

def divide(x):
    wait()
    return x / 0.0

def look_up(x):
    wait()
    return {}["temperature"]

def read(x):
    wait()
    return Path("potential.dat").read_text()
"""
RUN = """
import os, sys
sys.path.insert(0, os.getcwd())
import adaptive
import llm_scheduler as ls
import {name}_physics as physics
functions = [physics.divide] * 5 + [physics.look_up] * 3 + [physics.read] * 2
run = ls.local_run(
    [adaptive.Learner1D(function, bounds=(-1, 1)) for function in functions],
    [f"{name}-{{number}}.pickle" for number in range(len(functions))],
    name="{name}",
    folder=os.getcwd(),
    max_cores=len(functions),
    executor_type="sequential",
    goal=lambda learner: learner.npoints > 2,
    max_restarts=0,
    llm=ls.LLMSettings(model="scripted", base_url="{base_url}", api_key="none"),
    extra_env_vars=[f"PYTHONPATH={{os.getcwd()}}"],
    job_manager_interval=0.5,
    cleanup_first=False,
    quiet=True,
)
run.start()
"""
KINDS = {TITLE: 5, "The key 'temperature'": 3, "A file is missing": 2}
DRAFT = "is this the"
READING = """
log => {
  const box = document.activeElement;
  return [log.scrollTop, box.className, box.value, box.selectionStart];
}
"""


KEEP_TOASTS = """
panel => {
  window.toasts = [];
  new MutationObserver(records => {
    for (const { addedNodes } of records)
      for (const node of addedNodes) window.toasts.push(node.textContent);
  }).observe(panel.querySelector(".lm-toasts"), { childList: true });
}
"""


@pytest.fixture
def chat(chromium: Any, lab: Lab) -> Iterator[ChatPage]:
    with open_browser(chromium, lab) as browser, opened(browser, lab, "arrivals") as chat:
        chat.open(PHYSICS, RUN)
        try:
            yield chat
        finally:
            chat.path("arrivals-fail").touch()


def test_ten_jobs_fail_while_the_panel_is_open(chat: ChatPage) -> None:
    chat.run_cells()
    panel = chat.panel
    panel.get_by_text("10 running").wait_for()
    panel.get_by_role("tab", name="Failures (0)").wait_for()
    chat.talker.texts = ["\n\n".join([EXPLANATION] * 4)]
    chat.ask("recite 0")
    chat.log.get_by_text("Start the held learners again.").nth(3).wait_for()
    box = panel.get_by_role("textbox", name="Message", exact=True)
    box.press_sequentially(DRAFT)
    chat.log.hover()
    chat.browser.page.mouse.wheel(0, -300)
    chat.button("Go to the latest").wait_for()
    chat.settled_top()
    # The list of conversations follows what was said.
    panel.locator(".lm-thread-title", has_text="recite 0").wait_for()
    title = panel.locator(".lm-thread-title").inner_text()
    before = chat.log.evaluate(READING)
    assert before[0] > 0
    assert before[2] == DRAFT

    panel.evaluate(KEEP_TOASTS)
    # From here on nothing touches the page.
    chat.path("arrivals-fail").touch()
    panel.get_by_role("tab", name="Failures (3)").wait_for()
    panel.get_by_text("10 held").wait_for()
    for name, count in KINDS.items():
        entry = panel.locator(".lm-group", has_text=name)
        entry.locator(".lm-group-count", has_text=re.compile(f"^{count}×$")).wait_for()
        entry.get_by_text("Held").wait_for()
    counts = panel.locator(".lm-group-count").all_inner_texts()
    assert sum(int(text.rstrip("×")) for text in counts) == 10
    chat.wait(lambda: has_told(chat), "no toast has told of the failures")
    assert chat.log.evaluate(READING) == before
    assert panel.locator(".lm-thread-title").inner_text() == title
    assert chat.log.get_by_text("Start the held learners again.").count() == 4


def has_told(chat: ChatPage) -> bool:
    toasts = chat.browser.page.evaluate("window.toasts")
    return any("the reason is known" in toast or "new reasons" in toast for toast in toasts)
