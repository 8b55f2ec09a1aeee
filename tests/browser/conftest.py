from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.lab import Browser, Lab, open_browser, running_lab


@pytest.fixture(scope="session")
def lab(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def browser(chromium_path: str, lab: Lab) -> Iterator[Browser]:
    with open_browser(chromium_path, lab) as browser:
        yield browser
