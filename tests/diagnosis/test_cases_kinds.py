"""One message, several kinds: what the end of a line, or who says it, makes of an error."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

SGE = "11/20/2026 22:46:24|worker|m|W|job 84.1 failed on host n1 general opening input/output file because: 11/20/2026 11:46:22 [1006:5837]: error: "
WRAPPED = "Error in rusage section: The merged job-level and application-level rusage\nvalue is outside the range set by RESRSV_LIMIT defined in lsb.queues. Job\nnot submitted.\n"
THROWN = "terminate called after throwing an instance of '{0}'\n  what():  {1}\n"
BOX = "The box size in direction X (2.45) times the triclinic skew factor (0.82) is too small for a cut-off of 1.0 with 2 domain decomposition cells"
OLD_GROMACS = f"Program mdrun, VERSION 4.6.7\nSource code file: /src/mdlib/domdec.c, line: 3245\n\nFatal error:\n{BOX}\n"
NO_PLOT = "connect: Connection refused\nGKS: can't connect to GKS socket application\n\nGKS: Open failed in routine OPEN_WS\n"
WORK = "".join(f"step {i} residual 0.{i}\n" for i in range(1, 4))

KINDS = {
    "sge-denied": (
        SGE + 'can\'t open output file "/home/u/q/x.log": Permission denied\n',
        "permission_denied",
    ),
    "sge-missing": (
        SGE + 'can\'t open output file "/home/u/q/x.log": No such file or directory\n',
        "file_not_found",
    ),
    "slurm-denied": (
        "slurmstepd: error: couldn't chdir to `/home/u/run': Permission denied: going to /tmp instead\n",
        "permission_denied",
    ),
    "lsf-wrapped": (WRAPPED, "invalid_submission"),
    "lsf-syntax": ("Bad resource requirement syntax. Job not submitted.\n", "invalid_submission"),
    "cuda-file": (
        THROWN.format("CUDA::error", "/home/u/SimpleCudaMalloc_impl.hpp(42): error: out of memory"),
        "gpu_out_of_memory",
    ),
    "cuda-kernel": ("Error: src/kernel.cu:87: out of memory\n", "gpu_out_of_memory"),
    "host-file": (
        THROWN.format("std::runtime_error", "mesh.cpp(42): error: out of memory"),
        "out_of_memory",
    ),
    "device-memory": (
        "Out of memory allocating 123456 bytes of device memory\n",
        "gpu_out_of_memory",
    ),
    "no-operand": (
        "samview: missing arguments\nTry `samview --help' for more information.\n",
        "configuration_error",
    ),
    "no-command": ("[main] unrecognized command 'memm'\n", "configuration_error"),
    "old-gromacs": (OLD_GROMACS, "configuration_error"),
    "abort-signal": ("forrtl: error (76): Abort trap signal\n", "crash"),
    "foreign-processor": (
        "forrtl: severe (168): Program Exception - illegal instruction\n",
        "crash",
    ),
    "no-plot": (NO_PLOT + WORK, "success"),
    "no-server": ("connect: Connection refused\n", "network_error"),
    "defaults": (
        "merge: missing arguments are taken from the file defaults.yml\n" + WORK,
        "success",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_of_an_error(tmp_path, name):
    text, category = KINDS[name]
    assert diagnose_text(tmp_path, text).category == category
