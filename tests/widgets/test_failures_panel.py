"""The failures panel follows its manager, sends little, and shows no markup of others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import ipywidgets
import pytest

from llm_scheduler.diagnosis.models import CATEGORIES, Evidence, Remedy
from llm_scheduler.errors import StoreError
from llm_scheduler.testing.fake_llm_manager import FakeLLMManager
from llm_scheduler.widgets.failure_html import family, span_text, style_html
from llm_scheduler.widgets.failures import NEW_PER_DRAWING, PAGE, FailuresPanel, failures_panel
from tests.widgets.examples import diagnosis

EVIL = "<img src=http://evil.example/x onerror=alert(1)><script>alert(2)</script>\"'&\x1b[31m"


@pytest.fixture
def manager() -> FakeLLMManager:
    return FakeLLMManager()


@pytest.fixture
def panel(manager: FakeLLMManager) -> Iterator[FailuresPanel]:
    panel = failures_panel(manager)
    yield panel
    panel.close()


def entries(panel: FailuresPanel) -> list[Any]:
    return list(panel._entries.values())


def all_html(panel: FailuresPanel) -> str:
    widgets = [panel._header, panel._problem]
    widgets += [part for entry in entries(panel) for part in (entry.meta, entry.body)]
    return "".join(widget.value for widget in widgets)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.01)


def test_empty(panel: FailuresPanel) -> None:
    assert repr(panel) == "FailuresPanel(0 causes, 0 failures)"
    assert "No failures so far." in all_html(panel)
    assert isinstance(panel, ipywidgets.Widget)


def test_shows_why_with_proof_and_what_to_do(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.fail(diagnosis(), nodes=("n3",), known=True)
    manager.fail(diagnosis())
    manager.fail(diagnosis("slurm-oom", category="out_of_memory", title="Needs more memory"))
    manager.n_pending = 2
    manager.problem = "sacct is not installed; exit codes are unknown."
    manager.notify()
    assert repr(panel) == "FailuresPanel(2 causes, 3 failures)"
    shown = all_html(panel)
    for text in (
        "<strong>3 failures</strong>",
        "<strong>2 causes</strong>",
        "1 known from an earlier session",
        "2 diagnoses under way",
        "sacct is not installed",
        "job-3.out:41",
        'title="/home/ada/run/job-3.out:41"',
        "name &#x27;potental&#x27; is not defined",
        "<strong>Python</strong>",
        "Write <code>potential</code> instead",
        "/home/ada/run/physics.py:12",
        "<pre><code>rm.release()</code></pre>",
        "97% sure, found by rules",
        "node n3",
        "out of memory",
    ):
        assert text in shown
    titles = [entry.toggle.description for entry in entries(panel)]
    assert titles == ["'potental' is not defined in physics.py", "Needs more memory"]


def test_doubts_are_shown(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.fail(diagnosis(doubts=("Another error could be the reason: `<img src=x>`.",)))
    manager.notify()
    shown = all_html(panel)
    assert "Why not surer" in shown
    assert "Another error could be the reason: <code>&lt;img src=x&gt;</code>." in shown
    assert "<img" not in shown


def test_sure_diagnoses_show_no_doubts(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.fail(diagnosis())
    manager.notify()
    assert "Why not surer" not in all_html(panel)


def test_one_bad_node_is_named(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    for _ in range(20):
        manager.fail(diagnosis(), nodes=("n7",))
    assert "bad node n7" in all_html(panel)


class _Checker(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {
            "span", "strong", "div", "code", "p", "ul", "li", "pre", "dl", "dt", "dd", "i", "br",
        }  # fmt: skip
        assert {name for name, _ in attrs} <= {"class", "title"}


def test_nothing_of_others_becomes_markup(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.problem = EVIL
    manager.fail(
        diagnosis(
            EVIL,
            title=EVIL,
            explanation=EVIL + f"\n\n```\n{EVIL}\n```\n- {EVIL}\n\n[x](javascript:alert(1))",
            evidence=(Evidence(file=f"/tmp/{EVIL}", line=1, text=EVIL),),
            remedies=(Remedy(kind="code", summary=EVIL, details=EVIL, file=EVIL, line=2),),
            fingerprint=EVIL,
        ),
        learner=EVIL,
        job_id=EVIL,
        nodes=(EVIL,),
        note=EVIL,
    )
    shown = all_html(panel)
    _Checker().feed(shown)
    assert "<img" not in shown
    assert "<script" not in shown
    assert "&lt;img src=http://evil.example/x onerror=alert(1)&gt;" in shown
    assert "\x1b" not in shown + entries(panel)[0].toggle.description


def test_only_what_changed_is_sent(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.fail(diagnosis("a"))
    manager.fail(diagnosis("b"))
    sent: list[tuple[str, str]] = []
    for entry in entries(panel):
        for name in ("toggle", "meta", "body", "again", "box"):
            widget = getattr(entry, name)
            widget.observe(
                lambda change, name=name, entry=entry: sent.append(
                    (name + entry.toggle.description, change["name"]),
                ),
            )
    panel.refresh()
    manager.notify()
    assert sent == []
    manager.fail(diagnosis("a"))
    title = entries(panel)[0].toggle.description
    assert sent == [("meta" + title, "value"), ("body" + title, "value")]
    sent.clear()
    boxes = panel._list.children
    manager.fail(diagnosis("c"))
    assert panel._list.children[:2] == boxes
    assert sent == []


def test_an_open_entry_stays_open_and_in_its_place(
    manager: FakeLLMManager,
    panel: FailuresPanel,
) -> None:
    manager.fail(diagnosis("a"))
    entry = entries(panel)[0]
    entry.toggle.value = True
    for cause in "bbbcca":
        manager.fail(diagnosis(cause))
    assert entries(panel)[0] is entry
    assert entry.toggle.value
    assert "2 failures" in entry.meta.value
    assert len(entries(panel)) == 3


def test_a_large_run_is_shown_in_pages(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    found = [diagnosis(f"cause-{number}") for number in range(120)]
    manager.n_pending = 0
    calls = manager._callbacks[:]
    manager._callbacks.clear()
    for item in found:
        manager.fail(item)
    manager._callbacks.extend(calls)
    manager.notify()
    assert len(entries(panel)) == PAGE
    assert f"the first {PAGE} causes are shown" in all_html(panel)
    assert panel._more.description == "Show 50 more"
    panel._more.click()
    assert len(entries(panel)) == 2 * PAGE
    assert panel._more.description == "Show 20 more"
    panel._more.click()
    assert len(entries(panel)) == 120
    assert panel._more.layout.display == "none"


def test_start_again_asks_once(manager: FakeLLMManager, panel: FailuresPanel) -> None:
    manager.fail(diagnosis(), learner="a.pickle", held=True)
    manager.fail(diagnosis(), learner="b.pickle", held=True)
    manager.fail(diagnosis(), learner="c.pickle")
    manager.fail(diagnosis("other"), learner="d.pickle", held=True)
    again, other = (entry.again for entry in entries(panel))
    assert again.description == "Start 2 learners again"
    again.click()
    again.click()
    assert manager.released == [("a.pickle", "b.pickle")]
    assert again.layout.display == "none"
    assert other.layout.display is None
    manager.fail(diagnosis(), learner="a.pickle", held=True)
    assert again.description == "Start 1 learner again"
    again.click()
    assert manager.released[1:] == [("a.pickle",)]


def test_a_release_that_fails_says_so_and_can_be_tried_again(
    manager: FakeLLMManager,
    panel: FailuresPanel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(learners: Any) -> None:
        raise RuntimeError("<b>the database is locked</b>")

    manager.fail(diagnosis(), held=True)
    again = entries(panel)[0].again
    with monkeypatch.context() as patch:
        patch.setattr(manager, "release", refuse)
        again.click()
    assert "Not started again: &lt;b&gt;the database is locked" in panel._problem.value
    assert not again.disabled
    again.click()
    assert manager.released == [("learner.pickle",)]
    assert panel._problem.layout.display == "none"


def test_a_store_that_breaks_is_a_sentence(
    manager: FakeLLMManager,
    panel: FailuresPanel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Any:
        raise StoreError("the file is not a database")

    with monkeypatch.context() as patch:
        patch.setattr(manager, "groups", broken)
        manager.notify()
        assert "The failures can&#x27;t be read: the file is not a database" in all_html(panel)
    manager.notify()
    assert panel._problem.layout.display == "none"


def test_closing_ends_it(manager: FakeLLMManager) -> None:
    panel = failures_panel(manager)
    manager.fail(diagnosis())
    assert manager.n_subscribers == 1
    panel.close()
    panel.close()
    assert manager.n_subscribers == 0
    manager.fail(diagnosis())
    panel.refresh()
    assert repr(panel) == "FailuresPanel(1 cause, 1 failure)"


async def test_many_notices_are_few_drawings(manager: FakeLLMManager) -> None:
    panel = failures_panel(manager)
    drawn = 0
    draw = panel._redraw._draw

    def count() -> None:
        nonlocal drawn
        drawn += 1
        draw()

    panel._redraw._draw = count
    for _ in range(500):
        manager.fail(diagnosis())
    await until(lambda: repr(panel) == "FailuresPanel(1 cause, 500 failures)")
    assert drawn <= 3
    panel.close()


async def test_many_causes_at_once_do_not_stop_the_loop(manager: FakeLLMManager) -> None:
    panel = failures_panel(manager)
    for number in range(40):
        manager.fail(diagnosis(f"cause-{number}"))
    sizes = []
    panel._list.observe(lambda change: sizes.append(len(change["new"])), "children")
    await until(lambda: len(entries(panel)) == 40)
    assert max(b - a for a, b in pairwise([0, *sizes])) <= NEW_PER_DRAWING
    panel.close()


async def test_notices_from_another_thread_are_drawn_on_the_loop(manager: FakeLLMManager) -> None:
    panel = failures_panel(manager)
    threads: list[int] = []
    panel._header.observe(lambda _: threads.append(threading.get_ident()), "value")
    worker = threading.Thread(target=lambda: [manager.fail(diagnosis()) for _ in range(50)])
    worker.start()
    await until(lambda: "50 failures" in panel._header.value)
    worker.join()
    assert set(threads) == {threading.get_ident()}
    panel.close()


async def test_a_click_from_another_thread_releases_on_the_loop(manager: FakeLLMManager) -> None:
    panel = failures_panel(manager)
    manager.fail(diagnosis(), held=True)
    await until(lambda: bool(entries(panel)))
    worker = threading.Thread(target=entries(panel)[0].again.click)
    worker.start()
    worker.join()
    assert manager.released == []
    await until(lambda: manager.released == [("learner.pickle",)])
    panel.close()


def test_notices_after_the_loop_has_ended_are_harmless(manager: FakeLLMManager) -> None:
    async def make() -> FailuresPanel:
        return failures_panel(manager)

    panel = asyncio.run(make())
    manager.fail(diagnosis())
    panel.close()


def test_times_are_short() -> None:
    now = datetime.now(tz=UTC)
    old = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert len(span_text(old, old)) == len("2026-01-02 03:04")
    assert len(span_text(old, old + timedelta(days=2))) == len(
        "2026-01-02 03:04 to 2026-01-04 03:04"
    )
    assert " to " not in span_text(now, now)


def test_every_category_has_a_family_and_the_style_stays_local() -> None:
    assert {family(category) for category in CATEGORIES} == {
        "resources", "code", "environment", "cluster", "other",
    }  # fmt: skip
    style = style_html()
    assert ".llms-panel" in style
    for remote in ("url(", "@import", "http", "</style><"):
        assert remote not in style
