"""Make the pictures of README and docs anew, from a demo that really runs.

Usage: ``python docs/make_pictures.py [--no-browser]``. Writes ``docs/_static/demo.svg``,
``docs/examples/demo.txt``, ``docs/examples/demo-llm.txt`` (a failure mended with a
scripted model) and, where Chromium and playwright are installed, the failures
panel as JupyterLab shows it, ``docs/_static/panel-light.png`` and ``panel-dark.png``, and
the chat in its main states, ``chat-STATE-light.png`` and ``chat-STATE-dark.png``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME

from llm_scheduler.cli.console import make_console
from llm_scheduler.cli.demo import report, run_demo
from llm_scheduler.diagnosis.groups import FailureGroup
from llm_scheduler.managers.demo import DemoResult
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.testing.scripted_model import ScriptedModel
from llm_scheduler.testing.scripted_model_files import find_script, read_script

DOCS = Path(__file__).resolve().parent
WIDTH = 96
FOLDER = "llm-scheduler-demo"
GROUPS_IN_PICTURE = 4
PANEL_HEIGHT = 760
CHAT_STATES = (
    "empty", "diagnosis", "log", "conversation", "answering", "approval", "edit", "decided",
    "several", "yolo-question", "yolo", "completion",
)  # fmt: skip

_CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
_CELL = """
import json
from pathlib import Path
from llm_scheduler.diagnosis import Failure, group_failures
from llm_scheduler.widgets.failures import failures_panel

class Source:
    n_pending, problem = 0, ""
    def failures(self):
        return [Failure.model_validate(f) for f in json.loads(Path("failures.json").read_text())]
    def groups(self):
        return group_failures(self.failures())
    def subscribe(self, callback):
        return lambda: None
    def release(self, learners):
        pass

failures_panel(Source())
"""


def main() -> int:
    """Run the demo once and make every picture that can be made here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-browser", action="store_true", help="only what needs no browser")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        work = Path(name).resolve()
        os.chdir(work)  # paths in the pictures are relative to it
        result = run_demo(work / FOLDER, cores=None, console=make_console(), live=False)
        if not result.ok:
            print("The demo did not do what it should:", *result.surprises, sep="\n  ")
            return 1
        make_terminal_pictures(_neutral_result(result, work))
        make_talk(work)
        if not args.no_browser:
            make_panel_pictures(work)
            make_chat_pictures()
        os.chdir(DOCS)
    return 0


def make_terminal_pictures(result: DemoResult) -> None:
    """Write the report of the demo as text, and its beginning as SVG."""
    text = _record(result).export_text(styles=False)
    lines = [line.rstrip() for line in text.splitlines()]
    _write(DOCS / "examples" / "demo.txt", "\n".join(lines) + "\n")

    console = _record(result, max_groups=GROUPS_IN_PICTURE)
    svg = console.export_svg(title="llm-scheduler demo", theme=SVG_EXPORT_THEME, unique_id="demo")
    # A picture must not load a font from somebody else's server.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono")
    _write(DOCS / "_static" / "demo.svg", svg)


def make_talk(work: Path) -> None:
    """Run the demo with a scripted model, and write what follows its report."""
    with ScriptedModel() as model:
        for when, steps in read_script(find_script(Path("demo"))):
            model.script(*steps, when=when)
        command = [sys.executable, "-m", "llm_scheduler", "demo", "--folder", "demo", "--plain"]
        command += ["--llm", "scripted", "--base-url", model.base_url, "--yes"]
        environment = os.environ | {
            "COLUMNS": "86",
            "NO_COLOR": "1",
            "LLM_SCHEDULER_STATE_DIR": str(work / "state"),
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, cwd=work
        )
        port = str(model.port)
    text = done.stdout[done.stdout.index("Job 14 (") :].partition("Cleaning up")[0]
    text = text.replace(str(work), "~").replace(port, "8000")
    _write(DOCS / "examples" / "demo-llm.txt", text.rstrip() + "\n")


def _record(result: DemoResult, *, max_groups: int | None = None) -> Console:
    null = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the console
    console = Console(
        file=null,
        record=True,
        width=WIDTH,
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        highlight=False,
        emoji=False,
        _environ={},
    )
    console.print("$ llm-scheduler demo", style="bold")
    console.print(report(result, max_groups=max_groups))
    return console


def make_panel_pictures(work: Path) -> None:
    """Write screenshots of the failures panel in JupyterLab, light and dark."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("No pictures of the panel: they need playwright and Chromium.")
        return
    _write_notebook(work)
    with _jupyter_lab(work) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_OPTIONS)
        for theme in ("light", "dark"):
            _set_theme(work, theme)
            context = browser.new_context(
                viewport={"width": 1100, "height": 1400},
                device_scale_factor=1.5,
            )
            _take_panel(context.new_page(), url, theme)
            context.close()
        browser.close()


def make_chat_pictures() -> None:
    """Keep the pictures of the main states that the browser test of the chat's looks writes."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        command = [sys.executable, "-m", "pytest", "-q", "tests/browser/test_chat_looks.py"]
        environment = os.environ | {"LLM_SCHEDULER_PICTURES": name}
        subprocess.run(command, env=environment, check=True, cwd=DOCS.parent)
        for state in CHAT_STATES:
            for theme in ("light", "dark"):
                picture = f"chat-{state}-{theme}.png"
                shutil.copy(Path(name) / picture, DOCS / "_static" / picture)
                print(f"wrote docs/_static/{picture}")


def _set_theme(work: Path, theme: str) -> None:
    path = work / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    path.mkdir(parents=True, exist_ok=True)
    themes = {"theme": f"JupyterLab {theme.title()}"}
    (path / "themes.jupyterlab-settings").write_text(json.dumps(themes), encoding="utf-8")
    news = {"fetchNews": "false", "checkForUpdates": False}
    (path / "notification.jupyterlab-settings").write_text(json.dumps(news), encoding="utf-8")


def _take_panel(page: Any, url: str, theme: str) -> None:
    page.goto(f"{url}/lab/tree/panel.ipynb?reset", wait_until="domcontentloaded")
    page.get_by_text("| Idle").first.wait_for(timeout=120_000)
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    panel = page.locator(".llms-panel").first
    panel.wait_for(timeout=120_000)
    panel.locator(".llms-toggle").first.click()
    panel.locator(".llms-proof").first.wait_for(timeout=60_000)
    path = DOCS / "_static" / f"panel-{theme}.png"
    box = panel.bounding_box()
    box["height"] = min(box["height"], PANEL_HEIGHT)
    page.screenshot(path=str(path), clip=box)
    print(f"wrote {path.relative_to(DOCS.parent)}")


@contextmanager
def _jupyter_lab(work: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    argv += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    argv += ["--IdentityProvider.token=", f"--ServerApp.root_dir={work}"]
    env = os.environ | {"JUPYTER_CONFIG_DIR": str(work / ".jupyter"), "IPYTHONDIR": str(work)}
    with (work / "jupyter.log").open("w") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api/status", server)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _write_notebook(work: Path) -> None:
    store = FailureStore(next((work / FOLDER).glob("*.failures.sqlite")))
    failures = [f.model_copy(update={"known": False}) for f in store.failures()]
    text = json.dumps([failure.model_dump(mode="json") for failure in failures])
    (work / "failures.json").write_text(_neutral(text, work), encoding="utf-8")
    cell = {
        "cell_type": "code",
        "id": "panel",
        "source": _CELL.strip(),
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {
        "cells": [cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (work / "panel.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def _neutral_result(result: DemoResult, work: Path) -> DemoResult:
    """Take the names of the machine that made the pictures out of them."""
    rows = [dataclasses.replace(row, note=_neutral(row.note, work)) for row in result.rows]
    texts = [_neutral(group.model_dump_json(), work) for group in result.groups]
    groups = [FailureGroup.model_validate_json(text) for text in texts]
    return dataclasses.replace(result, groups=tuple(groups), rows=tuple(rows))


def _neutral(text: str, work: Path) -> str:
    text = text.replace(f"{work}/", "").replace(sys.prefix, ".venv")
    host = re.escape(socket.gethostname().split(".")[0])
    return re.sub(rf"\b{host}\b", "laptop", text.replace(sys.base_prefix, "/usr"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    sys.exit(main())
