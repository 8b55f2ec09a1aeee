"""How long lines that were made to be slow take, beside an ordinary line of their length.

    python benchmarks/hostile_lines.py

Each step that reads a kept line is given lines of 2,000 characters that repeat what its
expressions look for. A line that costs more than 10 ms of processor time is one that
expressions backtrack on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from llm_scheduler.diagnosis import load_catalog
from llm_scheduler.logs.normal_form import normalise
from llm_scheduler.logs.redaction import redact
from llm_scheduler.logs.text import MAX_LINE_CHARS, clean_line

LIMIT_MS = 10.0
ORDINARY = "step 12345 loss=0.123 at 12:00:01 on node07, rank 3: /home/ann/run.py has ended; "
UNITS = (
    *("a", "1", "/", "'", '"', ".", ":", "a:", "1:", "1h ", "error ", "error (", "a.", "lib-1"),
    *("`/", "C:\\", "[1", "module ", "f::", "1,", "exit code ", "a1-", "mpi_abort(", "signal: a"),
    *("token:", "token=", "token=/", "a_token: ", "setenv a_token ", "auth:abcdefgh"),
    *("password ", "key=", "-----BEGIN ", "https://a:", "\x1b[", "\u00e9", "(", "Error in "),
)
_runs = count(1000)


def time_ms(step: Callable[[str], object], unit: str) -> float:
    """Return the better of three times for a line that repeats a text."""
    best = float("inf")
    for _ in range(3):
        # No line comes twice: some steps remember what they have read.
        line = f"{next(_runs)} {unit * MAX_LINE_CHARS}"[:MAX_LINE_CHARS]
        begin = time.process_time()
        step(line)
        best = min(best, time.process_time() - begin)
    return best * 1000


def main() -> int:
    catalog = load_catalog()
    steps: dict[str, Callable[[str], object]] = {
        "decoding and cutting": lambda line: clean_line(line.encode()),
        "hiding secrets": redact,
        "form for fingerprints": normalise,
        "asking all causes": catalog.match,
    }
    reached = True
    for name, step in steps.items():
        ordinary = time_ms(step, ORDINARY)
        worst, unit = max((time_ms(step, unit), unit) for unit in UNITS)
        good = worst <= LIMIT_MS
        reached &= good
        print(
            f"{name:<24} ordinary {ordinary:6.3f} ms, worst {worst:6.3f} ms for {unit!r:<14} "
            f"(<= {LIMIT_MS:g}; ratio {worst / LIMIT_MS:.2f}) {'ok' if good else 'NOT REACHED'}"
        )
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
