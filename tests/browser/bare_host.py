"""A plain page that shows the panel by anywidget's contract alone, joined to a real kernel side.

There is no Jupyter: the page and the panel in this process say to each other exactly what
goes over the wire in a notebook.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_scheduler.widgets.chat import ChatPanel
from tests.browser.lab import WAIT_LIMIT_MS

PAGE = Path(__file__).with_name("bare_host.html").read_text()
URL = "http://notebooks.example/"
FRAME = '<iframe sandbox="allow-scripts" style="{style}" src="inner.html"></iframe>'
_PUMP_MS = 20


class BareHost:
    """A page with the panel of `panel`; custom messages go both ways while one waits.

    Parameters
    ----------
    page
        A page of Playwright.
    panel
        The kernel side, whose comm is recorded.

    """

    def __init__(self, page: Any, panel: ChatPanel) -> None:
        self.page = page
        self.panel = panel
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.requests: list[str] = []
        self._n_delivered = 1  # what opens the comm holds the traits
        self._frame: Any = page.main_frame
        page.set_default_timeout(WAIT_LIMIT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.on("request", lambda request: self.requests.append(request.url))
        page.expose_function("toKernel", self._take)

    def open(self, frame_style: str = "") -> None:
        """Open the page and load the bundle; with a style, in a frame of another origin."""
        pages = {"inner.html": PAGE, "": FRAME.format(style=frame_style) if frame_style else PAGE}
        for name, text in pages.items():
            self.page.route(URL + name, _serve(text))
        self.page.goto(URL)
        if frame_style:
            self._frame = self.page.wait_for_selector("iframe").content_frame()
        self._frame.wait_for_function("window.isReady")

    def load(self) -> dict[str, list[str]]:
        """Hand the bundle and the traits over; return the names that the bundle exports."""
        state = dict(self.panel.comm.sent[0]["state"])
        esm, css = state.pop("_esm"), state.pop("_css")
        return self.run("([state, esm, css]) => host.load(state, esm, css)", [state, esm, css])

    def run(self, code: str, argument: Any = None) -> Any:
        """Run JavaScript in the page that shows the panel."""
        return self._frame.evaluate(code, argument)

    def view(self, index: int = 0) -> Any:
        """Return one of the views."""
        return self._frame.locator("main > div").nth(index).locator(".lm-panel")

    def say(self, text: str, index: int = 0) -> None:
        """Write a message and send it."""
        view = self.view(index)
        # What is said while an answer is being written is not sent.
        stop = view.get_by_role("button", name="Stop (Esc)")
        self.wait(lambda: not stop.is_visible(), "the answer does not end")
        box = view.get_by_role("textbox", name="Message", exact=True)
        box.fill(text)
        box.press("Enter")

    def wait_for(self, locator: Any) -> None:
        """Wait until something is shown, while messages go both ways."""
        self.wait(lambda: locator.first.is_visible(), f"{locator} did not appear")

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until a condition holds, while messages go both ways."""
        for _ in range(WAIT_LIMIT_MS // _PUMP_MS):
            self.deliver()
            if condition():
                return
            self.page.wait_for_timeout(_PUMP_MS)
        raise AssertionError(what)

    def deliver(self) -> None:
        """Bring to the page what the kernel has sent."""
        sent = self.panel.comm.sent
        while self._n_delivered < len(sent):
            message = sent[self._n_delivered]
            self._n_delivered += 1
            if message.get("method") in ("custom", "update"):
                self.run("message => host.model.receive(message)", message)

    def forget(self) -> None:
        """Lose what was sent so far, as hosts do while no view is there."""
        self._n_delivered = len(self.panel.comm.sent)

    def _take(self, message: dict[str, Any]) -> None:
        if message["method"] == "custom":
            self.panel._handle_custom_msg(message["content"], [])
        else:
            self.panel.set_state(message["state"])

    def _note(self, message: Any) -> None:
        if message.type in ("warning", "error"):
            self.warnings.append(message.text)


def _serve(text: str) -> Callable[[Any], None]:
    return lambda route: route.fulfill(body=text, content_type="text/html")
