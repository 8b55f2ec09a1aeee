"""Owns `ProgramCase`: one program, how it is run, and the diagnosis it should get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SLURM, LOCAL = "slurm", "local"
BOTH = frozenset({SLURM, LOCAL})
Proof = str | tuple[str, ...]


@dataclass(frozen=True)
class ProgramCase:
    """One program with its expected end and diagnosis.

    Values that differ between Slurm and the local scheduler are given as a mapping
    from the place to the value.
    """

    name: str
    category: str | tuple[str, ...]
    """The root cause; several where more than one is defensible."""
    proof: Proof | Mapping[str, Proof]
    """Text of one of the first three lines of evidence, or several of which one must
    be there; empty where only the scheduler's record can tell."""
    script: str = ""
    """Body of a bash script; it runs in the folder of the case."""
    raw_script: str = ""
    """A whole script with its own first line, in place of `script`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files to write into the folder; those named ``*.sh`` become executable."""
    builds: tuple[str, ...] = ()
    """Command lines of compilers, run in the folder; sources are copied there."""
    memory_mb: int = 200
    time_limit_s: float = 240.0
    """On the local scheduler; on Slurm limits are whole minutes, see `event`."""
    where: frozenset[str] = BOTH
    state: str | Mapping[str, str] = "FAILED"
    """The state in the scheduler's record."""
    event: str = ""
    """What is done to the running job, a name in `tests.programs.conductor`."""
    ready: str = ""
    """Text in the log to wait for before the event."""
    sbatch: tuple[str, ...] = ()
    """More options for ``sbatch``."""
    refused: bool = False
    """Whether the scheduler does not accept the job at all."""
    needs_root: bool = False
    """Whether the program uses a mount or changes its user."""

    @property
    def categories(self) -> tuple[str, ...]:
        return (self.category,) if isinstance(self.category, str) else self.category

    def expected_state(self, place: str) -> str:
        return self.state if isinstance(self.state, str) else self.state[place]

    def expected_proofs(self, place: str) -> tuple[str, ...]:
        found = self.proof.get(place, "") if isinstance(self.proof, Mapping) else self.proof
        if isinstance(found, tuple):
            return found
        return (found,) if found else ()


def run_python(name: str, category: str | tuple[str, ...], proof: Proof, program: str, **more):
    """Make the case of a Python program."""
    files = {"main.py": program, **more.pop("files", {})}
    more.setdefault("script", '"$PYTHON" main.py\n')
    return ProgramCase(name, category, proof, files=files, **more)


def run_c(name: str, category: str | tuple[str, ...], proof: Proof, source: str, **more):
    """Make the case of a C program that is built from one source file."""
    flags = more.pop("flags", "")
    compiler = more.pop("compiler", "gcc")
    more.setdefault("script", "./program\n")
    build = f"{compiler} -O0 -w {flags} -o program {source}"
    return ProgramCase(name, category, proof, builds=(build,), **more)
