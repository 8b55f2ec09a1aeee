"""Programs of several MPI ranks, run by Open MPI's ``mpirun``."""

from __future__ import annotations

from tests.programs.case import ProgramCase, run_c
from tests.programs.memory import KILLED

# Debian 12 pairs Open MPI 4.1.4 with a PMIx that now and then garbles the messages of
# ranks into such a line.
GARBLED = "ORTE_ERROR_LOG"
MPIRUN = "mpirun --oversubscribe -n 2"


def _mpi(name: str, category: str | tuple[str, ...], proof, source: str, **more) -> ProgramCase:
    more.setdefault("memory_mb", 400)
    more.setdefault("script", f"{MPIRUN} ./program\n")
    return run_c(name, category, proof, source, compiler="mpicc", **more)


CASES = (
    _mpi("mpi-abort", "mpi_failure", ("MPI_ABORT was invoked on rank 1", GARBLED), "mpi_abort.c"),
    _mpi("mpi-rank-segfault", "crash", "Segmentation fault", "mpi_segfault.c"),
    _mpi(
        "mpi-invalid-rank", "mpi_failure", ("MPI_ERR_RANK: invalid rank", GARBLED), "mpi_bad_rank.c"
    ),
    _mpi(
        "mpi-truncated",
        "mpi_failure",
        ("MPI_ERR_TRUNCATE: message truncated", GARBLED),
        "mpi_truncate.c",
    ),
    _mpi(
        "mpi-missing-input",
        "file_not_found",
        "can't open potential.dat: No such file or directory",
        "mpi_input.c",
    ),
    _mpi(
        "mpi-rank-out-of-memory",
        "out_of_memory",
        KILLED,
        "mpi_memory.c",
        memory_mb=150,
        state="OUT_OF_MEMORY",
    ),
    _mpi(
        "mpi-deadlock",
        "time_limit",
        "DUE TO TIME LIMIT",
        "mpi_deadlock.c",
        state="TIMEOUT",
        event="time_limit",
        time_limit_s=4.0,
    ),
    ProgramCase(
        "mpi-missing-program",
        ("command_not_found", "file_not_found"),
        "./pw.x",
        script=f"{MPIRUN} ./pw.x\n",
        memory_mb=400,
    ),
    ProgramCase(
        "mpi-python-exception",
        "code_error",
        "ValueError: negative pressure in rank",
        script=f'{MPIRUN} "$PYTHON" main.py\n',
        files={
            "main.py": "import os\nrank = os.environ['OMPI_COMM_WORLD_RANK']\n"
            "if rank == '1':\n    raise ValueError(f'negative pressure in rank {rank}')\n",
        },
        memory_mb=400,
    ),
    ProgramCase(
        "mpi-too-few-slots",
        ("configuration_error", "mpi_failure", "invalid_submission"),
        "There are not enough slots available",
        script="mpirun --host localhost:1 --nooversubscribe -n 4 hostname\n",
        memory_mb=400,
    ),
)
