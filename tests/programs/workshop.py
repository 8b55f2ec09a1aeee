"""Turns a case into a folder with a script that a scheduler can run."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.programs.case import ProgramCase

SOURCES = Path(__file__).parent / "sources"
JOB_ENV = {
    "PYTHON": sys.executable,
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # In a job Open MPI would start its daemons with srun, by names of nodes that
    # are one and the same machine here.
    "OMPI_MCA_plm": "^slurm",
    "OMPI_MCA_ras": "^slurm",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    # Debian's Open MPI 4.1 garbles long messages when it gathers them.
    "OMPI_MCA_orte_base_help_aggregate": "0",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}


@dataclass(frozen=True)
class BuiltCase:
    """A case in its folder, ready to run."""

    case: ProgramCase
    folder: Path

    @property
    def script(self) -> Path:
        return self.folder / "job.sh"

    @property
    def log(self) -> Path:
        return self.folder / "job.out"


def find_missing_part(case: ProgramCase) -> str:
    """Say what the case needs and this machine lacks; empty when nothing."""
    if case.needs_root and os.geteuid() != 0:
        return "needs root"
    words = " ".join((*case.builds, case.script)).split()
    for program in ("gcc", "mpicc", "mpirun"):
        if program in words and shutil.which(program) is None:
            return f"not installed: {program}; run .ci/system-packages"
    return ""


def _write_files(case: ProgramCase, folder: Path, env: Mapping[str, str]) -> None:
    for name, text in case.files.items():
        path = folder / name
        path.write_bytes(text.encode())
        if name.endswith(".sh"):
            path.chmod(0o755)
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
    script = folder / "job.sh"
    # As bytes: a text file would turn the line ends that some cases are about.
    script.write_bytes((case.raw_script or f"#!/bin/bash\n{exports}{case.script}").encode())
    script.chmod(0o755)


def build(case: ProgramCase, root: Path, env: Mapping[str, str]) -> BuiltCase:
    """Write and compile one case into a folder below `root`."""
    folder = root / case.name
    folder.mkdir()
    _write_files(case, folder, {**JOB_ENV, **env})
    for command in case.builds:
        argv = shlex.split(command)
        for word in argv:
            if word.endswith(".c"):
                shutil.copyfile(SOURCES / word, folder / word)
        subprocess.run(argv, cwd=folder, check=True, timeout=600)
    return BuiltCase(case, folder)


def build_all(
    cases: Sequence[ProgramCase], root: Path, env: Mapping[str, str]
) -> dict[str, BuiltCase]:
    """Build cases, two at a time, keeping their order."""
    with ThreadPoolExecutor(2) as pool:
        built = pool.map(lambda case: build(case, root, env), cases)
        return {each.case.name: each for each in built}


@contextlib.contextmanager
def small_disks(folder: Path) -> Iterator[dict[str, str]]:
    """Mount a tiny and a read-only file system; yield the variables that name them.

    Only root can; for others the cases that need them are skipped.
    """
    if os.geteuid() != 0:
        yield {}
        return
    with contextlib.ExitStack() as stack:
        env = {}
        for name, options in (("FULL_DISK", "size=256k"), ("READ_ONLY_DISK", "size=256k,ro")):
            path = folder / name.lower()
            path.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
            # Lazily: a job that the test run left in there must not keep it mounted.
            stack.callback(subprocess.run, ["umount", "-l", path], check=True)
            env[name] = str(path)
        yield env
