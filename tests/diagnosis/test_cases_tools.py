"""Messages of scientific programs, libraries and services, one program after the other."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import check_said

# name: log, the category and others that are as right, part of one of the first three proofs
CASES = {
    "qe-two-lines": (
        "     Program PWSCF v.7.2 starts on  3Mar2025 at 10: 0: 0\n\n %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%\n     Error in routine  readpp (2):\n     file ./pseudo/Fe.upf not found\n %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%\n\n     stopping ...\n",
        ("file_not_found",),
        "Fe.upf not found",
    ),
    "qe-cutoff": (
        " %%%%%%%%%%%%%\n     task #         0\n     from iosys : error #         1\n     lspinorb requires noncolin=.true.\n %%%%%%%%%%%%%\n",
        ("configuration_error",),
        "lspinorb requires",
    ),
    "cp2k": (
        "\n *******************************************************************************\n *   ___                                                                       *\n *  /   \\                                                                      *\n * [ABORT]                                                                     *\n *  \\___/     CPASSERT failed                                                   *\n *    |                                                                        *\n *  O/|                                                                        *\n * /| |                                                                        *\n * / \\                                                        qs_environment.F:1234 *\n *******************************************************************************\n",
        ("crash", "code_error"),
        "CPASSERT failed",
    ),
    "cp2k-kind": (
        " *******\n *   ___   *\n *  /   \\  *\n * [ABORT] *\n *  \\___/  unknown keyword EPS_SCFF in section SCF  *\n *    |    *\n *******\n",
        ("configuration_error",),
        "unknown keyword",
    ),
    "orca": (
        "\n                         ORCA TERMINATION\n\n[file orca_tools/qcmsg.cpp, line 458]:\n  .... aborting the run\n\nINPUT ERROR\nUNRECOGNIZED OR DUPLICATED KEYWORD(S) IN SIMPLE INPUT LINE\n  DEF2-TZVPPD2\n",
        ("configuration_error",),
        "UNRECOGNIZED OR DUPLICATED",
    ),
    "nwchem": (
        " ------------------------------------------------------------------------\n movecs_read_header: failed to open movecs file             0\n ------------------------------------------------------------------------\n  current input line : \n    12: task dft energy\n ------------------------------------------------------------------------\n",
        ("file_not_found",),
        "movecs",
    ),
    "siesta": (
        "Stopping Program from Node:    0\nreadbasis: ERROR: Species C_pbe has no pseudopotential file C.psf found\n",
        ("file_not_found",),
        "pseudopotential",
    ),
    "abinit": (
        "--- !ERROR\nsrc_file: m_mkrho.F90\nsrc_line: 512\nmpi_rank: 0\nmessage: |\n    Input variable ecut is not valid: -5\n...\n\n leave_new: decision taken to exit ...\n",
        ("configuration_error",),
        "ecut is not valid",
    ),
    "cesm": (
        "(shr_sys_abort) ERROR: (seq_timemgr_clockInit) stop_option must be set\n(shr_sys_abort) WARNING: calling shr_mpi_abort() and stopping\n",
        ("configuration_error", "code_error"),
        "stop_option must be set",
    ),
    "cdo": (
        "cdo    selname: Open failed on >tas_day.nc<\nNo such file or directory\n",
        ("file_not_found",),
        "Open failed on",
    ),
    "ncks": (
        'ncks: ERROR file "/data/era5.nc" not found. It does not exist on the local filesystem, nor does it match remote filename patterns.\n',
        ("file_not_found",),
        "era5.nc",
    ),
    "fluent": (
        'Error: Unable to read file "case1.cas.h5".\nError Object: #f\n',
        ("file_not_found",),
        "case1.cas.h5",
    ),
    "starccm": (
        "Server::start -host n1:47827\nerror: Neutral topology update failed: surface mesh has free edges\nCommand: RunMesh\n   error: Server Error\n",
        ("code_error", "configuration_error", "numerical_error"),
        "surface mesh",
    ),
    "dealii": (
        "--------------------------------------------------------\nAn error occurred in line <1234> of file <source/grid/grid_in.cc> in function\n    void dealii::GridIn<dim>::read_msh(std::istream&)\nThe violated condition was: \n    in.fail() == false\nAdditional information: \n    An input/output error has occurred. There are a number of reasons why this may be happening\n--------------------------------------------------------\nAborting!\n",
        ("code_error", "file_not_found", "crash"),
        "input/output error",
    ),
    "petsc": (
        "[0]PETSC ERROR: --------------------- Error Message --------------------------------------------------------------\n[0]PETSC ERROR: Zero pivot in LU factorization: https://petsc.org/release/faq/#zeropivot\n[0]PETSC ERROR: Zero pivot row 3 value 0. tolerance 2.22045e-14\n[0]PETSC ERROR: #1 MatPivotCheck_none() at /petsc/include/petsc/private/matimpl.h:800\n",
        ("numerical_error",),
        "Zero pivot",
    ),
    "snakemake-locked": (
        "Building DAG of jobs...\nLockException:\nError: Directory cannot be locked. Please make sure that no other Snakemake process is trying to create the same files\nin the following directory:\n/home/u/wf\n",
        ("configuration_error",),
        "cannot be locked",
    ),
    "snakemake-missinginput": (
        "Building DAG of jobs...\nMissingInputException in rule map in file /home/u/Snakefile, line 12:\nMissing input files for rule map:\n    output: out/a.bam\n    affected files:\n        raw/a.fq.gz\n",
        ("file_not_found",),
        "Missing",
    ),
    "snakemake-ambiguous": (
        "AmbiguousRuleException:\nRules sort and index are ambiguous for the file a.bam.\nConsider starting rule output with a unique prefix.\n",
        ("configuration_error",),
        "ambiguous",
    ),
    "snakemake-workflow": (
        "WorkflowError:\nFailed to create conda environment from env.yaml: file format is wrong\n",
        ("configuration_error", "code_error"),
        "Failed to create",
    ),
    "openacc": (
        "Failing in Thread:1\naccelerator fatal error: call to cuStreamSynchronize returned error 700: Illegal address during kernel execution\n File: /home/u/src/push.F90\n Function: push:12\n Line: 50\n",
        ("gpu_error",),
        "returned error 700",
    ),
    "step-cancel": (
        "srun: error: n2: task 3: Exited with exit code 1\nsrun: Terminating job step 55.0\nslurmstepd: error: *** STEP 55.0 ON n1 CANCELLED AT 2025-02-03T04:05:06 ***\nsrun: error: n1: tasks 0-2: Exited with exit code 1\n",
        ("unknown", "code_error"),
        "Exited with exit code 1",
    ),
    "ompi-pml": ("[n1:4711] pml_ob1_sendreq.c:308 FATAL\n", ("mpi_failure",), "pml_ob1"),
    "ompi-writev": (
        "[n2][[4321,1],1][btl_tcp_frag.c:130:mca_btl_tcp_frag_send] mca_btl_tcp_frag_send: writev error (0x2b6f10, 65536)\n\tBad address(1)\n",
        ("mpi_failure",),
        "writev error",
    ),
    "watchdog": (
        "iter 10 loss 2\n[rank1]:[E ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5, OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800066 milliseconds before timing out.\n",
        ("gpu_error", "network_error", "mpi_failure"),
        "Watchdog caught",
    ),
    "cuinit": (
        '2025-01-01 10:00:00.0: E tensorflow/compiler/xla/stream_executor/cuda/cuda_driver.cc:268] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\nEpoch 1/2\n100/100 [=====] - 1s 2ms/step - loss: 0.3\nEpoch 2/2\n100/100 [=====] - 1s 2ms/step - loss: 0.2\nTraceback (most recent call last):\n  File "/home/u/t.py", line 5, in <module>\n    f()\nValueError: bad shape\n',
        ("code_error",),
        "bad shape",
    ),
    "lmod": (
        'Lmod has detected the following error:  The following module(s) are unknown: "gromacs/2099"\n\nPlease check the spelling or version number. Also try "module spider ..."\n',
        ("configuration_error",),
        "gromacs/2099",
    ),
    "gatk-user": (
        "***********************************************************************\n\nA USER ERROR has occurred: Input files reference and reads have incompatible contigs: No overlapping contigs found.\n\n***********************************************************************\n",
        ("configuration_error", "code_error"),
        "A USER ERROR",
    ),
    "bwa-idx": (
        "[E::bwa_idx_load_from_disk] fail to locate the index files\n",
        ("file_not_found",),
        "fail to locate",
    ),
    "star": (
        "EXITING because of FATAL ERROR: could not open genome file /ref/star/genomeParameters.txt\nSOLUTION: check that the path to genome files, specified in --genomeDir is correct\n\nMar 03 10:00:00 ...... FATAL ERROR, exiting\n",
        ("file_not_found",),
        "genomeParameters.txt",
    ),
    "gmx-fatal": (
        "-------------------------------------------------------\nProgram:     gmx grompp, version 2023.3\nSource file: src/gromacs/gmxpreprocess/toppush.cpp (line 2700)\n\nFatal error:\nAtomtype opls_999 not found\n\nFor more information and tips for troubleshooting, please check the GROMACS website\n-------------------------------------------------------\n",
        ("configuration_error",),
        "opls_999",
    ),
    "wget-404": (
        "--2025-01-01 10:00:00--  https://x.org/a.tgz\nResolving x.org... failed: Temporary failure in name resolution.\nwget: unable to resolve host address 'x.org'\n",
        ("network_error",),
        "resol",
    ),
    "git-auth": (
        "Cloning into 'x'...\nfatal: could not read Username for 'https://github.com': No such device or address\n",
        ("permission_denied", "configuration_error", "network_error"),
        "could not read Username",
    ),
    "apptainer-nofile": (
        "FATAL:   could not open image /home/u/x.sif: failed to retrieve path for /home/u/x.sif: lstat /home/u/x.sif: no such file or directory\n",
        ("file_not_found",),
        "x.sif",
    ),
    "nextflow": (
        "N E X T F L O W  ~  version 23.10.0\nERROR ~ Error executing process > 'ALIGN (1)'\n\nCaused by:\n  Process `ALIGN (1)` terminated with an error exit status (127)\n\nCommand executed:\n\n  bwaa mem ref.fa a.fq > a.sam\n\nCommand exit status:\n  127\n\nCommand output:\n  (empty)\n\nCommand error:\n  .command.sh: line 2: bwaa: command not found\n\nWork dir:\n  /w/ab/12\n",
        ("command_not_found",),
        "bwaa: command not found",
    ),
    "glibcxx": (
        "./a.out: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by ./a.out)\n",
        ("missing_shared_library",),
        "GLIBCXX_3.4.29",
    ),
    "sge-eqw": (
        'error: commlib error: got select error (Connection refused)\nUnable to run job: unable to contact qmaster using port 6444 on host "qm".\nExiting.\n',
        ("network_error", "invalid_submission"),
        "contact qmaster",
    ),
    "comsol-lic": (
        "Error: \nCould not obtain license for COMSOL Multiphysics.\n- License error: -4. Licensed number of users already reached.\n",
        ("license_unavailable",),
        "icense",
    ),
    "abaqus": (
        "Abaqus Error: Analysis Input File Processor exited with an error.\nAbaqus/Analysis exited with errors\n",
        ("configuration_error", "code_error"),
        "Input File Processor",
    ),
    "ansys": (
        " *** ERROR ***                           CP =       1.234   TIME= 10:00:00\n The value of the element shape is outside of the limits for element 12.\n",
        ("numerical_error", "configuration_error", "code_error"),
        "element 12",
    ),
    "lammps": (
        "LAMMPS (2 Aug 2023)\nERROR: Unknown pair style eam/gpu (src/force.cpp:279)\nLast command: pair_style eam/gpu\n",
        ("configuration_error",),
        "Unknown pair style",
    ),
    "openfoam-patch": (
        "--> FOAM FATAL ERROR: (openfoam-2206)\nNegative initial temperature T0: -12.3\n\n    From Foam::species::thermo\n    in file thermoI.H at line 57.\n\nFOAM exiting\n",
        ("numerical_error",),
        "Negative initial temperature",
    ),
    "mysql": (
        "ERROR 2002 (HY000): Can't connect to local MySQL server through socket '/var/lib/mysql/mysql.sock' (2)\n",
        ("network_error", "configuration_error"),
        "Can't connect",
    ),
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
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says_is_read(tmp_path, name):
    check_said(tmp_path, CASES[name])
