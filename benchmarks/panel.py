"""How the chat panel streams, in JupyterLab and Chromium, and what it costs on the wire.

    python benchmarks/panel.py [--messages 1000] [--tokens 2000] [--no-peers]

A scripted model in a process of its own answers 500 tokens a second; from there all goes the
way that it goes for a user: the agent, the panel's kernel side, Jupyter's server, the
browser. Beside it, in the same run, the same answer in an `ipywidgets.HTML` that holds the
whole transcript and in a trait of an anywidget, both set anew for each token. Needs
Chromium and Playwright (the extra `test`).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import report
from benchmarks.model_process import running_model, serve
from benchmarks.panel_kernel import (
    FIRST_TOKENS,
    LAST_WORD,
    PEER_CLASS,
    TOKEN_CHARS,
    TOKENS_PER_S,
    make_answer,
)
from benchmarks.panel_page import COUNT_BYTES, Stream, wait_for_end, watch
from llm_scheduler.testing.scripted_model import say, slow
from tests.browser.lab import Browser, Lab, open_browser, running_chromium, running_lab
from tests.conftest import find_chromium

ROOT = Path(__file__).resolve().parents[1]
WIRE_LIMIT_MB = 0.3
FRAME_LIMIT_MS = 50.0
FIRST_LIMIT_MS = 150.0
OPEN_LIMIT_S = 1.0
BUNDLE_LIMIT_KB = 200.0
N_SHORT = 12
"""Short answers, to see more than one first token."""
SHORT_TOKENS = 80
N_OPENED = 3
STREAM_LIMIT_S = 120.0
NEWEST = ".lm-items > .lm-item-assistant:last-child"
START = """
import sys
sys.path.insert(0, {root!r})
import ipywidgets
from benchmarks import panel_kernel
"""
PANEL = "panel_kernel.start_panel({base_url!r}, {n_threads}, {n_messages})"


def answer_tokens(request: Any) -> Any:
    """Answer ``say NAME TOKENS`` in any conversation."""
    said = re.fullmatch(r"say (\w+) (\d+)", str(request.messages[-1]["content"]))
    assert said is not None
    name, n_tokens = said.groups()
    answer = make_answer(name, int(n_tokens))
    return slow(say(answer), 1 / TOKENS_PER_S, piece_chars=TOKEN_CHARS)


@dataclass
class Bench:
    """A browser with a notebook, and the figures that were not reached."""

    browser: Browser
    lab: Lab
    results: list[bool]

    @property
    def page(self) -> Any:
        """The page."""
        return self.browser.page

    def check(self, name: str, value: float, limit: float, unit: str) -> None:
        """Report a figure and keep whether its limit holds."""
        self.results.append(report(name, value, limit, unit, relation="<"))

    def check_whole(self, name: str, n_lost: int) -> None:
        """Report whether all of an answer is there."""
        self.results.append(report(name, n_lost, 0, digits=0))

    def first_delay_ms(self, stream: Stream) -> float:
        """Return how long the first token took from the kernel to the screen."""
        lines = (self.lab.folder / FIRST_TOKENS).read_text().splitlines()
        return (stream.first_s - json.loads(lines[-1])["at_s"]) * 1000

    def start(self, name: str, *cells: str) -> None:
        """Open a notebook and run its cells."""
        if self.page.url.startswith(self.lab.url):  # else the page asks whether to leave it
            self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        self.lab.write_notebook(name, START.format(root=str(ROOT)), *cells, "")
        self.browser.open_notebook(name)
        for number in range(len(cells) + 1):
            self.browser.run_cell(number)
        failed = self.page.locator("[data-mime-type='application/vnd.jupyter.error']")
        if failed.count():
            raise RuntimeError(f"the notebook failed:\n{failed.first.text_content()}")


def first_token(name: str) -> str:
    """Return the first token of an answer, by which it is known."""
    token = make_answer(name, SHORT_TOKENS)[:TOKEN_CHARS].strip()
    assert token.startswith(name), "the name must fit into the first token"
    return token


# -- the panel -----------------------------------------------------------------------------


def open_long_thread(bench: Bench, thread: int, n_messages: int) -> float:
    """Choose a conversation in the list; returns the time until its newest part is painted."""
    page = bench.page
    last = f"Job {n_messages // 2 - 1} of thread {thread}"
    page.locator(".lm-thread-opener").click()
    watch(page, NEWEST, last, last)
    page.get_by_text(f"Long {thread}", exact=True).last.click()
    stream = wait_for_end(page, STREAM_LIMIT_S)
    assert stream is not None, "the thread was not opened"
    return stream.last_s - page.evaluate("window.clickedAt") / 1000


def ask(bench: Bench, name: str, n_tokens: int) -> Stream:
    """Ask for an answer in the conversation that is shown, and see it come."""
    page = bench.page
    page.get_by_role("button", name="Stop (Esc)").wait_for(state="hidden")
    watch(page, NEWEST, first_token(name), LAST_WORD)
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill(f"say {name} {n_tokens}")
    box.press("Enter")
    stream = wait_for_end(page, STREAM_LIMIT_S)
    assert stream is not None, "the answer never ended"
    return stream


def count_lost(bench: Bench, name: str, n_tokens: int) -> int:
    """Return how many characters and words of the newest answer are lost or wrong."""
    page = bench.page
    answer = make_answer(name, n_tokens)
    page.locator(NEWEST).get_by_role("button", name="Copy the text").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    n_wrong = abs(len(copied) - len(answer)) + sum(
        a != b for a, b in zip(copied, answer, strict=False)
    )
    numbers = re.compile(rf"{name}w(\d+)")
    shown = page.locator(NEWEST).text_content()
    return n_wrong + (numbers.findall(shown) != numbers.findall(answer))


def read_back(bench: Bench, n_messages: int) -> None:
    """Scroll up until all messages of the conversation are in the page."""
    page = bench.page
    page.wait_for_function(
        """n => {
          const frame = document.querySelector(".lm-transcript");
          if (document.querySelectorAll(".lm-items > .lm-item").length >= n) return true;
          frame.scrollTop = frame.scrollTop ? 0 : 100;
          return false;
        }""",
        arg=n_messages,
        polling=50,
        timeout=STREAM_LIMIT_S * 1000,
    )
    page.get_by_role("button", name="Go to the latest").click()


def tell_stream(bench: Bench, name: str, n_tokens: int, label: str) -> None:
    """Stream a long answer and report all its figures."""
    stream = ask(bench, name, n_tokens)
    delay_ms = bench.first_delay_ms(stream)
    took_s = stream.last_s - stream.first_s
    print(
        f"{label}: {n_tokens} tokens in {took_s:.2f} s, {n_tokens / took_s:.0f}/s; "
        f"{stream.n_messages} messages from the kernel; "
        f"{bench.page.locator('.lm-items > .lm-item').count()} entries in the page; frames: "
        f"median {statistics.median(stream.frames_ms):.1f} ms, longest "
        f"{max(stream.frames_ms):.0f} ms"
    )
    bench.check_whole(f"{label}: lost or wrong", count_lost(bench, name, n_tokens))
    bench.check(f"{label}: on the wire", stream.wire_bytes / 1e6, WIRE_LIMIT_MB, "MB")
    bench.check(f"{label}: 95 % of the frames", stream.frame_95_ms, FRAME_LIMIT_MS, "ms")
    bench.check(f"{label}: first token, kernel to screen", delay_ms, FIRST_LIMIT_MS, "ms")


def measure_panel(bench: Bench, n_tokens: int, n_messages: int) -> None:
    """Measure the panel itself."""
    with running_model(__file__) as base_url:
        page = bench.page
        page.add_init_script("addEventListener('click', () => { clickedAt = Date.now(); }, true)")
        bench.start(
            "panel.ipynb",
            PANEL.format(base_url=base_url, n_threads=N_OPENED + 1, n_messages=n_messages),
        )
        page.locator(".lm-items > .lm-item").first.wait_for()
        opened = [open_long_thread(bench, i, n_messages) for i in range(N_OPENED)]
        label = f"opening a thread with {n_messages} messages, slowest of {N_OPENED}"
        bench.check(label, max(opened), OPEN_LIMIT_S, "s")
        ask(bench, "warm", SHORT_TOKENS)  # loads the model's client
        tell_stream(bench, "long", n_tokens, "panel")
        delays = []
        for number in range(N_SHORT):
            stream = ask(bench, f"a{number}", SHORT_TOKENS)
            delays.append(bench.first_delay_ms(stream))
        print(f"first tokens of {N_SHORT} short answers: median {statistics.median(delays):.0f} ms")
        bench.check("first token, slowest of these", max(delays), FIRST_LIMIT_MS, "ms")
        read_back(bench, n_messages)
        tell_stream(bench, "full", n_tokens, "after reading back")


# -- its peers -----------------------------------------------------------------------------


def measure_peer(bench: Bench, label: str, name: str, widget: str, stream: str) -> None:
    """Stream the same answer into another widget, and print its figures."""
    page = bench.page
    bench.start(f"{name}.ipynb", f"widget = {widget}\nwidget")
    watch(page, f".{PEER_CLASS}", first_token(name), LAST_WORD)
    page.locator(".jp-Notebook .jp-Cell").last.locator(".cm-content").click()
    page.keyboard.insert_text(stream)
    page.keyboard.press("Control+Enter")
    seen = wait_for_end(page, STREAM_LIMIT_S)
    if seen is None:
        print(f"{label}: its end was not on the screen after {STREAM_LIMIT_S:g} s")
        return
    took_s = seen.last_s - seen.first_s
    print(
        f"{label}: {took_s:.1f} s, {seen.wire_bytes / 1e6:.1f} MB on the wire, 95 % of the "
        f"frames {seen.frame_95_ms:.0f} ms, first token {bench.first_delay_ms(seen):.0f} ms"
    )


def measure_peers(bench: Bench, n_tokens: int, n_messages: int) -> None:
    """Measure what a notebook has by itself, and a simple widget."""
    measure_peer(
        bench,
        "text in a trait, set for each token",
        "trait",
        "panel_kernel.GrowingText()",
        f"await panel_kernel.stream_into_trait(widget, 'trait', {n_tokens})",
    )
    measure_peer(
        bench,
        f"ipywidgets.HTML of {n_messages} messages, set for each token",
        "html",
        "ipywidgets.HTML(layout={'height': '300px', 'overflow': 'auto'})",
        f"await panel_kernel.stream_into_html(widget, 'html', {n_tokens}, {n_messages})",
    )


def measure_bundle(bench: Bench) -> None:
    """Report what a browser loads once."""
    static = ROOT / "llm_scheduler" / "widgets" / "static"
    script, style = ((static / f"chat.{kind}").stat().st_size / 1e3 for kind in ("js", "css"))
    print(f"styles: {style:.1f} KB")
    bench.check("the bundle, minified", script, BUNDLE_LIMIT_KB, "KB")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; 1 when a limit is not reached, 2 when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--no-peers", action="store_true", help="leave out the other widgets")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.serve:
        serve(answer_tokens)
        return 0
    path = find_chromium()
    if path is None or importlib.util.find_spec("playwright") is None:
        print("Chromium and the package playwright are needed: .ci/system-packages and "
              "`pip install playwright`.", file=sys.stderr)  # fmt: skip
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="panel-") as folder,
        running_lab(Path(folder) / "lab") as lab,
        running_chromium(path) as chromium,
        open_browser(chromium, lab) as browser,
    ):
        browser.page.set_default_timeout(STREAM_LIMIT_S * 1000)
        browser.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        browser.page.add_init_script(COUNT_BYTES)
        bench = Bench(browser, lab, [])
        measure_bundle(bench)
        measure_panel(bench, args.tokens, args.messages)
        if not args.no_peers:
            measure_peers(bench, args.tokens, args.messages)
    return 0 if all(bench.results) else 1


if __name__ == "__main__":
    sys.exit(main())
