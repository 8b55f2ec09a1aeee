"""Ends of jobs as batch systems and launchers tell them, and what only looks like one."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

BAR = "100%|##########| 73/73 [00:02<00:00, 32.98it/s]\n"
USAGE = "====\n                  Resource Usage on 2026-11-20 18:33:30:\n   Job Id:             7.gadi-pbs\n   Exit Status:        {}\n   Walltime requested: 12:00:00            Walltime Used: 07:50:23\n====\n"
FAILED = {
    "moab-time": (
        "Job deleted at request of root@n1\nMOAB_INFO:  job exceeded wallclock limit\n",
        "time_limit",
    ),
    "moab-memory": (
        "Job deleted at request of root@n1\njob 7 exceeded MEM usage hard limit (2528 > 1126)\n",
        "out_of_memory",
    ),
    "moab-cores": ("job 7 exceeded PROC usage hard limit (16 > 8)\n", "configuration_error"),
    "moab-node": (
        "Job deleted at request of root@n1\njob preempted (node failure)\n",
        "node_failure",
    ),
    "gadi-disk": (
        "t = 1\nJob 7.gadi-pbs killed due to exceeding jobfs quota. Quota: 15.0GB, Used: 15.0GB, Host: n1\n"
        + USAGE.format("271 (Linux Signal 15 SIGTERM Termination)"),
        "disk_full",
    ),
    "gadi-memory": (
        "t = 1\nJob 7.gadi-pbs has exceeded memory allocation on node n1\n"
        + USAGE.format("137 (Linux Signal 9 SIGKILL Killed)"),
        "out_of_memory",
    ),
    "pbs-cpu-time": (
        "step 5\n=>> PBS: job killed: cput job total 7300 secs exceeded limit 7200\n",
        "time_limit",
    ),
    "pbs-memory-of-all": (
        "step 5\n=>> PBS: job killed: mem job total 2097152 kb exceeded limit 1048576 kb\n",
        "out_of_memory",
    ),
    "cobalt": (
        "step 5\nCOBALT: Info: Job killed due to exceeding its time limit (3600 seconds)\n",
        "time_limit",
    ),
    "oar": ("step 5\nWALLTIME [JOB 123] walltime has been reached\n", "time_limit"),
    "operator": ("step 5\nJob 4711 has been deleted by operator ada\n", "cancelled"),
    "watchdog": ("step 5\nJob 4711 killed: idle for too long on node n1\n", "killed"),
    "watchdog-memory": (
        "step 5\nJob 7 killed: memory usage 12GB over requested 10GB\n",
        "out_of_memory",
    ),
    "pjsub": ("[ERR.] PJM 0049 pjsub Specified rscgrp is not available.\n", "invalid_submission"),
    "no-step": (
        "srun: error: Unable to create step for job 7: Zero Bytes were transmitted or received\n",
        "network_error",
    ),
    "plexec": (
        ("[n1:65] [2] func:/opt/lib64/libmpi.so.0(MPI_Abort+0xa0) [0x400000514c18]\n"
        "[WARN] PLE 0608 plexec One of MPI processes was aborted.(rank=0)(nid=0xff33000e)\n"),
        "mpi_failure",
    ),
    "plexec-crash": (
        ("[WARN] PLE 0610 plexec The process terminated with the signal.(rank=0)(nid=0x1)(sig=11)\n"
        "[ERR.] PLE 0019 plexec One of MPI processes was aborted.(rank=0)(nid=0x1)(CODE=1938)\n"),
        "crash",
    ),
    "mpirun-options": (
        ("Open MPI has detected that a parameter given to a command line\noption does not match "
        "the expected format:\n\n  Option: n\n  Param:  solver\n"),
        "configuration_error",
    ),
    "mpirun-nothing": (
        "No executable was specified on the mpirun command line.\n\nAborting.\n",
        "configuration_error",
    ),
    "prrte-daemon": (
        ("An PRRTE daemon has unexpectedly failed after launch and before\ncommunicating back to "
        "mpirun. This could be caused by a number\nof factors\n"),
        "mpi_failure",
    ),
    "foam-no-mpi": (
        ("--> FOAM FATAL ERROR: (openfoam-2406)\nThe dummy Pstream library cannot be used in "
        "parallel mode\n\n    From static bool Foam::UPstream::init()\n\nFOAM exiting\n"),
        "configuration_error",
    ),
    "flux": (
        "step 5\n3.600s: job.exception type=timeout severity=0 resource allocation expired\n",
        "time_limit",
    ),
    "pods": (
        "State:          Terminated\nReason:       OOMKilled\nExit Code:    137\n",
        "out_of_memory",
    ),
    "pods-time": ("Job was active longer than specified deadline\n", "time_limit"),
    "wallclock": ("Job terminated: wallclock time limit exceeded\n", "time_limit"),
    "qsub": ("qsub: Job rejected by all possible destinations\n", "invalid_submission"),
    "script-gone": (
        "slurmstepd: error: execve(): /var/spool/slurmd/job7/slurm_script: No such file or directory\n",
        "file_not_found",
    ),
    "spinner": ("step 1\ngetting output:  20% (117/558) [#      ] eta 28:34:54 \\Terminated\n", "cancelled"),
    "bar-killed": ("step 1\n 45%|####      | 45/100 [00:10<00:12]Killed\n", "killed"),
    "hydra": (
        "[mpiexec@n1] main (ui/mpich/mpiexec.c:344): process manager error waiting for completion\n",
        "mpi_failure",
    ),
    "container-folder": (
        ("FATAL:   container creation failed: hook function for tag sessiondir returns error: failed to create "
        "/opt/software/common/devel/singularity/3.0.1/var/singularity/mnt/session/rootfs directory: mkdir "
        "/opt/software/common/devel/singularity/3.0.1/var/singularity/mnt/session/rootfs: permission denied\n"),
        "permission_denied",
    ),
    "pipeline": (
        ("[main] DEBUG nextflow.cli.Launcher - Operation aborted\n"
        "nextflow.exception.AbortOperationException: Remote resource not found: https://api.github.com/repos/lab/x\n"
        "\tat nextflow.scm.RepositoryProvider.checkResponse(RepositoryProvider.groovy:252)\n"),
        "configuration_error",
    ),
    "activate": ("CondaError: Run 'conda init' before 'conda activate'\n", "configuration_error"),
}  # fmt: skip
WELL = {
    "deactivate": "CondaError: Run 'conda init' before 'conda deactivate'\n",
    "bar": "CondaError: Run 'conda init' before 'conda activate'\n" + BAR,
    "informing": "run.sh: line 3: nvidia-smi: command not found\nUsing CPU\ntrain 0 1.0\ntrain 1 0.9\ntrain 2 0.8\ntrain 3 0.7\n",
    "htslib": "[W::bam_hdr_read] EOF marker is absent. The input is probably truncated\n[mpileup] 1 samples in 1 input files\n",
    "remark": "note: failed to open /dev/hfi1_0\nenergy -1.0\n",
    "restarted": "test_a failed to converge in 10 iterations; restarted with damping\nenergy -12.3\n",
    "slf4j": 'SLF4J: Failed to load class "org.slf4j.impl.StaticLoggerBinder".\nSLF4J: Defaulting to no-operation (NOP) logger implementation\nProcessed 1000 reads\n',
    "logged": (
        "2026-11-20 10:00:01,000 - worker - ERROR - Failed to send a heartbeat.\n"
        "Traceback (most recent call last):\n"
        '  File "/home/u/worker.py", line 12, in heartbeat\n    send()\n'
        "ConnectionResetError: [Errno 104] Connection reset by peer\n"
        "All points done, results written to out.nc\n"
    ),
    "gadi": "All steps done\n" + USAGE.format("0"),
    "job-of-before": "Note: a job killed by the wall clock is requeued by this script\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\nFinished normally\n",
    "killed-and-again": "Job 12 killed: memory over its limit, resubmitting with more\nJob 12 finished\n12 of 12 jobs finished\n",
    "side-thread": 'Started with arguments:\nException in thread "Thread-1" java.lang.InterruptedException: sleep interrupted\n\tat java.lang.Thread.sleep(Native Method)\nInput Reads: 1000 Surviving: 990\nTrimmomaticSE: Completed successfully\n',
    "resubmitting": "Job 12 failed with exit code 137, resubmitting with more memory\nJob 12 finished\n12 of 12 jobs finished\n",
    "local-copy": "wget: unable to resolve host address 'x.org'\nUsing local copy of the database\n3000 sequences loaded\n",
    "system-file": "cat: /etc/redhat-release: No such file or directory\nHostname: n1\nGPU: A100\npi = 3.14159\n",
}


@pytest.mark.parametrize("name", FAILED)
def test_end(name, tmp_path):
    text, category = FAILED[name]
    assert diagnose_text(tmp_path, text).category == category


@pytest.mark.parametrize("name", WELL)
def test_no_end(name, tmp_path):
    assert diagnose_text(tmp_path, WELL[name]).category == "success"


def test_the_reason_in_the_stack_of_mpich_is_proof(tmp_path):
    text = (
        "3: step 1\n"
        "3: Abort(1091215) on node 0 (rank 0 in comm 0): Fatal error in PMPI_Init: Other MPI error, error stack:\n"
        "3: MPIR_Init_thread(136)........:\n"
        "3: MPID_Init(1138)..............:\n"
        "3: MPIDI_OFI_mpi_init_hook(1061): OFI addrinfo() failed (ofi_init.c:1061:No data available)\n"
    )
    found = diagnose_text(tmp_path, text)
    assert found.category == "mpi_failure"
    assert any("OFI addrinfo() failed" in item.text for item in found.evidence[:3])
