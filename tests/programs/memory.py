"""Programs that need more memory than they are given."""

from __future__ import annotations

from tests.programs.case import LOCAL, SLURM, ProgramCase, run_c, run_python

KILLED = {
    SLURM: ("oom-kill event", "oom_kill event", "exceeded memory limit", "memory limit, being"),
    LOCAL: "memory limit exceeded",
}
"""The kernel's cgroup kills on Slurm, in the words of older and newer versions, or slurmd
itself where there are no cgroups; the local scheduler watches the process tree."""

_GROW = (
    "import time\n\n\n"
    "def grow():\n    blocks = []\n    for _ in range(100):\n"
    "        blocks.append(bytearray(b'x' * (4 << 20)))\n        time.sleep(0.02)\n"
    "    time.sleep(60)\n    return len(blocks)\n\n\n"
)

CASES = (
    run_python(
        "python-out-of-memory",
        "out_of_memory",
        KILLED,
        _GROW + "print('loading the data', flush=True)\ngrow()\n",
        memory_mb=80,
        state="OUT_OF_MEMORY",
    ),
    run_c(
        "c-out-of-memory",
        "out_of_memory",
        KILLED,
        "memory_hog.c",
        memory_mb=60,
        state="OUT_OF_MEMORY",
    ),
    run_python(
        "pool-worker-out-of-memory",
        "out_of_memory",
        KILLED,
        _GROW + "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1) as pool:\n        print(pool.submit(grow).result())\n",
        memory_mb=100,
        state="OUT_OF_MEMORY",
    ),
    ProgramCase(
        "step-out-of-memory",
        "out_of_memory",
        KILLED,
        script="srun --mem=60M ./program\necho 'the script goes on'\nexit 0\n",
        builds=("gcc -O0 -o program memory_hog.c",),
        where=frozenset({SLURM}),
        # Only the step says so.
        state="COMPLETED",
    ),
    ProgramCase(
        "one-of-many-commands-out-of-memory",
        "out_of_memory",
        KILLED,
        script="echo 'stage 1 done'\n./program\necho 'stage 3 done'\n",
        builds=("gcc -O0 -o program memory_hog.c",),
        memory_mb=60,
        state="OUT_OF_MEMORY",
    ),
    run_python(
        "memory-error",
        "out_of_memory",
        "MemoryError",
        "blocks = []\nwhile True:\n    blocks.append(bytearray(16 << 20))\n",
        script='ulimit -v 150000\n"$PYTHON" main.py\n',
    ),
    run_python(
        "numpy-allocation",
        "out_of_memory",
        "Unable to allocate 7.28 TiB for an array with shape (1000000, 1000000)",
        "import numpy as np\nprint(np.ones((1_000_000, 1_000_000)).sum())\n",
        # The kernel would hand out that much address space where it overcommits.
        script='ulimit -v 4000000\n"$PYTHON" main.py\n',
    ),
    run_c(
        "malloc-fails",
        "out_of_memory",
        "matrix: malloc: Cannot allocate memory",
        "allocation.c",
        script="ulimit -v 200000\n./program\n",
    ),
)
