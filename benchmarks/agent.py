"""What the agent adds to a turn: beside a bare LangGraph agent, in the same run.

    python benchmarks/agent.py [--turns 30] [--rounds 5] [--threads 100]

One turn is a call of the model, three tool calls side by side, and a second call that
answers. The model is the scripted server, in a process of its own and instant; bare
`create_agent` has the same server, the same client and the same tools. Ours has all that
it has in a run: approve mode, its threads in SQLite, the budget, the gate before each
tool, typed events. Each turn is in a thread of its own.

The two take turns, and what is judged is the median of the differences within the pairs:
a machine that gets slower and faster does so for both. It is taken in several rounds, and
the one in which both kinds of turns together were quickest counts: the machine did least
else then. All are printed, with the processor time of all threads of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import report
from benchmarks.model_process import running_model, serve
from llm_scheduler.agent.agent import Agent
from llm_scheduler.agent.events import Done, Event, TextDelta, ToolFinished, ToolStarted, Usage
from llm_scheduler.agent.model_choice import make_models
from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.api import diagnose_log
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.managers.assistant import Assistant
from llm_scheduler.managers.failure_store import FailureStore
from llm_scheduler.managers.store_facts import StoreFacts
from llm_scheduler.testing.scripted_model import call_tools, say, tool
from llm_scheduler.tools.toolbox import Toolbox

RATIO_LIMIT = 4.0
ADDED_LIMIT_S = 0.015
TOOLS = ("read_file", "list_files", "search_files")
ANSWER = "The name is misspelt on line 3 of model.py."
LOG = """\
Traceback (most recent call last):
  File "/home/ann/model.py", line 3, in energy
    return spectrun(x)
NameError: name 'spectrun' is not defined
"""


def answer_alike(request: Any) -> Any:
    """Answer every conversation alike."""
    if request.messages[-1]["role"] == "tool":
        return say(ANSWER)
    return call_tools(
        tool("read_file", path="model.py"),
        tool("list_files", path="."),
        tool("search_files", text="spectrun"),
    )


def make_run(folder: Path) -> tuple[StoreFacts, Path]:
    """Write the file of a run with one failed job."""
    (folder / "model.py").write_text("from levels import spectrum\ndef energy(x):\n    return 1\n")
    log = folder / "job-7.out"
    log.write_text(LOG)
    store = FailureStore(folder / "run.failures.sqlite")
    failure = Failure(
        attempt="attempt-7", job_id="7", job_name="run-7", learners=("run/energy.pickle",),
        failed_at=datetime.now(UTC), log_files=(str(log),), diagnosis=diagnose_log(log),
    )  # fmt: skip
    store.add_failures([failure])
    return StoreFacts(store), store.path


def find_gap(events: list[Event]) -> str:
    """Say what is missing among the events of a turn; "" when nothing is."""
    last = events[-1]
    if not isinstance(last, Done) or last.status != "finished" or last.text != ANSWER:
        return f"the end: {last!r}"
    counts = {
        kind: sum(isinstance(event, kind) for event in events)
        for kind in (ToolStarted, ToolFinished, Usage)
    }
    if counts != {ToolStarted: 3, ToolFinished: 3, Usage: 2}:
        return f"events: { {kind.__name__: n for kind, n in counts.items()} }"
    if not all(event.ok for event in events if isinstance(event, ToolFinished)):
        return "a tool failed"
    if "".join(event.text for event in events if isinstance(event, TextDelta)) != ANSWER:
        return "the text in pieces"
    return ""


def make_bare(settings: LLMSettings, toolbox: Toolbox) -> Any:
    """Make LangChain's agent with the same model and tools, and nothing else."""
    from langchain.agents import create_agent

    return create_agent(
        make_models(settings)[0],
        [*toolbox.read_tools(), *toolbox.write_tools()],
        system_prompt="You help people find out why jobs on a compute cluster failed.",
    )


async def bare_turn(graph: Any, _number: int) -> None:
    """Go through one turn, reading the stream as a panel does."""
    text = ""
    inputs = {"messages": [{"role": "user", "content": "why did job 7 fail?"}]}
    async for mode, part in graph.astream(inputs, stream_mode=["messages", "updates"]):
        if mode == "messages" and part[1]["langgraph_node"] == "model":
            text += part[0].text
    assert text == ANSWER, text


async def our_turn(agent: Agent, number: int) -> None:
    """Go through one turn and check that it was whole."""
    events = [event async for event in agent.stream("why did job 7 fail?", f"chat-{number}")]
    gap = find_gap(events)
    assert not gap, gap


Turn = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Pair:
    """A turn of each kind, one right after the other, in seconds."""

    bare: float
    ours: float
    bare_work: float
    """Processor time of all threads of this process."""
    ours_work: float


async def time_pairs(turns: dict[str, Turn], numbers: range) -> list[Pair]:
    """Time turns of both kinds; who is first changes from pair to pair."""
    pairs = []
    for number in numbers:
        taken: dict[str, float] = {}
        order = ("bare", "ours") if number % 2 else ("ours", "bare")
        for name in order:
            gc.collect()  # not in the middle of a turn of the other
            begin, begin_work = time.perf_counter(), time.process_time()
            await turns[name](number)
            taken[name] = time.perf_counter() - begin
            taken[f"{name}_work"] = time.process_time() - begin_work
        pairs.append(Pair(**taken))
    return pairs


def median_ms(pairs: Sequence[Pair], value: Callable[[Pair], float]) -> float:
    return statistics.median(map(value, pairs)) * 1e3


async def time_rounds(turns: dict[str, Turn], n_turns: int, n_rounds: int) -> list[Pair]:
    """Return the pairs of the quietest round; print the medians of all."""
    await time_pairs(turns, range(5))  # these open connections and load modules
    rounds: list[list[Pair]] = []
    for i in range(n_rounds):
        begin = 5 + i * n_turns
        pairs = await time_pairs(turns, range(begin, begin + n_turns))
        rounds.append(pairs)
        print(
            f"round {i + 1}, medians of {n_turns} pairs: "
            f"bare {median_ms(pairs, lambda p: p.bare):.1f} ms, "
            f"ours {median_ms(pairs, lambda p: p.ours):.1f} ms, "
            f"added {median_ms(pairs, lambda p: p.ours - p.bare):.1f} ms; processor time "
            f"{median_ms(pairs, lambda p: p.bare_work):.1f} ms, "
            f"{median_ms(pairs, lambda p: p.ours_work):.1f} ms, "
            f"added {median_ms(pairs, lambda p: p.ours_work - p.bare_work):.1f} ms",
            flush=True,
        )
    # By all that was done in it, not by the difference: the least of those is chance.
    return min(rounds, key=lambda pairs: median_ms(pairs, lambda p: p.ours + p.bare))


async def time_together(turn: Turn, n_threads: int) -> float:
    """Return the time that turns of many threads take at once."""
    begin = time.perf_counter()
    await asyncio.gather(*(turn(10_000 + number) for number in range(n_threads)))
    return time.perf_counter() - begin


async def measure(base_url: str, folder: Path, n_turns: int, n_rounds: int, n_threads: int) -> bool:
    """Measure and print everything; tell whether all limits hold."""
    settings = LLMSettings(
        model="scripted", base_url=base_url, calls_per_run=None, calls_per_day=None,
        tokens_per_run=10**12, tokens_per_day=10**12,
    )  # fmt: skip
    run, run_file = make_run(folder)
    assistant = Assistant(settings, state_dir=folder / "state", run=run, run_file=run_file)
    bare = make_bare(settings, assistant.toolbox)
    try:
        turns: dict[str, Turn] = {
            "bare": lambda number: bare_turn(bare, number),
            "ours": lambda number: our_turn(assistant.agent, number),
        }
        pairs = await time_rounds(turns, n_turns, n_rounds)
        bare_ms = median_ms(pairs, lambda p: p.bare)
        ours_ms = median_ms(pairs, lambda p: p.ours)
        added_ms = median_ms(pairs, lambda p: p.ours - p.bare)
        within = [
            report("time of a turn / bare's", ours_ms / bare_ms, RATIO_LIMIT),
            report("added to a turn", added_ms, ADDED_LIMIT_S * 1e3, "ms"),
        ]
        together = {name: await time_together(turn, n_threads) for name, turn in turns.items()}
        print(f"{n_threads} threads at once, all ended and whole: bare {together['bare']:.2f} s, "
              f"ours {together['ours']:.2f} s")  # fmt: skip
        within.append(
            report(
                f"time of {n_threads} threads at once / bare's",
                together["ours"] / together["bare"],
                RATIO_LIMIT,
            )
        )
    finally:
        assistant.close()
    return all(within)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; 1 when a limit is not reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=30, help="pairs of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.serve:
        serve(answer_alike)
        return 0
    warnings.simplefilter("ignore")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base_url = stack.enter_context(running_model(__file__))
        ok = asyncio.run(measure(base_url, folder, args.turns, args.rounds, args.threads))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
