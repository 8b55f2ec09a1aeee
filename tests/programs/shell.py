"""Mistakes in job scripts and with commands."""

from __future__ import annotations

from tests.programs.case import ProgramCase

INTERPRETER = ("command_not_found", "configuration_error")

CASES = (
    ProgramCase(
        "command-not-found",
        "command_not_found",
        "lammps_gpu: command not found",
        script="lammps_gpu -in melt.in\n",
    ),
    ProgramCase(
        "command-not-found-by-path",
        ("command_not_found", "file_not_found"),
        "./build/solver: No such file or directory",
        script="./build/solver --steps 3\n",
    ),
    ProgramCase(
        "missing-input-file",
        "file_not_found",
        "cat: coordinates.xyz: No such file or directory",
        script="cat coordinates.xyz\n",
    ),
    ProgramCase(
        "missing-folder",
        "file_not_found",
        "cd: scratch/run-7: No such file or directory",
        script="set -e\ncd scratch/run-7\n",
    ),
    ProgramCase(
        "bad-option",
        "configuration_error",
        "ls: unrecognized option '--no-such-option'",
        script="ls --no-such-option\n",
    ),
    ProgramCase(
        "pipeline-fails",
        "file_not_found",
        "grep: energies.txt: No such file or directory",
        script="set -euo pipefail\necho 'collecting'\ngrep total energies.txt | sort -n\n"
        "echo 'not reached'\n",
    ),
    ProgramCase(
        "unbound-variable",
        ("configuration_error", "code_error"),
        "SCRATCH_FOLDER: unbound variable",
        script='set -u\nmkdir "$SCRATCH_FOLDER/run"\n',
    ),
    ProgramCase(
        "shell-syntax-error",
        "syntax_error",
        "syntax error near unexpected token",
        script="for i in 1 2 3; do\n  echo $i )\ndone\n",
    ),
    ProgramCase(
        "wrong-interpreter-of-program",
        INTERPRETER,
        # Bash 5.2 says "cannot execute: required file not found", older ones
        # "bad interpreter: No such file or directory".
        "./simulate.sh:",
        script="./simulate.sh\n",
        files={"simulate.sh": "#!/no/such/python\nprint(1)\n"},
    ),
    ProgramCase(
        "wrong-interpreter-of-job",
        (*INTERPRETER, "file_not_found"),
        "No such file or directory",
        raw_script="#!/no/such/python\nprint(1)\n",
    ),
    ProgramCase(
        "windows-line-ends",
        (*INTERPRETER, "syntax_error"),
        "./simulate.sh:",
        script="./simulate.sh\n",
        files={"simulate.sh": "#!/bin/bash\r\necho hello\r\n"},
    ),
    ProgramCase(
        "windows-line-ends-env",
        INTERPRETER,
        "No such file or directory",
        script="./simulate.sh\n",
        files={"simulate.sh": "#!/usr/bin/env python3\r\nprint(1)\r\n"},
    ),
    ProgramCase(
        "not-executable",
        "permission_denied",
        "./simulate: Permission denied",
        script="./simulate\n",
        files={"simulate": "#!/bin/sh\necho hello\n"},
    ),
    ProgramCase(
        "not-a-program",
        ("configuration_error", "permission_denied", "command_not_found"),
        "cannot execute binary file: Exec format error",
        script="printf '\\177ELF\\001\\001\\001garbage\\000\\000' >solver\nchmod +x solver\n"
        "./solver\n",
    ),
    ProgramCase("shell-exit-code-only", "unknown", "", script="exit 3\n"),
)
