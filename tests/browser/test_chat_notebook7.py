"""The main path in Notebook 7, whose page is another one than JupyterLab's."""

from __future__ import annotations

from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import hold, say
from tests.browser.chat_page import RUN_LIMIT_MS, ChatPage
from tests.browser.lab import open_browser
from tests.browser.mouse import HEIGHT_PX, drag, middle

pytestmark = pytest.mark.browser


def test_ask_stream_see_the_diff_approve_and_undo(chromium: Any, chat: ChatPage) -> None:
    with open_browser(chromium, chat.lab) as browser:
        errors: list[Any] = []
        browser.page.on("pageerror", lambda error: errors.append(error))
        browser.page.set_default_timeout(RUN_LIMIT_MS)
        # The kernel is the one that JupyterLab's page uses.
        chat.save()
        url = f"{chat.lab.url}/notebooks/{chat.name}.ipynb?token={chat.lab.token}"
        browser.page.goto(url, wait_until="domcontentloaded")
        browser.wait_for_kernel()
        assert browser.page.locator(".jp-LabShell").count() == 0
        browser.run_cell(1)
        seen = ChatPage(browser, chat.lab, chat.model, chat.name)
        walk(seen, chat)
        browser.page.set_viewport_size({"width": 1200, "height": HEIGHT_PX})
        cell = browser.cell(0).locator(".jp-InputPrompt")
        cell.scroll_into_view_if_needed()
        assert "import adaptive\n" in drag(seen, middle(cell))
        assert browser.foreign_requests == []
        # Notebook 7 has errors of its own; those of the panel come from its module.
        assert [error for error in errors if "blob:" in error.stack] == []


def walk(seen: ChatPage, chat: ChatPage) -> None:
    gate = hold(say("It is the sum of the weights."), after_chars=len("It is the sum"))
    chat.talker.gates["what is wrong in Notebook 7?"] = gate
    seen.ask("what is wrong in Notebook 7?")
    seen.log.get_by_text("It is the sum").wait_for()
    assert seen.log.get_by_text("of the weights.").count() == 0
    gate.release()
    seen.log.get_by_text("It is the sum of the weights.").wait_for()

    seen.mend_and_undo("seven.py")
