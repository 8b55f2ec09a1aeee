"""A JupyterLab server and a browser for tests; nothing leaves this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

START_LIMIT_S = 120
WAIT_LIMIT_MS = 120_000

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--no-first-run",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--disable-smooth-scrolling",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


@dataclass
class Lab:
    """A running server."""

    url: str
    token: str
    folder: Path
    """Where its notebooks lie."""

    def write_notebook(self, name: str, *cells: str) -> None:
        """Write a notebook with code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, self.folder / name)


@contextlib.contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Start JupyterLab with a home, settings and notebooks of its own in a folder."""
    notebooks = folder / "notebooks"
    config = folder / "config"
    for path in (notebooks, config):
        path.mkdir(parents=True)
    _write_settings(config)
    token = secrets.token_hex(16)
    port = _free_port()
    log_file = folder / "lab.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyter", "lab", "--allow-root", "--no-browser",
                "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                f"--ServerApp.root_dir={notebooks}", "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env=_environment(folder, token), start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/api?token={token}", process, log_file)
            yield Lab(f"http://127.0.0.1:{port}", token, notebooks)
        finally:
            _stop(process)


def _write_settings(config: Path) -> None:
    """Keep JupyterLab from asking the network for news, and from what comes by a clock."""
    never = {"news_url": None, "check_for_updates_class": "jupyterlab.NeverCheckForUpdate"}
    (config / "jupyter_lab_config.json").write_text(json.dumps({"LabApp": never}))
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    _write_plugin(config, "apputils-extension", "notification", quiet)
    # Two pages with one notebook would save it by turns, and the second one to do so asks
    # whether to overwrite it, in a dialog that takes all keys and clicks from then on.
    _write_plugin(config, "docmanager-extension", "plugin", {"autosave": False})


def _write_plugin(config: Path, extension: str, plugin: str, settings: dict[str, Any]) -> None:
    folder = config / "lab" / "user-settings" / "@jupyterlab" / extension
    folder.mkdir(parents=True)
    (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings))


def _environment(folder: Path, token: str) -> dict[str, str]:
    # PYTHONPATH may lead to another ipykernel than the one that is installed.
    names = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_TOKEN": token,  # not on the command line, where every user sees it
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError):
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return
        if process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError(f"JupyterLab did not start:\n{log_file.read_text()[-3000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)  # the server then ends its kernels
    try:
        process.wait(START_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(START_LIMIT_S)


@dataclass
class Browser:
    """A page, with what it asked for and what went wrong in it."""

    page: Any
    lab: Lab
    foreign_requests: list[str]
    dialogs: list[str]
    errors: list[str]

    def open_notebook(self, name: str) -> None:
        """Open a notebook and wait until its kernel is ready."""
        page = self.page
        url = f"{self.lab.url}/lab/tree/{name}?reset&token={self.lab.token}"
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        # The toolbar's circle is idle before the kernel is connected; the status bar is not.
        page.get_by_text("| Idle").wait_for()
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until the page can run cells; one that is run before is emptied instead."""
        self.page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext
              .session?.kernel?.connectionStatus === 'connected'"""
        )

    def cell(self, index: int) -> Any:
        """Return a cell of the notebook."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run_cell(self, index: int) -> None:
        """Run a cell and wait until it has run."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        has_run = re.compile(r"\[\d+\]")
        # Of a cell that ran before the number is there already, and what it shows is old.
        before = has_run.search(prompt.inner_text())
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        ran = prompt.filter(has_text=has_run)
        (ran.filter(has_not_text=before[0]) if before else ran).wait_for()

    def restart_kernel(self) -> None:
        """Restart the notebook's kernel without being asked whether to, and wait for it."""
        self.page.evaluate(
            """async () => {
              const notebook = window.jupyterapp.shell.currentWidget;
              await notebook.context.sessionContext.restartKernel();
              notebook.content.widgets.forEach(cell => cell.model.clearExecution?.());
            }"""
        )
        self.page.get_by_text("| Idle").wait_for()
        self.wait_for_kernel()

    def set_theme(self, name: str) -> None:
        """Switch JupyterLab's theme and wait until it is loaded."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
            name,
        )
        self.page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")


@contextlib.contextmanager
def running_chromium(path: str) -> Iterator[Any]:
    """Start a real Chromium, in which each test opens pages of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, headless=True, args=CHROMIUM_ARGS
        )
        try:
            yield chromium
        finally:
            chromium.close()


@contextlib.contextmanager
def open_browser(chromium: Any, lab: Lab, **options: Any) -> Iterator[Browser]:
    """Open a page with a profile of its own; options are those of a Playwright context."""
    context = chromium.new_context(**{"viewport": {"width": 1200, "height": 1000}, **options})
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_LIMIT_MS)
        browser = Browser(page, lab, [], [], [])
        _record(browser)
        yield browser
    finally:
        context.close()


def _record(browser: Browser) -> None:
    def requested(request: Any) -> None:
        if not request.url.startswith((browser.lab.url, "data:", "blob:")):
            browser.foreign_requests.append(request.url)

    def asked(dialog: Any) -> None:
        browser.dialogs.append(dialog.message)
        dialog.dismiss()

    browser.page.on("request", requested)
    browser.page.on("dialog", asked)
    browser.page.on("pageerror", lambda error: browser.errors.append(str(error)))
