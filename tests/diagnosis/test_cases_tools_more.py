"""More programs: fields that the first set leaves out, and services."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
    "spark": (
        "25/01/01 10:00:00 ERROR SparkContext: Error initializing SparkContext.\njava.net.BindException: Cannot assign requested address: Service 'sparkDriver' failed after 16 retries\n\tat sun.nio.ch.Net.bind0(Native Method)\n",
        ("network_error", "code_error"),
        "Cannot assign requested address",
    ),
    "dask": (
        "distributed.nanny - WARNING - Worker exceeded 95% memory budget. Restarting\ndistributed.scheduler.KilledWorker: Attempted to run task 'f-1' on 4 different workers, but all those workers died while running it. The last worker that attempt to run the task was tcp://127.0.0.1:3. Inspecting worker logs is often a good next step to diagnose what went wrong.\n",
        ("out_of_memory", "killed"),
        "KilledWorker",
    ),
    "gurobi": (
        "gurobipy._exception.GurobiError: HostID mismatch (licensed to 1234, hostid is 5678)\n",
        ("license_unavailable",),
        "HostID",
    ),
    "moose": (
        "*** ERROR ***\n/home/u/in.i:12: missing required parameter 'variable' in Kernel 'diff'\n\nStack frames: 9\n0: libMesh::print_trace(std::ostream&)\n",
        ("configuration_error",),
        "missing required parameter",
    ),
    "elmer": (
        "ERROR:: ModelInput: Unable to find keyword: [Equation]\nERROR:: LoadInputFile: Unable to open file case.sif\n",
        ("file_not_found", "configuration_error"),
        "Unable to",
    ),
    "ccx": (
        " *ERROR reading *MATERIAL: no name given\n  Card image:\n  *MATERIAL\n\n *ERROR: at least one fatal error message while reading the input deck: CalculiX stops.\n",
        ("configuration_error", "code_error"),
        "no name given",
    ),
    "comsol": (
        "Error: The following feature has encountered a problem:\n- Feature: Stationary Solver 1 (sol1/s1)\nFailed to find a solution.\nMaximum number of Newton iterations reached.\n",
        ("numerical_error",),
        "Failed to find a solution",
    ),
    "lsdyna": (
        " *** Error 10246 (KEY+246)\n     *MAT_ELASTIC card id 3 has bad density\n\n E r r o r   t e r m i n a t i o n\n",
        ("configuration_error", "code_error", "numerical_error"),
        "bad density",
    ),
    "amber": ("  Unit   10 Error on OPEN: prmtop\n", ("file_not_found",), "Error on OPEN"),
    "namd": (
        "FATAL ERROR: UNABLE TO FIND ANGLE PARAMETERS FOR CT1 CT2 HX\n[Partition 0][Node 0] End of program\n",
        ("configuration_error",),
        "UNABLE TO FIND",
    ),
    "namd-unstable": (
        "ERROR: Constraint failure in RATTLE algorithm for atom 1234!\nERROR: Constraint failure; simulation has become unstable.\nERROR: Exiting prematurely; see error messages above.\n",
        ("numerical_error",),
        "onstraint failure",
    ),
    "molpro": (
        " ? Error\n ? Unknown command or directive in input\n ? The problem occurs in input\n\n GLOBAL ERROR fehler on processor   0\n",
        ("configuration_error", "code_error"),
        "Unknown command",
    ),
    "psi4": (
        "psi4.driver.p4util.exceptions.ValidationError: Requested basis set 'cc-pvxz' not found\n",
        ("configuration_error", "code_error", "file_not_found"),
        "cc-pvxz",
    ),
    "dftb": (
        "ERROR!\n-> Requested file for the SK-tables not found: 'C-H.skf'\n",
        ("file_not_found",),
        "C-H.skf",
    ),
    "madgraph": (
        "Command \"generate_events\" interrupted with error:\nFileNotFoundError : [Errno 2] No such file or directory: 'param_card.dat'\nPlease report this bug on https://bugs.launchpad.net/mg5amcnlo\n",
        ("file_not_found",),
        "param_card.dat",
    ),
    "gadget": (
        "Code termination on task=0, function restart(), file restart.c, line 44: Can't open file './restartfiles/restart.0'\n",
        ("file_not_found", "code_error"),
        "restart.0",
    ),
    "flash": (
        " [Driver_abortFlash] DRIVER_ABORT: Error: unable to read table helm_table.dat\n",
        ("file_not_found", "code_error"),
        "helm_table",
    ),
    "athena": (
        "### FATAL ERROR in function [Mesh::Mesh]\nMesh size must be divisible by block size\n",
        ("configuration_error",),
        "divisible",
    ),
    "enzo": (
        "Caught fatal exception:\n\n   'Unable to open parameter file amr.par'\nat Grid.C:33\n",
        ("file_not_found", "code_error"),
        "amr.par",
    ),
    "nemo": (
        " ===>>> : E R R O R\n         ===========\n\n   stpctl: the zonal velocity is larger than 20 m/s\n",
        ("numerical_error", "code_error"),
        "zonal velocity",
    ),
    "icon": (
        "FINISH called from PE: 0\nmo_io_restart: restart file 'restart_atm.nc' could not be found!\n",
        ("file_not_found",),
        "restart_atm.nc",
    ),
    "mitgcm": (
        '(PID.TID 0000.0001) *** ERROR *** S/R INI_PARMS: Error reading parameter file "data"\n(PID.TID 0000.0001) *** ERROR *** S/R INI_PARMS: Problem reading namelist PARM01\nABNORMAL END: S/R INI_PARMS\n',
        ("configuration_error", "file_not_found"),
        "INI_PARMS",
    ),
    "bowtie2": (
        '(ERR): "/ref/hg38" does not exist or is not a valid Bowtie 2 index\nExiting now ...\n',
        ("file_not_found",),
        "hg38",
    ),
    "kraken": (
        'kraken2: database ("/db/k2") does not contain necessary file taxo.k2d\n',
        ("file_not_found",),
        "taxo.k2d",
    ),
    "bcftools": (
        '[E::hts_open_format] Failed to open file "calls.vcf.gz" : No such file or directory\nFailed to read from calls.vcf.gz: No such file or directory\n',
        ("file_not_found",),
        "calls.vcf.gz",
    ),
    "picard": (
        '[Mon Mar 03 10:00:00 CET 2025] picard.sam.MarkDuplicates done. Elapsed time: 0.01 minutes.\nRuntime.totalMemory()=2058354688\nTo get help, see http://broadinstitute.github.io/picard/index.html#GettingHelp\nException in thread "main" htsjdk.samtools.SAMException: Value was put into PairInfoMap more than once.  1: RG1:read7\n\tat htsjdk.samtools.CoordinateSortedPairInfoMap.ensureSequenceLoaded(CoordinateSortedPairInfoMap.java:133)\n',
        ("code_error", "configuration_error"),
        "PairInfoMap",
    ),
    "plink": ("Error: Failed to open chr1.bed.\n", ("file_not_found",), "chr1.bed"),
    "mafft": (
        "outputhat23=2\nIllegal format\n",
        ("configuration_error", "code_error", "syntax_error"),
        "Illegal format",
    ),
    "iqtree": (
        "ERROR: Alignment has 3 sequences with gaps only\n",
        ("configuration_error", "code_error"),
        "gaps only",
    ),
    "relion": (
        "in: /src/image.h, line 512\nERROR: \nCannot read file Micrographs/m1.mrc It does not exist\n=== Backtrace  ===\n",
        ("file_not_found",),
        "m1.mrc",
    ),
    "freesurfer": (
        "ERROR: FreeSurfer license file /opt/freesurfer/license.txt not found.\n  If you are outside the NMR-Martinos Center,\n  go to http://surfer.nmr.mgh.harvard.edu/registration.html to\n  get a valid license file (it's free).\n",
        ("license_unavailable", "file_not_found"),
        "license.txt",
    ),
    "duckdb": (
        'duckdb.duckdb.IOException: IO Error: Could not set lock on file "x.db": Conflicting lock is held in PID 123\n',
        ("code_error", "configuration_error", "permission_denied"),
        "lock",
    ),
    "kokkos": (
        "terminate called after throwing an instance of 'std::runtime_error'\n  what():  Kokkos::initialize ERROR: more GPUs requested than available\nTraceback functionality not available\nAborted (core dumped)\n",
        ("gpu_error", "configuration_error", "code_error", "crash"),
        "more GPUs",
    ),
    "vllm": (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.\n",
        ("gpu_out_of_memory", "configuration_error", "out_of_memory"),
        "cache blocks",
    ),
    "hf-token": (
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it at https://huggingface.co/x/y.\n401 Client Error.\n",
        ("permission_denied", "network_error"),
        "gated repo",
    ),
    "jax-oom": (
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.\n",
        ("gpu_out_of_memory", "out_of_memory"),
        "RESOURCE_EXHAUSTED",
    ),
    "pbs-exceed": (
        "=>> PBS: job killed: walltime 3612 exceeded limit 3600\n",
        ("time_limit",),
        "walltime",
    ),
    "sge-mem": (
        'job 123 exceeds job hard limit "h_vmem" of queue "all.q@n1" (5368709120.00000 > limit:4294967296.00000) - sending SIGKILL\n',
        ("out_of_memory",),
        "h_vmem",
    ),
    "bsub-term": (
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.\nExited with exit code 130.\n",
        ("out_of_memory",),
        "TERM_MEMLIMIT",
    ),
    "s3": (
        "fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden\n",
        ("permission_denied", "network_error"),
        "403",
    ),
    "mpi-custom": (
        "rank 3: particle left the domain at x=12.3\nrank 3: aborting run\n--------------------------------------------------------------------------\nMPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\nwith errorcode 17.\n--------------------------------------------------------------------------\n",
        ("code_error", "mpi_failure", "numerical_error"),
        "MPI_ABORT",
    ),
    "slurm-oom-line": (
        "/var/spool/slurmd/job55/slurm_script: line 12: 991 Killed                  ./sim\n",
        ("killed", "out_of_memory"),
        "Killed",
    ),
    "slurm-nodefail": (
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2025-01-01T10:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n",
        ("node_failure",),
        "NODE FAILURE",
    ),
}

FIRST = 3


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    text, categories, proof = CASES[name]
    found = diagnose_text(tmp_path, text)
    assert found.category in categories, found
    assert any(proof in line.text for line in found.evidence[:FIRST]), found.evidence
