"""How well labelled logs of real jobs are read, beside ``tail`` and a naive grep.

    python benchmarks/corpus.py [--corpus DIR] [--halves] [--misses]

DIR holds ``index.jsonl``, one log a line: ``file``, ``category`` (the root cause),
``also`` (categories that are defensible too), ``evidence`` (a text in the log that
proves it) and ``source`` (repository and path). Without it the corpus beside the
project is taken.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_scheduler import diagnose_log, digest_log

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
LARGE, SMALL = 4000, 1000
NAIVE = re.compile(r"error|exception|traceback|fail|fatal|killed|abort|cancel", re.IGNORECASE)
SURE = 0.9


@dataclass(frozen=True)
class Result:
    """What was found in one log."""

    file: str
    category: str
    repository: str
    found: str
    is_right: bool
    confidence: float
    has_proof: bool
    """Whether the label names a line; logs of successful jobs have none."""
    first: bool
    """Whether the proving line is the first of the evidence."""
    among_three: bool
    in_digest: dict[int, bool]
    in_tail: dict[int, bool]
    in_grep: dict[int, bool]

    @property
    def has_failed(self) -> bool:
        """Whether the label says that the job failed."""
        return self.category != "success"


def read_tail(text: str, n_chars: int) -> str:
    """Return what ``tail -c`` shows."""
    return text[-n_chars:]


def read_grep(text: str, n_chars: int) -> str:
    """Return what ``grep -iE 'error|...' | head -c`` shows."""
    return "\n".join(line for line in text.splitlines() if NAIVE.search(line))[:n_chars]


def measure(folder: Path, entry: dict[str, Any]) -> Result:
    """Diagnose one log and compare with its label."""
    path = folder / entry["file"]
    proof = entry["evidence"]
    diagnosis = diagnose_log(path)
    texts = [item.text for item in diagnosis.evidence]
    # Progress bars are written over: what counts as a line ends at a carriage return too.
    text = path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    budgets = (LARGE, SMALL)
    return Result(
        file=entry["file"],
        category=entry["category"],
        repository=entry.get("source", "").split("@")[0].split(":")[0].split(" ")[0],
        found=diagnosis.category,
        is_right=diagnosis.category in {entry["category"], *entry.get("also", ())},
        confidence=diagnosis.confidence,
        has_proof=bool(proof),
        first=any(proof in text for text in texts[:1]),
        among_three=any(proof in text for text in texts[:3]),
        in_digest={n: proof in digest_log(path, max_chars=n).text for n in budgets},
        in_tail={n: proof in read_tail(text, n) for n in budgets},
        in_grep={n: proof in read_grep(text, n) for n in budgets},
    )


def share(results: Sequence[Result], test: Callable[[Result], bool]) -> str:
    """Return how many results pass, as ``30/31``."""
    return f"{sum(map(test, results))}/{len(results)}"


def print_table(results: Sequence[Result]) -> None:
    """Print one line for each category, and their sum."""
    names = ("right", "1st", "top 3", "digest", "tail", "grep", "digest", "tail", "grep")
    print(
        f"{'':<24}{'':>6}{'':>7}{'':>7}  {'--- 4,000 characters':<21}{'--- 1,000 characters':<21}"
    )
    print(f"{'category':<22}" + "".join(f"{name:>7}" for name in names))
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.category].append(result)
    failed = [result for result in results if result.has_failed]
    for name, members in [*sorted(groups.items()), ("all that failed", failed)]:
        proven = [result for result in members if result.has_proof]
        cells = [share(members, lambda r: r.is_right)]
        if proven:
            cells += [share(proven, lambda r: r.first), share(proven, lambda r: r.among_three)]
            for n in (LARGE, SMALL):
                cells += [
                    share(proven, lambda r, n=n: r.in_digest[n]),
                    share(proven, lambda r, n=n: r.in_tail[n]),
                    share(proven, lambda r, n=n: r.in_grep[n]),
                ]
        print(f"{name:<22}" + "".join(f"{cell:>7}" for cell in cells))


def print_calibration(results: Sequence[Result]) -> None:
    """Print how often answers of each confidence are right."""
    print("\nconfidence     answers  right")
    for low, high in ((0.9, 1.01), (0.7, 0.9), (0.5, 0.7), (0.0, 0.5)):
        among = [result for result in results if low <= result.confidence < high]
        if among:
            print(f"{low:.1f} to {min(high, 1):.1f}     {len(among):>7}  "
                  f"{sum(r.is_right for r in among) / len(among):>5.0%}")  # fmt: skip


def check_limits(results: Sequence[Result]) -> bool:
    """Print the figures with their limits; returns whether all are kept."""
    failed = [result for result in results if result.has_failed]
    proven = [result for result in failed if result.has_proof]
    good = [result for result in results if not result.has_failed]
    sure = [result for result in results if result.confidence >= SURE]
    figures: list[tuple[str, list[bool], float]] = [
        ("category right, of those that failed", [r.is_right for r in failed], 0.92),
        ("proof among the first three lines", [r.among_three for r in proven], 0.90),
        ("proof in the digest of 4,000", [r.in_digest[LARGE] for r in proven], 0.97),
        ("proof in the digest of 1,000", [r.in_digest[SMALL] for r in proven], 0.95),
        ("no alarm, of those that succeeded", [r.is_right for r in good], 1.0),
        (f"right where the confidence is {SURE} or more", [r.is_right for r in sure], 0.95),
    ]
    print()
    kept = True
    for name, passed, limit in figures:
        if not passed:
            continue
        value = sum(passed) / len(passed)
        kept = kept and value >= limit
        word = "ok" if value >= limit else "MISSED"
        counts = f"{sum(passed)}/{len(passed)}"
        print(f"{name:<44}{counts:>7}  {value:6.1%}  (>= {limit:.0%}) {word}")
    return kept


def print_misses(results: Sequence[Result]) -> None:
    """Name the logs that are not read as they should be."""
    print()
    for r in results:
        missing = [f"digest of {n}" for n, held in r.in_digest.items() if r.has_proof and not held]
        if r.has_proof and not r.among_three:
            missing.append("first three lines")
        if not r.is_right or missing:
            said = "" if r.is_right else f" read as {r.found} ({r.confidence:.2f})"
            print(f"{r.file}: {r.category}{said}; proof not in: {', '.join(missing) or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR")
    parser.add_argument(
        "--halves",
        action="store_true",
        help="print the figures of each half of the repositories as well",
    )
    parser.add_argument("--misses", action="store_true", help="name the logs that were misread")
    options = parser.parse_args()
    index = options.corpus / "index.jsonl"
    if not index.is_file():
        print(f"{index} is not there; name a folder of labelled logs with --corpus.",
              file=sys.stderr)  # fmt: skip
        return 2
    entries = [json.loads(line) for line in index.read_text().splitlines() if line.strip()]
    results = [measure(options.corpus, entry) for entry in entries]
    repositories = sorted({result.repository for result in results})
    print(f"{len(results)} logs of {len(repositories)} repositories\n")
    print_table(results)
    print_calibration(results)
    kept = check_limits(results)
    if options.halves:
        for number in (0, 1):
            half = set(repositories[number::2])
            print(f"\nhalf {number + 1}: {len(half)} repositories")
            check_limits([result for result in results if result.repository in half])
    if options.misses:
        print_misses(results)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
