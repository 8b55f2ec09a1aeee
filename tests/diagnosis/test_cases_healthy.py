"""Logs of jobs that are well, full of words that look like errors."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from tests.diagnosis.job_samples import diagnose_text

LOGS = {
    "train": "epoch 1 train error 0.53 val error 0.51\nepoch 2 train error 0.43 val error 0.44\nepoch 3 train error 0.41 val error 0.40\nsaved model.pt\n",
    "residual": "Solving for p, Initial residual error = 0.01, Final residual error = 1e-7, No Iterations 12\nTime = 10\nmaximum error norm: 1.2e-08\nL2 error: 3.4e-05\nSimulation finished\n",
    "pip": "Collecting numpy\nWARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ReadTimeoutError(\"timed out\")': /simple/numpy/\nDownloading numpy-1.26-cp311.whl (18.2 MB)\nWARNING: The scripts f2py is installed in '/home/u/.local/bin' which is not on PATH.\nSuccessfully installed numpy-1.26\n",
    "pip-resolver": "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed. This behaviour is the source of the following dependency conflicts.\ntorch 2.1 requires sympy, which is not installed.\nSuccessfully installed numpy-1.26\nRunning simulation\nstep 1 ok\nstep 2 ok\nall done\n",
    "nccl": "n1:123:123 [0] NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>\nn1:123:123 [0] NCCL INFO NET/Plugin : dlerror=libnccl-net.so: cannot open shared object file: No such file or directory No plugin found (libnccl-net.so), using internal implementation\nn1:123:123 [0] NCCL INFO cudaDriverVersion 12020\nn1:123:123 [0] NCCL INFO NET/IB : No device found.\nepoch 1 loss 0.3\nepoch 2 loss 0.2\n",
    "survived-tb": "loading cache\nTraceback (most recent call last):\n  File \"/home/u/cache.py\", line 3, in load\n    open('c.pkl')\nFileNotFoundError: [Errno 2] No such file or directory: 'c.pkl'\ncache missing, computing anew\nstep 1 energy -0.10\nstep 2 energy -0.20\nstep 3 energy -0.30\nstep 4 energy -0.40\nstep 5 energy -0.50\nstep 6 energy -0.60\nstep 7 energy -0.70\nstep 8 energy -0.80\nstep 9 energy -0.90\nstep 10 energy -1.00\nstep 11 energy -1.10\nresults written to out.h5\n",
    "killed0": "Jobs submitted: 20\nCompleted: 20\nKilled: 0\nFailed: 0\nErrors: 0\n",
    "licence": '10:00:01 (lmgrd) OUT: "MATLAB" u@n1\nLicense checked out successfully\nmodel solved in 12 s\n10:09:00 (lmgrd) IN: "MATLAB" u@n1\n',
    "retry": "fetching a.tgz\ncurl: (28) Connection timed out after 30001 milliseconds\nretry 1 of 3\nfetching a.tgz\ncurl: (28) Connection timed out after 30001 milliseconds\nretry 2 of 3\nfetching a.tgz\nfetched a.tgz (12 MB)\nunpacked 120 files\nall steps complete\n",
    "epilog": "result 3.14\n################################\nSlurm epilog: cleaning /tmp, killing remaining processes of user u on n1\nJob 123 finished with exit code 0\n",
    "cmake": "-- The C compiler identification is GNU 12.2.0\n-- Looking for pthread_create in pthreads\n-- Looking for pthread_create in pthreads - not found\n-- Performing Test HAVE_FOO - Failed\n-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)\n-- Configuring done\n-- Generating done\n-- Build files have been written to: /home/u/build\n",
    "r-mask": "Loading required package: dplyr\n\nAttaching package: 'dplyr'\n\nThe following objects are masked from 'package:stats':\n\n    filter, lag\n\nWarning message:\npackage 'dplyr' was built under R version 4.2.3 \n[1] 3.2\n",
    "java-warn": "10:00:00 WARN  NativeCodeLoader: Unable to load native-hadoop library for your platform... using builtin-java classes where applicable\n10:00:01 WARN  Foo: could not read cache\njava.io.IOException: cache.dat not readable\n\tat org.x.Cache.load(Cache.java:10)\n\tat org.x.Main.main(Main.java:5)\n10:00:02 INFO  Main: reading 10 files\n10:00:03 INFO  Main: 10 files read\n10:00:09 INFO  Main: Done\n",
    "gatk": "10:00:00.000 INFO  HaplotypeCaller - Initializing engine\n10:00:01.000 WARN  InbreedingCoeff - InbreedingCoeff will not be calculated; at least 10 samples must have called genotypes\n10:01:00.000 INFO  HaplotypeCaller - 12 read(s) filtered by: MappingQualityReadFilter\n10:01:00.000 INFO  HaplotypeCaller - Shutting down engine\n[March 3, 2025] org.broadinstitute.hellbender.tools.walkers.HaplotypeCaller done. Elapsed time: 1.02 minutes.\n",
    "bwa": "[M::bwa_idx_load_from_disk] read 0 ALT contigs\n[M::process] read 100000 sequences (10000000 bp)...\n[M::mem_process_seqs] Processed 100000 reads in 10.1 CPU sec, 2.5 real sec\n[main] Version: 0.7.17-r1188\n[main] CMD: bwa mem -t 4 ref.fa a.fq\n[main] Real time: 3.2 sec; CPU: 11.2 sec\n",
    "julia": "  Activating project at `~/p`\n┌ Warning: Error during loading of extension FooExt of Bar, use `Base.retry_load_extensions()` to retry.\n└ @ Base loading.jl:1212\nPrecompiling project...\n  12 dependencies successfully precompiled in 30 seconds\nenergy = -1.23\n",
    "tests": "test_error_handling ... ok\ntest_fatal ... ok\ntest_exceptions ... ok\n\n----------------------------------------------------------------------\nRan 3 tests in 0.01s\n\nOK\n",
    "pytest-ok": "collected 10 items\ntests/test_failures.py ..........  [100%]\n========== 10 passed, 0 failed in 1.2s ==========\n",
    "options": "Options:\n  --abort-on-error   stop at the first error\n  --max-failures N   (default 3)\n  --error-log FILE\nRunning with error_tolerance=1e-6\ngoal reached after 12 iterations\n",
    "tfwarn": "2025-01-01 10:00:00.0: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:485] Unable to register cuFFT factory: Attempting to register factory for plugin cuFFT when one has already been registered\n2025-01-01 10:00:00.1: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT\nEpoch 1/2\n100/100 [=====] - 1s 2ms/step - loss: 0.3\nEpoch 2/2\n100/100 [=====] - 1s 2ms/step - loss: 0.2\n",
    "cuinit-ok": "2025-01-01 10:00:00.0: E tensorflow/compiler/xla/stream_executor/cuda/cuda_driver.cc:268] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n10/10 - 0s - loss: 0.4\nmean accuracy 0.95\n",
    "gauss": " Cycle 1 ERROR= 1.2D-04\n Convergence failure on cycle 2 -- trying quadratic steps\n SCF Done:  E(RHF) = -76.0\n Normal termination of Gaussian 16 at Mon Mar  3 10:00:00 2025.\n",
    "slurm-stats": "value 12\n\nJob ID: 77\nState: COMPLETED (exit code 0)\nCPU Utilized: 00:10:00\nMemory Utilized: 1.2 GB\nMemory Efficiency: 30.0% of 4.00 GB\n",
    "mpi-warn": "--------------------------------------------------------------------------\nWARNING: There was an error initializing an OpenFabrics device.\n\n  Local host:   n1\n  Local device: mlx5_0\n--------------------------------------------------------------------------\nstep 1 done\nstep 2 done\nstep 3 done\nrun complete\n",
    "deprec": "/home/u/a.py:3: DeprecationWarning: invalid escape sequence '\\d'\n  re.compile('\\d')\n/home/u/a.py:9: RuntimeWarning: divide by zero encountered in log\n  y = np.log(x)\nmean 0.3\n",
    "vasp": " running on    4 total cores\n WARNING: type information on POSCAR and POTCAR are incompatible\n N       E                     dE             d eps       ncg     rms          rms(c)\nDAV:   1     0.1E+03    0.1E+03   -0.5E+03  1234   0.1E+03\nDAV:   2    -0.1E+02   -0.1E+03   -0.1E+03  1234   0.1E+02\n   1 F= -.1E+02 E0= -.1E+02  d E =-.1E-02\n writing wavefunctions\n",
    "rsync": 'rsync: skipping non-regular file "sock"\nsent 120 bytes  received 35 bytes\ntotal size is 1,200  speedup is 7.74\n',
    "module": "The following have been reloaded with a version change:\n  1) gcc/9 => gcc/12\nLoading cuda/12 failed over to cuda/11\nresult: 4.2\n",
    "gzip-warn": "tar: Removing leading `/' from member names\ntar: file changed as we read it\n120 files archived\n",
    "wandb": "wandb: ERROR Failed to sample metric: Not Supported\nwandb: Run history:\nwandb: loss ▁▂\nwandb: View run at https://wandb.ai/x\nwandb: Synced 5 W&B file(s)\n",
    "ulimit": "run.sh: line 4: ulimit: stack size: cannot modify limit: Operation not permitted\nstep 1\nstep 2\nstep 3\nstep 4\nstep 5\n",
    "rm-missing": "rm: cannot remove 'old.dat': No such file or directory\nstarting run\n t=0.1 e=1.0\n t=0.2 e=0.9\n t=0.3 e=0.8\n t=0.4 e=0.7\n",
    "fail-count": "Summary: 120 points, 3 failed to converge and were recomputed\n0 failures remain\nwall time 120 s\n",
    "german-ok": "Berechnung gestartet\nFehler der Näherung: 1.2e-5\nBerechnung beendet\n",
    "french-ok": "calcul demarre\nerreur relative : 1.2e-05\nfin normale du calcul\n",
    "snake-done": "Building DAG of jobs...\nUsing shell: /usr/bin/bash\nJob stats:\njob      count\nall          1\n\n[Mon Mar  3 10:00:00 2025]\nFinished job 0.\n1 of 1 steps (100%) done\nComplete log: .snakemake/log/x.log\n",
    "nf-done": "N E X T F L O W  ~  version 23.10.0\n[12/ab] process > ALIGN (1) [100%] 3 of 3, failed: 1, retries: 1 ✔\nWARN: Process ALIGN terminated with exit status 137 -- Execution is retried (1)\n",
    "gmx": "starting mdrun 'Protein in water'\n50000 steps,    100.0 ps.\n\nNOTE: 12 % of the run time was spent in domain decomposition\n\nWriting final coordinates.\n\n               Core t (s)   Wall t (s)        (%)\n       Time:      120.000       30.000      400.0\nPerformance:      288.000        0.083\n\nGROMACS reminds you: \"Never Say Die\" (Evil Dead)\n",
    "scores": "fold 1 error 0.11\nfold 2 error 0.12\nmean error 0.115 +/- 0.01\nbest model: ridge\n",
    "nan-count": "columns with missing values: 3\nmissing: 0\nrows dropped: 12\nshape (100, 4)\n",
    "unknown-label": "class unknown: 12 samples\nclass invalid: 0 samples\nsaved histogram.png\n",
    "log-level": "2025-01-01 10:00:00 DEBUG could not find cached file, computing\n2025-01-01 10:00:10 INFO computed 12 rows\n",
    "mpi-finalize": "rank 0 of 4\nrank 1 of 4\nrank 2 of 4\nrank 3 of 4\nsum = 10\n",
    "hist-err": "bin 0: 12 +- 3 (error)\nbin 1: 14 +- 4 (error)\n",
    "git-warn": "warning: unable to access '/root/.config/git/attributes': Permission denied\nAlready up to date.\nx = 12\n",
    "x11": "Gtk-WARNING **: cannot open display: :0\nplot saved to a.png\nenergy 1.2\nforce 0.1\ndipole 3.3\n",
    "perl-locale": 'perl: warning: Setting locale failed.\nperl: warning: Please check that your locale settings:\n\tLANGUAGE = (unset),\n\tLC_ALL = "C.UTF-8"\n    are supported and installed on your system.\nperl: warning: Falling back to the standard locale ("C").\n42 sequences\n',
    "modules-loaded": "Lmod Warning: Unable to find module cache\nloaded gcc/12\ntemperature 300 K\nE = -12.3\n",
    "hdf5": "dataset /missing_data shape (0,)\ndataset /error shape (12,)\nclosing file\n",
    "timing": "initialize 0.1 s\nsolve 3.2 s\nfailed attempts: 0\ntotal 3.3 s\n",
    "warn-end": "result 12.3\nUserWarning: could not determine the number of cores, using 1\n",
    "ok-refuse": "server refused 0 requests\nserved 120 requests\n",
    "only-numbers": "1 2 3\n4 5 6\n",
    "resource-tracker": "out 1.0\n/usr/lib/python3.9/multiprocessing/resource_tracker.py:216: UserWarning: resource_tracker: There appear to be 4 leaked semaphore objects to clean up at shutdown\n  warnings.warn('resource_tracker: There appear to be %d '\n",
    "squeue": "JOBID PARTITION NAME USER ST TIME\n12 cpu a u R 0:10\n13 cpu failed_run u PD 0:00\n",
    "ls-list": "total 12\n-rw-r--r-- 1 u g 12 error.log\n-rw-r--r-- 1 u g 12 not_found.txt\n",
    "ignore-inst": "convergence not reached in 5 steps, restarting with smaller dt\nstep 6 ok\nconverged\n",
    "ok-aborted": "jobs aborted: 0, finished: 12\n",
}


@pytest.mark.parametrize("name", LOGS)
def test_it_raises_no_alarm(tmp_path, name):
    found = diagnose_text(tmp_path, LOGS[name])
    assert found.category == "success", found
