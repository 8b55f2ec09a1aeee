"""Failures in the words of loggers, builds and summaries, however a script ends after them."""

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

START = "reading input\nenergy 0.1\n"
FAILED = [
    "F, [2024-07-14T11:43:37.1 #29518] FATAL -- : could not open the queue\n",
    (
        'time="2024-11-25T20:04:51Z" level=error msg="listen tcp :8080: bind: address alr'
        'eady in use"\n'
    ),
    ('{"level":"error","time":"2024-01-01T00:00:00Z","message":"shard merge did not finish"}\n'),
    (
        "2024-05-06 10:11:12,345 ERROR [main] org.acme.Runner (Runner.java:45) - Job step"
        " load did not finish\n"
    ),
    "10:11:12.345 [main] ERROR o.a.Runner - Job step load did not finish\n",
    "[2024-05-06T10:11:12Z ERROR fitter] no samples in table\n",
    "[2024-05-06 10:11:12.123] [main] [critical] mesh has no cells\n",
    "[2024-05-06 10:11:12.123456] [0x00007f] [fatal]   mesh has no cells\n",
    ("F0506 10:11:12.123456 12345 solver.cc:88] Check failed: n > 0 (0 vs. 0)\n"),
    "npm ERR! code ELIFECYCLE\nnpm ERR! errno 1\n",
    (
        "scons: *** [build/main.o] Source `main.cxx' not found, needed by target `build/m"
        "ain.o'.\n"
        "scons: building terminated because of errors.\n"
    ),
    (
        "scons: *** Do not know how to make File target `install' (/home/u/x/install).  S"
        "top.\n"
        "scons: building terminated because of errors.\n"
    ),
    "The command '/bin/sh -c make -j8' returned a non-zero code: 2\n",
    "ninja: build stopped: subcommand failed.\n",
    "make: *** No rule to make target 'all'.  Stop.\n",
    "FAILED: //src:core (Exit 1)\nBuild did NOT complete successfully\n",
    ('meson.build:12:0: ERROR: Dependency "hdf5" not found, tried pkgconfig and cmake\n'),
    "== Summary ==\n  /data/a: 0 ok, 1 fail\n    FAIL node17\n",
    "Summary: 12 ok, 3 fail\n",
    "12 passed, 2 failed in 3.1s\n",
    "# pass 10\n# fail 2\n",
    "Results: 3 succeeded, 1 failed\nAll jobs processed\n",
    "ok: 0  failed: 4  skipped: 0\n",
    ("FATAL: mesh has no cells\nJob completed at Mon Feb 17 02:25:47 CET 2025\n"),
    "Error: mesh has no cells\nDone\n",
    "Error: mesh has no cells\nFinished at Mon Feb 17 02:25:47 CET 2025\n",
    "ERROR mesh has no cells\nJob finished\n",
    "[ERROR] no samples in table\nEnd of job\nTotal time: 12 s\n",
    "CRITICAL:root:no samples in table\nDone.\n",
    (
        "systemd[1]: fit.service: Main process exited, code=exited, status=1/FAILURE\n"
        "systemd[1]: fit.service: Failed with result 'exit-code'.\n"
    ),
    (
        "/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Floating point exception"
        "   ./a.out\n"
    ),
    "kmeans: ERR: table empty\n",
    "stage 3 FAILED\n=== job ended ===\n",
    "*** Error: bad magic in header\n",
    "Task 3 did not complete: exit status 2\n",
    "21:01:07.123 [crit] pool: workers gone\n",
    "<ERR> cannot reach the plan\n",
    "[ERR] shard 3 is gone\n",
    "ERRO[0012] shard 3 is gone                 file=x.go\n",
    'lvl=eror msg="shard 3 is gone"\n',
    '{"severity":"ERROR","message":"shard 3 is gone"}\n',
    '{"level":50,"msg":"shard 3 is gone","err":{"type":"Error"}}\n',
    "May 06 10:11:12 n1 fitd[312]: <crit> shard 3 is gone\n",
    "SEVERE: shard 3 is gone\n",
    "2024-05-06 10:11:12 SEVERE org.x.Main run: shard 3 is gone\n",
    "(EE) no screens found\nFatal server error:\n(EE) no screens\n",
    "cmake -B build\n-- Configuring incomplete, errors occurred!\n",
    "BUILD FAILED\n\nTotal time: 3 seconds\n",
    ("* What went wrong:\nExecution failed for task ':run'.\n\nBUILD FAILED in 3s\n"),
    'error: could not compile `fit` (bin "fit") due to 2 previous errors\n',
    (
        "gmake[2]: *** [CMakeFiles/fit.dir/build.make:76: fit.o] Error 1\n"
        "gmake: *** [Makefile:91: all] Error 2\n"
    ),
    "error: command 'gcc' failed with exit status 1\n",
    ("WARN: 1 target failed to build\nERROR: Build did NOT complete successfully\n"),
    "INFO: Elapsed time: 12.4s\nFAILED: Build did NOT complete successfully\n",
    ('#8 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2\n'),
    "PLAY RECAP ****\nn1 : ok=3 changed=1 unreachable=0 failed=1 skipped=0\n",
    ("The simulation did not finish.\nJob ended at Mon Feb 17 02:25:47 CET 2025\n"),
    "Run was not successful\nDone\n",
    "The optimisation has not completed\n",
    "Task node7 FAILED\nDone\n",
    "Processed 12 files: 10 ok, 2 failed\n",
    (
        "panic: runtime error: index out of range [3] with length 3\n"
        "\n"
        "goroutine 1 [running]:\n"
        "main.main()\n"
        "\t/src/main.go:5 +0x1d\n"
        "exit status 2\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    (
        "thread 'main' panicked at src/main.rs:2:5:\n"
        "no cells\n"
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
        "Finished\n"
    ),
    "Error: no cells in mesh\nreal\t0m1.2s\nuser\t0m0.1s\nsys\t0m0.1s\n",
    "Fatal error: no cells in mesh\n==== Job finished: exit code 1 ====\n",
    "./run.sh: line 9: 121 Floating point exception./a.out\n",
    (
        "FATAL: mesh has no cells\n"
        "Copying results back\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    (
        "Error: mesh has no cells\n"
        "Transferring files from /scratch to /home\n"
        "Cleaning up scratch\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    (
        "ERROR: mesh has no cells\n"
        "\n"
        "========================\n"
        "End time: Mon Feb 17 02:25:47 CET 2025\n"
        "Elapsed: 12 s\n"
    ),
    (
        "terminate called after throwing an instance of 'std::runtime_error'\n"
        "  what():  mesh has no cells\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    "Exception: mesh has no cells\nFinished\n",
    "julia> ERROR: LoadError: mesh has no cells\nDone\n",
    "Error in solve(mesh): mesh has no cells\nExecution halted\nAll done!\n",
    "fit: error: mesh has no cells\nscript finished\n",
    ("2024-05-06 10:11:12,345 - fit - CRITICAL - mesh has no cells\nJob finished\n"),
    ("2024-05-06 10:11:12,345 - fit - ERROR - mesh has no cells\nJob finished\n"),
    (
        "node:internal/process/promises:288\n"
        "            triggerUncaughtException(err, true /* fromPromise */);\n"
        "            ^\n"
        "\n"
        "[UnhandledPromiseRejection: no cells] {\n"
        "  code: 'ERR_UNHANDLED_REJECTION'\n"
        "}\n"
        "\n"
        "Node.js v18.1.0\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    "npm error code 1\nnpm error path /x\nDone\n",
    "*** Aborting: mesh has no cells ***\nFinished at 10:11:12\n",
    "Simulation aborted!\nJob ended\n",
    "Killed\nJob completed at Mon Feb 17 02:25:47 CET 2025\n",
    (
        "[2024-05-06 10:11:12.123] [fit] [error] mesh has no cells\n"
        "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
    ),
    "[error] mesh has no cells\nDone\n",
    "!! ERROR !! mesh has no cells\n",
    "ERROR  | solver | mesh has no cells\n",
    "[ FAIL ] step 3: mesh\nTotal time 12 s\n",
    "3 out of 12 jobs failed\nDone\n",
    "There were 2 errors. See log for details\n",
    "Completed with errors\n",
    "Pipeline completed with failures\n",
    "Job finished unsuccessfully\n",
    "Optimization terminated unsuccessfully\n",
    "Build step 'Execute shell' marked build as failure\nFinished: FAILURE\n",
    "Finished: FAILURE\n",
    "Status: FAILED\n",
    "Exit status: 1\n",
    "result: error\n",
    "job exit code: 137\n",
    "solver returned error code 3\nDone\n",
    "rc=1\nERROR mesh has no cells\nrc=1\n",
    "Job finished: FAILED\n",
    "cp: cannot stat 'result.h5': No such file or directory\n",
    (
        "gzip: stdin: unexpected end of file\n"
        "tar: Child returned status 1\n"
        "tar: Error is not recoverable: exiting now\n"
    ),
    "HTTP error 403: forbidden\nGiving up.\n",
    "Cannot proceed: the licence is not valid\nJob done\n",
    "ERROR in INPUT file: keyword ENCUTT unknown\nTotal CPU time used (sec): 0.1\n",
    "Program terminated with errors\n",
    (
        "2 of 3 steps (67%) done\n"
        "Exiting because a job execution failed. Look above for error message\n"
    ),
    "Execution aborted after 3 errors\n",
    "/usr/bin/ld: cannot find -lhdf5\ncollect2: error: ld returned 1 exit status\n",
]
KINDS = [
    (
        (
            "E, [2024-07-14T11:43:37.1 #29518] ERROR -- : Errno::ENOSPC: No space left on dev"
            "ice - /scratch/logs/32\n"
            "/app/lib/logd.rb:196:in `write'\n"
            "/app/lib/logd.rb:129:in `run'\n"
            "logd.rb:55\n"
        ),
        "disk_full",
    ),
    (
        (
            'time="2024-11-25T20:04:51Z" level=fatal msg="stat /data/in.bam: no such file or '
            'directory"\n'
        ),
        "file_not_found",
    ),
    (
        (
            '{"level":"fatal","ts":1700000000.1,"caller":"main.go:12","msg":"open config.yaml'
            ': permission denied"}\n'
        ),
        "permission_denied",
    ),
    (
        (
            "Refer to the documentation on how to address the out of memory issue: https://do"
            "cs.ray.io/en/x.html. Consider provisioning more memory\n"
            "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
        ),
        "out_of_memory",
    ),
    (
        (
            "/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Illegal instruction     "
            "Rscript x.R\n"
        ),
        "crash",
    ),
    (("/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Bus error     ./a.out\n"), "crash"),
    (
        (
            "/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Segmentation fault      "
            "./a.out < in\n"
        ),
        "crash",
    ),
    (
        (
            "/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Trace/breakpoint trap   "
            "./a.out\n"
        ),
        "crash",
    ),
    (
        ("/var/spool/slurmd/job00239/slurm_script: line 14:  7673 Bad system call   ./a.out\n"),
        "crash",
    ),
    (
        (
            "Error: node list format not recognized. Try using '-hosts=<hostnames>'.\n"
            "/var/spool/slurmd/job00163/slurm_script: line 8:  8453 Aborted                 m"
            "pirun -np 1 a.out\n"
        ),
        "mpi_failure",
    ),
    (
        (
            "solver: input deck /data/in.dat could not be opened\n"
            "/var/spool/slurmd/job00163/slurm_script: line 8:  8453 Aborted                 ."
            "/solver\n"
        ),
        "file_not_found",
    ),
    (
        (
            "[n1:232067] PML ucx cannot be selected\n"
            "[n1:232056] 1 more process has sent help message help-mca-base.txt / find-availa"
            "ble:none found\n"
        ),
        "mpi_failure",
    ),
    (
        (
            "Error: input file /data/x/a.bam cannot be found!\n"
            "Error: no transcripts were found in input file /data/m.txt\n"
        ),
        "file_not_found",
    ),
    (
        (
            "--- k list: 21,29,39 ---\n"
            "--- Building graph for k = 21 ---\n"
            "--- Building graph for k = 29 ---\n"
        ),
        "unknown",
    ),
    (
        ("RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.\n"),
        "gpu_error",
    ),
    (
        (
            "E, [2015-07-14 11:43:37 #29518] ERROR -- : Errno::EACCES: Permission denied - /s"
            "rv/x\n"
            "/app/lib/l1.rb:1:in `run'\n"
            "/app/lib/l2.rb:2:in `run'\n"
            "/app/lib/l3.rb:3:in `run'\n"
            "/app/lib/l4.rb:4:in `run'\n"
            "/app/lib/l5.rb:5:in `run'\n"
            "/app/lib/l6.rb:6:in `run'\n"
            "/app/lib/l7.rb:7:in `run'\n"
            "/app/lib/l8.rb:8:in `run'\n"
            "/app/lib/l9.rb:9:in `run'\n"
            "/app/lib/l10.rb:10:in `run'\n"
            "/app/lib/l11.rb:11:in `run'\n"
            "/app/lib/l12.rb:12:in `run'\n"
            "/app/lib/l13.rb:13:in `run'\n"
            "/app/lib/l14.rb:14:in `run'\n"
            "main.rb:5\n"
            "main.rb:3\n"
        ),
        "permission_denied",
    ),
    (
        (
            "Traceback of worker:\n"
            "/usr/lib/ruby/3.0/net/http.rb:987:in `initialize': Failed to open TCP connection"
            " to db:80 (Connection refused) (Errno::ECONNREFUSED)\n"
            "\tfrom /usr/lib/x.rb:1:in `open'\n"
        ),
        "network_error",
    ),
    ("FATA[0000] open /etc/cfg.yml: no such file or directory\n", "file_not_found"),
    ("sizes: 8,16,32,64\nsize = 8 t 3 s\nsize = 16 t 6 s\nsize = 32 t 12 s\n", "unknown"),
    (
        (
            "temperatures: 100, 200, 300, 400\n"
            "running temperature = 100\n"
            "running temperature = 200\n"
        ),
        "unknown",
    ),
    (
        ("/var/spool/slurmd/job1/slurm_script: line 9: 121 Bus error               ./a.out\n"),
        "crash",
    ),
    (
        (
            "[n2:88] PML cm cannot be selected\n"
            '[n2:88] Set MCA parameter "orte_base_help_aggregate" to 0 to see all help / erro'
            "r messages\n"
        ),
        "mpi_failure",
    ),
    (
        (
            "No components were able to be opened in the btl framework.\n"
            "\n"
            "This typically means that either no components of this type were\n"
            "installed, or none of the installed components can be loaded.\n"
        ),
        "mpi_failure",
    ),
    ("ncclInvalidUsage: This usually reflects invalid usage of NCCL library\n", "gpu_error"),
    ("Error: the file /data/x.vcf.gz can't be opened\nError: no variants\n", "file_not_found"),
    ("Segmentation fault\nJob ended\n", "crash"),
    (
        (
            "java.lang.OutOfMemoryError: Java heap space\n"
            "\tat a.b.c(X.java:1)\n"
            "Job completed at Mon Feb 17 02:25:47 CET 2025\n"
        ),
        "out_of_memory",
    ),
    (
        (
            "Error: ENOSPC: no space left on device, write\n"
            "    at Object.writeSync (node:fs:912:3)\n"
            "Done\n"
        ),
        "disk_full",
    ),
]


@pytest.mark.parametrize("text", FAILED)
def test_a_failure_is_no_success_because_its_words_are_unknown(tmp_path, text):
    assert diagnose_text(tmp_path, START + text).category != "success"


@pytest.mark.parametrize(("text", "category"), KINDS)
def test_general_words_tell_of_what_kind_a_failure_is(tmp_path, text, category):
    assert diagnose_text(tmp_path, START + text).category == category
