"""Jobs that the scheduler, a person or a node ends, and jobs that are refused."""

from __future__ import annotations

from tests.programs.case import SLURM, ProgramCase

ONLY_SLURM = frozenset({SLURM})
WAIT = "echo 'step 1 of 1000'\nexec sleep 600\n"

ENDED = (
    ProgramCase(
        "time-limit",
        "time_limit",
        "DUE TO TIME LIMIT",
        script=WAIT,
        ready="step 1",
        state="TIMEOUT",
        event="time_limit",
        time_limit_s=2.0,
    ),
    ProgramCase(
        "hang-without-output",
        "time_limit",
        "DUE TO TIME LIMIT",
        script="sleep 600\n",
        state="TIMEOUT",
        event="time_limit",
        time_limit_s=2.0,
    ),
    ProgramCase(
        "time-limit-after-caught-errors",
        "time_limit",
        "DUE TO TIME LIMIT",
        script='"$PYTHON" main.py\n',
        files={
            "main.py": "import time, traceback\n\n"
            "try:\n    float('high')\nexcept ValueError:\n    traceback.print_exc()\n"
            "print('using the default precision', flush=True)\ntime.sleep(600)\n",
        },
        ready="default precision",
        state="TIMEOUT",
        event="time_limit",
        time_limit_s=4.0,
    ),
    ProgramCase(
        "cancelled-by-a-person",
        "cancelled",
        "CANCELLED AT",
        script=WAIT,
        ready="step 1",
        state="CANCELLED",
        event="cancel",
    ),
    ProgramCase(
        "cancelled-while-pending",
        "cancelled",
        "",
        script=WAIT,
        where=ONLY_SLURM,
        sbatch=("--hold",),
        state="CANCELLED",
        event="cancel_pending",
    ),
    ProgramCase(
        "preempted",
        "preempted",
        "DUE TO PREEMPTION",
        script=WAIT,
        ready="step 1",
        where=ONLY_SLURM,
        sbatch=("--partition=lowcancel",),
        state="PREEMPTED",
        event="preempt",
    ),
    ProgramCase(
        "requeued-then-fails-itself",
        "code_error",
        "ValueError: checkpoint has the wrong shape",
        script='if [ -z "$SLURM_RESTART_COUNT" ]; then exec sleep 600; fi\n"$PYTHON" main.py\n',
        files={"main.py": "raise ValueError('checkpoint has the wrong shape')\n"},
        where=ONLY_SLURM,
        # The log of the first attempt stands before that of the second.
        sbatch=("--partition=lowrequeue", "--requeue", "--open-mode=append"),
        event="preempt",
    ),
    ProgramCase(
        "requeued-then-succeeds",
        "success",
        "",
        script='if [ -z "$SLURM_RESTART_COUNT" ]; then exec sleep 600; fi\necho done\n',
        where=ONLY_SLURM,
        sbatch=("--requeue", "--open-mode=append"),
        state="COMPLETED",
        event="requeue",
    ),
    ProgramCase(
        "node-set-down",
        "node_failure",
        "DUE TO NODE FAILURE",
        script=WAIT,
        ready="step 1",
        where=ONLY_SLURM,
        sbatch=("--partition=fragile", "--no-requeue"),
        state="NODE_FAIL",
        event="node_down",
    ),
    ProgramCase(
        "missing-work-folder",
        "file_not_found",
        "No such file or directory",
        raw_script="#!/bin/bash\nset -e\ncat input.dat\n",
        where=ONLY_SLURM,
        sbatch=("--chdir=/no/such/folder",),
    ),
    ProgramCase(
        "step-exit-code",
        ("file_not_found", "configuration_error", "unknown"),
        "cannot access 'missing.dat'",
        script="srun ls missing.dat\n",
        where=ONLY_SLURM,
    ),
    ProgramCase(
        "step-missing-program",
        ("command_not_found", "file_not_found"),
        "no_such_program",
        script="srun no_such_program\n",
        where=ONLY_SLURM,
    ),
)


def _refused(name: str, words: str, *options: str, **more) -> ProgramCase:
    more.setdefault("script", "echo hello\n")
    return ProgramCase(
        name,
        more.pop("category", "invalid_submission"),
        words,
        where=ONLY_SLURM,
        sbatch=options,
        refused=True,
        **more,
    )


REFUSED = (
    _refused("bad-partition", "invalid partition specified: gpuu", "--partition=gpuu"),
    _refused("bad-account", "Invalid account", "--account=no_such_group"),
    _refused("bad-qos", "Invalid qos specification", "--qos=platinum"),
    _refused("too-many-nodes", "Batch job submission failed", "--nodes=50"),
    _refused("too-much-memory", "Memory specification can not be satisfied", "--mem=900G"),
    _refused("too-much-time", "Requested time limit is invalid", "--time=200:00:00"),
    _refused("too-many-cpus", "Batch job submission failed", "--cpus-per-task=500"),
    _refused("bad-feature", "Invalid feature specification", "--constraint=quantum"),
    _refused("bad-gres", "Invalid generic resource (gres) specification", "--gres=gpu:1"),
    _refused("unknown-option", "unrecognized option", "--partitoin=debug"),
    _refused("bad-time", "Invalid --time specification", "--time=soon"),
    _refused(
        "no-license",
        "Invalid license specification",
        "--licenses=abaqus:4",
        category=("license_unavailable", "invalid_submission"),
    ),
    _refused(
        "not-a-script",
        "This does not look like a batch script",
        raw_script="echo hello\n",
    ),
    _refused(
        "script-with-windows-line-ends",
        "Batch script contains DOS line breaks",
        raw_script="#!/bin/bash\r\necho hello\r\n",
    ),
)

CASES = (*ENDED, *REFUSED)
