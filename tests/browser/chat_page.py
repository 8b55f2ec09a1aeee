"""A notebook with a run whose jobs fail, and the chat panel in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from llm_scheduler.testing.scripted_model import (
    Gate,
    ModelRequest,
    ScriptedModel,
    answer,
    call_tools,
    repeat,
    say,
    tool,
)
from tests.browser.lab import Browser, Lab

OLD = "weights = [0.0, 0.0]"
NEW = "weights = [0.5, 0.5]"
SOURCE = f"""\
def norm(x):
    {OLD}
    return x / sum(weights)
"""
MENDED = SOURCE.replace(OLD, NEW)
REASON = "The sum of the weights must not be zero."
TITLE = "The sum of the weights is zero"
RUN = """
import os, sys
sys.path.insert(0, os.getcwd())
import adaptive
import llm_scheduler as ls
import {name}_physics as physics
run = ls.local_run(
    [adaptive.Learner1D(physics.norm, bounds=(-1, 1)) for _ in range(2)],
    ["{name}-a.pickle", "{name}-b.pickle"],
    name="{name}",
    folder=os.getcwd(),
    goal=lambda learner: learner.npoints > 2,
    max_restarts=0,
    llm=ls.LLMSettings(model="scripted", base_url="{base_url}", api_key="none"),
    extra_env_vars=[f"PYTHONPATH={{os.getcwd()}}"],
    job_manager_interval=0.5,
    cleanup_first=False,
    quiet=True,
)
if run.task is None:
    run.start()
"""
BLOCK = """
import time
from pathlib import Path
Path("{name}-blocked").touch()
while not Path("{name}-go").exists():
    time.sleep(0.01)
"""
EXPLANATION = """\
`norm` divides by the **sum of its weights**, and that sum is zero:

```python
def norm(x):
    weights = [0.0, 0.0]  # adds up to nothing
    return x / sum(weights)  # so this is a division by zero
```

It fails at every point, so another start can't help:

| learner | points | fails at | memory |
|---|---:|---|---:|
| `panel-a.pickle` | 0 | x = -1.0 | 0.2 GB |
| `panel-b.pickle` | 0 | x = 1.0 | 0.2 GB |

1. Give the weights a sum that is not zero.
2. Start the held learners again.
"""
DIAGNOSIS: dict[str, Any] = {
    "category": "numerical_error",
    "title": TITLE,
    "explanation": "`norm` divides by the sum of its weights.",
    "evidence": [{"file": "", "line": 0, "text": "ZeroDivisionError"}],
    "confidence": 0.9,
    "doubts": [],
    "remedies": [],
}
RUN_LIMIT_MS = 150_000
FRONTEND = Path(__file__).parents[2] / "frontend"
AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
if not AXE.exists():
    # An old one, which does not know colours that are mixed: nothing is said about contrast.
    AXE = Path(str(files("axe_core_python"))) / "axe.min.js"


SETTLED_TOP = """
async log => {
  const frame = () => new Promise(done => requestAnimationFrame(done));
  for (let top = -1, still = 0; still < 10; await frame()) {
    still = log.scrollTop === top ? still + 1 : 0;
    top = log.scrollTop;
  }
  return log.scrollTop;
}
"""


class Talker:
    """What the model says.

    ``mend FILE ...`` changes files, ``explain FILE`` reads it and talks, ``recite N`` says
    one of the texts.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.new_text = NEW
        self.reason = REASON
        self.gates: dict[str, Gate] = {}
        """Steps for messages that contain their name."""

    def __call__(self, request: ModelRequest) -> Any:
        asked = max(i for i, m in enumerate(request.messages) if m["role"] == "user")
        said = str(request.messages[asked]["content"])
        results = [str(m["content"]) for m in request.messages[asked:] if m["role"] == "tool"]
        for name, gate in self.gates.items():
            if name in said:
                return gate
        if recited := re.search(r"recite (\d+)", said):
            return say(self.texts[int(recited[1])])
        if explained := re.search(r"explain (\S+[.]py)", said):
            look = call_tools(tool("read_file", path=explained[1]), text="I look at the code.")
            return say(EXPLANATION) if results else look
        # In the thread of a failure its facts, which name other files, follow what was said.
        named = re.search(r"mend((?: \S+\.py)+)", said)
        return self._mend(named[1].split() if named else [], results)

    def _mend(self, files: Sequence[str], results: Sequence[str]) -> Any:
        if not files:
            return say("Nothing to do.")
        if not results:
            reads = [tool("read_file", path=file) for file in files]
            return call_tools(*reads, text="I look at **norm**.")
        if len(results) == len(files):
            change = {"old_text": OLD, "new_text": self.new_text, "reason": self.reason}
            return call_tools(*(tool("replace_text", path=file, **change) for file in files))
        n_done = sum("Done" in result for result in results)
        return say(f"{n_done} of {len(files)} changes made.")


class ChatPage:
    """The panel, as a user works with it."""

    def __init__(self, browser: Browser, lab: Lab, model: ScriptedModel, name: str) -> None:
        self.browser = browser
        self.lab = lab
        self.model = model
        self.name = name
        self.talker = Talker()

    @property
    def panel(self) -> Any:
        """The panel in the first tab."""
        return self.browser.page.locator(".lm-panel")

    @property
    def log(self) -> Any:
        """The transcript."""
        return self.panel.get_by_role("log")

    def button(self, name: str, panel: Any = None) -> Any:
        """Return the last button with this name."""
        return (panel or self.panel).get_by_role("button", name=name, exact=True).last

    def start(self, physics: str = SOURCE) -> None:
        """Write the notebook and run it until the model has explained the failure."""
        self.open(physics)
        self.run()

    def open(self, physics: str, run: str = RUN) -> None:
        """Write the notebook and open it."""
        self.path(f"{self.name}_physics.py").write_text(physics)
        run = run.format(name=self.name, base_url=self.model.base_url)
        cells = (run, "ls.chat_widget(run)", BLOCK.format(name=self.name))
        self.lab.write_notebook(f"{self.name}.ipynb", *cells)
        self.browser.page.set_default_timeout(RUN_LIMIT_MS)
        self.browser.open_notebook(f"{self.name}.ipynb")

    def run(self) -> None:
        """Run the cells with the run and the panel, and wait for the failures."""
        self.run_cells()
        self.panel.get_by_role("tab", name=re.compile("Failures [(][1-9]")).wait_for()

    def run_cells(self) -> None:
        """Run the cells with the run and the panel."""
        self.browser.run_cell(0)
        self.browser.run_cell(1)
        self.panel.wait_for()

    def reload(self) -> None:
        """Save the notebook and load the page again."""
        self.save()
        url = f"{self.lab.url}/lab/tree/{self.name}.ipynb?token={self.lab.token}"
        self.browser.page.goto(url, wait_until="domcontentloaded")
        self.panel.wait_for()

    def save(self) -> None:
        """Save the notebook, so that another page finds the panel in it."""
        self.browser.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")

    def open_failure(self) -> None:
        """Open the failure of this run in the list, and wait until it is shown."""
        # Its title stands elsewhere, too, and some of that can't be clicked.
        self.panel.locator(".lm-group", has_text=TITLE).click()
        self.panel.get_by_role("heading", name="What proves it").wait_for()

    def ask(self, text: str, panel: Any = None) -> None:
        """Say something in a new conversation, and wait until it is shown."""
        self.start_conversation(panel)
        self.say(text, panel)

    def start_conversation(self, panel: Any = None) -> None:
        """Open a new conversation, unless the one that is shown is empty."""
        panel = panel or self.panel
        # One that is being loaded looks empty.
        panel.locator(".lm-empty.lm-loading").wait_for(state="hidden")
        shown = panel.locator(".lm-item, .lm-diagnosis:not([hidden])")
        if shown.count():
            self.button("New conversation", panel).click()
            shown.first.wait_for(state="detached")

    def say(self, text: str, panel: Any = None) -> None:
        """Say something in the conversation that is shown."""
        panel = panel or self.panel
        panel.get_by_role("button", name="Stop (Esc)").wait_for(state="hidden")
        box = panel.get_by_role("textbox", name="Message", exact=True)
        box.fill(text)
        box.press("Enter")
        self.wait(lambda: box.input_value() == "", "what was said is still in the box")

    def settled_top(self) -> float:
        """Return where the transcript is when the wheel has come to rest."""
        return self.log.evaluate(SETTLED_TOP)

    def mend_and_undo(self, name: str) -> None:
        """Ask for a change in this conversation, see its diff, approve it and undo it."""
        self.write(name)
        self.say(f"please mend {name}")
        self.panel.get_by_text(REASON).wait_for()
        self.panel.locator(".lm-card").get_by_text("0.5, 0.5").first.wait_for()
        assert self.path(name).read_text() == SOURCE
        self.button("Approve").click()
        self.wait_until_source(name, MENDED)
        self.log.get_by_text("1 of 1 changes made.").wait_for()
        self.log.get_by_role("button", name="Undo", exact=True).click()
        self.wait_until_source(name, SOURCE)
        self.log.get_by_text("what was there before is back").wait_for()

    def find_barriers(self, *rules: str) -> list[str]:
        """Return what axe has against the panel as it is now, by all rules or these."""
        page = self.browser.page
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text())
            # It takes what is in a page's body for hidden when that has no height.
            page.evaluate("document.body.style.minHeight = '100vh'")
        options = {"preload": False, **({"runOnly": list(rules)} if rules else {})}
        found: dict[str, Any] = {}

        def has_looked() -> bool:
            # Right after a change of theme nothing may be painted yet.
            found.update(page.evaluate("options => axe.run('.lm-panel', options)", options))
            return bool(found["passes"])

        self.wait(has_looked, "axe has looked at nothing")
        return [
            f"{violation['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def path(self, name: str) -> Path:
        """Return a file beside the notebook."""
        return self.lab.folder / name

    def write(self, *names: str) -> None:
        """Write modules that can be mended."""
        for name in names:
            self.path(name).write_text(SOURCE)

    def wait(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait until a condition holds, while the page goes on."""
        for _ in range(RUN_LIMIT_MS // 50):
            if condition():
                return
            self.browser.page.wait_for_timeout(50)
        raise AssertionError(what or "the condition never held")

    def wait_until_source(self, name: str, text: str) -> None:
        """Wait until a file has a content."""
        self.wait(lambda: self.path(name).read_text() == text, f"{name} did not change")


@contextlib.contextmanager
def opened(browser: Browser, lab: Lab, name: str, diagnosis: Any = None) -> Iterator[ChatPage]:
    """Provide the panel with its model; the caller starts it."""
    server = ScriptedModel()
    chat = ChatPage(browser, lab, server, name)
    said = answer(diagnosis or DIAGNOSIS)
    server.script(repeat(said), when=lambda r: "response_format" in r.body)
    server.script(repeat(chat.talker), when=lambda r: "response_format" not in r.body)
    try:
        yield chat
        assert server.violations == []
    finally:
        for gate in chat.talker.gates.values():
            gate.release()
        chat.path(f"{name}-go").touch()
        server.close()
    assert browser.foreign_requests == []
    assert browser.dialogs == []
    assert browser.errors == []
