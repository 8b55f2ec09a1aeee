"""What ``import llm_scheduler`` adds to ``import adaptive_scheduler``.

    python benchmarks/import_time.py [--rounds 15]

Fresh interpreters take turns: one imports the engine alone, one both, one both with
everything that a run needs. The shortest times are compared with the limit of 150 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

LIMIT_MS = 150.0
PROGRAMS = {
    "adaptive_scheduler": "import adaptive_scheduler",
    "and llm_scheduler": "import adaptive_scheduler, llm_scheduler",
    "and what a run needs": (
        "import adaptive_scheduler, llm_scheduler as ls; ls.slurm_run, ls.local_run, ls.LLMManager"
    ),
}


def time_import(program: str) -> float:
    """Return the milliseconds that the imports take inside a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); {program}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return 1000 * float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, program in PROGRAMS.items():
            times[name].append(time_import(program))
    # The shortest time: whatever else the machine does only ever adds to it.
    shortest = {name: min(found) for name, found in times.items()}
    engine = shortest["adaptive_scheduler"]
    for name, found in shortest.items():
        print(f"{name:<24} {found:7.0f} ms, adds {found - engine:6.1f} ms")
    added = shortest["and llm_scheduler"] - engine
    print(f"added / limit of {LIMIT_MS:g} ms: {added / LIMIT_MS:.3f}")
    return 0 if added <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
