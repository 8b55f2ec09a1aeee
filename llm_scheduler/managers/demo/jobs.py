"""The demo's jobs: what each evaluates, what it may use, and how it should end."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_SOURCES = Path(__file__).parent / "sources"

SMALL_DISK = "small-disk"
"""Folder on which a small file system is mounted, where that is allowed."""


@dataclass(frozen=True)
class DemoJob:
    """One learner of the demo with its resources and the end that it should take."""

    name: str
    function: str
    """Name in ``demo_physics.py``."""
    expected: tuple[str, ...]
    """Categories of which one is right; ``success`` for a job that finishes."""
    learner_type: str = "Learner1D"
    memory: str = "2GB"
    time: str = "00:05:00"
    loss: str = ""
    """Name of a loss function in ``demo_materials.py``; adaptive's own by default."""

    def make_learner(self, module: ModuleType) -> Any:
        """Make the learner; its function is stored by reference to `module`."""
        import adaptive

        function: Callable[[Any], Any] = getattr(module, self.function)
        if self.learner_type == "Learner2D":
            return adaptive.Learner2D(function, bounds=[(-1, 1), (-1, 1)])
        if self.learner_type == "SequenceLearner":
            return adaptive.SequenceLearner(function, sequence=list(range(10)))
        loss = getattr(module.demo_materials, self.loss) if self.loss else None
        return adaptive.Learner1D(function, bounds=(-1, 1), loss_per_interval=loss)

    @property
    def succeeds(self) -> bool:
        """Whether the job should reach its goal."""
        return self.expected == ("success",)


_JOBS = (
    # The slowest jobs first, so that the others run beside them.
    DemoJob("never_converges", "never_converges", ("time_limit",), time="00:00:10"),
    DemoJob("dense_matrix", "dense_matrix", ("out_of_memory",), "Learner2D", memory="400MB"),
    DemoJob("resonance", "resonance", ("success",)),
    DemoJob("ring", "ring", ("success",), "Learner2D"),
    DemoJob("band_gap", "band_gap", ("code_error",), loss="gap_loss"),
    DemoJob("mobility", "mobility", ("code_error",), loss="gap_loss"),
    DemoJob("tunnelling", "tunnelling", ("code_error",)),
    DemoJob("bad_pointer", "bad_pointer", ("crash",)),
    DemoJob("lattice_energy", "lattice_energy", ("missing_module",)),
    DemoJob("lattice_density", "lattice_density", ("missing_module",), "SequenceLearner"),
    DemoJob("reads_table", "reads_table", ("file_not_found",)),
    DemoJob("killed_worker", "killed_worker", ("killed",)),
    DemoJob("writes_wave", "writes_wave", ("disk_full",)),
    DemoJob("normalised", "normalised", ("numerical_error", "code_error")),
    DemoJob("old_analysis", "old_analysis", ("syntax_error",)),
)


def demo_jobs(*, small_disk: bool) -> list[DemoJob]:
    """List the jobs; the one that fills a disk only where there is a small one."""
    return [job for job in _JOBS if small_disk or job.function != "writes_wave"]


def write_modules(folder: Path) -> ModuleType:
    """Write the modules of the demo's user into `folder` and import ``demo_physics``.

    The functions are in files of the user's folder, so that tracebacks name files
    that can be opened and mended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(_SOURCES.glob("*.py.txt")):
        target = folder / source.name.removesuffix(".txt")
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        # A second demo in one process must not get the modules of the first.
        for name in ("demo_physics", "demo_materials", "demo_analysis"):
            sys.modules.pop(name, None)
        return importlib.import_module("demo_physics")
    finally:
        sys.path.remove(str(folder))
