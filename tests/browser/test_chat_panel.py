"""The chat panel in a real JupyterLab: ask, see the diff, approve, undo; a real run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import (
    ModelRequest,
    ScriptedModel,
    answer,
    call_tools,
    repeat,
    say,
    tool,
)
from tests.browser.lab import Browser, Lab

pytestmark = pytest.mark.browser

SOURCE = """\
def norm(x):
    weights = [0.0, 0.0]
    return x / sum(weights)
"""
RUN = """
import os, sys
sys.path.insert(0, os.getcwd())
import adaptive
import llm_scheduler as ls
import panel_physics
run = ls.local_run(
    [adaptive.Learner1D(panel_physics.norm, bounds=(-1, 1)) for _ in range(2)],
    ["a.pickle", "b.pickle"],
    name="panel",
    folder=os.getcwd(),
    goal=lambda learner: learner.npoints > 2,
    max_restarts=0,
    llm=ls.LLMSettings(model="scripted", base_url="{base_url}", api_key="none"),
    extra_env_vars=[f"PYTHONPATH={{os.getcwd()}}"],
    job_manager_interval=0.5,
    cleanup_first=False,
    quiet=True,
)
if run.task is None:
    run.start()
"""
RUN_LIMIT_MS = 120_000


def talk(request: ModelRequest) -> Any:
    """Read the file, propose the change, and say what came of it."""
    done = [m for m in request.messages if m["role"] == "tool"]
    asked = max(i for i, m in enumerate(request.messages) if m["role"] == "user")
    here = [m for m in request.messages[asked:] if m["role"] == "tool"]
    if not here:
        return call_tools(tool("read_file", path="panel_physics.py"), text="I look at **norm**.")
    if len(here) == 1:
        return call_tools(
            tool(
                "replace_text",
                path="panel_physics.py",
                old_text="weights = [0.0, 0.0]",
                new_text="weights = [0.5, 0.5]",
                reason="The sum of the weights must not be zero.",
            )
        )
    return say("The change was made." if "Done" in str(done[-1]) else "I leave it as it is.")


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Provide a model that mends `norm` when it is asked."""
    diagnosis = {
        "category": "numerical_error",
        "title": "The sum of the weights is zero",
        "explanation": "`norm` divides by the sum of its weights.",
        "evidence": [{"file": "", "line": 0, "text": "ZeroDivisionError"}],
        "confidence": 0.9,
        "doubts": [],
        "remedies": [],
    }
    server = ScriptedModel()
    server.script(repeat(answer(diagnosis)), when=lambda r: "response_format" in r.body)
    server.script(repeat(talk), when=lambda r: "response_format" not in r.body)
    yield server
    server.close()
    assert server.violations == []


@pytest.fixture
def panel(lab: Lab, browser: Browser, model: ScriptedModel) -> Any:
    """Open a notebook with a run whose jobs fail, and the chat panel."""
    (lab.folder / "panel_physics.py").write_text(SOURCE)
    run = RUN.format(base_url=model.base_url)
    lab.write_notebook("panel.ipynb", run, "ls.chat_widget(run)")
    browser.page.set_default_timeout(RUN_LIMIT_MS)
    browser.open_notebook("panel.ipynb")
    browser.run_cell(0)
    browser.run_cell(1)
    shown = browser.cell(1)
    shown.get_by_text("The sum of the weights is zero").first.wait_for()
    yield shown
    assert browser.foreign_requests == []
    assert browser.dialogs == []
    assert browser.errors == []


def ask(panel: Any, text: str) -> None:
    box = panel.get_by_role("textbox", name=re.compile("Ask|Message", re.IGNORECASE)).last
    box.fill(text)
    box.press("Enter")


def source_of(lab: Lab) -> str:
    return (lab.folder / "panel_physics.py").read_text()


def wait_until_source(browser: Browser, lab: Lab, text: str) -> None:
    for _ in range(600):
        if source_of(lab) == text:
            return
        browser.page.wait_for_timeout(100)
    raise AssertionError(source_of(lab))


def test_ask_see_the_diff_approve_and_undo(panel: Any, browser: Browser, lab: Lab) -> None:
    panel.get_by_text("The sum of the weights is zero").first.click()
    ask(panel, "please fix it")
    approve = panel.get_by_role("button", name="Approve", exact=True).last
    panel.get_by_text("The sum of the weights must not be zero.").wait_for()
    assert source_of(lab) == SOURCE
    approve.click()
    mended = SOURCE.replace("0.0, 0.0", "0.5, 0.5")
    wait_until_source(browser, lab, mended)
    panel.get_by_role("log").get_by_text("The change was made.").wait_for()
    panel.get_by_role("button", name="Undo").first.click()
    wait_until_source(browser, lab, SOURCE)


def test_reject_changes_nothing_and_the_model_is_told(
    panel: Any, browser: Browser, lab: Lab, model: ScriptedModel
) -> None:
    ask(panel, "please fix it")
    panel.get_by_role("button", name="Reject", exact=True).last.click()
    confirm = panel.get_by_role("button", name=re.compile("^Reject"))
    if confirm.count():
        confirm.last.click()
    panel.get_by_role("log").get_by_text("I leave it as it is.").wait_for()
    assert source_of(lab) == SOURCE
    assert "rejected" in model.requests[-1].text


def test_a_reload_brings_the_conversation_back(panel: Any, browser: Browser, lab: Lab) -> None:
    ask(panel, "please fix it")
    panel.get_by_role("button", name="Approve", exact=True).last.wait_for()
    browser.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    browser.page.wait_for_timeout(1000)
    browser.page.goto(f"{lab.url}/lab/tree/panel.ipynb?token={lab.token}")
    shown = browser.cell(1)
    shown.get_by_role("button", name="Approve", exact=True).last.click()
    wait_until_source(browser, lab, SOURCE.replace("0.0, 0.0", "0.5, 0.5"))
