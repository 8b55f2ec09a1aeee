"""More programs: fields that the first set leaves out, and services."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import STEPS, check_said

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
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
    "osu": (
        "# OSU MPI Latency\n# Size  Latency (us)\n0  1.2\nAbort(1091855) on node 0 (rank 0 in comm 0): Fatal error in PMPI_Init: Other MPI error, error stack:\nMPIR_Init_thread(176): \nMPID_Init(1548): \nMPIDI_OFI_mpi_init_hook(1554): \n(unknown)(): Other MPI error\n",
        ("mpi_failure",),
        "PMPI_Init",
    ),
    "hdf5": (
        "HDF5-DIAG: Error detected in HDF5 (1.12.2) thread 0:\n  #000: H5F.c line 620 in H5Fopen(): unable to open file\n    major: File accessibility\n    minor: Unable to open file\n  #001: H5FDsec2.c line 352: unable to open file: name = 'in.h5', errno = 2, error message = 'No such file or directory'\n",
        ("file_not_found",),
        "in.h5",
    ),
    "nc": (
        "NetCDF: Unknown file format\n at line 44 of read_grid.f90\nSTOP 2\n",
        ("code_error", "configuration_error", "file_not_found"),
        "Unknown file format",
    ),
    "slurm-script": (
        "/var/spool/slurmd/job99/slurm_script: line 8: syntax error near unexpected token `fi'\n/var/spool/slurmd/job99/slurm_script: line 8: `fi'\n",
        ("syntax_error",),
        "syntax error",
    ),
    "python2": (
        "  File \"run.py\", line 3\n    print 'a'\n          ^\nSyntaxError: Missing parentheses in call to 'print'. Did you mean print('a')?\n",
        ("syntax_error",),
        "SyntaxError",
    ),
    "conda-act": (
        "CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'.\nTo initialize your shell, run\n\n    $ conda init <SHELL_NAME>\n\nTraceback (most recent call last):\n  File \"/home/u/a.py\", line 1, in <module>\n    import torch\nModuleNotFoundError: No module named 'torch'\n",
        ("missing_module", "configuration_error"),
        "torch",
    ),
    "illegal": (
        "run.sh: line 3: 777 Illegal instruction     (core dumped) ./sim\n",
        ("crash",),
        "Illegal instruction",
    ),
    "gpu-xid": (
        "Epoch 1 loss 0.4\nRuntimeError: CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some other API call\n",
        ("gpu_error", "code_error"),
        "illegal memory",
    ),
    "vasp-brmix": (
        " DAV:  12 0.1E+03\n BRMIX: very serious problems\n the old and the new charge density differ\n ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR\n     to POSCAR and continue\n",
        ("numerical_error",),
        "ZBRENT",
    ),
    "vasp-potcar": (
        " ERROR: number of potentials on File POTCAR incompatible with number\n        of species\n",
        ("configuration_error",),
        "POTCAR",
    ),
    "gauss-l502": (
        " >>>>>>>>>> Convergence criterion not met.\n SCF Done:  E(RB3LYP) =  -100.0\n Convergence failure -- run terminated.\n Error termination via Lnk1e in /opt/g16/l502.exe at Mon Mar  3 10:00:00 2025.\n",
        ("numerical_error",),
        "onvergence failure",
    ),
    "wrf-cfl": (
        "d01 2020-01-01_00:05:00           5  points exceeded v_cfl = 2 in domain d01 at time 2020-01-01_00:05:00 hours\nforrtl: severe (174): SIGSEGV, segmentation fault occurred\nImage              PC                Routine            Line        Source\nwrf.exe            0000000003  Unknown               Unknown  Unknown\n",
        ("numerical_error", "crash"),
        "SIGSEGV",
    ),
    "wrf-input": (
        "-------------- FATAL CALLED ---------------\nFATAL CALLED FROM FILE:  <stdin>  LINE:     102\n program wrf: error opening wrfinput_d01 for reading ierr=       -1021\n-------------------------------------------\n",
        ("file_not_found",),
        "wrfinput_d01",
    ),
    "lammps-lost": (
        "   1000  1.2  -3.4\nERROR: Lost atoms: original 4000 current 3998 (src/thermo.cpp:488)\nLast command: run 10000\n",
        ("numerical_error",),
        "Lost atoms",
    ),
    "gmx-lincs": (
        "Step 1200, time 2.4 (ps)  LINCS WARNING\nrelative constraint deviation after LINCS:\nrms 12.3, max 99.1 (between atoms 1 and 2)\n\nFatal error:\nToo many LINCS warnings (1000)\nIf you know what you are doing you can adjust the lincs warning threshold in your mdp file\n",
        ("numerical_error",),
        "LINCS warnings",
    ),
    "abaqus-lic": (
        "Abaqus License Manager checked out the following licenses:\nERROR: License error: Failed checkout: requested 5 tokens of abaqus, 2 available\n",
        ("license_unavailable",),
        "checkout",
    ),
    "quota": (
        'Traceback (most recent call last):\n  File "/home/u/s.py", line 3, in <module>\n    f.write(b)\nOSError: [Errno 122] Disk quota exceeded\n',
        ("disk_full",),
        "quota",
    ),
    "stale": (
        "cat: /nfs/a.txt: Stale file handle\n",
        ("file_not_found", "network_error", "node_failure", "disk_full"),
        "Stale",
    ),
    "ray": (
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.1, ID: ab) where the task (task ID: cd) was running was 120.1GB / 125.0GB (0.96), which exceeds the memory usage threshold of 0.95.\n",
        ("out_of_memory",),
        "low on memory",
    ),
    "torch-mismatch": (
        'Traceback (most recent call last):\n  File "/home/u/t.py", line 9, in <module>\n    model.load_state_dict(sd)\nRuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: copying a param with shape torch.Size([10, 5]) from checkpoint, the shape in current model is torch.Size([12, 5]).\n',
        ("configuration_error", "code_error"),
        "loading state_dict",
    ),
    "root-own-later-": (
        "Processing run.C...\nError: cannot find macro run.C\n",
        ("file_not_found", "code_error"),
        "run.C",
    ),
    "slurm-pend": (
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n",
        ("invalid_submission",),
        "Invalid account",
    ),
    "subprocess-status": (
        "Traceback (most recent call last):\n  File \"/home/u/w.py\", line 5, in <module>\n    subprocess.run(cmd, check=True)\nsubprocess.CalledProcessError: Command '['./sim', '-i', 'a.in']' returned non-zero exit status 139.\n",
        ("crash", "code_error", "unknown"),
        "returned non-zero exit status 139",
    ),
    "time-limit-sigterm": (
        STEPS
        + "forrtl: error (78): process killed (SIGTERM)\nslurmstepd: error: *** JOB 9 ON n1 CANCELLED AT 2025-02-03T04:05:06 DUE TO TIME LIMIT ***\n",
        ("time_limit",),
        "DUE TO TIME LIMIT",
    ),
    "module-and-library": (
        "module: command not found\n./sim: error while loading shared libraries: libhdf5.so.103: cannot open shared object file: No such file or directory\n",
        # The command that would have loaded the library was not there.
        ("command_not_found", "configuration_error"),
        "libhdf5.so.103",
    ),
    "rank-out-of-bounds": (
        "rank 2: out of bounds access in field u (i=130, n=128)\nrank 0: waiting for rank 2\nMPI_ABORT was invoked on rank 2 in communicator MPI_COMM_WORLD\nwith errorcode 4.\n",
        ("code_error", "mpi_failure"),
        "out of bounds",
    ),
    "python-script-missing": (
        "python: can't open file '/home/u/missing.py': [Errno 2] No such file or directory\n",
        ("file_not_found",),
        "missing.py",
    ),
    "step-memory": (
        "error: Unable to create step for job 12: Memory required by task is not available\n",
        ("invalid_submission", "configuration_error", "out_of_memory"),
        "Memory required",
    ),
    "bus-error": (
        STEPS + "Bus error\n",
        ("crash",),
        "Bus error",
    ),
    "python-encodings": (
        "Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding\nPython runtime state: core initialized\nModuleNotFoundError: No module named 'encodings'\n",
        ("configuration_error", "missing_module"),
        "encodings",
    ),
    "container-mount": (
        "INFO:    Could not find any nv files on this host!\nFATAL:   container creation failed: mount /scratch->/scratch error: while mounting /scratch: mount source /scratch doesn't exist\n",
        ("file_not_found", "configuration_error"),
        "mount source",
    ),
    "tar-missing": (
        "tar (child): data.tar.gz: Cannot open: No such file or directory\ntar (child): Error is not recoverable: exiting now\ntar: Child returned status 2\n",
        ("file_not_found",),
        "data.tar.gz",
    ),
    "unzip-missing": (
        "unzip:  cannot find or open data.zip, data.zip.zip or data.zip.ZIP.\n",
        ("file_not_found",),
        "data.zip",
    ),
    "awk-missing": (
        "awk: cannot open in.txt (No such file or directory)\n",
        ("file_not_found", "code_error"),
        "in.txt",
    ),
    "read-only": (
        "mkdir: cannot create directory '/work/out': Read-only file system\n",
        ("permission_denied", "disk_full"),
        "Read-only",
    ),
    "glibc-version": (
        "ImportError: /lib64/libc.so.6: version `GLIBC_2.32' not found (required by /home/u/x.so)\n",
        ("missing_shared_library", "configuration_error"),
        "GLIBC_2.32",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    check_said(tmp_path, CASES[name])
