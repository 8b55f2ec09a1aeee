"""The chat panel in a real JupyterLab, from the user's view; one notebook for all tests."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import hold, say
from tests.browser.chat_page import MENDED, RUN_LIMIT_MS, SOURCE, ChatPage

pytestmark = pytest.mark.browser

HAS_SUBSHELLS = """() => window.jupyterapp.shell.currentWidget.context.sessionContext
  .session.kernel.supportsSubshells"""
HUGE_BYTES = 1 << 30
MIDDLE_LINE = "a needle in the middle"
LAST_LINE = "the very last line"


def test_a_failure_is_explained_with_its_lines(chat: ChatPage) -> None:
    chat.open_failure()
    chat.panel.get_by_text(re.compile("2 (failed|held)")).first.wait_for()


def test_a_change_in_the_thread_of_a_failure(chat: ChatPage) -> None:
    chat.write("cause.py")
    chat.open_failure()
    chat.say("please mend cause.py")
    chat.button("Approve").click()
    chat.wait_until_source("cause.py", MENDED)
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    chat.log.get_by_role("button", name="Undo", exact=True).click()
    chat.wait_until_source("cause.py", SOURCE)


def test_ask_see_the_diff_approve_and_undo(chat: ChatPage) -> None:
    chat.start_conversation()
    chat.mend_and_undo("fix.py")


def test_a_click_is_not_lost_to_what_comes_between_press_and_release(chat: ChatPage) -> None:
    gate = hold(say("A first word. " + "and more\n\n" * 80), after_chars=len("A first word. "))
    chat.talker.gates["a long story"] = gate
    chat.write("pressed.py")
    chat.ask("please mend pressed.py")
    chat.button("Approve").click()
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    chat.say("tell a long story")
    chat.log.get_by_text("A first word.").wait_for()
    chat.log.get_by_role("button", name="Undo", exact=True).hover()
    chat.browser.page.mouse.down()
    gate.release()
    # What comes would push the button away. Too short a time can't fail, only show less.
    chat.browser.page.wait_for_timeout(500)
    chat.browser.page.mouse.up()
    chat.wait_until_source("pressed.py", SOURCE)
    chat.log.get_by_text("and more").last.wait_for()


def test_reject_changes_nothing_and_the_model_is_told(chat: ChatPage) -> None:
    chat.write("no.py")
    chat.ask("please mend no.py")
    chat.button("Reject").click()
    chat.panel.get_by_label("Why it is rejected (optional)").fill("The weights are right.")
    chat.button("Reject").click()
    chat.log.get_by_text("0 of 1 changes made.").wait_for()
    chat.log.get_by_text("You rejected this: The weights are right.").wait_for()
    assert chat.path("no.py").read_text() == SOURCE
    assert "The weights are right." in chat.model.requests[-1].text


def test_what_is_edited_is_what_is_written(chat: ChatPage) -> None:
    chat.write("edit.py")
    chat.ask("please mend edit.py")
    chat.button("Edit").click()
    text = chat.panel.get_by_label("The proposed text, to be changed")
    mine = text.input_value().replace("0.5, 0.5", "0.25, 0.75")
    assert "0.25" in mine
    text.fill(mine)
    chat.button("Approve my version").click()
    chat.wait_until_source("edit.py", SOURCE.replace("0.0, 0.0", "0.25, 0.75"))
    chat.log.get_by_text("1 of 1 changes made.").wait_for()


def test_a_file_that_changed_meanwhile_is_left_alone_and_the_new_diff_is_shown(
    chat: ChatPage,
) -> None:
    chat.write("moved.py")
    chat.ask("please mend moved.py")
    chat.wait(lambda: chat.button("Approve").is_enabled())
    mine = "# written while the change waited\n"
    chat.path("moved.py").write_text(mine + SOURCE)
    chat.button("Approve").click()
    void = chat.log.locator(".lm-card", has_text="Out of date").first
    void.get_by_text("Nothing was changed.").wait_for()
    assert chat.path("moved.py").read_text() == mine + SOURCE
    fresh = chat.log.locator(".lm-card[data-status=pending]")
    fresh.get_by_text(mine.strip()).wait_for()
    chat.wait(lambda: chat.button("Approve").is_enabled())
    chat.button("Approve").click()
    chat.wait_until_source("moved.py", mine + MENDED)
    chat.log.get_by_text("1 of 1 changes made.").wait_for()


def test_several_are_decided_at_once(chat: ChatPage) -> None:
    names = ["one.py", "two.py", "three.py"]
    chat.write(*names)
    chat.ask(f"please mend {' '.join(names)}")
    chat.panel.get_by_text("3 changes wait for you").click()
    chat.panel.locator(".lm-pending-bar").get_by_role("checkbox").nth(2).click()
    chat.button("Approve 2").click()
    for name in names[:2]:
        chat.wait_until_source(name, MENDED)
    assert chat.path("three.py").read_text() == SOURCE
    chat.button("Reject").click()
    chat.button("Reject").click()
    chat.log.get_by_text("2 of 3 changes made.").wait_for()
    assert chat.path("three.py").read_text() == SOURCE


def test_yolo_asks_once_changes_at_once_and_can_be_switched_off(chat: ChatPage) -> None:
    chat.write("bold.py", "calm.py")
    panel = chat.panel
    yolo = panel.get_by_role("radio", name="YOLO")
    banner = panel.get_by_role("region", name="YOLO mode", exact=True)
    yolo.click()
    chat.button("Cancel").click()
    assert not yolo.is_checked()
    yolo.click()
    chat.button("Switch YOLO on").click()
    banner.get_by_text("YOLO mode is on").wait_for()
    before = n_made(banner)
    chat.ask("please mend bold.py")
    chat.wait_until_source("bold.py", MENDED)
    chat.log.get_by_text("because YOLO mode was on").wait_for()
    chat.wait(lambda: n_made(banner) == before + 1)
    banner.get_by_role("button", name="Show its changes").click()
    banner.get_by_role("button", name="Undo").first.click()
    chat.wait_until_source("bold.py", SOURCE)

    banner.get_by_role("button", name="Switch YOLO off").click()
    banner.wait_for(state="hidden")
    chat.ask("please mend calm.py")
    chat.button("Approve").wait_for()
    assert chat.path("calm.py").read_text() == SOURCE
    chat.button("Approve").click()
    chat.wait_until_source("calm.py", MENDED)


def n_made(banner: Any) -> int:
    found = re.search(r"\d+", banner.locator(".lm-yolo-count").inner_text())
    return int(found[0]) if found else 0


def test_a_blocked_cell_does_not_stop_the_chat(chat: ChatPage) -> None:
    if not chat.browser.page.evaluate(HAS_SUBSHELLS):
        pytest.skip("this ipykernel has one shell, which a cell keeps busy")
    chat.write("busy.py")
    for name in ("panel-blocked", "panel-go"):
        chat.path(name).unlink(missing_ok=True)
    chat.browser.cell(2).locator(".cm-content").click()
    chat.browser.page.keyboard.press("Control+Enter")
    chat.wait(chat.path("panel-blocked").exists)
    chat.ask("please mend busy.py")
    chat.button("Approve").click()
    chat.wait_until_source("busy.py", MENDED)
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    assert chat.browser.cell(2).locator(".jp-InputPrompt").inner_text() == "[*]:"
    chat.path("panel-go").touch()
    chat.browser.cell(2).locator(".jp-InputPrompt", has_text="[*]").wait_for(state="hidden")


def test_a_reload_in_the_middle_of_an_answer_loses_nothing(chat: ChatPage) -> None:
    first, second = "The first half. ", "The second half."
    gate = hold(say(first + second), after_chars=len(first))
    chat.talker.gates["in two halves"] = gate
    chat.ask("say it in two halves")
    chat.log.get_by_text("The first half.").wait_for()
    chat.reload()
    chat.log.get_by_text("The first half.").wait_for()
    gate.release()
    chat.log.get_by_text(first + second).wait_for()
    assert chat.log.get_by_text("The first half.").count() == 1


def test_two_tabs_show_the_same(chat: ChatPage) -> None:
    chat.write("tabs.py")
    chat.ask("please mend tabs.py")
    chat.button("Approve").wait_for()
    chat.save()
    other = chat.browser.page.context.new_page()
    other.set_default_timeout(RUN_LIMIT_MS)
    place = f"{chat.lab.url}/lab/workspaces/other/tree/{chat.name}.ipynb"
    other.goto(f"{place}?token={chat.lab.token}", wait_until="domcontentloaded")
    panel = other.locator(".lm-panel")
    chat.button("Approve", panel).click()
    chat.wait_until_source("tabs.py", MENDED)
    for view in (panel, chat.panel):
        view.get_by_role("log").get_by_text("1 of 1 changes made.").wait_for()
    chat.say("anything else?", panel)
    for view in (panel, chat.panel):
        view.get_by_role("log").get_by_text("Nothing to do.").wait_for()
    # Cards and calls get their last words after the answer.
    chat.wait(lambda: texts_of(panel) == texts_of(chat.panel), "the tabs differ")
    # Not after a failure, whose report shows it.
    other.close()


def texts_of(panel: Any) -> list[str]:
    return panel.locator(".lm-item").evaluate_all("es => es.map(e => e.textContent)")


def test_a_log_of_a_gigabyte_is_shown_searched_and_opened_at_a_line(chat: ChatPage) -> None:
    chat.open_failure()
    proof = chat.panel.locator(".lm-proof").first
    log = Path(proof.get_attribute("title").removeprefix("Open "))
    with log.open("r+b") as file:
        number = file.read().count(b"\n") + 4  # of the line in the middle
        file.write(b"\nthe gap begins\n")
        file.seek(HUGE_BYTES // 2)
        file.write(f"\n{MIDDLE_LINE}\nand after it\n".encode())
        file.truncate(HUGE_BYTES)
        file.seek(0, os.SEEK_END)
        file.write(f"\n{LAST_LINE}\n".encode())
    proof.click()
    viewer = chat.panel.get_by_role("dialog", name="Log ")
    viewer.get_by_role("button", name="End", exact=True).click()
    viewer.get_by_text(LAST_LINE).wait_for()
    viewer.get_by_role("button", name="Start", exact=True).click()
    viewer.get_by_text(LAST_LINE).wait_for(state="detached")
    # The text is half a gigabyte away; so is the line, which has to be counted.
    middle = viewer.locator(".lm-log-line", has_text=MIDDLE_LINE)
    assert middle.count() == 0
    viewer.get_by_label("Search the log").fill(MIDDLE_LINE)
    viewer.get_by_role("button", name="Next match").click()
    middle.wait_for()
    viewer.get_by_role("button", name="Start", exact=True).click()
    middle.wait_for(state="detached")
    viewer.get_by_label("Go to line").fill(str(number))
    viewer.get_by_label("Go to line").press("Enter")
    viewer.locator(f"[data-n='{number}']", has_text=MIDDLE_LINE).wait_for()
    viewer.get_by_role("button", name="Close the log").click()
    viewer.wait_for(state="hidden")


def test_a_restart_of_the_kernel_keeps_what_waits(chat: ChatPage) -> None:
    chat.write("later.py")
    chat.ask("please mend later.py")
    chat.button("Approve").wait_for()
    chat.browser.restart_kernel()
    chat.run()
    if not chat.button("Approve").is_visible():
        chat.panel.locator(".lm-thread-opener").click()
        chat.panel.locator(".lm-threads").get_by_text("1 change to decide").click()
    chat.button("Approve").click()
    chat.wait_until_source("later.py", MENDED)
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
