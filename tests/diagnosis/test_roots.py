"""The root cause wins over its consequences: ranks, wrappers, spoilt files, the catalogue."""

# ruff: noqa: E501 - logs are quoted as they are

from __future__ import annotations

import pytest

from llm_scheduler.diagnosis import diagnose_log, load_catalog
from tests.diagnosis.job_samples import EXITED, MPI_ABORT, WORK, diagnose_text, rec


def tb(error, line=12, file="/home/u/run.py"):
    return f'Traceback (most recent call last):\n  File "{file}", line {line}, in <module>\n    main()\n{error}\n'


def ranks(texts):
    """Return texts with the mark of the rank before each line."""
    return "".join(
        f"[{rank}]: {line}\n" for rank, text in texts for line in text.splitlines() if line
    )


LOST_PEER = tb("mpi4py.MPI.Exception: MPI_ERR_PROC_FAILED: process failure")
WATCHDOG = "[E ProcessGroupNCCL.cpp:523] [Rank {0}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=4121, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600410 milliseconds before timing out."
CHILD_FAILED = """ERROR:torch.distributed.elastic.multiprocessing.api:failed (exitcode: 1) local_rank: 1 (pid: 21416) of binary: /home/u/env/bin/python
Traceback (most recent call last):
  File "/home/u/env/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/home/u/env/lib/python3.10/site-packages/torch/distributed/launcher/api.py", line 250, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
"""
ACCELERATE = """Traceback (most recent call last):
  File "/home/u/env/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/home/u/env/lib/python3.10/site-packages/accelerate/commands/launch.py", line 628, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/home/u/env/bin/python', 'train.py']' returned non-zero exit status 1.
"""
SNAKEMAKE = """[Mon Mar  4 10:22:15 2024]
Error in rule plot:
    jobid: 1
    output: plots/a.png
    shell:
        python scripts/plot.py results/a.tsv plots/a.png
        (one of the commands exited with non-zero exit code; note that snakemake uses bash strict mode!)

Shutting down, this might take some time.
Exiting because a job execution failed. Look above for error message
"""
NEXTFLOW = """Error executing process > 'STATS (1)'

Caused by:
  Process `STATS (1)` terminated with an error exit status (1)

Command executed:

  stats.py in.csv > out.csv

Command error:
  Traceback (most recent call last):
    File "/home/u/bin/stats.py", line 4, in <module>
      import pandas as pd
  ModuleNotFoundError: No module named 'pandas'

Work dir:
  /scratch/u/work/5c/0ba1f0
"""
PAPERMILL = """Traceback (most recent call last):
  File "/home/u/env/lib/python3.9/site-packages/papermill/execute.py", line 232, in raise_for_execution_errors
    raise error
papermill.exceptions.PapermillExecutionError:
---------------------------------------------------------------------------
Exception encountered at "In [6]":
---------------------------------------------------------------------------
ZeroDivisionError                         Traceback (most recent call last)
Cell In[6], line 3
      1 total = df.x.sum()
----> 3 mean = total / n

ZeroDivisionError: division by zero
"""
OOM_STEP = "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=99.0. Some of your processes may have been killed by the cgroup out-of-memory handler.\n"
IMPORT = tb("ModuleNotFoundError: No module named 'mpi4py'")
DISK = "cp: error writing 'ckpt.h5': No space left on device\n"
SPOILT = tb("OSError: Unable to open file (truncated file: eof = 96, sblock->base_addr = 0)")

# name: log, record, category, cause, part of the first evidence
CASES = {
    "oom-under-mpi-abort": (
        WORK + OOM_STEP + MPI_ABORT + EXITED,
        rec(code=1),
        "out_of_memory",
        "memory-limit",
        "oom-kill",
    ),
    "first-rank-of-many": (
        ranks(
            [(17, tb("IndexError: list index out of range")), *((r, LOST_PEER) for r in range(17))]
        ),
        None,
        "code_error",
        "python-index-error",
        "[17]: IndexError",
    ),
    "rank-under-nccl-timeouts": (
        ranks([(3, tb("KeyError: 'labels'")), *((r, WATCHDOG.format(r)) for r in range(3))])
        + "Fatal Python error: Aborted\n\nsrun: error: gpu07: task 0: Aborted (core dumped)\n",
        None,
        "code_error",
        "python-key-error",
        "'labels'",
    ),
    "import-under-srun": (
        IMPORT + "srun: error: n1: tasks 0-1: Exited with exit code 1\n",
        rec(),
        "missing_module",
        "python-missing-module",
        "mpi4py",
    ),
    "disk-under-spoilt-file": (DISK + WORK + SPOILT, rec(), "disk_full", "disk-full", "No space"),
    "torchrun": (
        tb("KeyError: 'labels'") + CHILD_FAILED,
        rec(),
        "code_error",
        "python-key-error",
        "'labels'",
    ),
    "accelerate": (
        tb("KeyError: 'labels'") + ACCELERATE,
        rec(),
        "code_error",
        "python-key-error",
        "'labels'",
    ),
    "snakemake": (
        IMPORT + SNAKEMAKE,
        None,
        "missing_module",
        "python-missing-module",
        "mpi4py",
    ),
    "nextflow": (NEXTFLOW, None, "missing_module", "python-missing-module", "pandas"),
    "papermill": (PAPERMILL, None, None, None, "ZeroDivisionError: division by zero"),
    "conda-run": (
        tb("KeyError: 'labels'")
        + "ERROR conda.cli.main_run:execute(124): `conda run python fit.py` failed. (See above for error)\n",
        None,
        "code_error",
        "python-key-error",
        "'labels'",
    ),
    "make": (
        "/home/u/bin/sim: error while loading shared libraries: libnope.so.1: cannot open shared object file: No such file or directory\nmake: *** [Makefile:12: out/a.dat] Error 127\n",
        rec(code=2),
        "missing_shared_library",
        "missing-shared-library",
        "libnope",
    ),
    "container": (
        'INFO:    Converting SIF file to temporary sandbox...\nFATAL:   "gmx_zzz": executable file not found in $PATH\n'
        + EXITED,
        rec(code=255),
        "command_not_found",
        None,
        "gmx_zzz",
    ),
    "time-command": (
        'step 100\nCommand terminated by signal 11\n\tCommand being timed: "./solver in.par"\n\tUser time (seconds): 12.33\n\tExit status: 0\nrun.sh: line 9: 2211 Segmentation fault      (core dumped) /usr/bin/time -v ./solver\n',
        rec(code=139),
        "crash",
        "segfault",
        None,
    ),
    "module-under-missing-symbol": (
        'Lmod has detected the following error:  The following module(s) are unknown: "intel/2021b"\n\nPlease check the spelling or version number.\n'
        + WORK
        + "/home/u/wrf.exe: symbol lookup error: /lib64/libnetcdff.so.7: undefined symbol: for_len_trim\n",
        rec(code=127),
        "configuration_error",
        "lmod-unknown-module",
        "intel/2021b",
    ),
    "environment-under-missing-package": (
        "CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'.\n"
        + tb("ModuleNotFoundError: No module named 'torch'"),
        rec(),
        "configuration_error",
        "conda-not-initialised",
        "conda activate",
    ),
    "script-writes-on": (
        WORK
        + tb("TypeError: can only concatenate str")
        + "".join(
            f"{word} results\n"
            for word in ["copy", "list", "pack", "move", "check", "touch", "clean"]
        ),
        None,
        "code_error",
        "python-type-error",
        "TypeError",
    ),
    "words-under-mpi-abort": (
        "solver: error: cannot open the file 'mesh.qqq'\n" + MPI_ABORT + EXITED + "\n" + WORK[:200],
        None,
        "file_not_found",
        None,
        "mesh.qqq",
    ),
    "abort-of-the-library": (
        "Fatal error in MPI_Init: Other MPI error, error stack:\nMPID_Init(638).......:  PMI2 init failed: 1\nforrtl: error (76): Abort trap signal\n",
        None,
        "mpi_failure",
        "mpi-init-failed",
        "PMI2",
    ),
    "killed-by-the-cancel": (
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-11-20T19:28:54 ***\nforrtl: error (78): process killed (SIGTERM)\n",
        None,
        "cancelled",
        "cancelled",
        "CANCELLED",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_root(name, tmp_path):
    text, record, category, cause, proof = CASES[name]
    found = diagnose_text(tmp_path, text, record)
    assert found.category == (category or found.category), found
    assert found.cause == (cause or found.cause), found
    assert proof is None or any(proof in item.text for item in found.evidence[:2])


@pytest.mark.parametrize("mark", ["0: ", "[node1:0] ", "2024-01-01 10:00:00,125 "])
@pytest.mark.parametrize("name", ["import-under-srun", "snakemake", "make", "killed-by-the-cancel"])
def test_marks_of_ranks_and_times_change_nothing(name, mark, tmp_path):
    text, record, category, _, proof = CASES[name]
    marked = "".join(f"{mark}{line}".rstrip() + "\n" for line in text.splitlines())
    found = diagnose_text(tmp_path, marked, record)
    assert found.category == category, found
    assert any(proof in item.text for item in found.evidence[:2])


def test_earliest_time_wins_across_logs(tmp_path):
    late, early = tmp_path / "rank0.err", tmp_path / "rank1.err"
    late.write_text("2024-03-01 10:07:31,120 ERROR rank 0\n" + tb("ValueError: bad block 0"))
    early.write_text("2024-03-01 10:07:30,950 ERROR rank 1\n" + tb("ValueError: bad block 1"))
    for logs in ([late, early], [early, late]):
        found = diagnose_log(logs)
        assert found.evidence[0].file == str(early), found
        assert "bad block 1" in found.evidence[0].text


def test_catalogue_says_what_beats_what(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.toml").write_text(
        """
[[cause]]
id = "site-wrong-module"
category = "configuration_error"
priority = 5
title = "The module of the old compiler is loaded"
patterns = ['old-compiler is loaded']
beats = ["undefined-symbol"]
explanation = "E."
remedies = [{ kind = "environment", summary = "S" }]
"""
    )
    text = (
        "note: old-compiler is loaded\n"
        + WORK
        + "/home/u/wrf.exe: symbol lookup error: /lib64/libnetcdff.so.7: undefined symbol: for_len_trim\n"
    )
    catalog = load_catalog([site])
    assert (
        diagnose_text(tmp_path, text, rec(code=127), catalog=catalog).cause == "site-wrong-module"
    )
    assert diagnose_text(tmp_path, text, rec(code=127)).cause == "undefined-symbol"
    # What the root would have caused stood there long before it.
    turned = "".join(reversed(text.splitlines(keepends=True)))
    assert diagnose_text(tmp_path, turned, None, catalog=catalog).cause != "undefined-symbol"


def test_nodes_that_tell_the_same_end(tmp_path):
    lines = [
        f"slurmstepd: error: *** JOB {n} ON n{n} CANCELLED AT 2026-11-20T19:28:54 ***\n"
        for n in range(4)
    ]
    assert diagnose_text(tmp_path, "".join(lines)).evidence[0].line == 1


def test_announced_error_is_read_with_the_line_below(tmp_path):
    text = WORK + '--> FATAL ERROR:\ncannot find file "/case/system/control"\n\nexiting\n'
    found = diagnose_text(tmp_path, text)
    assert found.category == "file_not_found"
    assert "cannot find file" in found.evidence[0].text
    assert "FATAL ERROR" in found.evidence[1].text


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: cannot reach the metrics server, retrying in 5 s\n[INFO] connected\nchunk 1\n",
        "error norm = 1.2e-8\nrelative error: 0.3\n",
        "Exception ignored in: <function Pool.__del__ at 0x7f>\n" + tb("OSError: [Errno 9] Bad"),
        "a.py:818: ConvergenceWarning: lbfgs failed to converge (status=1):\n",
        "rm: cannot remove 'old.dat': No such file or directory\n" + WORK,
        "srun: Job 19 step creation still disabled, retrying (Requested nodes are busy)\nsrun: Step created for StepId=19.28\n",
        "Could not connect: Connection refused\nEpoch 1/2 loss 0.4\nEpoch 2/2 loss 0.3\n",
    ],
)
def test_words_of_error_in_logs_that_are_well(tmp_path, text):
    assert diagnose_text(tmp_path, text).category == "success"


def test_exception_amid_the_work_is_doubted(tmp_path):
    text = WORK[:300] + tb("TypeError: can only concatenate str") + WORK[300:600]
    found = diagnose_text(tmp_path, text)
    assert found.confidence < 0.7
    assert any("went on after this error" in doubt for doubt in found.doubts)
    assert diagnose_text(tmp_path, text + "All done.\n").category == "success"


def test_unknown_words_are_no_success(tmp_path):
    found = diagnose_text(tmp_path, WORK + "zzsolve: fatal: the flux qxz went wrong\n")
    assert (found.category, found.cause) == ("code_error", "error-line")
    assert found.evidence[0].text == "zzsolve: fatal: the flux qxz went wrong"
    assert found.confidence <= 0.5
