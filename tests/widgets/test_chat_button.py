"""The failures of a real run, and the button that opens the chat about them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_scheduler.agent.threads import thread_for_group
from llm_scheduler.widgets.chat import chat_widget
from llm_scheduler.widgets.run_panel import run_panel
from tests.managers.script_jobs import KEY_ERROR, NAME_ERROR, make_run, stop
from tests.widgets.chat_front import FrontEnd, record_comms, until

pytestmark = pytest.mark.filterwarnings("ignore:Cancelling a RunManager")


async def test_the_button_of_a_real_run_opens_the_chat_about_its_failures(
    tmp_path, monkeypatch, capsys
):
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
    check_display(run)
    with monkeypatch.context() as patch:
        patch.setattr("IPython.get_ipython", object)  # as of a terminal: it has no kernel
        check_terminal(run, capsys)
    box.close()
    assert panel.is_closed
    await stop(run)


def check_display(run: Any) -> None:
    """A run as the value of a cell shows the panel with the button, the same one each time."""
    assert repr(run) == "RunManager('run')"
    shown = [run._repr_mimebundle_()[0] for _ in range(2)]
    box = run._shown_box
    assert box.children[1].chat._button.description == "Chat with LLM"
    for data in shown:
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id
        assert data["text/plain"] == repr(run)
        assert "Jobs: 2 held." in data["text/html"]
        assert "spectrun" in data["text/html"]
    assert run._repr_html_() == shown[0]["text/html"]
    box.close()
    run._repr_mimebundle_()
    assert run._shown_box is not box
    run._shown_box.close()


def check_terminal(run: Any, capsys: Any) -> None:
    """Where no widgets are, a run shows text, and makes no panel for it."""
    data, _ = run._repr_mimebundle_()
    assert list(data) == ["text/plain"]
    assert run._repr_html_() is None
    capsys.readouterr()
    assert run.info() is None
    assert capsys.readouterr().out == data["text/plain"] + "\n"
    assert data["text/plain"].startswith("Jobs: 2 held. 2 failures with 2 causes.")
    assert "NameError: name 'spectrun' is not defined" in data["text/plain"]
