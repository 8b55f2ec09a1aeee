"""Programs that stand for a scheduler's own: scripts on a PATH that holds nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_scheduler.engine import local_runner, local_worker

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class ProgramFolder:
    """The only folder on PATH, and what was called in it."""

    folder: Path

    def add(self, name: str, script: str) -> None:
        """Make a program of a shell script; it notes each call with its arguments."""
        path = self.folder / name
        log = self.folder / "calls"
        note = f'printf "%s %s\\n" "{name}" "$*" >>"{log}"'
        path.write_text(f"#!/bin/sh\n{note}\n{script}\n")
        path.chmod(0o755)

    def add_sample(self, name: str, sample: str, *, then: str = "") -> None:
        """Make a program that prints a sample."""
        self.add(name, f'/bin/cat "{SAMPLES / sample}"\n{then}')

    def calls(self, name: str = "") -> list[str]:
        """Return the command lines so far."""
        log = self.folder / "calls"
        lines = log.read_text().split("\n")[:-1] if log.exists() else []
        return [line for line in lines if line.startswith(name)]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine with much to do may be late; where it is not, this costs nothing.
    monkeypatch.setattr(local_runner, "KILL_MARGIN_S", 240.0)
    monkeypatch.setattr(local_worker, "ORPHAN_LIMIT_S", 240.0)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgramFolder:
    """Return a folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return ProgramFolder(folder)


@pytest.fixture
def samples() -> Path:
    """Return the folder with what real schedulers printed."""
    return SAMPLES
