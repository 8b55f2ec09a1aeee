"""What `panel.py` runs in the notebook's kernel: the chat panel, and what it is compared with.

All answers of the panel come from a scripted model through the agent, as they do for a
user; the long conversations are written into the run's own file of threads. The two
peers get the same text at the same pace from a task on the kernel's loop.
"""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import traitlets

from llm_scheduler.agent.agent import Agent
from llm_scheduler.agent.events import Event, TextDelta
from llm_scheduler.config import LLMSettings
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.llm_manager import LLMManager
from llm_scheduler.managers.store_facts import StoreFacts
from llm_scheduler.widgets.chat import ChatPanel, chat_widget

TOKENS_PER_S = 500
TOKEN_CHARS = 5
LAST_WORD = "The-very-end."
PEER_CLASS = "lm-peer"
FIRST_TOKENS = "first-tokens.jsonl"
"""When the kernel had the first piece of each answer; lies beside the notebook."""
QUESTION = "what happened in job {number}, and why was it not started again?"
ANSWER = """\
Job {number} of *thread {thread}* ended with `ValueError`:

- the sum of the **weights** is zero
- the input is `job-{number}.pickle`

Set `weights = [0.5, 0.5]` and start it again."""


def make_answer(name: str, n_tokens: int) -> str:
    """Return Markdown of so many tokens that begins with a name; no word is there twice."""
    n_chars = n_tokens * TOKEN_CHARS - len(LAST_WORD)
    numbers = itertools.count()

    def words(n: int) -> str:
        return " ".join(f"{name}w{next(numbers)}" for _ in range(n))

    def blocks() -> Iterator[str]:
        yield f"{name} begins. **{words(2)}** and `{words(1)}`: {words(20)}."
        while True:
            yield f"## {words(4)}"
            yield f"{words(30)}, **{words(3)}**, {words(25)} (see `{words(1)}`)."
            yield "\n".join(f"- {words(7)}" for _ in range(5))
            yield f"```python\ndef f(x):\n    # {words(8)}\n    return x  # {words(5)}\n```"
            rows = [f"| {words(2)} | {words(4)} |" for _ in range(3)]
            yield "\n".join(["| job | state |", "|---|---|", *rows])

    text = ""
    for block in blocks():
        if len(text) + len(block) + 2 > n_chars:
            break
        text += f"{block}\n\n"
    return text.ljust(n_chars) + LAST_WORD


# -- the panel -----------------------------------------------------------------------------


def start_panel(base_url: str, n_threads: int, n_messages: int) -> ChatPanel:
    """Make a run without failures, with conversations, and its panel."""
    folder = Path.cwd()
    store = FailureStore(folder / "run.failures.sqlite")
    settings = LLMSettings(
        model="scripted", base_url=base_url, api_key="none", roots=(folder,),
        context_tokens=100_000, calls_per_run=None, calls_per_day=None,
        tokens_per_run=10**12, tokens_per_day=10**12,
    )  # fmt: skip
    manager = LLMManager(store, settings=settings, state_dir=folder / "state")
    manager.join(lambda _: None, run=StoreFacts(store))
    agent = manager.assistant.agent
    for thread in range(n_threads):
        agent._loop.submit(_write_thread(agent, thread, n_messages)).result()
    manager.assistant.subscribe(_note_first_tokens(folder / FIRST_TOKENS))
    return chat_widget(manager)


async def _write_thread(agent: Agent, thread: int, n_messages: int) -> None:
    # As the agent writes it at the end of a turn; saying all of it would take minutes.
    from langchain_core.messages import AIMessage, HumanMessage

    messages: list[Any] = []
    for number in range(n_messages // 2):
        values = {"number": number, "thread": thread}
        messages.append(HumanMessage(QUESTION.format(**values), id=uuid4().hex))
        messages.append(AIMessage(ANSWER.format(**values), id=uuid4().hex))
    conversations = await agent._open()
    await conversations.open()
    assert conversations._graph is not None
    config: Any = {"configurable": {"thread_id": f"long-{thread}"}}
    await conversations._graph.aupdate_state(config, {"messages": messages}, as_node="model")
    agent._threads.touch(f"long-{thread}", message=f"Long {thread}", turn_id="written")


def _note_first_tokens(file: Path) -> Callable[[Event], None]:
    known: set[str] = set()

    def note(event: Event) -> None:
        now_s = time.time()
        if isinstance(event, TextDelta) and event.message_id not in known:
            known.add(event.message_id)
            with file.open("a") as out:
                print(json.dumps({"at_s": now_s, "text": event.text}), file=out)

    return note


# -- its peers -----------------------------------------------------------------------------


class GrowingText(anywidget.AnyWidget):
    """An answer in a trait that is set anew for each token."""

    _esm = f"""
    export default {{ render({{ model, el }}) {{
      const text = document.createElement("pre");
      text.className = "{PEER_CLASS}";
      el.append(text);
      model.on("change:text", () => {{ text.textContent = model.get("text"); }});
    }} }}
    """
    text = traitlets.Unicode("").tag(sync=True)


async def stream_into_html(
    widget: ipywidgets.HTML, name: str, n_tokens: int, n_messages: int
) -> None:
    """Let the whole transcript be the value of a widget, set anew for each token."""
    rows = [
        f"<p>{html.escape((QUESTION, ANSWER)[i % 2].format(number=i // 2, thread=0))}</p>"
        for i in range(n_messages)
    ]
    begin = "".join(rows) + f'<p class="{PEER_CLASS}">'

    def show(said: str) -> None:
        widget.value = f"{begin}{html.escape(said)}</p>"

    await _stream(show, make_answer(name, n_tokens))


async def stream_into_trait(widget: GrowingText, name: str, n_tokens: int) -> None:
    """Set the text of a widget anew for each token."""

    def show(said: str) -> None:
        widget.text = said

    await _stream(show, make_answer(name, n_tokens))


async def _stream(show: Callable[[str], None], text: str) -> None:
    begin_s = time.monotonic()
    for number, end in enumerate(range(TOKEN_CHARS, len(text) + TOKEN_CHARS, TOKEN_CHARS)):
        await asyncio.sleep(max(0.0, begin_s + number / TOKENS_PER_S - time.monotonic()))
        if number == 0:
            now_s = time.time()
            with Path(FIRST_TOKENS).open("a") as out:
                print(json.dumps({"at_s": now_s, "text": text[:end]}), file=out)
        show(text[:end])
