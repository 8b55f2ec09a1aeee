"""One server, one browser and one run with a panel, shared by all tests of this folder."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chat_page import TITLE, ChatPage, opened
from tests.browser.lab import Browser, Lab, open_browser, running_chromium, running_lab

TEST_LIMIT_S = 900


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that hangs: not all that is asked of a browser has a time limit of its own."""
    if Path(__file__).parent not in item.path.parents:  # hooks of a folder see all tests
        return (yield)

    def stop(*_: object) -> None:
        raise TimeoutError(f"{item.name} took longer than {TEST_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(TEST_LIMIT_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what its page says."""
    report = yield
    used = getattr(item, "funcargs", {})
    if report.failed and call.when == "call" and ("chat" in used or "browser" in used):
        browser = used["browser"] if "browser" in used else used["chat"].browser
        for page in browser.page.context.pages:
            # A page may be what hangs.
            with contextlib.suppress(Exception):
                report.sections.append(("page", page.inner_text("body", timeout=5000)))
    return report


# Not of the session: while Playwright runs, no test can have an event loop of its own.
@pytest.fixture(scope="package")
def chromium(chromium_path: str) -> Iterator[Any]:
    with running_chromium(chromium_path) as chromium:
        yield chromium


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def browser(chromium: Any, lab: Lab) -> Iterator[Browser]:
    with open_browser(chromium, lab) as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_chat(chromium: Any, lab: Lab) -> Iterator[ChatPage]:
    with open_browser(chromium, lab) as browser, opened(browser, lab, "panel") as chat:
        chat.start()
        # The rules' word comes first, and the model's takes its place: of each failure, so
        # that the title goes away once more when the second one comes.
        chat.panel.locator(".lm-group", has_text=TITLE).get_by_text("2×").wait_for()
        yield chat


@pytest.fixture
def chat(shared_chat: ChatPage) -> ChatPage:
    """Provide the panel of a run whose two jobs failed; many tests use it, one after another."""
    shared_chat.browser.errors.clear()
    return shared_chat


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Provide where pictures go; LLM_SCHEDULER_PICTURES names a folder in which they stay."""
    folder = Path(os.environ.get("LLM_SCHEDULER_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
