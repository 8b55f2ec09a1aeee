"""What is shown where widgets can't be: a page of nbconvert, a forge, a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from llm_scheduler.diagnosis.models import Evidence
from llm_scheduler.testing import FakeLLMManager
from llm_scheduler.widgets.failures import failures_panel
from llm_scheduler.widgets.fallback_html import fallback_html, fallback_text
from llm_scheduler.widgets.run_panel import run_panel
from tests.widgets.examples import diagnosis

ROOT = Path(__file__).parents[2]
# What forges leave of the HTML of a notebook; attributes but `open` they take out.
PLAIN_TAGS = frozenset(
    [
        "div",
        "p",
        "small",
        "strong",
        "em",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
EVIL = (
    "<img src=http://evil.example/x onerror=alert(1)></code><script>alert(2)</script>\x1b[2J\u202e"
)
LIMIT_S = 120


class PlainChecker(HTMLParser):
    """Collects the text, and fails at what a forge takes out, or a browser would run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in PLAIN_TAGS, tag
        assert [name for name, _ in attrs if name != "open"] == [], (tag, attrs)
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def make_manager(n: int = 1, **values: Any) -> FakeLLMManager:
    manager = FakeLLMManager()
    for number in range(n):
        found = diagnosis(f"cause-{number}", fingerprint=f"f{number}", **values)
        manager.fail(found, f"energy-{number}.pickle", nodes=("n1",))
    return manager


def test_the_failures_can_be_read_without_any_style() -> None:
    text = PlainChecker(fallback_html(make_manager(2))).text
    for part in (
        "2 failures with 2 causes.",
        "(code error, 1 failure, 1 learner)",
        "job-3.out:41 NameError: name 'potental' is not defined",
        "What to do",
        "llm-scheduler chat",
    ):
        assert part in " ".join(text.split())


def test_nothing_of_a_log_is_markup_and_nothing_of_this_machine_is_kept() -> None:
    lines = (
        Evidence(file=f"/srv/{EVIL}", line=1, text=EVIL),
        Evidence(file=str(Path.home() / "log.out"), line=2, text=f"in {Path.home()}/a.py"),
        Evidence(file="x", line=3, text=f"in {Path.cwd()}/b.py"),
        Evidence(file="x", line=4, text="password=hunter2hunter2"),
    )
    manager = make_manager(title=EVIL, explanation=EVIL, evidence=lines)
    manager.problem = EVIL
    html = fallback_html(manager)
    text = fallback_text(manager)
    assert "onerror" in PlainChecker(html).text
    for shown in (html, text):
        assert not {"\x1b", "\u202e"} & set(shown)
        for hidden in (str(Path.home()), str(Path.cwd()), "hunter2"):
            assert hidden not in shown
    assert "in ~/a.py" in text
    assert "in b.py" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{here}/a.py and '{here}' and {here}.", "a.py and '.' and .."),
        ("/scratch{here}/in.csv", "/scratch{here}/in.csv"),
        ("{here}-old/x {here}.bak", "{here}-old/x {here}.bak"),
        ("gcc -I{here}/include PATH={here}:{home}/bin", "gcc -Iinclude PATH=.:~/bin"),
        ("file://{here}/a.py in ({home})", "file://a.py in (~)"),
        ("{real}/x {home}ly /mnt{home}/x", "~/x {home}ly /mnt{home}/x"),
    ],
)  # fmt: skip
def test_only_a_path_of_this_machine_is_left_out(tmp_path, monkeypatch, text, shown) -> None:
    here, real, home = tmp_path / "work", tmp_path / "real", tmp_path / "home"
    here.mkdir()
    real.mkdir()
    home.symlink_to(real)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    folders = {"here": here, "real": real, "home": home}
    manager = make_manager(title="x", explanation="", evidence=())
    manager.problem = text.format(**folders)
    assert shown.format(**folders) in fallback_text(manager).splitlines()


def test_a_run_is_shown_again_in_the_next_cell(monkeypatch) -> None:
    import IPython
    import ipywidgets
    from IPython import display

    shell = SimpleNamespace(execution_count=3, kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    shown: list[Any] = []
    monkeypatch.setattr(display, "display", lambda *given, **_: shown.append(given))
    panel = run_panel(ipywidgets.HTML(), make_manager())
    panel.was_shown()
    panel._ipython_display_()  # the value of the cell that has shown it
    assert shown == []
    panel.was_shown()
    shell.execution_count += 1
    panel._ipython_display_()
    panel._ipython_display_()
    assert len(shown) == 2
    panel.close()


def test_a_great_many_failures_stay_short() -> None:
    manager = make_manager(300, title="x" * 5000, explanation="long " * 3000)
    for shown in (fallback_html(manager), fallback_text(manager)):
        assert "And 280 more causes." in shown
        assert len(shown) < 300_000


def test_a_run_without_failures_says_so() -> None:
    manager = make_manager(0)
    manager.n_pending = 1
    assert "No failures so far. 1 diagnosis under way." in fallback_html(manager)
    assert "No failures so far. 1 diagnosis under way." in fallback_text(manager)


def test_every_panel_has_the_fallback_beside_the_widget() -> None:
    import ipywidgets

    for panel in (
        failures_panel(make_manager()),
        run_panel(ipywidgets.HTML(), make_manager()),
    ):
        data, metadata = panel._repr_mimebundle_()
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.model_id
        assert data["text/plain"] == repr(panel)
        assert "0x" not in repr(panel)
        assert "potental" in PlainChecker(data["text/html"]).text
        assert metadata == {}
        panel.close()
        data, _ = panel._repr_mimebundle_()
        assert set(data) == {"text/plain", "text/html"}
        assert "potental" in PlainChecker(data["text/html"]).text


CELL = """
from tests.widgets.chat_runs import make_manager, close_manager
from llm_scheduler.widgets.chat import chat_widget
from pathlib import Path
manager = make_manager(Path.cwd())
panel = chat_widget(manager)
"""


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "LLM_SCHEDULER_CONFIG_DIR": str(folder / "config"),
    }


def run(folder: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment(folder), input=stdin, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_nbconvert_writes_a_page_that_can_be_read(tmp_path: Path) -> None:
    panel = failures_panel(make_manager())
    data, metadata = panel._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell("panel")
    cell.outputs = [nbformat.v4.new_output("display_data", data, metadata=metadata)]
    # Without the state of widgets, as a notebook is saved by default.
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "run.ipynb")
    panel.close()
    run(tmp_path, "-m", "nbconvert", "--to", "html", "run.ipynb")
    page = (tmp_path / "run.html").read_text()
    assert "<summary><strong><code>potental</code> is not defined in physics.py" in page
    assert "<td>job-3.out:41</td>" in page
    assert "widget-view+json" not in page


def test_a_terminal_shows_text(tmp_path: Path) -> None:
    out = run(
        tmp_path, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor",
        "--no-confirm-exit",
        stdin=f"{CELL}\npanel\nprint('as it is:', repr(panel))\n"
        "panel.close(); close_manager(manager)\n",
    )  # fmt: skip
    assert "1. `potental` is not defined in physics.py" in out
    assert "job-0.out:2: NameError: name 'potental' is not defined" in out
    assert "as it is: ChatPanel('run')" in out
    assert "<div>" not in out
