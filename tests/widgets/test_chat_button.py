"""The failures of a real run, and the button that opens the chat about them."""

from __future__ import annotations

import pytest

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.widgets.chat import chat_widget
from llm_scheduler.widgets.run_panel import run_panel
from tests.managers.script_jobs import KEY_ERROR, NAME_ERROR, make_run, stop
from tests.widgets.chat_front import FrontEnd, record_comms, until

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")


async def test_the_button_of_a_real_run_opens_the_chat_about_its_failures(tmp_path, monkeypatch):
    import ipywidgets

    record_comms(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path, [NAME_ERROR, KEY_ERROR])
    run.start()
    box = run_panel(ipywidgets.HTML(), run.llm_manager)
    failures = box.children[1]
    chat = failures.chat
    assert chat._button.description == "Chat with LLM"
    chat._button.click()
    panel = chat_widget(run)
    assert chat.children[1] is panel
    assert repr(chat) == "ChatButton(open)"
    front = FrontEnd(panel)
    assert await run.finished(120) == "failed"
    await until(lambda: len(panel.groups) == 2)
    await until(lambda: panel.overview["n_jobs"] == {"held": 2})

    group = next(g for g in panel.groups if "spectrun" in str(g["diagnosis"]["evidence"]))
    evidence = group["diagnosis"]["evidence"][0]
    page = (await front.ask("read_log", file=evidence["file"], line=evidence["line"]))["data"]
    assert evidence["text"] in [x["text"] for x in page["lines"] if x["number"] == evidence["line"]]

    await until(lambda: len(failures._entries) == 2)
    failures._entries[group["key"]].talk[0].click()
    assert panel.active == thread_for_group(group["key"]) == group["thread_id"]
    await front.open(panel.active)
    await front.ask("send", thread_id=panel.active, text="Why did this job fail?")
    items = await front.wait_idle(panel.active)
    assert "spectrun" in items[-1]["text"]

    chat._button.click()
    assert not chat.is_open
    box.close()
    assert panel.is_closed
    await stop(run)
