"""What logs, files and models say is shown as text: nothing runs, nothing is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chat_page import DIAGNOSIS, FRONTEND, NEW, SOURCE, ChatPage, opened
from tests.browser.lab import Lab, open_browser

pytestmark = pytest.mark.browser

# The attacks that the front end's own tests use, by their kinds.
TABLE = FRONTEND / "tests" / "payloads.json"
N_AT_ONCE = 16
ENOUGH = 60
N_NAMES = 6
# Slashes part the names of attributes, as spaces do: two folders and a file.
NAME = "<img/src=x/onerror=alert(1)>.py"
ATTACK = "<img src=http://evil.example/x.png onerror=alert(2)>"
# What runs or loads, and what no part of the panel is made of.
FORBIDDEN = "img, script, iframe, object, embed, link, meta, base, form, video, audio, svg, math"
FIND_LIVE = f"""
panel => [...panel.querySelectorAll("*")].filter(e =>
  e.matches("{FORBIDDEN}")
  || [...e.attributes].some(a => a.name.startsWith("on") || a.name === "srcset")
  || (e.hasAttribute("href") && !/^(https?|mailto):/.test(e.getAttribute("href")))
  || (e.hasAttribute("href") && !(e.rel || "").includes("noopener"))
).map(e => e.outerHTML.slice(0, 300))
"""


@pytest.fixture(scope="module")
def payloads() -> list[str]:
    """Provide the attacks, each once."""
    kinds = json.loads(TABLE.read_text())
    payloads = [text for texts in kinds.values() for text in texts]
    assert len(set(payloads)) == len(payloads) >= ENOUGH
    return payloads


@pytest.fixture(scope="module")
def chat(chromium: Any, lab: Lab, payloads: list[str]) -> Iterator[ChatPage]:
    """Provide the panel of a run whose log, failure and model attack it."""
    diagnosis = {
        **DIAGNOSIS,
        "title": f"Hostile {ATTACK}",
        "explanation": "\n\n".join(payloads[:N_AT_ONCE]),
        "doubts": [ATTACK],
    }
    physics = f"PAYLOADS = {payloads!r}\n{SOURCE}".replace(
        "    return", "    print(*PAYLOADS, sep='\\n', flush=True)\n    return"
    )
    with (
        open_browser(chromium, lab) as browser,
        opened(browser, lab, "hostile", diagnosis) as chat,
    ):
        chat.start(physics)
        yield chat


def check_nothing_lives(chat: ChatPage) -> None:
    live: Any = chat.panel.evaluate(FIND_LIVE)
    assert live == []
    assert chat.browser.dialogs == []
    assert chat.browser.foreign_requests == []


def lines_of(payloads: list[str]) -> list[str]:
    return [line for text in payloads for line in text.replace("\0", "").split("\n")]


def wait_for_enough(chat: ChatPage, shown: Any) -> None:
    """Wait until a part shows most attacks, as texts."""
    chat.wait(lambda: shown.filter(has_text="alert(").count() >= ENOUGH, "too few are shown")


def test_messages(chat: ChatPage, payloads: list[str]) -> None:
    pieces = [payloads[i : i + N_AT_ONCE] for i in range(0, len(payloads), N_AT_ONCE)]
    chat.talker.texts = ["\n\n".join([*piece, f"End of {i}."]) for i, piece in enumerate(pieces)]
    for i, piece in enumerate(pieces):
        chat.say("\n".join([f"recite {i}", *lines_of(piece)]))
        chat.log.get_by_text(f"End of {i}.").last.wait_for()
    check_nothing_lives(chat)


def test_names(chat: ChatPage, payloads: list[str]) -> None:
    bare = [f"{text}.py" for text in payloads if re.fullmatch(r"[^\s/\0]{1,80}", text)]
    names = [NAME, *bare[: N_NAMES - 1]]
    assert len(names) == N_NAMES
    for name in names:
        path = chat.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE)
    chat.talker.reason = ATTACK
    chat.ask(f"please mend {' '.join(names)}")
    chat.panel.get_by_text(f"{N_NAMES} changes wait for you").click()
    chat.panel.locator(".lm-card").nth(N_NAMES - 1).wait_for()
    chat.panel.locator(".lm-thread-opener").click()
    chat.panel.locator(".lm-thread-name").first.wait_for()
    check_nothing_lives(chat)
    chat.panel.locator(".lm-thread-opener").click()
    chat.button(f"Approve all {N_NAMES}").click()
    chat.log.get_by_text(f"{N_NAMES} of {N_NAMES} changes made.").wait_for()
    check_nothing_lives(chat)


def test_diffs_and_outputs(chat: ChatPage, payloads: list[str]) -> None:
    lines = [f"# {line}" for line in lines_of(payloads)]
    chat.path("attacked.py").write_text("\n".join([*lines, SOURCE]))
    chat.talker.new_text = "\n    ".join([NEW, *lines])
    chat.ask("please mend attacked.py")
    chat.button("Approve").wait_for()
    wait_for_enough(chat, chat.panel.locator(".lm-card .lm-diff-code"))
    calls = chat.panel.locator("details.lm-call > summary")
    for i in range(calls.count()):
        calls.nth(i).click()
    chat.panel.locator(".lm-call-body").get_by_text("onerror=alert(1)").first.wait_for()
    check_nothing_lives(chat)
    chat.button("Approve").click()
    chat.log.get_by_text("1 of 1 changes made.").wait_for()
    check_nothing_lives(chat)


def test_diagnoses_and_lines_of_logs(chat: ChatPage) -> None:
    chat.panel.locator(".lm-group", has_text="Hostile").click()
    check_nothing_lives(chat)
    chat.panel.locator(".lm-proof").first.click()
    viewer = chat.panel.get_by_role("dialog", name=re.compile("^Log"))
    viewer.get_by_role("button", name="Start", exact=True).click()
    wait_for_enough(chat, viewer.locator(".lm-log-text"))
    check_nothing_lives(chat)
