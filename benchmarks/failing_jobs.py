"""What the benchmarks of failing jobs share: the jobs, timed ticks, times from their logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CAUSES = (
    ("NameError", "name 'spectrun' is not defined"),
    ("KeyError", "'mu'"),
    ("ModuleNotFoundError", "No module named 'kwant'"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'lead.h5'"),
    ("ZeroDivisionError", "division by zero"),
)
START_LIMIT = 0.95


def make_script(index: int, *, before: str = "") -> str:
    """Return a script that ends with one of five tracebacks and notes the time of its end."""
    name, message = CAUSES[index % len(CAUSES)]
    return (
        f"{before}\n"
        "cat <<'LOG'\n"
        "Traceback (most recent call last):\n"
        f'  File "/home/ann/model.py", line {12 + index % len(CAUSES)}, in energy\n'
        "    return spectrum(x)\n"
        f"{name}: {message}\n"
        "LOG\n"
        'echo "ended at $(date +%s.%N)"\nexit 1\n'
    )


class Ticks:
    """Times every callback that the event loop runs."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []

    @contextmanager
    def watch(self):
        """Time what runs inside."""
        run = asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            begin = time.perf_counter()
            run(handle)
            self.wall_s.append(time.perf_counter() - begin)

        asyncio.events.Handle._run = timed
        try:
            yield self
        finally:
            asyncio.events.Handle._run = run


def latencies(run: Any, explained: dict[str, float], without: Collection[str] = ()) -> list[float]:
    """Seconds from the end of each job, as it noted it itself, to its diagnosis."""
    found = []
    for failure in run.llm_manager.failures():
        if failure.attempt in without:
            continue
        text = Path(failure.log_files[0]).read_text()
        ended_at = float(text.rpartition("ended at ")[2])
        found.append(explained[failure.attempt] - ended_at)
    return sorted(found)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of sorted values does not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]
