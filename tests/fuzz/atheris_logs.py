"""Fuzz the reading of logs with atheris: ``python tests/fuzz/atheris_logs.py -max_total_time=60``.

Options are those of libFuzzer. It says where it left an input that broke something.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["llm_scheduler.logs", "llm_scheduler.diagnosis"]):
    from llm_scheduler.diagnosis import diagnose_log
    from llm_scheduler.logs import redact
    from tests.fuzz.invariants import check_small
    from tests.fuzz.nasty import BYTES

MAX_SEED_BYTES = 4096
LARGE = ("gzip bomb", "gzip in gzip", "xz cut", "bzip2 cut")
"""Small files that hold much: too slow where each line of code is watched."""
FOLDER = Path(tempfile.mkdtemp(prefix="atheris-"))
LOG = FOLDER / "job.out"


def read_log(data: bytes) -> None:
    """Read one log; the first bytes choose the budget."""
    max_chars = 1 + int.from_bytes(data[:2], "little") % 4000
    LOG.write_bytes(data[2:])
    check_small(LOG, max_chars)
    once = redact(data[2:].decode(errors="replace"))
    assert redact(once) == once


def write_seeds() -> Path:
    """Write the start of each nasty log as a seed."""
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for name in BYTES.keys() - set(LARGE):
        content = b"\xff\x0f" + BYTES[name]()[:MAX_SEED_BYTES]
        (seeds / name.replace(" ", "-")).write_bytes(content)
    return seeds


def main() -> None:
    """Run until the time is over or something breaks."""
    seeds = write_seeds()
    LOG.write_bytes(b"ValueError: x\n")
    diagnose_log(LOG)  # so that the catalogue's compilation counts for no input
    options = [
        *sys.argv,
        f"-artifact_prefix={FOLDER}/",
        "-timeout=60",
        "-rss_limit_mb=3000",
        f"-max_len={MAX_SEED_BYTES}",
    ]
    atheris.Setup([*options, str(seeds)], read_log)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
