"""The panel outside JupyterLab: anywidget's contract, as VS Code and Colab keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_scheduler.testing.scripted_model import ScriptedModel, call_tools, repeat, say, tool
from llm_scheduler.widgets.chat import ChatPanel
from llm_scheduler.widgets.export_html import export_html
from llm_scheduler.widgets.messages import ApprovalView, Item
from tests.browser.bare_host import URL, BareHost
from tests.widgets.chat_front import record_comms
from tests.widgets.chat_runs import SOURCE, close_manager, make_manager

MENDED = SOURCE.replace("potental", "potential")
REASON = "The name is misspelt."
ANSWER = "Nothing else to do."
WIDE, NARROW = "width: 1100px; height: 800px", "width: 340px; height: 700px; border: 0"


@pytest.fixture
def host(chromium: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[BareHost]:
    monkeypatch.chdir(tmp_path)
    record_comms(monkeypatch)
    model = ScriptedModel()
    change = {"old_text": "potental", "new_text": "potential", "reason": REASON}
    model.script(
        call_tools(tool("replace_text", path="physics.py", **change), text="I propose **this**:"),
        when=lambda request: "please mend" in request.last_text,
    )
    model.script(repeat(say(ANSWER)))
    manager = make_manager(tmp_path, model=model)
    panel = ChatPanel(manager)
    context = chromium.new_context(viewport={"width": 1200, "height": 1000})
    try:
        host = BareHost(context.new_page(), panel)
        yield host
        assert host.errors == []
        assert host.warnings == []
        assert host.run("host.model.misuse") == []
        assert [url for url in host.requests if not url.startswith((URL, "blob:", "data:"))] == []
    finally:
        context.close()
        panel.close()
        close_manager(manager)
        model.close()


@pytest.mark.browser
def test_two_views_on_a_plain_page(host: BareHost, tmp_path: Path) -> None:
    host.open()
    assert host.load() == {"names": ["default"], "parts": ["render"]}
    assert [host.run("host.show()") for _ in range(2)] == ["function", "function"]
    host.wait_for(host.view().get_by_role("tab", name=re.compile("Failures [(]1")))

    host.say("please mend it")
    host.wait_for(host.view().get_by_text(REASON))
    host.wait_for(host.view(1).get_by_text(REASON))
    assert (tmp_path / "physics.py").read_text() == SOURCE
    host.view(1).get_by_role("button", name="Approve", exact=True).last.click()
    for index in range(2):
        host.wait_for(host.view(index).get_by_text(ANSWER))
    assert (tmp_path / "physics.py").read_text() == MENDED

    # One view goes, and the other stays.
    n_both = host.run("host.model.nCallbacks")
    assert host.run("host.close(0)") == 0
    n_one = host.run("host.model.nCallbacks")
    assert 0 < n_one < n_both
    host.say("and now?")
    host.wait(lambda: host.view().get_by_text(ANSWER).count() == 2, "the other view is dead")
    assert host.run("host.close(1)") == 0
    assert host.run("host.model.nCallbacks") == 0


@pytest.mark.browser
def test_messages_that_come_late_or_never(host: BareHost) -> None:
    host.panel.show_thread("chat")
    host.open()
    host.load()
    # What was sent before there was a view is lost, as the first answers are late.
    host.wait(lambda: host.panel.groups, "the kernel side found no failures")
    host.forget()
    host.run("host.hold()")
    host.run("host.show()")
    host.say("are you there?")
    host.wait(lambda: _has_said(host.panel, ANSWER), "the model was not asked")
    log = host.view().get_by_role("log")
    assert not log.get_by_text(ANSWER).count()
    host.deliver()
    assert host.run("host.letGo()") > 0
    host.wait_for(log.get_by_text(ANSWER))
    assert log.get_by_text("are you there?").count() == 1
    assert log.get_by_text(ANSWER).count() == 1


def _has_said(panel: ChatPanel, text: str) -> bool:
    return any(text in str(message) for message in list(panel.comm.sent))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("style", "background", "is_dark"),
    [(WIDE, "#1e1e1e", True), (NARROW, "#fafafa", False)],
    ids=["as VS Code, dark", "as Colab, light and narrow"],
)
def test_in_a_frame_of_another_origin(
    host: BareHost, style: str, background: str, is_dark: bool
) -> None:
    # An opaque origin: no storage, no clipboard, no parent that can be looked at.
    host.open(style)
    host.load()
    if is_dark:
        host.run(
            "color => { document.documentElement.style.setProperty('--vscode-editor-background',"
            " color); document.documentElement.style.setProperty('--vscode-foreground', '#ccc');"
            " document.body.style.background = color; }",
            background,
        )
    else:
        host.run("color => { document.body.style.background = color; }", background)
    host.run("host.show()")
    view = host.view()
    host.wait_for(view.get_by_role("textbox", name="Message", exact=True))
    host.say("are you there?")
    host.wait_for(view.get_by_role("log").get_by_text(ANSWER))
    assert view.evaluate("e => e.classList.contains('lm-dark')") is is_dark
    assert view.evaluate("e => e.scrollWidth <= e.clientWidth")
    colors = view.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
    assert len(set(colors)) == 2
    if is_dark:
        assert colors[1] == "rgb(30, 30, 30)"


@pytest.mark.browser
def test_a_saved_conversation_opens_from_a_file(chromium: Any, tmp_path: Path) -> None:
    evil = "<img src=http://evil.example/x onerror=alert(1)><script>alert(2)</script>"
    view = ApprovalView(
        id="ap-1", thread_id="t", tool="edit", kind="edit", targets=[evil], summary=evil,
        diff=f"--- a\n+++ b\n@@ -1 +1 @@\n-{evil}\n+{'long ' * 100}\n", reason=evil, risk=evil,
        status="done",
    )  # fmt: skip
    items = [
        Item(id=role, role=role, text=f"{evil}\n\n[x](javascript:alert(3)) ![x](//evil.example)",
             approvals=["ap-1"])
        for role in ("user", "assistant", "notice", "error")
    ]  # fmt: skip
    path = tmp_path / "talk.html"
    path.write_text(export_html(evil, evil, items, {"ap-1": view}))
    colors = set()
    for scheme in ("light", "dark"):
        context = chromium.new_context(
            viewport={"width": 320, "height": 800}, color_scheme=scheme
        )  # fmt: skip
        page = context.new_page()
        seen: list[str] = []
        page.on("request", lambda request, seen=seen: seen.append(request.url))
        page.on("dialog", lambda dialog, seen=seen: (seen.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message, seen=seen: seen.append(message.text))
        page.goto(path.as_uri())
        assert page.locator(".diff .del").first.inner_text() == f"-{evil}"
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        colors.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert seen == [path.as_uri()]
        context.close()
    assert len(colors) == 2


def _read(name: str) -> str:
    return (Path(__file__).parents[2] / "llm_scheduler/widgets/static" / name).read_text()


def test_every_variable_of_a_host_has_a_fallback() -> None:
    css = _read("chat.css")
    own = set(re.findall(r"(--lm-[\w-]+)\s*:", css))
    used = re.findall(r"var\(\s*(--[\w-]+)\s*([,)])", css)
    assert len(used) > 100
    assert {name for name, end in used if end == ")"} <= own


def test_the_bundle_knows_no_host() -> None:
    script = _read("chat.js")
    for name in ("jupyterapp", "JupyterLab", "acquireVsCodeApi", "google.colab", "require("):
        assert name not in script
