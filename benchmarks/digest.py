"""How fast logs are digested, and in how much memory.

    python benchmarks/digest.py [--size 1.0] [--small 10000] [--folder DIR]

Every figure is printed beside the limit or the peer it is measured against, in the
same run: GNU grep for the same expressions, and drain3 where it is installed. Logs
are made in a temporary folder and read once before they are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import report
from llm_scheduler.logs.engines import make_expressions

GREP_SHARE = 1.0
"""Of the time that grep takes; half of it is the aim."""
FALLBACK_SHARE = 4.0
"""Of grep's time without hyperscan, and where every line holds an alarm word."""
MEMORY_LIMIT_MB = 100.0
SMALL_RATE = 5000.0
DRAIN_RATIO = 100.0
DRAIN_BYTES = 4 << 20
NOISY_BYTES = 200_000_000
TRACEBACK = """Traceback (most recent call last):
  File "/home/ann/project/run.py", line {line}, in <module>
    main()
  File "/home/ann/project/model.py", line {line}, in main
    return spectrum(x) / norm
ZeroDivisionError: division by zero
"""
NEEDLE = TRACEBACK.format(line=12).encode()

MEASURE = """
import json, sys, time
if sys.argv[2] == "re2":
    sys.modules["hyperscan"] = None  # as where its wheel does not install
from llm_scheduler.logs import digest_log
def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
for _ in range(2000):  # enough small logs for both engines to be made
    digest_log(sys.argv[3])
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here on
before_mb = memory("VmRSS")
begin = time.perf_counter()
digest = digest_log(sys.argv[1])
took_s = time.perf_counter() - begin
print(json.dumps({
    "took_s": took_s,
    "growth_mb": memory("VmHWM") - before_mb,
    "found": "ZeroDivisionError" in digest.text,
    "n_lines": digest.n_lines,
}))
"""


def make_lines(n_bytes: int, *, noisy: bool = False) -> bytes:
    """Return lines of a training run; noisy ones hold an alarm word each."""
    rng = random.Random(1)
    lines: list[str] = []
    size = step = 0
    while size < n_bytes:
        step += 1
        clock = f"2026-11-20 {step // 3600 % 24:02d}:{step // 60 % 60:02d}:{step % 60:02d}"
        value = f"error={rng.random():.3e}" if noisy else f"loss={rng.random():.5f}"
        rate = rng.randint(1000, 9999)
        lines.append(f"{clock} INFO trainer: step {step} {value} lr=1.00e-04 tokens/s={rate}\n")
        size += len(lines[-1])
    return "".join(lines).encode()


def write_log(path: Path, n_bytes: int, *, noisy: bool = False) -> None:
    """Write a log of this size with one traceback in its middle, and read it once."""
    block = make_lines(min(n_bytes // 2, 16 << 20), noisy=noisy)
    with path.open("wb") as out:
        written = False
        while out.tell() < n_bytes:
            out.write(block)
            if not written and out.tell() >= n_bytes // 2:
                out.write(NEEDLE)
                written = True
    with path.open("rb") as log:
        while log.read(1 << 22):
            pass


def make_grep_pattern() -> str:
    """Return the general expressions as grep writes them."""
    found = []
    for expression in make_expressions(()):
        text = re.sub(r"\\x([0-9a-f]{2})", lambda x: escape_for_grep(x[1]), expression)
        found.append(text.replace("\\n", ""))
    return "|".join(found)


def escape_for_grep(code: str) -> str:
    """Return a character as it stands in an extended regular expression."""
    char = chr(int(code, 16))
    return "\\" + char if char in r".[]*^$+?{}()|\\" else char


def time_grep(path: Path) -> float:
    """Seconds that grep takes to count the lines with alarms, the better of two runs."""
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        subprocess.run(
            ["grep", "-cE", make_grep_pattern(), path],
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,  # with /dev/null it stops at the first match
            check=True,
        )
        times.append(time.perf_counter() - begin)
    return min(times)


def digest_in_child(path: Path, small: Path, engine: str = "hyperscan") -> dict[str, float]:
    """Digest a log in a process of its own, so that its memory can be told."""
    best: dict[str, float] = {}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, path, engine, small],
            capture_output=True,
            check=True,
            cwd=Path(__file__).resolve().parents[1],
        )
        got = json.loads(done.stdout)
        if not got["found"]:
            raise SystemExit(f"the traceback in {path} was not found")
        if not best or got["took_s"] < best["took_s"]:
            best = got | {"growth_mb": max(got["growth_mb"], best.get("growth_mb", 0.0))}
    return best


def measure_log(
    folder: Path, name: str, n_bytes: int, *, noisy: bool = False
) -> Iterator[tuple[bool, float]]:
    """Digest one log beside grep with each engine; yields verdicts and rates in MB/s."""
    path, small = folder / "large.out", folder / "0.out"
    write_log(path, n_bytes, noisy=noisy)
    size_mb = path.stat().st_size / 1e6
    grep_s = time_grep(path)
    print(f"{name}: {size_mb:.0f} MB; grep -cE {grep_s:.2f} s, {size_mb / grep_s:.0f} MB/s")
    for engine in ("hyperscan", "re2"):
        share = FALLBACK_SHARE if noisy or engine == "re2" else GREP_SHARE
        got = digest_in_child(path, small, engine)
        rate = size_mb / got["took_s"]
        print(f"{name}, {engine}: {got['took_s']:.2f} s, {rate:.0f} MB/s")
        good = report(f"{name}, {engine}: time / grep's", got["took_s"] / grep_s, share)
        good &= report(
            f"{name}, {engine}: growth of memory", got["growth_mb"], MEMORY_LIMIT_MB, "MB"
        )
        yield good, rate
    path.unlink()


def make_small_logs(folder: Path, n: int) -> list[Path]:
    """Write logs of about 2 kB, half of them of failed jobs."""
    rng = random.Random(2)
    lines = make_lines(1 << 20).decode().splitlines(keepends=True)
    paths = []
    for i in range(n):
        at = rng.randrange(len(lines) - 20)
        text = f"running on node{i % 97} as job {100_000 + i}\n" + "".join(lines[at : at + 17])
        if i % 2:
            text += TRACEBACK.format(line=i % 40 + 1).replace("ann", f"user{i % 13}")
            text += f"srun: error: node{i % 97}: task 0: Exited with exit code 1\n"
        else:
            text += "".join(lines[at + 17 : at + 20])
        paths.append(folder / f"{i}.out")
        paths[-1].write_text(text)
    return paths


def measure_small_logs(paths: list[Path]) -> bool:
    """Digest many small logs, one after another, on one core."""
    from llm_scheduler.logs import digest_log

    size = sum(path.stat().st_size for path in paths) / len(paths)
    for path in paths[:1500]:
        digest_log(path)
    times = []
    for _ in range(3):  # the best one, as of the large logs: other machines' work only adds
        begin = time.process_time()
        for path in paths:
            digest_log(path)
        times.append(time.process_time() - begin)
    rate = len(paths) / min(times)
    name = f"{len(paths)} logs of {size:.0f} bytes, one core"
    return report(name, rate, SMALL_RATE, "logs/s", relation=">=")


def measure_drain(rate_mb: float) -> bool:
    """Let drain3 read a part of the same lines."""
    try:
        from drain3 import TemplateMiner
        from drain3.template_miner_config import TemplateMinerConfig
    except ImportError:
        print("drain3: not measured: it is not installed (pip install llm-scheduler[bench])")
        return True
    lines = make_lines(DRAIN_BYTES).decode().splitlines()
    miner = TemplateMiner(config=TemplateMinerConfig())
    begin = time.perf_counter()
    for line in lines:
        miner.add_log_message(line)
    drain_mb = DRAIN_BYTES / 1e6 / (time.perf_counter() - begin)
    print(f"drain3: {drain_mb:.2f} MB/s, on the first {DRAIN_BYTES / 1e6:.1f} MB of the same lines")
    return report("throughput / drain3's", rate_mb / drain_mb, DRAIN_RATIO, relation=">=")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=float, default=1.0, help="of the first log in GB; the second is five times as large (default: 1)")  # noqa: E501 # fmt: skip
    parser.add_argument("--small", type=int, default=10_000, help="how many small logs")
    parser.add_argument("--folder", type=Path, help="where to make the logs (default: temporary)")
    arguments = parser.parse_args()
    n_bytes = int(arguments.size * 1e9)
    results: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="digest-", dir=arguments.folder) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        needed = 5 * n_bytes + 4096 * arguments.small + NOISY_BYTES
        if free < needed * 1.1:
            print(
                f"{folder} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed. "
                "Set --folder or a smaller --size.",
                file=sys.stderr,
            )
            return 2
        paths = make_small_logs(folder, arguments.small)
        results.append(measure_small_logs(paths))
        rates = []
        for label, size in (("1x", n_bytes), ("5x", 5 * n_bytes)):
            for good, rate in measure_log(folder, label, size):
                results.append(good)
                rates.append(rate)
        results.extend(good for good, _ in measure_log(folder, "noisy", NOISY_BYTES, noisy=True))
        results.append(report("rate of 5x / rate of 1x", rates[2] / rates[0], 0.75, relation=">="))
        results.append(measure_drain(max(rates)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
